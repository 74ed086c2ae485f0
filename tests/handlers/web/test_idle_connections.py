import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web

from handlers.web.idle_connections import HEARD, SILENT_AT_MOST_SECONDS, Silent, keep_heard


@pytest.fixture
async def runner() -> AsyncIterator[web.AppRunner]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/", answer)
    keep_heard(app)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner
    await runner.cleanup()


def wait_it_out(runner: web.AppRunner) -> None:
    assert runner.server is not None
    assert runner.server.connections
    silent = Silent(runner.app[HEARD])
    for now in (0.0, SILENT_AT_MOST_SECONDS):
        silent.close(runner.server, now)


async def accepted(runner: web.AppRunner) -> None:
    async with asyncio.timeout(5.0):
        while not (runner.server and runner.server.connections):  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0)


@pytest.mark.parametrize("sent", [b"G", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow:"])
async def test_a_connection_that_never_says_what_it_wants_is_closed(
    runner: web.AppRunner, sent: bytes
) -> None:
    reader, writer = await asyncio.open_connection(*runner.addresses[0])
    writer.write(sent)
    await accepted(runner)
    wait_it_out(runner)
    with contextlib.suppress(ConnectionResetError):  # what it had sent was not read
        assert await asyncio.wait_for(reader.read(), 5.0) == b""
    writer.close()


async def test_a_connection_that_was_answered_may_be_used_again(runner: web.AppRunner) -> None:
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    async with ClientSession() as session:
        async with session.get(url) as response:
            await response.read()
        wait_it_out(runner)
        async with session.get(url) as response:
            assert response.status == 200
        assert runner.server is not None
        assert len(runner.server.connections) == 1
