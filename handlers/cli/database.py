"""The database as the shell uses it: read beside a running `serve`, upgraded only while none runs."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy.exc import ArgumentError

from bot.clock import SteadyClock
from bot.errors import ConfigurationError, TemporaryError, UserError
from handlers.settings import ProcessSettings
from storage.database import (
    HEAD,
    Database,
    LockFile,
    file_of,
    open_database,
    revision,
    sqlite_url,
    upgrade,
    why_not_upgrade,
)
from storage.runs import Store, open_store
from storage.sealing import forget_seal


@asynccontextmanager
async def stored(settings: ProcessSettings) -> AsyncIterator[Store]:
    """Opens what is stored. Before the first `serve` an empty database stands in, which is thrown away.

    Raises ConfigurationError, TemporaryError when it is not at this program's version, and DBAPIError.
    """
    if there_is_none(settings):
        with TemporaryDirectory(prefix="rollback-bot-") as folder:
            async with opened(sqlite_url(Path(folder) / "empty.db")) as database:
                await upgrade(database)
                yield await open_store(database, None, SteadyClock()())
        return
    async with opened(settings.database) as database:
        if reason := why_not_readable(await revision(database)):
            raise TemporaryError(reason)
        yield await open_store(database, None, SteadyClock()())


def there_is_none(settings: ProcessSettings) -> bool:
    """A file that nobody made yet; a server is always there, or unreachable."""
    try:
        file = file_of(settings.database)
    except ArgumentError:
        raise _unusable_url() from None
    return file is not None and not file.exists()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    try:
        database = open_database(url)
    except (ArgumentError, ModuleNotFoundError):
        raise _unusable_url() from None
    try:
        yield database
    finally:
        await database.close()


def _unusable_url() -> ConfigurationError:
    """Without the address itself: a password may stand in it."""
    words = "ROLLBACK_DATABASE_URL is no address of a database that this program can use."
    return ConfigurationError((f"{words} Write one like sqlite+aiosqlite:////srv/rollback/rollback.db.",))


def why_not_readable(found: str | None) -> str | None:
    """`found` is the schema revision of the file; None: it has no tables."""
    if found == HEAD:
        return None
    if found is not None and found > HEAD:
        return (
            f"The database is of a newer version ({found}, this program knows {HEAD}). Use the newer program."
        )
    return (
        f"The database is not ready: its schema is {found or 'empty'}, this program needs {HEAD}. "
        "Start `serve`, or run `rollback-bot db upgrade`."
    )


@contextmanager
def alone(settings: ProcessSettings) -> Iterator[None]:
    """No `serve` runs meanwhile. Raises Locked."""
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = LockFile(settings.lock)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


async def upgraded(settings: ProcessSettings) -> tuple[str | None, str]:
    """From which schema revision (None: there was no database) to which.

    Raises Locked when a `serve` runs, and UserError when it is of a newer version or runs would end.
    """
    with alone(settings):
        async with opened(settings.database) as database:
            found = await revision(database)
            if found is not None and found > HEAD:
                raise UserError(str(why_not_readable(found)))
            if reason := await why_not_upgrade(database, settings.may_end_runs):
                raise UserError(reason)
            forget_seal(database)
            await upgrade(database)
            return found, HEAD
