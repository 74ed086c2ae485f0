"""When a release was made, by whom and from what: its name, and what deploy tools note beside the folders.

Deployer appends a line of JSON to `.dep/releases_log` (before its version 7: of CSV to `.dep/releases`),
Capistrano a sentence to `revisions.log`; both write the revision into the release. All of it is only read,
and a line in another form says nothing.
"""

import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

from backends.programs.process import printable
from bot.times import tellable

DEPLOYER: Final = ".dep/releases_log"
OLD_DEPLOYER: Final = ".dep/releases"
CAPISTRANO: Final = "revisions.log"
REVISION: Final = "REVISION"  # in the release
MOST_READ_BYTES: Final = 256 * 1024  # from the end of a record
SHORT_REVISION_CHARACTERS: Final = 8

DATED = re.compile(
    r"(?<![0-9])((?:19|20)[0-9]{2})[-_.]?([0-9]{2})[-_.]?([0-9]{2})(?:[-_. ]|(?P<iso>T))?"
    r"([0-9]{2})[-_.:]?([0-9]{2})(?:[-_.:]?([0-9]{2}))?(?![0-9])(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2}(?![0-9]))?"
)
DEPLOYED = re.compile(
    r"Branch (?P<branch>.+?)(?: \(at (?P<revision>\w*)\))? deployed as release (?P<id>\S+)"
    r" by (?P<author>.+?);?"
)
ROLLED_BACK = re.compile(r"(?P<author>.+?) rolled back to release (?P<id>\S+)")
HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
OF_CAPISTRANO = re.compile(r"[0-9]{14}")


@dataclass(frozen=True, slots=True)
class Record:
    """Holds what was noted about one release; empty or None: nothing."""

    at: datetime | None = None
    author: str = ""
    branch: str = ""
    revision: str = ""

    @property
    def words(self) -> str:
        short = self.revision[:SHORT_REVISION_CHARACTERS] if HASH.fullmatch(self.revision) else self.revision
        return printable(" ".join(filter(None, (self.branch, short))), 80)


@dataclass(frozen=True, slots=True)
class ReleaseRecords:
    by_id: dict[str, Record] = field(default_factory=dict)
    last: tuple[str, str] | None = None  # the release that somebody put there last, and who
    first_whole: str = ""  # the earliest that Capistrano has noted, which it does at the end; empty: none

    def of(self, release: str) -> Record:
        return self.by_id.get(release, Record())

    def why_unfinished(self, release: str) -> str:
        """Returns why nobody can be sure that Capistrano came to the end with it; empty: no reason known."""
        later = self.first_whole and OF_CAPISTRANO.fullmatch(release) and release > self.first_whole
        if not later or release in self.by_id:
            return ""
        return f"{release} is not in {CAPISTRANO}, where Capistrano notes what it has deployed to the end."


def dated(name: str, zone: tzinfo, near: Callable[[], datetime] | None = None) -> datetime | None:
    """Returns the date and time in a name such as 20261101120000; None: there is none that ever was.

    A time that happened twice is the one that is nearer to `near`; None: the first. `zone`: unless the name
    says UTC itself, with a Z.
    """
    found = DATED.search(name)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(found[n] or 0) for n in (1, 2, 3, 5, 6, 7))
    with suppress(ValueError):
        local = datetime(year, month, day, hour, minute, second, tzinfo=_zone_in(found) or zone)
        once, again = (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        if tellable(once) is None or tellable(again) is None:
            return None
        if once == again or near is None:
            return once
        there = near()
        return once if abs(once - there) <= abs(again - there) else again
    return None


def _zone_in(found: re.Match[str]) -> tzinfo | None:
    """Returns the one that the name says itself. What only looks like an offset is a number of a build."""
    said = found["zone"]
    if said == "Z":
        return UTC
    if not said or not found["iso"]:
        return None
    away = timedelta(hours=int(said[1:3]), minutes=int(said[-2:]))
    return timezone(-away if said[0] == "-" else away)


def records_in(root: str, zone: tzinfo) -> ReleaseRecords:
    """Returns what is noted beside the release folders. `zone`: of times that were written without one."""
    noted: dict[str, Record] = {}
    last = None
    for lines in (_old_deployer(root, zone), _deployer(root), _capistrano(root)):
        for release, record, who in lines:
            before = noted.get(release, Record())
            noted[release] = Record(
                record.at or before.at,
                record.author or before.author,
                record.branch or before.branch,
                record.revision or before.revision,
            )
            last = (release, who)
    whole = (release for release, _, _ in _capistrano(root) if OF_CAPISTRANO.fullmatch(release))
    return ReleaseRecords(noted, last, min(whole, default=""))


def with_revision(record: Record, folder: str) -> Record:
    """Returns the record with the revision that the release itself names; Ansistrano may name the release."""
    revision = "".join(_lines(os.path.join(folder, REVISION))[:1]).strip()
    if not revision or revision == os.path.basename(folder):
        return record
    return replace(record, revision=printable(revision, 64))


Noted = Iterator[tuple[str, Record, str]]  # the release, what is noted about it, who put it there


def _deployer(root: str) -> Noted:
    for line in _lines(os.path.join(root, DEPLOYER)):
        with suppress(ValueError, RecursionError):
            match json.loads(line):
                case {"release_name": str() | int() as release, **noted}:
                    author = printable(str(noted.get("user") or ""), 80)
                    branch = printable(str(noted.get("target") or ""), 40)
                    record = Record(_moment(noted.get("created_at")), author, branch.removeprefix("HEAD"))
                    yield str(release), record, author


def _old_deployer(root: str, zone: tzinfo) -> Noted:
    for line in _lines(os.path.join(root, OLD_DEPLOYER)):
        at, *rest = line.split(",")
        if rest and (made := dated(at, zone)):
            yield rest[0].strip('"'), Record(made), ""


def _capistrano(root: str) -> Noted:
    for line in _lines(os.path.join(root, CAPISTRANO)):
        if found := DEPLOYED.fullmatch(line.strip()):
            author, branch = printable(found["author"], 80), printable(found["branch"], 40)
            yield found["id"], Record(None, author, branch, found["revision"] or ""), author
        elif found := ROLLED_BACK.fullmatch(line.strip()):
            yield found["id"], Record(), printable(found["author"], 80)


def _moment(created_at: object) -> datetime | None:
    if not isinstance(created_at, str):
        return None
    with suppress(ValueError):
        at = datetime.fromisoformat(created_at)
        if told := tellable(at if at.tzinfo else at.replace(tzinfo=UTC)):
            return told.astimezone(UTC)
    return None


def _lines(path: str) -> list[str]:
    """Returns the last lines of a file; none of what is no plain file or cannot be read."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    with open(file, "rb", buffering=0) as opened:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            return []
        cut = status.st_size > MOST_READ_BYTES
        opened.seek(max(0, status.st_size - MOST_READ_BYTES))
        lines = opened.read(MOST_READ_BYTES).decode("utf-8", "replace").splitlines()
        return lines[1:] if cut else lines
