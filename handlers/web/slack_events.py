"""Requests from Slack: their bytes are read within bounds, admitted by the guard, handed to the door."""

import asyncio
import time
from typing import Any

import structlog
from aiohttp import StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError

from handlers.door.guard import BODY_AT_MOST_BYTES, Admitted, NotAdmitted, admit
from handlers.web.route_state import FRONT

log = structlog.get_logger()

BODY_READ_WITHIN_SECONDS = 10.0  # for the whole body; Slack itself gives up after 3
PAYLOAD = web.RequestKey("payload", dict[str, Any])


async def signed_by_slack(request: web.Request) -> web.Response | None:
    """The gate. The wall clock, because that is what Slack signs with."""
    front = request.app[FRONT]
    if front.secret is None:
        return web.Response(status=404)
    raw = await read_body(request, BODY_READ_WITHIN_SECONDS)
    admitted = raw if isinstance(raw, NotAdmitted) else admit(request.headers, raw, front.secret, time.time())
    if isinstance(admitted, Admitted):
        request[PAYLOAD] = admitted.payload
        return None
    front.context.metrics.turned_away.labels(str(admitted.status)).inc()
    log.info("turned away", status=admitted.status, why=admitted.why)
    return web.Response(status=admitted.status)


async def read_body(request: web.Request, within: float) -> bytes | NotAdmitted:
    """`within` in seconds, for all of it."""
    if (request.content_length or 0) > BODY_AT_MOST_BYTES:
        return NotAdmitted(413, "too large")
    try:
        async with asyncio.timeout(within):
            return await _up_to(request.content, BODY_AT_MOST_BYTES + 1)
    except TimeoutError:
        return NotAdmitted(408, "came too slowly")
    except (web.RequestPayloadError, HttpProcessingError, OSError):
        return NotAdmitted(400, "broke off, or is encoded wrongly")


async def _up_to(stream: StreamReader, limit: int) -> bytes:
    """At most `limit` bytes, so that one too many can be seen."""
    raw = bytearray()
    while len(raw) < limit and (part := await stream.read(limit - len(raw))):
        raw += part
    return bytes(raw)


async def slack_events(request: web.Request) -> web.Response:
    payload = request[PAYLOAD]
    if payload.get("type") == "url_verification":
        return web.Response(text=str(payload.get("challenge", "")))
    if "ssl_check" in payload:
        return web.Response()
    answer = await request.app[FRONT].door.deliver(payload)
    return web.Response(status=answer.status, text=answer.body, content_type=_type(answer.body))


def _type(body: str) -> str:
    return "application/json" if body.startswith("{") else "text/plain"
