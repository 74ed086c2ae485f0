"""What machines ask: are you alive, would you take a command, and the figures."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from handlers.web.route_state import PROCESS
from handlers.web.scrape import Scrape
from storage.reading import counts


async def healthz(_: web.Request) -> web.Response:
    return web.json_response({"alive": True})


async def readyz(request: web.Request) -> web.Response:
    why_not = await request.app[PROCESS].readiness.why_not()
    return web.json_response({"ready": why_not is None, "why": why_not}, status=503 if why_not else 200)


async def metrics(request: web.Request) -> web.Response:
    process = request.app[PROCESS]
    scrape = Scrape(
        await counts(process.store.database),
        process.readiness.sweep_age(),
        await process.readiness.connected(),
        process.clock(),
    )
    text = generate_latest(process.metrics.registry) + generate_latest(scrape)
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})
