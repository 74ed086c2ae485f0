"""A smart-HTTP server on loopback: git's own `http-backend` behind a small bridge."""

import asyncio
import os
import ssl
import subprocess
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from aiohttp import web
from aiohttp.test_utils import TestServer

ASKING = {"WWW-Authenticate": 'Basic realm="shop"'}
Answer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class GitServer:
    root: Path  # the folder above the repositories
    user: str = ""  # empty: everybody is let in
    password: str = ""
    reader: tuple[str, str] | None = None  # who else may look, and not push
    may_push: bool = True
    url: str = ""
    heard: list[str | None] = field(default_factory=list)  # what each request carried for authorization

    async def answer(self, request: web.Request) -> web.StreamResponse:
        given = request.headers.get("Authorization")
        self.heard.append(given)
        pushes = "git-receive-pack" in request.path_qs
        user, password = self.reader if self.reader and not pushes else (self.user, self.password)
        wanted = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
        if user and given != wanted:
            return web.Response(status=401, headers=ASKING)
        if not self.may_push and pushes:
            return web.Response(status=403)
        done = await asyncio.to_thread(
            subprocess.run,
            ("git", "http-backend"),
            input=await request.read(),
            capture_output=True,
            check=False,
            env={
                "PATH": os.defpath,
                "GIT_CONFIG_GLOBAL": "/dev/null",
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_PROJECT_ROOT": str(self.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REMOTE_USER": "robot",
                "REQUEST_METHOD": request.method,
                "PATH_INFO": request.path,
                "QUERY_STRING": request.query_string,
                "CONTENT_TYPE": request.headers.get("Content-Type", ""),
                "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            },
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(headers.pop("Status", "200").split()[0])
        return web.Response(status=status, headers=headers, body=body)


@asynccontextmanager
async def served(answer: Answer, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Yields the address of what `answer` answers."""
    app = web.Application(handler_args={"auto_decompress": False}, client_max_size=2**26)
    app.router.add_route("*", "/{path:.*}", answer)
    server = TestServer(app, scheme="https" if context else "http")
    await server.start_server(ssl=context, shutdown_timeout=0.1)
    try:
        yield f"{server.scheme}://127.0.0.1:{server.port}"
    finally:
        await server.close()
