"""The one aiohttp application: Slack's requests behind the guard, health, and the pages."""

import asyncio
from datetime import timedelta

import structlog
from aiohttp import web

from bot.clock import Clock
from handlers.context import Context
from handlers.door.deliver import Door
from handlers.door.guard import BODY_AT_MOST, Refused, admit
from handlers.door.socket import Socket
from handlers.worker import Worker
from storage.runs import Store

log = structlog.get_logger()

SWEPT_WITHIN = timedelta(seconds=10)
DOOR = web.AppKey("door", Door)
SECRET = web.AppKey("secret", str)


class Readiness:
    """Whether a command would be accepted and carried out now."""

    def __init__(self, store: Store, worker: Worker, socket: Socket | None, clock: Clock) -> None:
        self._store = store
        self._worker = worker
        self._socket = socket
        self._clock = clock

    async def why_not(self) -> str | None:
        try:
            await self._store.newest_time()
        except Exception as problem:  # noqa: BLE001 - whatever the database says, it means "not ready"
            return f"database: {type(problem).__name__}"
        if self._socket is not None and not await self._socket.connected():
            return "Slack: the socket is not connected"
        if self._clock() - self._worker.swept_at > SWEPT_WITHIN:
            return "worker: has not looked for work for 10 s"
        return None

    async def wait(self) -> None:
        while await self.why_not() is not None:
            await asyncio.sleep(0.02)


def web_app(context: Context, door: Door, secret: str | None, readiness: Readiness) -> web.Application:
    """`secret` None: HTTP from Slack is not open."""
    app = web.Application(client_max_size=BODY_AT_MOST)
    app[DOOR] = door
    if secret is not None:
        app[SECRET] = secret
        app.router.add_post("/slack/events", slack_events)

    async def readyz(_: web.Request) -> web.Response:
        why_not = await readiness.why_not()
        return web.json_response({"ready": why_not is None, "why": why_not}, status=503 if why_not else 200)

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    return app


async def healthz(_: web.Request) -> web.Response:
    return web.json_response({"alive": True})


async def slack_events(request: web.Request) -> web.Response:
    try:
        raw = await request.content.read(BODY_AT_MOST + 1)
        while len(raw) <= BODY_AT_MOST and not request.content.at_eof():
            raw += await request.content.read(BODY_AT_MOST + 1 - len(raw))
    except (web.HTTPException, OSError):
        return web.Response(status=400)
    admitted = admit(request.headers, raw, request.app[SECRET], _now())
    if isinstance(admitted, Refused):
        log.info("refused", status=admitted.status, why=admitted.why)
        return web.Response(status=admitted.status)
    if admitted.payload.get("type") == "url_verification":
        return web.Response(text=str(admitted.payload.get("challenge", "")))
    if "ssl_check" in admitted.payload:
        return web.Response()
    answer = await request.app[DOOR].deliver(admitted.payload)
    return web.Response(status=answer.status, text=answer.body, content_type=_type(answer.body))


def _type(body: str) -> str:
    return "application/json" if body.startswith("{") else "text/plain"


def _now() -> float:
    """Slack's clock is the wall clock: a signature's age is not measured on ours."""
    import time

    return time.time()
