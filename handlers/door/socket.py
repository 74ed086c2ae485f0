"""Socket Mode: each payload to `deliver`, its response back, and a watchdog.

After one failed handshake the library asks again with a dead ticket for ever, so the watchdog takes
the ticket away whenever the socket is down.
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

from handlers.door.deliver import Door

log = structlog.get_logger()
WATCHED_EVERY = 5.0  # seconds


class Socket:
    def __init__(self, door: Door, app_token: str, client: AsyncWebClient) -> None:
        self._door = door
        self._client = SocketModeClient(
            app_token=app_token, web_client=client, auto_reconnect_enabled=True, ping_interval=10
        )
        self._client.socket_mode_request_listeners.append(self._hear)
        self._watching: asyncio.Task[None] | None = None
        self._hearing: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        await self._client.connect()  # type: ignore[no-untyped-call]
        self._watching = asyncio.create_task(self._watch())

    async def connected(self) -> bool:
        return bool(await self._client.is_connected())

    async def close(self, at_most: float) -> None:
        """Hears nothing new; what is being answered is answered first."""
        if self._watching is not None:
            self._watching.cancel()
        if self._hearing:
            await asyncio.wait(self._hearing, timeout=at_most)
        with contextlib.suppress(asyncio.CancelledError):
            await self._client.close()  # type: ignore[no-untyped-call]

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCHED_EVERY)
            try:
                if not await self.connected():
                    log.warning("socket down")
                    self._client.wss_uri = None  # the next attempt asks for a new ticket
                    await self._client.connect_to_new_endpoint(force=True)
            except Exception as problem:  # noqa: BLE001 - the watchdog's own edge: it has to outlive every failure
                log.warning("socket reconnect", error=str(problem) or type(problem).__name__)

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
