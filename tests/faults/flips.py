"""Bytes that change on the disk by themselves, one at a time, and whether the next start notices.

`python -m tests.faults.flips 1000 SEED` is the long form of what `test_flips` does.
"""

import asyncio
import json
import random
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import JSON

from bot.event_kinds import EventKind as E
from bot.model import Do, Purpose
from storage.cards import CardKind, CardStore
from storage.database import open_database, sqlite_url, upgrade, why_not_current
from storage.integrity import why_not_sound
from storage.looks import LookStore
from storage.runs import Store, open_store
from storage.sealing import beside, seal
from storage.tables import metadata
from tests.bot.stories import T0, later, plan_data
from tests.people import ANA, BEN, CHANNEL
from tests.storage.told import ask, driven, plan_for, tell

Content = Mapping[str, list[tuple[Any, ...]]]


class Noticed(StrEnum):
    FOUND = "found"
    HARMLESS = "harmless"  # what can be read is the same
    UNDECIDED = "undecided"  # after a crash only: it changed what nothing is decided from
    MISSED = "missed"


JSON_COLUMNS = {
    table.name: frozenset(column.name for column in table.c if isinstance(column.type, JSON))
    for table in metadata.tables.values()
}
# What the docstring of `storage.integrity` says that it cannot see after a crash.
NOTHING_IS_DECIDED_FROM = frozenset({"cards", "modals", "looks", "deliveries", "leases"})
NOT_DECIDED_FROM = {
    "runs": frozenset({"epoch", "lease_until", "progress", "shown_seq"}),
    "installation": frozenset({"made_at"}),
}


async def populated(path: Path) -> None:
    """Runs in every kind of state, with all that hangs on them; stopped cleanly, and sealed."""
    url = sqlite_url(path)
    database = open_database(url)
    await upgrade(database)
    store = await open_store(database, None, T0)
    done = await driven(store)
    await driven(store, await ask(store, purpose=Purpose.UNDO.value, undo_of=done.id))
    await driven(store, await ask(store, "basket"))
    await driven(store, await ask(store, "shop"), up_to=Do.RESTORE)
    await tell(store, await ask(store, "search"), E.CANCELLED, ANA, why="never mind")
    waiting = await ask(store, "stock")
    await tell(store, waiting, E.PLANNED, **plan_data(plan_for(waiting)))
    await store.note("press_refused", later(5), BEN.id, {"press": "approve", "why": "…"}, run_id=done.id)
    await _beside_the_runs(store)
    await database.close()
    await seal(url)


async def _beside_the_runs(store: Store) -> None:
    cards = CardStore(store.database)
    await cards.want("RB-1", CardKind.CARD, CHANNEL, T0)
    await cards.want("RB-4", CardKind.DIRECT, BEN.id, T0)
    looks = LookStore(store.database)
    await looks.answer(await looks.want("shop", {"point": "p41"}, T0), {"reason": "…"}, T0)
    await store.change(lambda change: change.once("delivery 1", T0))


def content(path: Path) -> Content:
    """All that can be read: of JSON what it says, since a tab for a blank between two words says the same.

    Raises sqlite3.DatabaseError, ValueError.
    """
    with closing(sqlite3.connect(path)) as connection:
        connection.text_factory = bytes
        connection.row_factory = sqlite3.Row
        names = [
            row[0].decode() for row in connection.execute("select name from sqlite_master where type='table'")
        ]
        found: dict[str, list[tuple[Any, ...]]] = {}
        for name in names:
            rows = connection.execute(f"select * from {name} order by rowid").fetchall()
            found[name] = [tuple(rows[0].keys()), *(_read(name, row) for row in rows)] if rows else []
        return found


def _read(table: str, row: sqlite3.Row) -> tuple[Any, ...]:
    in_json = JSON_COLUMNS.get(table, frozenset())
    return tuple(
        json.loads(value) if column in in_json and value is not None else value
        for column, value in zip(row.keys(), tuple(row), strict=True)
    )


async def flipped(original: Path, copy: Path, chance: random.Random, *, crashed: bool) -> Noticed:
    """One byte, anywhere in the file. `crashed`: there was no clean stop, so there is no seal."""
    before = content(original)
    shutil.copy(original, copy)
    beside(copy).unlink(missing_ok=True)
    if not crashed:
        shutil.copy(beside(original), beside(copy))
    with open(copy, "r+b") as file:
        at = chance.randrange(original.stat().st_size)
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ chance.randrange(1, 256)]))
    database = open_database(sqlite_url(copy))
    try:
        if await why_not_sound(database) or await why_not_current(database):
            return Noticed.FOUND
    finally:
        await database.close()
    try:
        return _difference(before, content(copy))
    except (sqlite3.DatabaseError, ValueError) as unreadable:
        print(f"missed at {at}: {unreadable}")
        return Noticed.MISSED


def _difference(before: Content, after: Content) -> Noticed:
    if before == after:
        return Noticed.HARMLESS
    if before.keys() != after.keys():
        return Noticed.MISSED
    differing = {name for name in before if before[name] != after[name]} - NOTHING_IS_DECIDED_FROM
    if all(_decided(name, before[name]) == _decided(name, after[name]) for name in differing):
        return Noticed.UNDECIDED
    print(f"missed: {differing} differ")
    return Noticed.MISSED


def _decided(table: str, rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    """Returns the rows without what nothing is decided from."""
    names, left_out = rows[0], NOT_DECIDED_FROM.get(table, frozenset())
    return [
        [value for name, value in zip(names, row, strict=True) if name not in left_out] for row in rows[1:]
    ]


async def flip_many(folder: Path, count: int, seed: int, *, crashed: bool) -> Counter[Noticed]:
    chance = random.Random(seed)
    original = folder / "original.db"
    if not original.exists():
        await populated(original)
    return Counter(
        [await flipped(original, folder / "copy.db", chance, crashed=crashed) for _ in range(count)]
    )


async def main(count: int, seed: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        tallies = [await flip_many(Path(folder), count, seed, crashed=crashed) for crashed in (False, True)]
    for name, tally in zip(("after a clean stop", "after a crash"), tallies, strict=True):
        print(f"{count} flipped bytes {name}, seed {seed}: {json.dumps(tally)}")
    return 1 if any(tally[Noticed.MISSED] for tally in tallies) else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]))))
