"""A worker's housekeeping, once an hour: what a run has left in its spool goes a while after its end.

`backends.programs.clearing` says what may go and how, the database which runs are over.
"""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Final

import structlog

from backends.programs import clearing
from bot.clock import Clock
from bot.errors import words_of
from handlers.watching import DATABASE
from storage.claims import Claims

log = structlog.get_logger()

TIDIED_EVERY_SECONDS: Final = 3_600.0
KEPT_FOR: Final = timedelta(days=7)  # since the newest event of its run, which is evidence from then on
CUT_OFF: Final = "nobody saw how it ended"


class Housekeeping:
    def __init__(self, spool: Path, installation: str, claims: Claims, clock: Clock) -> None:
        """`installation`: only what was begun under its name is cleared away."""
        self._spool = spool
        self._installation = installation
        self._claims = claims
        self._clock = clock
        self._kept: set[str] = set()  # op ids of which it was said already why they stay

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.tidy()
            except (*DATABASE, OSError) as problem:
                log.warning("housekeeping", error=words_of(problem))
            await asyncio.sleep(TIDIED_EVERY_SECONDS)

    async def tidy(self) -> None:
        """Clears away what has ended, of runs that are over for long enough. Raises as the database does."""
        for op_id in await asyncio.to_thread(clearing.half_gone, self._spool):
            await self._clear(op_id)
        there = await asyncio.to_thread(clearing.operations, self._spool, self._installation)
        for run_id in await self._claims.over_since(list(there), self._clock() - KEPT_FOR):
            for op_id in there[run_id]:
                if await asyncio.to_thread(clearing.is_complete, self._spool, op_id):
                    await self._clear(op_id)
                else:
                    self._keep(op_id, CUT_OFF)

    async def _clear(self, op_id: str) -> None:
        try:
            await asyncio.to_thread(clearing.clear, self._spool, op_id)
        except OSError as problem:
            self._keep(op_id, words_of(problem))

    def _keep(self, op_id: str, why: str) -> None:
        """Says it once."""
        if op_id not in self._kept:
            self._kept.add(op_id)
            log.warning("kept in the spool", op=op_id, why=why)
