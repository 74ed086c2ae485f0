"""What machines ask: are you alive, would you take a command, and the figures."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from handlers.web.parts import PARTS
from handlers.web.scrape import Scrape
from storage.reading import counts


async def healthz(_: web.Request) -> web.Response:
    return web.json_response({"alive": True})


async def readyz(request: web.Request) -> web.Response:
    why_not = await request.app[PARTS].readiness.why_not()
    return web.json_response({"ready": why_not is None, "why": why_not}, status=503 if why_not else 200)


async def metrics(request: web.Request) -> web.Response:
    parts = request.app[PARTS]
    scrape = Scrape(
        await counts(parts.context.store.database),
        parts.readiness.sweep_age().total_seconds(),
        await parts.readiness.connected(),
        parts.context.clock(),
    )
    text = generate_latest(parts.context.metrics.registry) + generate_latest(scrape)
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})
