"""Lets only this machine's own programs and the workspace's own page drive the workspace.

Another web page in the same browser reaches 127.0.0.1 too: by a name of its own that resolves here (the Host
header gives it away) or by posting across origins (the Origin header does).
"""

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

_HERE: Final = frozenset({"127.0.0.1", "localhost"})


@web.middleware
async def only_from_here(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    if urlsplit(f"//{request.host}").hostname not in _HERE:
        return web.json_response({"ok": False, "error": "wrong_host"}, status=403)
    origin = request.headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != request.host:
        return web.json_response({"ok": False, "error": "wrong_origin"}, status=403)
    return await handler(request)
