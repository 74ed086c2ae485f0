"""Socket Mode: each payload to `deliver`, its response back, and who keeps the connection.

The library reconnects in several places at once, and after one failed handshake asks again with a dead
ticket for ever. So it only says that it wants another connection, and one keeper makes it: each time
with a new ticket, within bounds, again and again.
"""

import asyncio
import contextlib
import json
from typing import Any

import structlog
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from bot.errors import words_of
from handlers.door.deliver import Door

log = structlog.get_logger()
PING_EVERY_SECONDS = 10.0  # a connection that answers none for half as long again is half open
WATCHED_EVERY_SECONDS = 1.0
CONNECTED_WITHIN_SECONDS = 5.0  # for a handshake
FIRST_PAUSE_SECONDS = 0.5  # after a failure, doubled with each further one
LONGEST_PAUSE_SECONDS = 10.0


class _Client(SocketModeClient):
    """Wherever it would connect again by itself, it says so instead."""

    def __init__(self, app_token: str, client: AsyncWebClient, ping_every: float) -> None:
        super().__init__(app_token=app_token, web_client=client, ping_interval=ping_every)
        self.wants_another = asyncio.Event()

    async def connect_to_new_endpoint(self, force: bool = False) -> None:
        self.wants_another.set()


class Socket:
    def __init__(
        self,
        door: Door,
        app_token: str,
        client: AsyncWebClient,
        *,
        ping_every: float = PING_EVERY_SECONDS,
        connected_within: float = CONNECTED_WITHIN_SECONDS,
    ) -> None:
        """`ping_every` and `connected_within` in seconds."""
        self._door = door
        self._client = _Client(app_token, client, ping_every)
        self._client.socket_mode_request_listeners.append(self._hear)
        self._connected_within = connected_within
        self._opened = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._hearing: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Returns when it is connected for the first time."""
        self._client.wants_another.set()
        self._keeping = asyncio.create_task(self._keep())
        await self._opened.wait()

    async def connected(self) -> bool:
        return bool(await self._client.is_connected())

    async def close(self, at_most: float) -> None:
        """Hears nothing new; what is being answered is answered first."""
        if self._keeping is not None:
            self._keeping.cancel()
        if self._hearing:
            await asyncio.wait(self._hearing, timeout=at_most)
        with contextlib.suppress(asyncio.CancelledError):
            await self._client.close()  # type: ignore[no-untyped-call]

    async def _keep(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._client.wants_another.wait(), WATCHED_EVERY_SECONDS)
            if await self.connected() and not self._client.wants_another.is_set():
                pause = FIRST_PAUSE_SECONDS
                continue
            try:
                await self._connect()
            except Exception as problem:  # noqa: BLE001 - the keeper's own edge: it has to outlive every failure
                log.warning("socket down", why=words_of(problem))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _connect(self) -> None:
        self._client.wants_another.clear()
        self._client.wss_uri = await self._client.issue_new_wss_url()  # as late as Retry-After says
        async with asyncio.timeout(self._connected_within):
            await self._client.connect()  # type: ignore[no-untyped-call]
        self._client.wants_another.clear()  # said by the connection that was left for this one
        self._opened.set()

    async def _hear(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        task = asyncio.ensure_future(self._answer(client, request))
        self._hearing.add(task)
        task.add_done_callback(self._hearing.discard)
        await task

    async def _answer(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        if request.type not in {"slash_commands", "interactive", "events_api"}:
            return
        response = await self._door.deliver(request.payload)
        if response.status == 200:
            await client.send_socket_mode_response(
                SocketModeResponse(envelope_id=request.envelope_id, payload=_payload(response.body))
            )


def _payload(body: str | None) -> dict[str, Any] | None:
    if not body:
        return None
    if body.startswith("{"):
        parsed: dict[str, Any] = json.loads(body)
        return parsed
    return {"text": body}
