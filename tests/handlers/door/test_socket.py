"""Socket Mode: whatever happens to a connection, another one is there soon, and nothing else says it is."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiohttp import ClientSession
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from handlers.door.deliver import Door
from handlers.door.socket import Socket
from workspace.slack.server import PretendSlack
from workspace.slack.sockets import DisconnectReason
from workspace.slack.state import Workspace


class Listening(Door):
    """Takes everything."""

    def __init__(self) -> None:
        self.heard: list[Mapping[str, Any]] = []

    async def deliver(self, payload: Mapping[str, Any]) -> BoltResponse:
        self.heard.append(payload)
        return BoltResponse(status=200, body="heard")


@pytest.fixture
async def slack() -> AsyncIterator[PretendSlack]:
    workspace = Workspace(seed=1)
    workspace.add_user("U01ANA", "ana")
    workspace.add_channel("C01INC", "inc-1", members=["U01ANA"])
    server = await PretendSlack.start(workspace)
    yield server
    await server.stop()


@pytest.fixture
async def socket(slack: PretendSlack) -> AsyncIterator[Socket]:
    async with ClientSession() as session:
        client = AsyncWebClient(
            token=slack.bot_token, base_url=slack.api_url, session=session, retry_handlers=[]
        )
        made = Socket(Listening(), slack.app_token, client, ping_every=0.2, connected_within=0.5)
        await made.open()
        yield made
        await made.close(1.0)


async def hears(slack: PretendSlack) -> bool:
    return (await slack.slash("U01ANA", "C01INC", "targets")).text == "heard"


async def connected_again(slack: PretendSlack, socket: Socket) -> None:
    await slack.until(lambda: len(slack.sockets) == 1, 10.0)
    while not await socket.connected():  # noqa: ASYNC110 - it has no event
        await asyncio.sleep(0.01)
    assert await hears(slack)


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", "link_disabled"])
async def test_told_to_leave_it_comes_back_over_one_new_connection(
    slack: PretendSlack, socket: Socket, reason: DisconnectReason
) -> None:
    tickets = opened(slack)
    await slack.sockets.disconnect(reason, grace=5.0)
    await connected_again(slack, socket)
    assert opened(slack) == tickets + 1


async def test_a_connection_that_breaks_is_made_again(slack: PretendSlack, socket: Socket) -> None:
    slack.sockets.abort()
    await slack.until(lambda: len(slack.sockets) == 0)
    await connected_again(slack, socket)


@pytest.mark.parametrize("failures", [1, 2])
async def test_failed_handshakes_are_tried_again_each_with_a_new_ticket(
    slack: PretendSlack, socket: Socket, failures: int
) -> None:
    tickets = opened(slack)
    slack.faults.failed_handshakes = failures
    slack.sockets.abort()
    await slack.until(lambda: slack.faults.failed_handshakes == 0, 20.0)
    await connected_again(slack, socket)
    assert opened(slack) >= tickets + failures + 1


async def test_a_half_open_connection_is_found_out_and_made_again(
    slack: PretendSlack, socket: Socket
) -> None:
    slack.sockets.freeze()
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 10
    while await socket.connected():
        assert loop.time() < deadline, "nobody noticed"
        await asyncio.sleep(0.01)
    slack.sockets.abort()
    await connected_again(slack, socket)


async def test_while_slack_is_down_it_does_not_say_that_it_is_connected(
    slack: PretendSlack, socket: Socket
) -> None:
    slack.faults.down()
    await slack.until(lambda: len(slack.sockets) == 0)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 10
    while await socket.connected():
        assert loop.time() < deadline, "it still says so"
        await asyncio.sleep(0.01)
    slack.faults.up()
    await connected_again(slack, socket)


def opened(slack: PretendSlack) -> int:
    return sum(call.method == "apps.connections.open" and call.ok for call in slack.workspace.calls)
