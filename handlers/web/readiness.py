"""Whether a command would be accepted and carried out now."""

import asyncio
from datetime import timedelta

from bot.clock import Clock
from handlers.door.socket import Socket
from handlers.worker import Worker
from storage.runs import Store

SWEPT_WITHIN = timedelta(seconds=10)
DATABASE_ANSWERS_WITHIN = 2.5  # seconds; a command is told "NOT accepted" after the same time


class Readiness:
    """`socket` None: Socket Mode is not open, Slack comes by HTTP."""

    def __init__(self, store: Store, worker: Worker, socket: Socket | None, clock: Clock) -> None:
        self._store = store
        self._worker = worker
        self._socket = socket
        self._clock = clock

    async def why_not(self) -> str | None:
        try:
            async with asyncio.timeout(DATABASE_ANSWERS_WITHIN):
                await self._store.newest_time()
        except Exception as problem:  # noqa: BLE001 - whatever the database says, it means "not ready"
            return f"database: {type(problem).__name__}"
        if await self.connected() is False:
            return "Slack: the socket is not connected"
        if self.sweep_age() > SWEPT_WITHIN:
            return f"worker: has not looked for work for {SWEPT_WITHIN.seconds} s"
        return None

    async def connected(self) -> bool | None:
        """Whether the socket to Slack stands; None: Socket Mode is not open."""
        return None if self._socket is None else await self._socket.connected()

    def sweep_age(self) -> timedelta:
        return self._clock() - self._worker.swept_at

    async def wait(self) -> None:
        while await self.why_not() is not None:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)
