"""A shop on the web: well, ill, slow, and somewhere else."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from backends.conformance.harness import SHORT_SECONDS
from backends.http.check import HttpCheck
from bot.model import When


@asynccontextmanager
async def shop() -> AsyncIterator[str]:
    """Yields its address."""
    over = asyncio.Event()

    async def well(request: web.Request) -> web.Response:
        return web.Response(text="all ok")

    async def ill(request: web.Request) -> web.Response:
        return web.Response(status=500, text="all ok")

    async def slow(request: web.Request) -> web.Response:
        await over.wait()
        return web.Response(text="at last")

    async def moved(request: web.Request) -> web.Response:
        raise web.HTTPFound("/well")

    async def long(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65536)
        except ConnectionError:
            return response

    application = web.Application()
    for handler in (well, ill, slow, moved, long):
        application.router.add_get(f"/{handler.__name__}", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}"
    over.set()
    await runner.cleanup()


class HttpWorld:
    def __init__(self, site: str) -> None:
        self.site = site

    @classmethod
    @asynccontextmanager
    async def made(cls, root: Path) -> AsyncIterator["HttpWorld"]:
        async with shop() as site:
            yield cls(site)

    def passing(self) -> HttpCheck:
        return HttpCheck(when=When.ONLINE, url=f"{self.site}/well", contains="ok")

    def failing(self) -> HttpCheck:
        return HttpCheck(when=When.ONLINE, url=f"{self.site}/ill")

    def unreachable(self) -> HttpCheck:
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            port = nobody.getsockname()[1]
        return HttpCheck(when=When.ONLINE, url=f"http://127.0.0.1:{port}/well")

    def slow(self) -> HttpCheck:
        return HttpCheck(when=When.ONLINE, url=f"{self.site}/slow", timeout=SHORT_SECONDS)


CHECK_WORLDS = (HttpWorld,)
