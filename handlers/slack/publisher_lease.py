"""One process at a time publishes to Slack: the holder of this lease. When it dies, the lease passes on."""

import asyncio
from datetime import timedelta

import structlog
from sqlalchemy.exc import DBAPIError

from bot.clock import Clock
from bot.errors import TemporaryError, words_of
from storage.leases import Leases

log = structlog.get_logger()

PUBLISHER = "publisher"
HELD_FOR = timedelta(seconds=15)
RENEWED_AFTER_SECONDS = 4.0


class PublisherLease:
    def __init__(self, leases: Leases, clock: Clock, holder: str, *, alone: bool) -> None:
        """`alone`: nobody else serves from this database, so this process always holds it."""
        self._leases = leases
        self._clock = clock
        self._holder = holder
        self._alone = alone
        self._epoch: int | None = None  # None: not ours
        self._asked_at = 0.0  # loop time when it was last taken or renewed, while it is ours

    async def is_mine(self) -> bool:
        """Asks the database only when the answer has grown old."""
        if self._alone:
            return True
        now = asyncio.get_running_loop().time()
        if self._epoch is not None and now - self._asked_at < RENEWED_AFTER_SECONDS:
            return True
        try:
            held = await self._take_or_renew()
        except (DBAPIError, TemporaryError) as problem:
            log.warning("publisher lease", error=words_of(problem))
            return self._epoch is not None and now - self._asked_at < HELD_FOR.total_seconds()
        if held:
            self._asked_at = now
        return held

    async def _take_or_renew(self) -> bool:
        now = self._clock()
        if self._epoch is not None:
            if await self._leases.renew(PUBLISHER, self._epoch, now + HELD_FOR):
                return True
            log.warning("publisher lease lost")
        self._epoch = await self._leases.take(PUBLISHER, self._holder, now, HELD_FOR)
        return self._epoch is not None

    async def give_up(self) -> None:
        """The next process need not wait until the lease is over."""
        if self._epoch is not None:
            await self._leases.give_back(PUBLISHER, self._epoch)
            self._epoch = None
