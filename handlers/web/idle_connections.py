"""Connections that never finish their first request are closed: aiohttp itself waits for them for ever.

Its own timeouts begin with the first answer (then 75 s between requests); bodies are bounded where they are
read. `drop_silent` runs beside the server.
"""

import asyncio
import time
from typing import Final
from weakref import WeakKeyDictionary, WeakSet

from aiohttp import web

SILENT_AT_MOST_SECONDS: Final = 15.0  # from the connection to its first answer; a body may take ten
LOOKED_AT_EVERY_SECONDS: Final = 1.0

Connections = WeakSet[asyncio.BaseTransport]
HEARD = web.AppKey("heard", Connections)  # those that have been answered once


def keep_heard(app: web.Application) -> None:
    async def answered(request: web.Request, _: web.StreamResponse) -> None:
        if request.transport is not None:
            app[HEARD].add(request.transport)

    app[HEARD] = WeakSet()
    app.on_response_prepare.append(answered)


async def drop_silent(server: web.Server, heard: Connections) -> None:
    """Until it is cancelled."""
    silent = Silent(heard)
    while True:
        silent.close(server, time.monotonic())
        await asyncio.sleep(LOOKED_AT_EVERY_SECONDS)


class Silent:
    """Since when each connection has been seen."""

    def __init__(self, heard: Connections) -> None:
        self._heard = heard
        self._since: WeakKeyDictionary[asyncio.BaseTransport, float] = WeakKeyDictionary()

    def close(self, server: web.Server, now: float) -> None:
        """Closes those that are silent too long. `now` in seconds of any clock that does not run back."""
        for connection in server.connections:
            if (transport := connection.transport) is None:
                continue
            since = self._since.setdefault(transport, now)
            if transport not in self._heard and now - since >= SILENT_AT_MOST_SECONDS:
                transport.close()
