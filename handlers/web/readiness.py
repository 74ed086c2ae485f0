"""Whether this process would do its work now: take a command, carry out a run, or both."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from bot.clock import Clock
from handlers.door.socket import Socket
from handlers.slack.sending import Sender
from storage.runs import Store
from storage.shared_clock import SharedClock

SWEPT_WITHIN = timedelta(seconds=10)
DATABASE_ANSWERS_WITHIN_SECONDS = 2.5  # a command is told "NOT accepted" after the same time
CLOCKS_APART_AT_MOST_SECONDS = 5.0  # between the database's clock and ours


class Readiness:
    """Says why it is unready. A part it lacks is None: a front's sweep, a worker's sender, HTTP's socket."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        wall: SharedClock,
        swept_at: Callable[[], datetime] | None,
        sender: Sender | None,
        socket: Socket | None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._wall = wall
        self._swept_at = swept_at
        self._sender = sender
        self._socket = socket

    async def why_not(self) -> str | None:
        try:
            async with asyncio.timeout(DATABASE_ANSWERS_WITHIN_SECONDS):
                await self._store.newest_time()
        except Exception as problem:  # noqa: BLE001 - whatever the database says, it means "not ready"
            return f"database: {type(problem).__name__}"
        if self._store.why_read_only is not None:
            return self._store.why_read_only
        if abs(self._wall.ahead) > CLOCKS_APART_AT_MOST_SECONDS:
            return f"clock: the database's is {self._wall.ahead:+.1f} s from this machine's"
        if self._sender is not None and self._sender.refused is not None:
            return f"Slack: it refuses the bot token ({self._sender.refused})"
        if await self.connected() is False:
            return "Slack: the socket is not connected"
        age = self.sweep_age()
        if age is not None and age > SWEPT_WITHIN:
            return f"worker: has not looked for work for {SWEPT_WITHIN.seconds} s"
        return None

    async def connected(self) -> bool | None:
        """Whether the socket to Slack stands; None: Socket Mode is not open."""
        return None if self._socket is None else await self._socket.connected()

    def sweep_age(self) -> timedelta | None:
        """Since work was last looked for; None: this process drives nothing."""
        return None if self._swept_at is None else self._clock() - self._swept_at()

    async def wait(self) -> None:
        while await self.why_not() is not None:  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)
