"""A process that imports everything once and then plays cases: a line of JSON for each, in and out.

No event loop runs while it forks the bots; whoever has one talks to it through `playing`.
"""

import asyncio
import inspect
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

from pydantic import ValidationError

from bot import codec
from bot.model import Finding, Goal, Loss, Person, Plan, Points
from storage.database import open_database, sqlite_url, upgrade
from tests.bot.stories import ORDERS
from tests.chaos import upgrades
from tests.chaos.cases import Case, Fresh, play
from tests.postgres import Databases, connect, make_empty

MEMORY = Path("/dev/shm")


def main(server: str) -> None:
    """`server`: the URL of a PostgreSQL server; empty: SQLite."""
    _warm()
    with (
        _folder() as folder,
        _databases(server, folder) as fresh,
        upgrades.old_databases(server, folder) as old,
    ):
        for number, line in enumerate(sys.stdin):
            asked = json.loads(line)
            case = Case(asked["story"], tuple(asked["kills"]), asked["seed"])
            place = folder / str(number)
            is_upgrade = case.story == upgrades.UPGRADE
            verdict = upgrades.play(case, old, place) if is_upgrade else play(case, fresh, place)
            print(json.dumps(asdict(verdict)), flush=True)


def _warm() -> None:
    """What every life would do anew for itself."""
    inspect.stack()  # Bolt does, and reads the source of whoever is on it
    codec.load(Plan, codec.dump(Plan, ORDERS))
    for noun in (Goal, Person, Points, Loss, tuple[Finding, ...]):
        with suppress(ValidationError):
            codec.load(noun, None)


@contextmanager
def _folder() -> Iterator[Path]:
    """In memory: SIGKILL loses nothing that was written, only a power cut would."""
    with tempfile.TemporaryDirectory(prefix="chaos-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        yield Path(folder)


@contextmanager
def _databases(server: str, folder: Path) -> Iterator[Fresh]:
    """Databases at the newest revision: copies of a file, or one on the server that is made empty again."""
    if server:
        with Databases(server).fresh() as url:
            asyncio.run(_upgraded(url))
            with connect(url) as connection:  # which outlives every case: no disk to wait for
                connection.execute(f"alter database {connection.info.dbname} set synchronous_commit to off")
            yield lambda _: _emptied(url)
    else:
        template = folder / "template.db"
        asyncio.run(_upgraded(sqlite_url(template)))
        yield lambda place: _copied(template, place / "rollback.db")


async def _upgraded(url: str) -> None:
    database = open_database(url)
    await upgrade(database)
    await database.close()


@contextmanager
def _emptied(url: str) -> Iterator[str]:
    yield url
    make_empty(url)


@contextmanager
def _copied(template: Path, path: Path) -> Iterator[str]:
    shutil.copy(template, path)
    yield sqlite_url(path)


if __name__ == "__main__":
    main(sys.argv[1])
