"""How the live database stands: whole, damaged, or nothing that SQLite can open.

Its token follows from that. It stays the same as long as the file is damaged in the same way, and moves when
somebody repairs it, or puts another file in its place.
"""

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from backends.file_digests import is_settled, stamps_of
from backends.sqlite import bytewise
from backends.sqlite.parts import part, parts_of
from backends.sqlite.reading import (
    DAMAGED,
    NO_DATABASE,
    CheckedFile,
    Damaged,
    NoDatabase,
    OutOfTime,
    checked,
    damage_of,
    identity,
    place_of,
    reading,
    reading_alone,
    token_of,
)
from backends.sqlite.telling import sentence
from bot.contract import Blocked, Busy, StateChanged, TargetMissing
from bot.model import Current

LOOK_SECONDS: Final = 5.0  # for quick_check beside its writers
LOOK_LOCKED_SECONDS: Final = 1.0  # the same with a rollback journal: nobody can write meanwhile
AT_ONCE_BYTES: Final = 64 << 20  # of a larger one SQLite reads whole trees before it looks at the time
GOOD_SECONDS: Final = 60.0  # for which a look counts that nobody has written since
PAGES, UNREADABLE, EMPTY, GONE = "damaged", "unreadable", "empty", "gone"  # in tokens, for ever
LABELS: Final = {
    UNREADABLE: "a file that SQLite cannot read",
    EMPTY: "an empty file",
    GONE: "no file",
}


@dataclass(frozen=True, slots=True)
class Condition:
    """Says what was seen of a database."""

    schema: str = ""  # its hash; empty: SQLite cannot read it
    damage: str = ""  # in one word; empty: none was seen
    words: str = ""  # what was seen of the damage, without a full stop
    not_read: tuple[str, ...] = ()  # what nobody has looked at, and why

    @property
    def opens(self) -> bool:
        """Whether SQLite can copy over it, with its locks and as one transaction."""
        return bool(self.schema)

    def current(self, database: Path) -> Current:
        known = f"{self.schema}{DAMAGED}{self.damage}" if self.damage else self.schema
        token = token_of(known, place_of(database))
        if not self.opens:
            return Current(id=self.damage, token=token, label=LABELS[self.damage])
        label = f"live, schema {self.schema[:8]}{', damaged' if self.damage else ''}"
        return Current(id=f"schema-{self.schema[:8]}", token=token, label=label)


def look(database: Path, wait: float, *, check: bool) -> Condition:
    """Changes nothing. Raises TargetMissing where not even its folder is there, and Busy.

    `check`: reads as much of it as there is time for. Otherwise only what can be said at once is seen.
    """
    if not database.exists():
        if not part(database, "").parent.is_dir():
            raise TargetMissing(f"{database} does not exist, and neither does its folder.")
        return Condition(damage=GONE, words=f"{database} is gone")
    if not database.is_file():
        raise TargetMissing(f"{database} is no file.")
    if database.stat().st_size == 0:  # SQLite itself would open it, and throw away a -wal beside it
        return Condition(damage=EMPTY, words=f"{database} is an empty file")
    if why := _why_not_alone(database):
        return Condition(damage=UNREADABLE, words=why)
    schema = ""
    try:
        with reading(database, wait) as live:
            schema = identity(live)
            found = _checked(live, database) if check else CheckedFile()
    except NoDatabase as unknown:
        return Condition(damage=UNREADABLE, words=_without_stop(unknown))
    except Damaged as damage:
        return Condition(schema, PAGES if schema else UNREADABLE, _without_stop(damage))
    words = f"SQLite says: {found.fault}" if found.fault else ""
    return Condition(schema, PAGES if found.fault else "", words, found.not_read)


def _why_not_alone(database: Path) -> str:
    """Returns why it must not be opened: SQLite cannot read it, and would take its -wal away."""
    if "-wal" not in parts_of(database):
        return ""
    try:
        with reading_alone(database) as alone:
            identity(alone)
    except Damaged:  # what is missing may stand in the -wal
        said = bytewise.fault(database, "reads", LOOK_SECONDS)
        return f"SQLite says: {said}. {NO_DATABASE}" if said else ""
    except (Blocked, Busy):
        return ""  # somebody writes to it now, so it is in use
    return ""


def _checked(live: sqlite3.Connection, database: Path) -> CheckedFile:
    """`live` stays open meanwhile, so that it tidies up what another process leaves."""
    journal = live.execute("PRAGMA journal_mode").fetchone()[0]
    seconds = LOOK_SECONDS if journal == "wal" else LOOK_LOCKED_SECONDS
    try:
        if database.stat().st_size > AT_ONCE_BYTES:
            return CheckedFile(bytewise.fault(database, "checks", seconds))
        return checked(live, "quick_check", seconds)
    except (OutOfTime, Blocked) as reason:
        if isinstance(reason, Damaged):
            raise
        return CheckedFile(not_read=(_without_stop(reason),))


def _without_stop(reason: Exception) -> str:
    return sentence(reason).removesuffix(".")


def refuse_repaired(live: sqlite3.Connection, expected: str) -> None:
    """Raises StateChanged when pages of it were damaged and are not any more."""
    if damage_of(expected) == PAGES and not checked(live, "quick_check", LOOK_SECONDS).fault:
        raise StateChanged("The database is whole again: somebody has repaired it since the plan was made.")


class Looks:
    """Remembers a look as long as nobody has written, at most for a minute: a disk decays in silence."""

    def __init__(self, database: Path, wait: float) -> None:
        self._database = database
        self._wait = wait
        self._known: tuple[object, float, Condition] | None = None

    def at_all(self) -> Condition:
        """Returns what can be said at once: which pages are damaged is not looked at."""
        return look(self._database, self._wait, check=False)

    def closely(self) -> Condition:
        before, now = self._stamps(), time.monotonic()
        if self._known is not None and self._known[0] == before and now - self._known[1] < GOOD_SECONDS:
            return self._known[2]
        condition = look(self._database, self._wait, check=True)
        stamps = self._stamps()
        self._known = (stamps, now, condition) if all(map(is_settled, stamps)) else None
        return condition

    def _stamps(self) -> tuple[tuple[int, int, int, int, int], ...]:
        files = (part(self._database, suffix) for suffix in ("", "-wal", "-journal"))
        return tuple(stamps_of(path.stat()) for path in files if path.exists())
