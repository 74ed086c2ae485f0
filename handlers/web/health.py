"""What machines ask: are you alive, would you take a command, and the figures."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from handlers.web.parts import INSIGHT
from handlers.web.scrape import Scrape
from storage.reading import counts


async def healthz(_: web.Request) -> web.Response:
    return web.json_response({"alive": True})


async def readyz(request: web.Request) -> web.Response:
    why_not = await request.app[INSIGHT].readiness.why_not()
    return web.json_response({"ready": why_not is None, "why": why_not}, status=503 if why_not else 200)


async def metrics(request: web.Request) -> web.Response:
    insight = request.app[INSIGHT]
    scrape = Scrape(
        await counts(insight.store.database),
        insight.readiness.sweep_age(),
        await insight.readiness.connected(),
        insight.clock(),
    )
    text = generate_latest(insight.metrics.registry) + generate_latest(scrape)
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})
