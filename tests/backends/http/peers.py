"""Servers on loopback that say just what a test lets them say."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from aiohttp import web

HANDSHAKE = b"\x16"  # the first byte of what a client of TLS says
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(handler: Handler, certificate: Path | None = None) -> AsyncIterator[str]:
    """Yields the address of a server that asks `handler` for every path."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    scheme = "http" if context is None else "https"
    try:
        yield f"{scheme}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def saying(said: bytes, *, hangs_up: bool = True) -> AsyncIterator[str]:
    """Yields the address of a server that says these bytes to whoever has asked something."""
    over = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(said)
        if not hangs_up:
            await over.wait()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        over.set()


@asynccontextmanager
async def guarding(certificate: Path, said: bytes) -> AsyncIterator[str]:
    """Yields a plain address of a server that speaks TLS, and says these bytes to whoever does not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve() -> None:
        while True:
            line, _ = listening.accept()
            with line, suppress(OSError):
                if line.recv(1, socket.MSG_PEEK) == HANDSHAKE:
                    context.wrap_socket(line, server_side=True).close()
                else:
                    line.recv(65536)
                    line.sendall(said)
            if line_is_last.is_set():
                return

    line_is_last = Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        line_is_last.set()
        socket.create_connection(listening.getsockname()).close()
        await asyncio.to_thread(thread.join, 5)


def head(status: str = "200 OK", *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()
