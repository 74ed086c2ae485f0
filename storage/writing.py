"""What a change of the database is promised, on every kind of database.

All of it or nothing; and who waits for it is told the truth: done, not accepted, or not known.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeAlias, TypeVar

from sqlalchemy import Executable, Table, text
from sqlalchemy.dialects.sqlite import insert as insert_into_sqlite
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.errors import TemporaryError

T = TypeVar("T")
DatabaseWork: TypeAlias = Callable[[AsyncConnection], Awaitable[T]]
CHANNEL = "rollback_changed"
_NOTIFY = text("select pg_notify(:channel, :what)")
TRIED_AGAIN_AFTER_SECONDS = 0.05
TOGETHER_AT_MOST_CHANGES = 16  # in one transaction: the first of them waits for the last
QUEUED_AT_MOST_CHANGES = 1_000  # in one process; whoever comes then is told at once


class NotAccepted(TemporaryError):
    """Nothing of the change is stored, and nothing will be."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why} Nothing was stored and nothing will run. Try again in a moment.")


class NoneFree(TimeoutError):
    """Every connection to the database was in use for too long."""


class DiskFailed(TemporaryError):
    """Says that what the disk did not take is still in the kernel's memory, where it looks as if stored."""

    def __init__(self) -> None:
        super().__init__(
            "The disk of the database has failed, so what was stored last may be lost. Nothing more is "
            "stored until the disk works and `rollback-bot serve` is started again."
        )


class CommitUnknown(Exception):
    """The commit had begun and gave no answer: the change is stored or it is not, look for it."""

    def __init__(self) -> None:
        super().__init__("The database did not say whether it has stored this. Look before you do it again.")


class Job(Generic[T]):
    """A change on its way. Its writer sets `committing` just before it commits: nobody gives it up after."""

    def __init__(self, work: DatabaseWork[T]) -> None:
        self.work = work
        self.done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.done.add_done_callback(_heard)  # perhaps nobody waits for it any more
        self.given_up = False  # its caller was told that nothing will come of it
        self.committing = False

    async def answer(self, within: float | None) -> T:
        if within is None:
            return await asyncio.shield(self.done)
        await asyncio.wait((self.done,), timeout=within)
        if self.done.done():
            return self.done.result()
        if self.committing:
            raise CommitUnknown
        self.given_up = True
        raise NotAccepted("The database does not answer.")

    def end(self, answer: T | BaseException) -> None:
        if isinstance(answer, BaseException):
            self.done.set_exception(answer)
        else:
            self.done.set_result(answer)


def _heard(done: asyncio.Future[Any]) -> None:
    if not done.cancelled():
        done.exception()


class _GivenUp(Exception):
    """Somebody in this transaction was told that nothing will come of it."""


@dataclass(frozen=True, slots=True)
class DatabaseBehaviour:
    """How a kind of database is written to."""

    at_once: int  # transactions
    at_most: float | None  # seconds for a transaction, and for who waits for it; None: it answers or fails
    passes: Callable[[Exception, bool], bool]  # whether it is worth doing again; True: the commit had begun
    in_our_words: Callable[[Exception, bool], Exception]
    breaks: Callable[[Exception], bool]  # whether nothing that is stored after it can be believed


@dataclass(frozen=True, slots=True)
class TransactionEnd:
    """Holds what every transaction ends with."""

    write: Callable[[AsyncConnection], Awaitable[None]]
    forget: Callable[[AsyncConnection], None]  # what a transaction that was taken back has left for it


class Writer:
    """Writes what waits in one transaction, so it waits for the disk once; what fails is done again alone."""

    def __init__(self, engine: AsyncEngine, behaviour: DatabaseBehaviour, ending: TransactionEnd) -> None:
        self._engine = engine
        self._behaviour = behaviour
        self._ending = ending
        self._waiting: deque[Job[Any]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self.broken = asyncio.Event()  # set once and for all: nothing more is stored, whoever serves stops

    async def write(self, work: DatabaseWork[T], within: float | None) -> T:
        """`work` may be run more than once: it changes nothing but what its connection takes back.

        `within` seconds, None: as long as this kind of database may take. Raises NotAccepted, CommitUnknown.
        Cancelling the caller does not leave a change half known: it is done anyway.
        """
        if len(self._waiting) >= QUEUED_AT_MOST_CHANGES:
            raise NotAccepted("Too much waits to be stored.")
        job = Job(work)
        self._waiting.append(job)
        if len(self._tasks) < self._behaviour.at_once:
            self._tasks.add(asyncio.create_task(self._write_waiting()))
        return await job.answer(self._behaviour.at_most if within is None else within)

    async def _write_waiting(self) -> None:
        try:
            while self._waiting:
                count = min(len(self._waiting), TOGETHER_AT_MOST_CHANGES)
                jobs = [self._waiting.popleft() for _ in range(count)]
                await self._write_together([job for job in jobs if not job.given_up])
        finally:  # at once: a done callback comes later, and what is queued until then would wait for ever
            current = asyncio.current_task()
            assert current is not None  # this is a task of its own
            self._tasks.discard(current)

    async def _write_together(self, jobs: Sequence[Job[Any]]) -> None:
        try:
            answers = await self._try(jobs)
        except _GivenUp:
            self._waiting.extendleft(reversed(jobs))  # the others once more, without it
        except Exception as problem:  # noqa: BLE001 - whoever waits is told
            await self._after(problem, jobs)
        else:
            for job, answer in zip(jobs, answers, strict=True):
                job.end(answer)

    async def _try(self, jobs: Sequence[Job[Any]]) -> Sequence[Any]:
        if self.broken.is_set():
            raise NotAccepted("The disk of the database has failed.")
        async with asyncio.timeout(self._behaviour.at_most), lent(self._engine) as connection:
            self._ending.forget(connection)
            async with connection.begin():
                answers = [await job.work(connection) for job in jobs]
                await self._ending.write(connection)
                _commit_begins(jobs)
        return answers

    async def _after(self, problem: Exception, jobs: Sequence[Job[Any]]) -> None:
        committing = any(job.committing for job in jobs)
        if self._behaviour.breaks(problem):
            self.broken.set()
        if self._behaviour.passes(problem, committing):
            for job in jobs:
                job.committing = False
            self._waiting.extendleft(reversed(jobs))
            await asyncio.sleep(TRIED_AGAIN_AFTER_SECONDS)
        elif len(jobs) > 1 and not committing:
            for job in jobs:
                await self._write_together([job])
        else:
            for job in jobs:
                job.end(self._behaviour.in_our_words(problem, committing))

    async def close(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._behaviour.at_most)
        await self._engine.dispose()


def _commit_begins(jobs: Sequence[Job[Any]]) -> None:
    if any(job.given_up for job in jobs):
        raise _GivenUp
    for job in jobs:
        job.committing = True


@asynccontextmanager
async def lent(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Unlike `async with engine.connect()`, which gives it back a moment later, in a task of its own.

    Raises NoneFree: of the pool's own error nobody knows that it is the database that is away.
    """
    try:
        connection = await engine.connect()
    except PoolTimeout as problem:
        raise NoneFree(str(problem)) from problem
    try:
        yield connection
    finally:
        await connection.close()


async def insert_if_new(connection: AsyncConnection, table: Table, values: Mapping[str, Any]) -> bool:
    """False: such a row is there already. A refusal by exception would end a transaction on PostgreSQL."""
    return (await connection.execute(_inserted(connection.dialect.name, table), values)).first() is not None


@cache
def _inserted(dialect: str, table: Table) -> Executable:
    if dialect == "postgresql":
        # Not at the top, see `storage.tables`.
        from sqlalchemy.dialects.postgresql import insert

        return insert(table).on_conflict_do_nothing().returning(*table.primary_key)
    return insert_into_sqlite(table).on_conflict_do_nothing().returning(*table.primary_key)


async def tell_listeners(connection: AsyncConnection, what: Sequence[str]) -> None:
    """That something about these has changed, to every process that listens, when it is committed.

    Nobody else writes to a file, so there nobody listens.
    """
    if what and connection.dialect.name == "postgresql":
        await connection.execute(_NOTIFY, [{"channel": CHANNEL, "what": one} for one in what])
