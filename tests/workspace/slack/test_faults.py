"""What can go wrong with Slack, fault by fault: what the bot's client sees, and what really happened."""

import asyncio
import random
import time
from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.workspace.slack.conftest import Clock, Connect
from workspace.slack import PretendSlack, Workspace
from workspace.slack.faults import Faults

Json = dict[str, Any]


async def refusal(api: AsyncWebClient, **args: object) -> Any:
    with pytest.raises(SlackApiError) as refused:
        await api.api_call("chat.postMessage", json={"channel": "C01INC", "text": "card", **args})
    return refused.value.response


async def post(api: AsyncWebClient) -> Any:
    return await api.chat_postMessage(channel="C01INC", text="card")


async def test_a_refused_call_does_nothing_and_the_next_one_goes_well(
    server: PretendSlack, workspace: Workspace, api: AsyncWebClient
) -> None:
    server.faults.refuse("chat.postMessage", "internal_error")
    assert (await refusal(api))["error"] == "internal_error"
    assert workspace.messages("C01INC") == []
    assert (await post(api))["ok"]


@pytest.mark.parametrize("retry_after", [7, None])
async def test_a_limited_call_says_when_to_come_back_or_does_not(
    server: PretendSlack, api: AsyncWebClient, retry_after: float | None
) -> None:
    server.faults.rate_limit("chat.postMessage", retry_after=retry_after)
    answer = await refusal(api)
    assert (answer.status_code, answer["error"]) == (429, "ratelimited")
    assert answer.headers.get("Retry-After") == (None if retry_after is None else "7")


async def test_a_broken_slack_answers_5xx_without_json(
    server: PretendSlack, workspace: Workspace, api: AsyncWebClient
) -> None:
    server.faults.break_down("chat.postMessage", status=503)
    assert (await refusal(api)).status_code == 503
    assert workspace.messages("C01INC") == []


async def test_a_garbled_answer_hides_that_it_was_done(
    server: PretendSlack, workspace: Workspace, api: AsyncWebClient
) -> None:
    server.faults.garble("chat.postMessage")
    with pytest.raises(SlackApiError, match="non-JSON"):
        await post(api)
    assert len(workspace.messages("C01INC")) == 1


async def test_a_lost_answer_hides_that_it_was_done(
    server: PretendSlack, workspace: Workspace, api: AsyncWebClient
) -> None:
    server.faults.lose_answer("chat.postMessage")
    with pytest.raises(aiohttp.ClientError):
        await post(api)
    assert len(workspace.messages("C01INC")) == 1


async def test_the_sdk_s_own_retry_posts_twice_when_an_answer_is_lost(
    server: PretendSlack, workspace: Workspace, session: aiohttp.ClientSession
) -> None:
    hasty = AsyncWebClient(token=server.bot_token, base_url=server.api_url, session=session)
    server.faults.lose_answer("chat.postMessage")
    await post(hasty)
    assert len(workspace.messages("C01INC")) == 2


async def test_a_fault_for_every_method_lasts_until_it_is_cleared(
    server: PretendSlack, api: AsyncWebClient
) -> None:
    server.faults.refuse("*", "token_revoked", times=None)
    for _ in range(3):
        assert (await refusal(api))["error"] == "token_revoked"
    server.faults.clear()
    assert (await post(api))["ok"]


def test_a_fault_by_chance_is_the_same_for_the_same_seed(clock: Clock) -> None:
    def pattern() -> list[bool]:
        faults = Faults(clock, random.Random(7))
        faults.refuse("chat.update", "fatal_error", times=None, chance=0.5)
        return [faults.take("chat.update") is not None for _ in range(50)]

    first = pattern()
    assert first == pattern()
    assert 10 < sum(first) < 40


async def test_slack_down_answers_nobody_until_its_time_is_over(
    server: PretendSlack, api: AsyncWebClient, clock: Clock
) -> None:
    server.faults.down_for(20)
    with pytest.raises(aiohttp.ClientError):
        await post(api)
    clock.forward(20)
    assert (await post(api))["ok"]


async def test_slack_down_cuts_the_socket_and_the_bot_comes_back_by_itself(
    server: PretendSlack, app: AsyncApp, connect: Connect
) -> None:
    @app.command("/rollback")
    async def command(ack: Any) -> None:
        await ack()

    await connect(app)
    server.faults.down()
    await server.until(lambda: len(server.sockets) == 0)
    server.faults.up()
    await server.until(lambda: len(server.sockets) == 1)
    assert (await server.slash("U01ANA", "C01INC")).acked


async def test_latency_slows_an_answer(server: PretendSlack, api: AsyncWebClient) -> None:
    server.faults.latency = 0.1
    started = time.monotonic()
    await post(api)
    assert time.monotonic() - started >= 0.1


async def test_a_held_payload_can_be_let_go_before_the_others_come(
    server: PretendSlack, app: AsyncApp, connect: Connect
) -> None:
    @app.command("/rollback")
    async def command(ack: Any) -> None:
        await ack()

    await connect(app)
    server.faults.reorder(2)
    waiting = asyncio.create_task(server.slash("U01ANA", "C01INC"))
    await server.until(lambda: server.faults.held == 1)
    server.faults.let_go()
    assert (await waiting).acked


def test_the_page_is_told_what_is_switched_on(server: PretendSlack) -> None:
    server.faults.down()
    server.faults.refuse("chat.update", "fatal_error")
    assert server.faults.active() == {"down": True, "api": ["refused chat.update"]}
    server.faults.clear()
    assert server.faults.active() == {}
