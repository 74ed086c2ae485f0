"""What other programs tell, until it is stored: many in one transaction."""

import asyncio
from collections.abc import Sequence

from bot.clock import Clock
from storage.changes import ChangeStore, ToldChange

Waiting = tuple[Sequence[ToldChange], asyncio.Future[None]]
Batch = list[Waiting]


class Inbox:
    """Holds what was told and is not stored yet: while one transaction is written, the next one fills."""

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
                await self._store(batch)
            except TimeoutError as problem:  # the database does not answer: nobody waits for it once more
                for _, stored in batch:
                    _end(stored, problem)
            except Exception:  # noqa: BLE001 - one that cannot be stored takes no other with it
                for each in batch:
                    await self._alone(each)
            else:
                for _, stored in batch:
                    _end(stored, None)

    async def _store(self, batch: Batch) -> None:
        await self._changes.hear([one for told, _ in batch for one in told], self._clock())

    async def _alone(self, each: Waiting) -> None:
        try:
            await self._store([each])
        except Exception as problem:  # noqa: BLE001 - who told it hears that it is not stored
            _end(each[1], problem)
        else:
            _end(each[1], None)


def _end(stored: asyncio.Future[None], problem: Exception | None) -> None:
    if stored.done():
        return  # who told it has hung up
    if problem is None:
        stored.set_result(None)
    else:
        stored.set_exception(problem)
