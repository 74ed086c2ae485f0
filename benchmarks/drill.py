"""A drill of a large SQLite database beside, against its copy and its checks made by hand.

By hand: the backup is copied and brought to the disk, both are read for their SHA-256, and the copy is
looked at by integrity_check and by one query. The drill does what the engine has a backend do: it reads the
backup for what is pinned, copies it, says what it sees of the copy, has the same query asked, says once more
what it sees, and drops the copy.
"""

import asyncio
import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from backends.sqlite.executor import Sqlite
from backends.worker_key import WorkerKey
from benchmarks.figure import Figure
from benchmarks.installation import new_folder
from bot.contract import COPY, Ended, Progress, Work
from bot.model import Beside, Do, Verdict

POINT = "20261122T100000Z"
QUERY = "SELECT count(*) FROM orders WHERE total < 0"
SLOWER_TIMES = 1.15
LOOK_EVERY_SECONDS = 0.2  # as the engine does
ROUNDS = 3


async def measure(quick: bool) -> list[Figure]:
    """The best of some rounds: another one on the machine makes it slower, and nothing faster."""
    megabytes, rounds = (100, 1) if quick else (2_000, ROUNDS)
    with new_folder() as folder:
        backup = folder / "backups" / f"{POINT}.db"
        backup.parent.mkdir()
        _fill(backup, megabytes)
        shutil.copyfile(backup, folder / "orders.db")
        executor = Sqlite(folder / "orders.db", backup.parent, WorkerKey.fresh())
        hand, drilled = [], []
        for n in range(rounds):
            _change(backup, n)  # nothing is remembered of another content
            hand.append(await asyncio.to_thread(_timed, lambda: _by_hand(backup, folder / "hand.db")))
            drilled.append(await _drill(executor, n))
    ratio = min(drilled) / min(hand)
    return [
        Figure(
            f"drill of {megabytes:,} MB beside, against copy and checks by hand",
            f"{ratio:.2f}, {min(drilled):.1f} s",
            f"≤ {SLOWER_TIMES:g}",
            ratio <= SLOWER_TIMES,
            {"seconds": drilled, "by_hand": hand},
        )
    ]


def _fill(path: Path, megabytes: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER, note BLOB)")
        database.execute("BEGIN")
        block = os.urandom(900)
        rows = ((n, b"%d" % n + block) for n in range(megabytes * 1_000))
        database.executemany("INSERT INTO orders (total, note) VALUES (?, ?)", rows)
        database.execute("COMMIT")


def _change(path: Path, n: int) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE orders SET total = ? WHERE id = 1", [n])
        database.commit()


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _by_hand(backup: Path, copy: Path) -> None:
    with backup.open("rb") as source, copy.open("wb") as made:
        shutil.copyfileobj(source, made, 8 << 20)
        made.flush()
        os.fsync(made.fileno())
    assert _sha256(copy) == _sha256(backup)
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",)
        assert database.execute(QUERY).fetchone() == (0,)
    copy.unlink()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _drill(executor: Sqlite, n: int) -> float:
    began = time.perf_counter()
    content = await executor.fingerprint((await executor.points()).points[0])
    work = Work(f"bench.RB-{n}.1", f"RB-{n}", "0" * 64, Do.PREPARE, POINT, "", fingerprint=content)
    await executor.start(work)
    while isinstance(answer := await executor.poll(work), Progress):  # noqa: ASYNC110 - as the engine does
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    assert isinstance(answer, Ended)
    assert isinstance(answer.made, Beside)
    await _look(executor, work)
    with closing(sqlite3.connect(answer.made.environment[COPY])) as database:
        assert database.execute(QUERY).fetchone() == (0,)
    await _look(executor, work)
    drop = Work(f"bench.RB-{n}.3", f"RB-{n}", "0" * 64, Do.DROP, "", "", prepared=answer.made.id)
    assert isinstance(await executor.start(drop), Ended)
    return time.perf_counter() - began


async def _look(executor: Sqlite, work: Work) -> None:
    assert {finding.verdict for finding in await executor.verify(work)} == {Verdict.PASSED}
