"""Signed HTTP: a real Bolt app verifies what it is sent; events are retried as Slack retries them."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp
from slack_sdk.signature import Clock, SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient

from tests.workspace.slack.conftest import NOW
from tests.workspace.slack.drafts import actions, button, modal
from workspace.slack import PretendSlack, Workspace

Json = dict[str, Any]


class ThatTime(Clock):
    """The time of the workspace, not today's."""

    def now(self) -> float:
        return NOW


class Door:
    """A request URL that keeps every request it got, and answers as it is told."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.app: AsyncApp | None = None
        self.statuses: list[int] = []  # used up first; then 200
        self.headers: dict[str, str] = {}
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((dict(request.headers), await request.read()))
        if self.app is not None:
            answered = await self.app.async_dispatch(await to_bolt_request(request))
            return await to_aiohttp_response(answered)
        status = self.statuses.pop(0) if self.statuses else 200
        return web.Response(status=status, headers=self.headers)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    made = Door()
    application = web.Application()
    application.router.add_post("/slack/events", made.answer)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    yield made
    await runner.cleanup()


@pytest.fixture
async def live() -> AsyncIterator[PretendSlack]:
    """A server in real time: Bolt compares the time of a signature with its own clock."""
    workspace = Workspace(seed=2)
    workspace.add_user("U01ANA", "ana")
    workspace.add_channel("C01INC", "inc-storefront", members=["U01ANA"])
    server = await PretendSlack.start(workspace)
    yield server
    await server.stop()


@pytest.fixture
async def quick(workspace: Workspace) -> AsyncIterator[tuple[PretendSlack, list[float]]]:
    """A server whose retries come at once, and the pauses that it would have made."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    server = await PretendSlack.start(workspace, sleep=pause)
    yield server, pauses
    await server.stop()


async def test_every_request_is_signed_and_encoded_as_slack_does(
    server: PretendSlack, workspace: Workspace, api: AsyncWebClient, door: Door
) -> None:
    server.deliver_over("http", door.url)
    await server.slash("U01ANA", "C01INC", "orders because payload & <b>")
    await api.chat_postMessage(channel="C01INC", text="card", blocks=[actions(button("approve"))])
    await server.click("U01BEN", workspace.messages("C01INC")[0], "approve")
    await server.open_home("U01ANA")

    verifier = SignatureVerifier(server.signing_secret, ThatTime())
    for headers, body in door.requests:
        assert verifier.is_valid_request(body, headers)
        assert not verifier.is_valid_request(body + b"x", headers)
    kinds = [(headers["Content-Type"], body[:12]) for headers, body in door.requests]
    assert kinds[0] == ("application/x-www-form-urlencoded", b"token=sandbo")
    assert kinds[1] == ("application/x-www-form-urlencoded", b"payload=%7B%")
    assert kinds[2] == ("application/json", b'{"token": "s')


async def test_a_bolt_app_behind_the_url_acknowledges_and_answers(live: PretendSlack, door: Door) -> None:
    client = AsyncWebClient(token=live.bot_token, base_url=live.api_url)
    app = AsyncApp(client=client, signing_secret=live.signing_secret)

    @app.command("/rollback")
    async def command(ack: Any, body: Json) -> None:
        await ack(f"You asked: {body['text']}")

    @app.view("ask")
    async def ask(ack: Any) -> None:
        await ack(response_action="clear")

    door.app = app
    live.deliver_over("http", door.url)
    assert await live.verify_url()
    assert (await live.slash("U01ANA", "C01INC", "orders")).text == "You asked: orders"
    await client.views_open(trigger_id=live.workspace.modals.issue("U01ANA"), view=modal(callback_id="ask"))
    submitted = await live.submit("U01ANA", live.workspace.views("U01ANA")[0])
    assert submitted.response_action == "clear"


async def test_a_bolt_app_refuses_what_another_secret_signed(live: PretendSlack, door: Door) -> None:
    client = AsyncWebClient(token=live.bot_token, base_url=live.api_url)
    door.app = AsyncApp(client=client, signing_secret="another")
    live.deliver_over("http", door.url)
    reply = await live.slash("U01ANA", "C01INC", "orders")
    assert (reply.acked, reply.status, reply.error) == (False, 401, "dispatch_failed")


async def test_a_failed_event_is_sent_again_at_once_after_a_minute_and_after_five(
    quick: tuple[PretendSlack, list[float]], door: Door
) -> None:
    server, pauses = quick
    door.statuses = [500, 500, 500, 500, 500]
    server.deliver_over("http", door.url)
    first = await server.open_home("U01ANA")
    assert first is not None
    assert (first.acked, first.error) == (False, "http_error")
    await server.until(lambda: len(door.requests) == 4)
    assert pauses == [0.0, 60.0, 300.0]
    numbers = [headers.get("X-Slack-Retry-Num") for headers, _ in door.requests]
    reasons = {headers.get("X-Slack-Retry-Reason") for headers, _ in door.requests[1:]}
    assert (numbers, reasons) == ([None, "1", "2", "3"], {"http_error"})
    assert len({body for _, body in door.requests}) == 1, "the same event_id each time"


async def test_retries_end_with_the_first_acknowledgement(
    quick: tuple[PretendSlack, list[float]], door: Door
) -> None:
    server, pauses = quick
    door.statuses = [500, 200]
    server.deliver_over("http", door.url)
    await server.open_home("U01ANA")
    await server.until(lambda: server.delivery.log[-1].acked)
    assert (len(door.requests), pauses) == (2, [0.0])


async def test_a_bot_can_ask_for_no_retry(quick: tuple[PretendSlack, list[float]], door: Door) -> None:
    server, pauses = quick
    door.statuses, door.headers = [500], {"X-Slack-No-Retry": "1"}
    server.deliver_over("http", door.url)
    await server.open_home("U01ANA")
    await server.delivery.stop()
    assert (len(door.requests), pauses) == (1, [])


async def test_commands_and_clicks_are_never_sent_again(
    quick: tuple[PretendSlack, list[float]], door: Door
) -> None:
    server, pauses = quick
    door.statuses = [500]
    server.deliver_over("http", door.url)
    assert (await server.slash("U01ANA", "C01INC", "orders")).error == "dispatch_failed"
    await asyncio.sleep(0)  # a retry would have begun by now
    assert (len(door.requests), pauses) == (1, [])


async def test_an_address_where_nobody_listens_fails_at_once(server: PretendSlack) -> None:
    server.deliver_over("http", "http://127.0.0.1:1/slack/events")
    reply = await server.slash("U01ANA", "C01INC", "orders")
    assert (reply.acked, reply.error) == (False, "dispatch_failed")


async def test_a_forged_payload_goes_out_as_it_is(server: PretendSlack, door: Door) -> None:
    server.deliver_over("http", door.url)
    await server.forge({"type": "block_actions", "team": {"id": "T666"}, "actions": []})
    assert b"T666" in door.requests[0][1]
