"""Looks for what stands against a restore, or has to be said of it, before anybody agrees."""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from backends.sqlite.backups import was_wal
from backends.sqlite.reading import Damaged, OutOfTime, faults, reading, reading_backup
from backends.sqlite.telling import sentence
from bot.contract import Blocked, PointUnavailable

CHECKING_SECONDS = 60.0  # for quick_check and integrity_check


@dataclass(frozen=True, slots=True)
class Stands:
    """How the live database and one backup stand to each other."""

    database: Path
    backups: Path
    backup: Path

    def refuse_damaged(self, others: Iterable[str]) -> tuple[str, ...]:
        """Raises PointUnavailable; a warning when there was no time to read all of it."""
        try:
            with reading_backup(self.backup) as backup:
                fault = faults(backup, "quick_check", CHECKING_SECONDS)
        except Damaged as damage:
            fault = str(damage)
        except (OutOfTime, Blocked) as reason:
            return (f"The backup was not checked completely: {sentence(reason)}",)
        if not fault:
            return ()
        first = [f"`{one}`" for one in others][:3]
        named = f"; others are {', '.join(first)}" if first else ""
        raise PointUnavailable(f"The backup `{self.backup.stem}` is damaged ({fault}){named}.")

    def journal_warnings(self) -> tuple[str, ...]:
        if self._pragma("journal_mode") == "wal" or not was_wal(self.backup):
            return ()
        return ("The journal mode becomes WAL, as in the backup.",)

    def page_blockers(self) -> tuple[str, ...]:
        with reading_backup(self.backup) as backup:
            of_backup = backup.execute("PRAGMA page_size").fetchone()[0]
        if self._pragma("journal_mode") != "wal" or self._pragma("page_size") == of_backup:
            return ()
        return (
            f"The backup has pages of {of_backup} bytes: SQLite cannot copy it over a database with WAL.",
        )

    def _pragma(self, name: str) -> str | int:
        with reading(self.database) as live:
            value: str | int = live.execute(f"PRAGMA {name}").fetchone()[0]
            return value

    def space_blockers(self) -> tuple[str, ...]:
        """The undo copy goes beside the backups; the journal or WAL of the restore beside the database."""
        needed: dict[int, int] = {}
        free: dict[int, int] = {}
        for folder, size in (
            (self.backups, self.database.stat().st_size),
            (self.database.parent, self.backup.stat().st_size),
        ):
            disk = folder.stat().st_dev
            needed[disk] = needed.get(disk, 0) + size
            free[disk] = shutil.disk_usage(folder).free
        short = max(needed[disk] - free[disk] for disk in needed)
        return (f"The disk lacks {short:,} bytes for the undo point and the journal.",) if short > 0 else ()

    def duration(self, pages_per_second: int | None) -> float | None:
        """Returns seconds; None: it goes as fast as the disk."""
        if pages_per_second is None:
            return None
        with reading_backup(self.backup) as backup:
            return float(backup.execute("PRAGMA page_count").fetchone()[0]) / pages_per_second
