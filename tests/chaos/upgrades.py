"""A case beside the stories: the bot is killed while it upgrades the database of an earlier version.

The one that comes after goes on from there, and finds every run as the earlier version has left it.
"""

import asyncio
import os
import shutil
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from storage.database import HEAD, open_database, revision, settle, upgrade
from storage.runs import open_store
from tests.bot.stories import T0
from tests.chaos.cases import Case, Fresh, Verdict
from tests.chaos.checker import RULES
from tests.chaos.histories import Histories, stored
from tests.chaos.life import DIED_OF_ITSELF, FRONT
from tests.chaos.moments import Moments, Trail
from tests.chaos.stories import STORIES
from tests.postgres import Databases
from tests.storage import golden

UPGRADE = "upgrade"
FIRST = "0001"  # the earlier version
EVERY_STORY = (*STORIES, UPGRADE)
SHOWN_OF_A_STATEMENT = 6  # words
OF_THE_STORE = ("I6 chain", "I6 entries", "I6 projection")  # the world has no part in it


def play(case: Case, old: Fresh, folder: Path) -> Verdict:
    began = time.perf_counter()
    folder.mkdir()
    with old(folder) as url:
        lives, problems = [], list[str]()
        for kill_at in (*case.kills, None):
            trail, ended_well = _life(url, folder / "log", kill_at)
            lives.append(tuple(trail))
            if ended_well:
                break
        else:
            problems.append(f"Crashed: {(folder / 'log').read_text()[-2000:]}")
        problems += _problems(url)
    shutil.rmtree(folder)
    return Verdict(case, tuple(lives), tuple(problems), time.perf_counter() - began)


def _life(url: str, log: Path, kill_at: int | None) -> tuple[list[str], bool]:
    """The moments that were reached, and whether it came to its end."""
    trail = Trail()
    pid = os.fork()
    if pid == 0:
        _live(url, log, Moments(trail, kill_at))
    _, status = os.waitpid(pid, 0)
    reached = trail.read()
    trail.close()
    return reached, status == 0


def _live(url: str, log: Path, moments: Moments) -> None:
    """The whole of a forked process; never returns."""
    status = DIED_OF_ITSELF
    with log.open("a") as writing:
        try:
            _watch(moments)
            asyncio.run(_start(url, moments))
            status = 0
        except BaseException:  # noqa: BLE001 - it is the end of the process, and its parent reads why
            traceback.print_exc(file=writing)
        finally:
            writing.flush()
            os._exit(status)


async def _start(url: str, moments: Moments) -> None:
    """What `serve` does before it listens."""
    database = open_database(url)
    moments.reach("upgrade:before")
    await settle(database)
    await upgrade(database)
    moments.reach("upgrade:after")
    await open_store(database, FRONT, T0)
    moments.reach("store opened:after")
    await database.close()


def _watch(moments: Moments) -> None:
    def executed(_: Connection, __: object, sql: str, *___: Any) -> None:
        if (words := sql.split())[0].upper() not in {"SELECT", "PRAGMA"}:
            moments.reach(f"upgrade:in, after {' '.join(words[:SHOWN_OF_A_STATEMENT])}")

    event.listen(Engine, "begin", lambda _: moments.reach("upgrade:begun"))
    event.listen(Engine, "after_cursor_execute", executed)
    event.listen(Engine, "commit", lambda _: moments.reach("upgrade:before commit"))


# Afterwards ------------------------------------------------------------------------------------


def _problems(url: str) -> Iterator[str]:
    found = asyncio.run(_revision(url))
    if found != HEAD:
        yield f"I5: the upgrade is not done, the database is at {found}"
        return
    engine = create_engine(url.replace("+aiosqlite", ""), poolclass=NullPool)
    with engine.connect() as connection:
        kept = stored(connection)
    engine.dispose()
    if _said(kept.events) != _said(golden.written(FIRST)["run_events"]):
        yield "I6: the events are not those that the earlier version has written"
    histories = Histories((), kept, ())
    for name in OF_THE_STORE:
        yield from (f"{name}: {words}" for words in RULES[name](histories))


async def _revision(url: str) -> str | None:
    database = open_database(url)
    try:
        return await revision(database)
    finally:
        await database.close()


def _said(events: Sequence[Any]) -> list[tuple[Any, ...]]:
    return sorted((event["run_id"], event["seq"], event["kind"], event["at"]) for event in events)


# Before ----------------------------------------------------------------------------------------


@contextmanager
def old_databases(server: str, folder: Path) -> Iterator[Fresh]:
    """Databases as the earlier version has left them. `server` empty: files."""
    if server:
        yield lambda _: _on_server(server)
    else:
        template = folder / "old.db"
        golden.write(FIRST, f"sqlite:///{template}")
        yield lambda place: _copied(template, place / "rollback.db")


@contextmanager
def _on_server(server: str) -> Iterator[str]:
    with Databases(server).fresh() as url:
        golden.write(FIRST, url)
        yield url


@contextmanager
def _copied(template: Path, path: Path) -> Iterator[str]:
    shutil.copy(template, path)
    yield f"sqlite+aiosqlite:///{path}"
