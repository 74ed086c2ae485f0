"""Looks for what stands against a restore, or has to be said of it, before anybody agrees."""

import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from backends.sqlite import bytewise
from backends.sqlite.backups import is_raw, was_wal
from backends.sqlite.condition import EMPTY, GONE, Condition
from backends.sqlite.identifiers import folded
from backends.sqlite.parts import part, parts_of
from backends.sqlite.reading import (
    Damaged,
    NoDatabase,
    OutOfTime,
    checked,
    encoding,
    reading,
    reading_backup,
    tables,
)
from backends.sqlite.replacing import PAGE_BYTES, owner_of_new
from backends.sqlite.telling import sentence
from bot.contract import Blocked, Denied, PointUnavailable
from bot.model import UndoMode

CHECKING_SECONDS = 60.0  # for quick_check and integrity_check
STOP_OTHERS = (
    "The file itself is replaced: whatever has it open must be stopped before, and started again after it."
)
KEPT_BYTES = "The damaged file is kept as it is; undo puts it back byte for byte."


@dataclass(frozen=True, slots=True)
class Stands:
    """How the live database and one restore point stand to each other."""

    database: Path
    backups: Path
    backup: Path
    condition: Condition  # of the live database

    @property
    def _replaces(self) -> bool:
        """Whether the file itself is replaced, and not copied over by SQLite."""
        return is_raw(self.backup.name) or not self.condition.opens

    @property
    def compares(self) -> bool:
        """Whether both are databases that SQLite opens."""
        return self.condition.opens and not is_raw(self.backup.name)

    def table_names(self) -> frozenset[str] | None:
        """Returns the folded names of the tables of both; None: one of the two cannot be read."""
        if not self.compares:
            return None
        with reading(self.database) as live, reading_backup(self.backup) as backup:
            return frozenset(folded(name) for name in (*tables(live), *tables(backup)))

    def warnings(self, unchecked: Iterable[str], without: Iterable[str]) -> tuple[str, ...]:
        """`unchecked`: of the backup. `without`: by which rows were not compared."""
        return (*self.damage_warnings(), *unchecked, *without, *self.other_warnings())

    def blockers(self, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """`wanted`: the tables of the settings."""
        return (*self.content_blockers(wanted), *self.space_blockers(), *self.page_blockers())

    def refuse_without_rights(self) -> None:
        """Raises Denied where the bot may not write what it will have to write."""
        database = part(self.database, "")
        places = [("folder of the database", database.parent), ("folder of the backups", self.backups)]
        if database.exists():
            places.append(("database", database))
        for what, path in places:
            mode = os.W_OK | (os.X_OK if path.is_dir() else 0)
            if not os.access(path, mode, effective_ids=True):
                raise Denied(
                    f"The bot, user {os.geteuid()}, may not write the {what}, {path}: give it the right to, "
                    "or see whether its disk is read-only."
                )

    def refuse_damaged(self, others: Iterable[str]) -> tuple[str, ...]:
        """Raises PointUnavailable; warnings when not all of it was read."""
        if is_raw(self.backup.name):
            return ()
        try:
            with reading_backup(self.backup) as backup:
                found = checked(backup, "quick_check", CHECKING_SECONDS)
        except NoDatabase as unknown:
            raise PointUnavailable(f"The backup `{self.backup.stem}` cannot be read: {unknown}") from None
        except Damaged as damage:
            fault = str(damage)
        except (OutOfTime, Blocked) as reason:
            return (f"The backup was not checked completely: {sentence(reason)}",)
        else:
            fault = found.fault
            if not fault:
                return tuple(f"The backup was not checked completely: {why}." for why in found.not_read)
        first = [f"`{one}`" for one in others][:3]
        named = f"; others are {', '.join(first)}" if first else ""
        raise PointUnavailable(f"The backup `{self.backup.stem}` is damaged ({fault}){named}.")

    def damage_warnings(self) -> Iterator[str]:
        """Says how the live database is damaged, what is kept of it, and what replacing it means."""
        if self.condition.damage:
            yield f"The database is not whole: {self.condition.words}."
            yield self._kept_words()
        yield from (f"The database was not checked completely: {why}." for why in self.condition.not_read)
        if is_raw(self.backup.name):
            yield "What comes back is the damaged database of then, byte for byte."
        if self._replaces:
            yield STOP_OTHERS
        if not is_raw(self.backup.name) and not parts_of(self.database):
            user, group, mode = owner_of_new(self.database, self.backup)
            yield f"The new file will belong to user {user} and group {group}, with the mode {mode:04o}."

    def _kept_words(self) -> str:
        if not parts_of(self.database):
            return "Nothing is left of it that could be kept, so this cannot be undone."
        if self.condition.damage == GONE:
            beside = ", ".join(part(self.database, suffix).name for suffix in parts_of(self.database))
            return f"What is left of it, {beside}, is kept; undo puts that back and takes the database away."
        return KEPT_BYTES.replace("damaged", "empty") if self.condition.damage == EMPTY else KEPT_BYTES

    def undo(self) -> UndoMode:
        return UndoMode.EXACT if parts_of(self.database) else UndoMode.IMPOSSIBLE

    def other_warnings(self) -> Iterator[str]:
        """Says what becomes different that no table shows."""
        if not self.compares:
            return
        with reading(self.database) as live, reading_backup(self.backup) as backup:
            if live.execute("PRAGMA journal_mode").fetchone()[0] != "wal" and was_wal(self.backup):
                yield "The journal mode becomes WAL, as in the backup."
            if encoding(live) != encoding(backup):
                yield (
                    f"The texts become {encoding(backup)}, as in the backup: whatever has the database open "
                    "must be started again before it can read it."
                )
            now, then = (db.execute("PRAGMA application_id").fetchone()[0] for db in (live, backup))
            if now and then and now != then:
                yield f"The backup is of another application: its id is {then}, that of the database {now}."

    def content_blockers(self, wanted: tuple[str, ...]) -> Iterator[str]:
        """`wanted`: the tables of the settings; empty: any."""
        if is_raw(self.backup.name):
            return
        with reading_backup(self.backup) as backup:
            there = {folded(name) for name in tables(backup)}
        if not there:
            yield "The backup holds no tables."
        elif wanted and not there & {folded(name) for name in wanted}:
            yield f"The backup holds none of the tables {', '.join(wanted)}: is it one of this database?"

    def page_blockers(self) -> Iterator[str]:
        if not self.compares:
            return
        with reading_backup(self.backup) as backup:
            of_backup = backup.execute("PRAGMA page_size").fetchone()[0]
        with reading(self.database) as live:
            journal, of_live = (
                live.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "page_size")
            )
        if journal == "wal" and of_live != of_backup:
            yield (
                f"The backup has pages of {of_backup:,} bytes, and the database has a WAL and pages of "
                f"{of_live:,}: SQLite cannot copy it over that."
            )

    def space_blockers(self) -> Iterator[str]:
        """The undo copy goes beside the backups; the journal, WAL or new file beside the database."""
        needed: dict[int, int] = {}
        folders: dict[int, Path] = {}
        for folder, size in (
            (self.backups, bytewise.size_of(self.database)),
            (part(self.database, "").parent, self.backup.stat().st_size),
        ):
            disk = folder.stat().st_dev
            needed[disk] = needed.get(disk, 0) + size
            folders.setdefault(disk, folder)
        for disk, folder in folders.items():
            free = shutil.disk_usage(folder).free
            if needed[disk] > free:
                yield (
                    f"The disk of {folder} has {free:,} bytes free, and {needed[disk]:,} are needed for the "
                    "undo point and the restore: free some space."
                )

    def duration(self, pages_per_second: int | None) -> float | None:
        """Returns seconds; None: it goes as fast as the disk."""
        if pages_per_second is None:
            return None
        if self._replaces:
            return self.backup.stat().st_size / PAGE_BYTES / pages_per_second
        with reading_backup(self.backup) as backup:
            return float(backup.execute("PRAGMA page_count").fetchone()[0]) / pages_per_second
