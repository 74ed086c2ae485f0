"""A PostgreSQL server that several processes share: short transactions, and nobody waits for a dead one.

The extra `postgres` brings the driver: only `storage.database` imports this file, and only for such a URL.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.waiting import wait_async
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bot.canonical_json import canonical_text
from storage.writing import CHANNEL, CommitUnknown, DatabaseBehaviour, NoneFree, NotAccepted

T = TypeVar("T")
TRANSACTIONS_AT_ONCE = 2  # one waits for the disk while the next is made ready
READERS = 8
WRITTEN_WITHIN_SECONDS = 10.0  # when nobody waits impatiently; shorter than a driver's lease
ROWS_READ_WITHIN_SECONDS = 5.0
ALIVE_EVERY_SECONDS = 10.0  # a connection that only listens does not notice that the other end is gone
LISTENS_AGAIN_AFTER_SECONDS = 1.0  # when the server is away
SERVER_SIDE = {  # what the server itself gives up
    "statement_timeout": "5s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "3s",  # a stopped process may hold the lock that all need
    "timezone": "UTC",
    "jit": "off",  # our queries are over before it has compiled one
}
CONNECTING: dict[str, Any] = {
    "connect_timeout": 2,  # seconds, the least that libpq takes
    "tcp_user_timeout": 5_000,  # milliseconds
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}
CLASHES = {"40001", "40P01", "55P03", "25P03"}  # serialization, deadlock, waited or idled too long: once more
AWAY = ("08", "57P")  # how codes begin of a server that ends or has ended the connection
TAKEN_BACK = {"23", "40", "53"}  # classes of errors after which a commit has certainly not happened


class _Connection(psycopg.AsyncConnection[Any]):
    """Closed when its user is cancelled: psycopg would first ask the server, for up to 10 s, to stop."""

    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        try:
            return await wait_async(gen, self.pgconn.socket, interval=interval, timeout=timeout)
        except asyncio.CancelledError:
            self.pgconn.finish()
            raise


def _passes(problem: Exception, committing: bool) -> bool:
    """Whether the same change may be tried again: it clashed, or the server was away before the commit."""
    if isinstance(problem, NoneFree):
        return True
    said = _said(problem)
    return said is not None and (said.sqlstate in CLASHES or (_away(said) and not committing))


def _in_our_words(problem: Exception, committing: bool) -> Exception:
    said = _said(problem)
    away = said is not None and (_away(said) or isinstance(said, psycopg.OperationalError))
    if not (away or isinstance(problem, TimeoutError)):
        return problem
    answer: Exception = NotAccepted("The database cannot store this now.")
    if committing and (said is None or (said.sqlstate or "")[:2] not in TAKEN_BACK):
        answer = CommitUnknown()
    answer.__cause__ = problem
    return answer


def _said(problem: Exception) -> psycopg.Error | None:
    """Returns what the driver raised, beneath SQLAlchemy or the queue; None: it was not the driver."""
    said = problem.orig if isinstance(problem, DBAPIError) else problem.__cause__
    return said if isinstance(said, psycopg.Error) else None


def _away(said: psycopg.Error) -> bool:
    """The connection is gone; without a code the server has said nothing at all."""
    if said.sqlstate is None:
        return isinstance(said, psycopg.OperationalError | psycopg.InterfaceError)
    return said.sqlstate.startswith(AWAY)


def _breaks(problem: Exception) -> bool:
    return False  # a server whose disk has failed stops by itself


BEHAVIOUR = DatabaseBehaviour(TRANSACTIONS_AT_ONCE, WRITTEN_WITHIN_SECONDS, _passes, _in_our_words, _breaks)


def engines(url: str) -> tuple[AsyncEngine, AsyncEngine]:
    """The writers' and the readers'."""
    writers = _engine(url, TRANSACTIONS_AT_ONCE, SERVER_SIDE)
    only_reading = {**SERVER_SIDE, "default_transaction_read_only": "on"}
    return writers, _engine(url, READERS, only_reading, isolation_level="AUTOCOMMIT", pool_pre_ping=True)


def _engine(url: str, connections: int, settings: Mapping[str, str], **how: Any) -> AsyncEngine:
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return create_async_engine(
        url,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=ROWS_READ_WITHIN_SECONDS,
        json_serializer=canonical_text,
        use_native_hstore=False,  # otherwise each new connection asks for a type that nobody uses
        connect_args={"async_creator_fn": _Connection.connect, "options": options, **CONNECTING},
        **how,
    )


def libpq(url: str) -> str:
    """The same address as the driver itself reads it."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


async def listen(url: str, on_change: Callable[[str], None]) -> None:
    """Says what changed, `RB-42` or `look 7`, until cancelled; empty: anything may have, nobody listened."""
    while True:
        try:
            async with await _Connection.connect(libpq(url), autocommit=True, **CONNECTING) as connection:
                await connection.execute(f"listen {CHANNEL}")
                on_change("")
                while True:
                    async for notice in connection.notifies(timeout=ALIVE_EVERY_SECONDS):
                        on_change(notice.payload)
                    async with asyncio.timeout(ROWS_READ_WITHIN_SECONDS):
                        await connection.execute("select 1")
        except (psycopg.OperationalError, TimeoutError):
            await asyncio.sleep(LISTENS_AGAIN_AFTER_SECONDS)
