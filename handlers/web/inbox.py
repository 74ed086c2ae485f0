"""What other programs tell, until it is stored: many in one transaction."""

import asyncio
from collections.abc import Sequence

from bot.clock import Clock
from storage.changes import ChangeStore, ToldChange

Batch = list[tuple[Sequence[ToldChange], asyncio.Future[None]]]


class Inbox:
    """What was told and is not stored yet: while one transaction is written, the next one fills."""

    def __init__(self, changes: ChangeStore, clock: Clock) -> None:
        self._changes = changes
        self._clock = clock
        self._waiting: Batch = []
        self._writing: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        return sum(len(told) for told, _ in self._waiting)

    async def take(self, told: Sequence[ToldChange]) -> None:
        """Returns once it is stored. Raises what storing raises."""
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((told, stored))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await stored

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                await self._changes.hear([one for told, _ in batch for one in told], self._clock())
            except Exception as problem:  # noqa: BLE001 - each of those who wait is told
                _end(batch, problem)
            else:
                _end(batch, None)


def _end(
    batch: Sequence[tuple[Sequence[ToldChange], asyncio.Future[None]]], problem: Exception | None
) -> None:
    for _, stored in batch:
        if stored.done():
            continue  # who told it has hung up
        if problem is None:
            stored.set_result(None)
        else:
            stored.set_exception(problem)
