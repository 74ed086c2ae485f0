"""Looks at what has arrived: whether it is whole, or byte by byte what was kept."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from backends.file_digests import DIGESTS
from backends.snapshot_check import left_beside, rows_of, schema_sha256
from backends.sqlite import bytewise
from backends.sqlite.backups import is_raw
from backends.sqlite.counting import Counting
from backends.sqlite.held import held
from backends.sqlite.reading import Damaged, OutOfTime, checked, deadline, reading, reading_backup, tables
from backends.sqlite.stands import CHECKING_SECONDS
from backends.sqlite.telling import finding, sentence
from backends.sqlite.telling import rows_of as finding_of
from bot.contents import Contents, Rows
from bot.contract import Blocked, Fate, Found, PointUnavailable, StateChanged, Work
from bot.model import (
    Finding,
    Verdict,
)

ARRIVED: Final = "restored database"
COPY: Final = "copy"
MOST_SEEN: Final = 100  # contents
_SEEN: dict[str, Finding] = {}  # whether a content is whole, by its digest
VERDICTS: Final = {Fate.DONE: Verdict.PASSED, Fate.OVERTAKEN: Verdict.FAILED}


@dataclass(frozen=True, slots=True)
class Arrival:
    """A database in which a restore point has arrived, or not."""

    database: Path
    counting: Counting
    wait: float  # seconds for a lock

    def findings(
        self, work: Work, found: Found, point: Callable[[], Path], live: Callable[[], str]
    ) -> tuple[Finding, ...]:
        """`found`: what became of the restore. `point` raises PointUnavailable; `live` names what is live."""
        if is_raw(work.point):
            return (same_bytes(self.database, work.fingerprint, found, point),)
        doubt = ""
        try:
            rows = self._rows(work, point())
        except (OutOfTime, PointUnavailable, StateChanged, Blocked) as reason:
            doubt = sentence(reason) if isinstance(reason, StateChanged) else ""
            words = f"Nothing to compare with: {sentence(reason)}"
            rows = (finding("rows", Verdict.INCONCLUSIVE, None, words),)
        return (integrity(reading(self.database, self.wait)), self._arrived(found, doubt, live), *rows)

    def _arrived(self, found: Found, doubt: str, live: Callable[[], str]) -> Finding:
        """`doubt`: why nobody can say any more what was to arrive."""
        verdict = VERDICTS.get(found.fate, Verdict.INCONCLUSIVE)
        if doubt and verdict is Verdict.PASSED:
            return finding(ARRIVED, Verdict.INCONCLUSIVE, live(), doubt)
        return finding(ARRIVED, verdict, live(), found.words, arrived=True)

    def _rows(self, work: Work, path: Path) -> tuple[Finding, ...]:
        with held(path) as backup:
            backup.compare(work.fingerprint)
            found = self.counting.differences(path)
            backup.check()
        return tuple(finding_of(one, behind_maintenance=work.in_maintenance) for one in found)


def of_a_copy(file: Path, fingerprint: str) -> tuple[Finding, ...]:
    """Returns what is seen of a copy beside. `fingerprint`: of the backup, as it was approved."""
    if not os.path.lexists(file):
        return (finding(COPY, Verdict.FAILED, None, "There is no copy any more."),)
    try:
        digest, left = DIGESTS.of(file), left_beside(file)
    except OSError as error:
        return (finding(COPY, Verdict.FAILED, None, f"It cannot be read: {error.strerror}."),)
    if left is not None:
        words = f"Somebody has written beside it: whoever opens the copy reads its `{left.suffix}`, too."
        return (finding(COPY, Verdict.FAILED, digest, words, arrived=True),)
    if digest != fingerprint:
        words = "It is not the backup that was approved."
        return (finding(COPY, Verdict.FAILED, digest, words, arrived=True),)
    same = finding(COPY, Verdict.PASSED, digest, "Byte for byte the backup.", arrived=True)
    return (same, _integrity_of(digest, file))


def _integrity_of(digest: str, file: Path) -> Finding:
    """Looks once at each content: a drill asks before its checks and after them."""
    if (known := _SEEN.get(digest)) is not None:
        return known
    found = integrity(reading_backup(file))
    if found.verdict is not Verdict.INCONCLUSIVE:
        _SEEN[digest] = found
        while len(_SEEN) > MOST_SEEN:
            _SEEN.pop(next(iter(_SEEN)), None)
    return found


def contents_of(file: Path, seconds: float) -> Contents:
    """Returns the rows of every table of a copy, with hashes. Raises OutOfTime, Blocked, PointUnavailable."""
    if not file.is_file():
        raise PointUnavailable("There is no copy any more.")
    with reading_backup(file) as database, deadline(database, seconds):
        read = {name: rows_of(database, name) for name in sorted(tables(database))}
        rows = {name: Rows(summed.count, summed.hexdigest) for name, summed in read.items()}
        return Contents(rows, schema_sha256(database))


def integrity(opened: AbstractContextManager[sqlite3.Connection]) -> Finding:
    try:
        with opened as database:
            found = checked(database, "integrity_check", CHECKING_SECONDS)
    except Damaged as damage:
        return finding("integrity", Verdict.FAILED, str(damage), str(damage))
    except (OutOfTime, Blocked) as reason:
        words = f"The check did not end: {sentence(reason)}"
        return finding("integrity", Verdict.INCONCLUSIVE, None, words)
    if found.fault:
        return finding("integrity", Verdict.FAILED, found.fault, found.fault)
    if found.not_read:
        words = f"Not everything could be checked: {'; '.join(found.not_read)}."
        return finding("integrity", Verdict.INCONCLUSIVE, None, words)
    return finding("integrity", Verdict.PASSED, "ok", "The file is whole.")


def same_bytes(database: Path, fingerprint: str, found: Found, point: Callable[[], Path]) -> Finding:
    """Looks at nothing but the bytes, since what came back is damaged."""
    if found.fate is not Fate.DONE:
        return finding(ARRIVED, VERDICTS.get(found.fate, Verdict.INCONCLUSIVE), None, found.words)
    try:
        with held(point()) as kept:
            kept.compare(fingerprint)
            same = bytewise.is_same(database, kept.path, CHECKING_SECONDS)
            kept.check()
    except (PointUnavailable, StateChanged, OutOfTime, Blocked) as reason:
        return finding(ARRIVED, Verdict.INCONCLUSIVE, None, sentence(reason))
    if not same:
        words = "The files are not what was kept: written since, or not put back."
        return finding(ARRIVED, Verdict.INCONCLUSIVE, None, words)
    return finding(ARRIVED, Verdict.PASSED, None, "Byte for byte what was kept, and as damaged as it was.")
