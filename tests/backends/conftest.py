"""What the checks look at: a site, and a database; and asserts of the contract that say what they saw."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

pytest.register_assert_rewrite("backends.conformance.executors")


@pytest.fixture
async def site() -> AsyncIterator[str]:
    """A shop on the web: well, ill, slow, and somewhere else."""
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


@pytest.fixture
def base(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("create table orders (id integer primary key, total real, note text)")
        database.executemany(
            "insert into orders values (?, ?, ?)", [(n, n * 1.5, f"n{n}") for n in range(1, 1235)]
        )
        database.execute("create table customers (name text)")
    database.close()
    return tmp_path
