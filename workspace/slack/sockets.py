"""Socket Mode: up to ten WebSockets, each payload to any one of them, acknowledged by its envelope_id."""

import asyncio
import contextlib
import json
import random
from dataclasses import dataclass
from typing import Final, Literal

from aiohttp import WSMsgType, web

from workspace.slack.faults import Faults
from workspace.slack.state import Workspace
from workspace.slack.transport import Carried, Envelope
from workspace.slack.wire import Json

MOST_SOCKETS: Final = 10
REFRESH_SECONDS: Final = 18_060  # what hello promises: about five hours
PING_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 1.0  # how long a client may take to answer a close

DisconnectReason = Literal["warning", "refresh_requested", "link_disabled", "too_many_websockets"]


@dataclass(frozen=True, slots=True, eq=False)
class _Link:
    """One open connection."""

    socket: web.WebSocketResponse
    transport: asyncio.BaseTransport | None
    ended: asyncio.Future[None]


class Sockets:
    def __init__(self, workspace: Workspace, faults: Faults, ack_timeout: float) -> None:
        self._workspace = workspace
        self._faults = faults
        self._ack_timeout = ack_timeout
        self._open: list[_Link] = []
        self._acks: dict[str, asyncio.Future[Json | None]] = {}
        self._random = random.Random(workspace.random.random())  # noqa: S311 - which socket, not a secret

    def __len__(self) -> int:
        return len(self._open)

    async def link(self, request: web.Request) -> web.StreamResponse:
        """GET /link/: one client's connection, until it ends."""
        ticket = request.query.get("ticket", "")
        known = ticket in self._workspace.tickets
        self._workspace.tickets.discard(ticket)
        if self._faults.is_down or not known or self._faults.refuses_handshake():
            return web.Response(status=503 if known else 403)
        socket = web.WebSocketResponse(heartbeat=PING_SECONDS, timeout=CLOSE_SECONDS)
        await socket.prepare(request)
        if len(self._open) >= MOST_SOCKETS:
            await socket.send_json(_farewell("too_many_websockets"))
            await socket.close()
            return socket
        link = _Link(socket, request.transport, asyncio.get_running_loop().create_future())
        self._open.append(link)
        self._workspace.changed.touch()
        try:
            await socket.send_json(self._hello())
            await self._listen(socket)
        finally:
            self._open.remove(link)
            link.ended.set_result(None)
            self._workspace.changed.touch()
        return socket

    async def carry(self, envelope: Envelope) -> Carried:
        """Send one payload and wait for its acknowledgement."""
        if not self._open:
            return Carried(False, error="no_connection")
        link = self._random.choice(self._open)
        id = self._workspace.new_id("").lower()
        sent: Json = {
            "envelope_id": id,
            "payload": envelope.payload,
            "type": envelope.kind,
            "accepts_response_payload": envelope.kind != "events_api",
        }
        if envelope.kind == "events_api":
            sent |= {"retry_attempt": envelope.attempt, "retry_reason": envelope.reason or ""}
        acked = self._acks[id] = asyncio.get_running_loop().create_future()
        try:
            await link.socket.send_json(sent)
            body = await asyncio.wait_for(acked, self._ack_timeout)
        except TimeoutError:
            return Carried(False, error="timeout")
        except ConnectionError:
            return Carried(False, error="connection_failed")
        finally:
            del self._acks[id]
        return Carried(True, body=body)

    async def disconnect(
        self, reason: DisconnectReason = "refresh_requested", *, grace: float = 10.0
    ) -> None:
        """Tell every client to come back over a new link, then close the old one after `grace` seconds."""
        leaving = list(self._open)
        for link in leaving:
            with contextlib.suppress(ConnectionError):
                await link.socket.send_json(_farewell(reason))
        if leaving:
            await asyncio.wait([link.ended for link in leaving], timeout=grace)
        for link in leaving:
            await link.socket.close()

    def abort(self) -> None:
        """Cut every connection without a word, as a broken network does."""
        for link in self._open:
            if isinstance(link.transport, asyncio.Transport):
                link.transport.abort()

    def freeze(self) -> None:
        """Leave every connection half open: nobody closes it, and nothing is heard or answered any more."""
        for link in self._open:
            if isinstance(link.transport, asyncio.Transport):
                link.transport.pause_reading()

    async def close(self) -> None:
        for link in list(self._open):
            await link.socket.close()

    async def _listen(self, socket: web.WebSocketResponse) -> None:
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                self._take_ack(message.data)

    def _take_ack(self, text: str) -> None:
        try:
            answer = json.loads(text)
        except ValueError:
            return  # Slack ignores what it does not understand
        id = answer.get("envelope_id") if isinstance(answer, dict) else None
        waiting = self._acks.get(id) if isinstance(id, str) else None
        if waiting is not None and not waiting.done():
            body = answer.get("payload")
            waiting.set_result(body if isinstance(body, dict) else None)

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self._open),
            "debug_info": {**_debug(), "build_number": 1, "approximate_connection_time": REFRESH_SECONDS},
            "connection_info": {"app_id": self._workspace.app.id},
        }


def _farewell(reason: DisconnectReason) -> Json:
    return {"type": "disconnect", "reason": reason, "debug_info": _debug()}


def _debug() -> Json:
    return {"host": "applink-sandbox"}
