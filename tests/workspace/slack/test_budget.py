"""Slack's rate limits, when they are switched on."""

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.workspace.slack.conftest import Clock
from workspace.slack import PretendSlack


async def updates(api: AsyncWebClient, ts: str, times: int) -> None:
    for _ in range(times):
        await api.chat_update(channel="C01INC", ts=ts, text="as of now")


async def test_the_51st_update_in_a_minute_must_wait(
    server: PretendSlack, api: AsyncWebClient, clock: Clock
) -> None:
    server.budget.enabled = True
    ts = (await api.chat_postMessage(channel="C01INC", text="card"))["ts"]
    await updates(api, ts, 25)
    clock.forward(30)
    await updates(api, ts, 25)
    with pytest.raises(SlackApiError) as refused:
        await updates(api, ts, 1)
    assert refused.value.response.status_code == 429
    assert refused.value.response.headers["Retry-After"] == "30"
    clock.forward(30)
    await updates(api, ts, 25)


async def test_posts_are_counted_by_channel_and_second(
    server: PretendSlack, api: AsyncWebClient, clock: Clock
) -> None:
    server.budget.enabled = True
    for _ in range(3):
        await api.chat_postMessage(channel="C01INC", text="chatter")
    with pytest.raises(SlackApiError):
        await api.chat_postMessage(channel="C01INC", text="chatter")
    assert (await api.chat_postMessage(channel="C02SHARED", text="elsewhere"))["ok"]
    clock.forward(3)
    assert (await api.chat_postMessage(channel="C01INC", text="chatter"))["ok"]


async def test_nothing_is_limited_unless_a_test_asks_for_it(
    server: PretendSlack, api: AsyncWebClient
) -> None:
    for _ in range(30):
        await api.chat_postMessage(channel="C01INC", text="chatter")
