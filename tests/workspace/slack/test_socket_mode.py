"""Socket Mode on the wire: hello, envelopes, one connection of several, disconnects, refused handshakes."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from tests.workspace.slack.conftest import Connect
from workspace.slack import PretendSlack, Workspace
from workspace.slack.sockets import DisconnectReason

Json = dict[str, Any]


async def link(server: PretendSlack, api: AsyncWebClient) -> str:
    return str((await api.apps_connections_open(app_token=server.app_token))["url"])


async def opened(
    server: PretendSlack, api: AsyncWebClient, session: aiohttp.ClientSession
) -> aiohttp.ClientWebSocketResponse:
    socket = await session.ws_connect(await link(server, api))
    assert (await socket.receive_json())["type"] == "hello"
    return socket


async def test_a_connection_begins_with_hello_and_carries_envelopes(
    server: PretendSlack, api: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    async with session.ws_connect(await link(server, api)) as socket:
        hello = await socket.receive_json()
        assert (hello["type"], hello["num_connections"]) == ("hello", 1)
        assert hello["connection_info"] == {"app_id": "A01ROLLBACK"}

        typing = asyncio.create_task(server.slash("U01ANA", "C01INC", "orders"))
        envelope = await socket.receive_json()
        assert (envelope["type"], envelope["accepts_response_payload"]) == ("slash_commands", True)
        assert envelope["payload"]["text"] == "orders"
        await socket.send_json({"envelope_id": envelope["envelope_id"], "payload": {"text": "planning…"}})
        assert (await typing).text == "planning…"

        opening = asyncio.create_task(server.open_home("U01ANA"))
        event = await socket.receive_json()
        assert (event["type"], event["accepts_response_payload"]) == ("events_api", False)
        assert (event["retry_attempt"], event["payload"]["type"]) == (0, "event_callback")
        await socket.send_json({"envelope_id": event["envelope_id"]})
        assert (await opening) is not None


async def test_what_is_no_acknowledgement_is_ignored(
    server: PretendSlack, api: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    socket = await opened(server, api, session)
    typing = asyncio.create_task(server.slash("U01ANA", "C01INC", "orders"))
    envelope = await socket.receive_json()
    for nonsense in (
        "{",
        "[]",
        '"x"',
        json.dumps({"envelope_id": "another"}),
        json.dumps({"envelope_id": [7]}),
    ):
        await socket.send_str(nonsense)
    await socket.send_json({"envelope_id": envelope["envelope_id"]})
    assert (await typing).acked
    await socket.close()


async def test_a_link_works_once_and_an_invented_one_never(
    server: PretendSlack, api: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    url = await link(server, api)
    first = await session.ws_connect(url)
    for used in (url, url.replace("ticket=", "ticket=x")):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(used)
        assert refused.value.status == 403
    await first.close()


async def test_each_payload_goes_to_one_of_the_connections(
    server: PretendSlack, api: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    sockets = [await opened(server, api, session) for _ in range(3)]
    counts = [0, 0, 0]

    async def acknowledge(index: int) -> None:
        async for message in sockets[index]:
            counts[index] += 1
            await sockets[index].send_json({"envelope_id": json.loads(message.data)["envelope_id"]})

    listening = [asyncio.create_task(acknowledge(index)) for index in range(3)]
    for _ in range(30):
        assert (await server.slash("U01ANA", "C01INC")).acked
    assert sum(counts) == 30
    assert min(counts) > 0
    await asyncio.gather(*(socket.close() for socket in sockets), *listening)


async def test_payloads_go_out_in_another_order_when_that_is_asked_for(
    server: PretendSlack, api: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    socket = await opened(server, api, session)

    async def order() -> list[str]:
        typing = [asyncio.create_task(server.slash("U01ANA", "C01INC", text)) for text in "12345678"]
        heard = []
        for _ in typing:
            envelope = await socket.receive_json()
            heard.append(envelope["payload"]["text"])
            await socket.send_json({"envelope_id": envelope["envelope_id"]})
        assert all(reply.acked for reply in await asyncio.gather(*typing))
        return heard

    assert await order() == list("12345678")
    server.faults.reorder(8)
    shuffled = await order()
    assert shuffled != list("12345678")
    assert sorted(shuffled) == list("12345678")
    await socket.close()


async def test_the_eleventh_connection_is_sent_away(
    server: PretendSlack, api: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    sockets = [await opened(server, api, session) for _ in range(10)]
    async with session.ws_connect(await link(server, api)) as one_more:
        assert (await one_more.receive_json())["reason"] == "too_many_websockets"
    await asyncio.gather(*(socket.close() for socket in sockets))


@pytest.fixture
async def answering(app: AsyncApp) -> AsyncApp:
    @app.command("/rollback")
    async def command(ack: Any) -> None:
        await ack()

    return app


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_a_real_client_that_is_told_to_leave_comes_back_over_a_new_link(
    server: PretendSlack, answering: AsyncApp, connect: Connect, reason: DisconnectReason
) -> None:
    handler = await connect(answering)
    before = handler.client.current_session
    async with asyncio.timeout(5):  # far less than the grace that it was given
        await server.sockets.disconnect(reason)
    await server.until(lambda: handler.client.current_session is not before and len(server.sockets) == 1)
    assert (await server.slash("U01ANA", "C01INC")).acked


async def test_a_client_that_does_not_leave_is_closed_when_its_time_is_over(
    server: PretendSlack, api: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    socket = await opened(server, api, session)
    leaving = asyncio.create_task(server.sockets.disconnect("warning", grace=0.01))
    assert (await socket.receive_json())["reason"] == "warning"
    assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
    await leaving
    assert len(server.sockets) == 0


async def test_a_real_client_whose_connection_breaks_comes_back(
    server: PretendSlack, answering: AsyncApp, connect: Connect
) -> None:
    await connect(answering)
    server.sockets.abort()
    await server.until(lambda: len(server.sockets) == 0)
    await server.until(lambda: len(server.sockets) == 1)
    assert (await server.slash("U01ANA", "C01INC")).acked


async def test_handshakes_fail_as_often_as_is_asked_for(
    server: PretendSlack, api: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    server.faults.failed_handshakes = 2
    for _ in range(2):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(await link(server, api))
        assert refused.value.status == 503
    await (await opened(server, api, session)).close()


async def test_pings_are_answered(
    server: PretendSlack, api: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    socket = await session.ws_connect(await link(server, api), autoping=False)
    await socket.receive_json()
    await socket.ping(b"sdk-ping-pong:1.0")
    answer = await socket.receive()
    assert (answer.type, answer.data) == (aiohttp.WSMsgType.PONG, b"sdk-ping-pong:1.0")
    await socket.close()


class TestNobodyAcknowledges:
    @pytest.fixture
    async def server(self, workspace: Workspace) -> AsyncIterator[PretendSlack]:
        impatient = await PretendSlack.start(workspace, ack_timeout=0.1)
        yield impatient
        await impatient.stop()

    async def test_a_command_times_out_and_slackbot_says_so(
        self, server: PretendSlack, workspace: Workspace, api: AsyncWebClient, session: aiohttp.ClientSession
    ) -> None:
        socket = await opened(server, api, session)
        reply = await server.slash("U01ANA", "C01INC", "storefront")
        assert (reply.acked, reply.error) == (False, "operation_timeout")
        assert "operation_timeout" in workspace.messages("C01INC", viewer="U01ANA")[0].text
        assert workspace.messages("C01INC", viewer="U01BEN") == []
        await socket.close()

    async def test_an_event_is_sent_again(
        self, server: PretendSlack, api: AsyncWebClient, session: aiohttp.ClientSession
    ) -> None:
        socket = await opened(server, api, session)
        delivered = await server.open_home("U01ANA")
        first, again = await socket.receive_json(), await socket.receive_json()
        assert (again["retry_attempt"], again["retry_reason"]) == (1, "timeout")
        assert again["payload"]["event_id"] == first["payload"]["event_id"]
        assert delivered is not None
        assert not delivered.acked
        await socket.close()


async def test_stopping_the_server_ends_every_connection(
    server: PretendSlack, api: AsyncWebClient, session: aiohttp.ClientSession
) -> None:
    socket = await opened(server, api, session)
    stopping = asyncio.create_task(server.stop())
    assert (await socket.receive()).type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)
    await stopping
    assert len(server.sockets) == 0
