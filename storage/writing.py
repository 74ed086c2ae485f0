"""What a change of the database is promised, on every kind of database.

All of it or nothing; and who waits for it is told the truth: done, not accepted, or not known.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from sqlalchemy import Executable, Table, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.errors import TemporaryError

T = TypeVar("T")
Work: TypeAlias = Callable[[AsyncConnection], Awaitable[T]]
CHANNEL = "rollback_changed"
_NOTIFY = text("select pg_notify(:channel, :what)")
QUEUED_AT_MOST = 1_000  # changes that wait in one process; whoever comes then is told at once


class NotAccepted(TemporaryError):
    """Nothing of the change is stored, and nothing will be."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why} Nothing was stored and nothing will run. Try again in a moment.")


class CommitUnknown(Exception):
    """The commit had begun and gave no answer: the change is stored or it is not, look for it."""

    def __init__(self) -> None:
        super().__init__("The database did not say whether it has stored this. Look before you do it again.")


class Writer(Protocol):
    async def write(self, work: Work[T], within: float | None) -> T:
        """`work` may be run more than once: it changes nothing but what its connection takes back.

        `within` seconds, None: as long as this kind of database may take. Raises NotAccepted, CommitUnknown.
        Cancelling the caller does not leave a change half known: it is done anyway.
        """
        ...

    async def close(self) -> None: ...


class Job(Generic[T]):
    """A change on its way. Its writer sets `committing` just before it commits: nobody gives it up after."""

    def __init__(self, work: Work[T]) -> None:
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


@asynccontextmanager
async def lent(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Unlike `async with engine.connect()`, which gives it back a moment later, in a task of its own."""
    connection = await engine.connect()
    try:
        yield connection
    finally:
        await connection.close()


async def insert_if_new(connection: AsyncConnection, table: Table, values: Mapping[str, Any]) -> bool:
    """False: such a row is there already. A refusal by exception would end a transaction on PostgreSQL."""
    return (await connection.execute(_inserted(connection.dialect.name, table), values)).first() is not None


@cache
def _inserted(dialect: str, table: Table) -> Executable:
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    return insert(table).on_conflict_do_nothing().returning(*table.primary_key)


async def tell_listeners(connection: AsyncConnection, what: str) -> None:
    """That something about it has changed, to every process that listens, when the transaction is committed.

    Nobody else writes to a file, so there nobody listens.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(_NOTIFY, {"channel": CHANNEL, "what": what})
