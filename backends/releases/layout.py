"""The folders as they are now: which releases there are, which one is live, and what is odd about them.

It only looks. Folders and links may be reached through other links: what counts is where they lead.
"""

import os
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Final

from backends.choosing import shortened
from backends.programs.process import printable
from backends.releases.manifest import holds_a_file
from backends.releases.records import Record, ReleaseRecords, dated, records_in, with_revision
from bot.contract import Blocked, TargetMissing
from bot.model import Current, Points, RestorePoint

BEING_MADE: Final = "release"  # the link that Deployer removes when a release is whole
MARKS: Final = {  # files in a release: the first two are of Deployer, the third of Ansible's deploy_helper
    "BAD_RELEASE": "is marked as bad",
    "DIRTY_RELEASE": "was changed after it was deployed",
    "DEPLOY_UNFINISHED": "was never deployed to the end",
}
DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True)
class Live:
    """Says which release the link leads to, and since when."""

    release: str
    link: str  # its text
    since: datetime  # when it was put there

    def text_for(self, release: str) -> str:
        """Returns the text of a link in the same form, absolute or not, to another release."""
        return os.path.join(os.path.dirname(self.link.rstrip("/")), release)


class Layout:
    def __init__(self, root: Path, zone: tzinfo, ignored: Collection[str] = ()) -> None:
        """`ignored`: paths below each release that do not count as its content."""
        self.root = root
        self.link = root / "current"
        self.folder = root / "releases"
        self._zone = zone
        self._ignored = frozenset(ignored)

    def points(self) -> Points:
        """Returns the releases, newest first. Raises TargetMissing, Blocked, OSError."""
        live = self.live()
        names, left_out = self._names()
        noted = records_in(str(self.root), self._zone)
        being_made = self._being_made()
        points = []
        for name in names:
            with suppress(FileNotFoundError):  # it was pruned a moment ago
                points.append(self._point(name, live.release, being_made, noted.of(name)))
        points.sort(key=lambda point: (point.at, _in_order(point.id)), reverse=True)
        return Points(tuple(points), self._current(live, points, noted), shortened(left_out))

    def live(self) -> Live:
        """Returns what the link names, whether or not its folder is still there. Raises as `points` does."""
        self._find_folder()
        if not self.link.is_symlink():
            if self.link.exists():
                raise Blocked(f"{self.link} is not a link: make it a link into {self.folder}.")
            raise TargetMissing(f"{self.link} does not exist.")
        text = os.readlink(self.link)
        since = datetime.fromtimestamp(os.lstat(self.link).st_ctime, UTC)  # a rename keeps the other times
        return Live(self._release_of(text), text, since)

    def current(self) -> Current:
        """Returns what is live and where, and no more. Raises as `points` does."""
        live = self.live().release
        return Current(live, self.token_of(live))

    def path_of(self, release: str) -> str:
        return str(self.folder / release)

    def token_of(self, live: str) -> str:
        """Returns what is live and where, as one text: a name of a release holds no slash."""
        return f"{live}/{' '.join(_place(folder) for folder in self._places())}"

    def _find_folder(self) -> None:
        if not self.folder.is_dir():
            raise TargetMissing(f"{self.folder} is not a folder of releases.")

    def _release_of(self, text: str) -> str:
        parent, _, name = text.rstrip("/").rpartition("/")
        if text.startswith("/") and not parent:
            parent = "/"
        above, folder = os.path.realpath(self.root / parent), os.path.realpath(self.folder)
        if above != folder or name in {"", ".", ".."}:
            if above.startswith(f"{folder}/") and name not in {".", ".."}:
                raise Blocked(f"{self.link} leads into a release: let it name the release's own folder.")
            raise Blocked(f"{self.link} leads out of {self.folder}: let it name a release there.")
        if (self.folder / name).is_symlink():
            raise Blocked(
                f"{self.link} leads through another link, {self.folder / name}, which is not supported: "
                "let it name the release itself."
            )
        return name

    def _places(self) -> tuple[Path, ...]:
        return (self.root, self.folder) if self.folder.is_symlink() else (self.root,)

    def _names(self) -> tuple[list[str], list[str]]:
        """Real folders with plain names only, for a link among them could lead anywhere; and what is none."""
        names, left_out = [], []
        with os.scandir(self.folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.startswith("."):
                    continue
                if reason := _why_no_release(entry):
                    left_out.append(f"`{printable(entry.name, 60)}` {reason}.")
                else:
                    names.append(entry.name)
        return names, left_out

    def _point(self, name: str, live: str, being_made: str, noted: Record) -> RestorePoint:
        folder = self.path_of(name)
        record = with_revision(noted, folder)
        return RestorePoint(
            id=name,
            at=dated(name, self._zone, partial(_modified, folder)) or record.at or _modified(folder),
            label=f"{name} · {record.words}" if record.words else name,
            author=record.author or None,
            current=name == live,
            doubt=_doubt(name, folder, being_made, self._ignored),
        )

    def _current(self, live: Live, points: list[RestorePoint], noted: ReleaseRecords) -> Current:
        point = next((point for point in points if point.current), None)
        return Current(
            id=live.release,
            token=self.token_of(live.release),
            label=point.label if point else live.release,
            at=point.at if point else None,
            since=live.since,
            author=noted.last[1] or None if noted.last and noted.last[0] == live.release else None,
        )

    def _being_made(self) -> str:
        """Returns the release that Deployer has not finished; empty: it is at none."""
        link = self.root / BEING_MADE
        return os.path.realpath(link) if link.is_symlink() else ""


def _why_no_release(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "is a link, not a folder"
    if not entry.is_dir():
        return "is not a folder"
    return "" if entry.name.isprintable() else "has a name that cannot be shown"


def _doubt(name: str, folder: str, being_made: str, ignored: Collection[str]) -> str:
    for mark, words in MARKS.items():
        if os.path.lexists(os.path.join(folder, mark)):
            return f"{name} {words} ({mark})."
    if being_made and os.path.realpath(folder) == being_made:
        return f"{name} is not finished: the link `{BEING_MADE}` still names it."
    try:
        return "" if holds_a_file(folder, ignored) else f"{name} is empty: there is no file in it."
    except FileNotFoundError:
        raise
    except OSError:
        return f"{name} cannot be read by the bot."


def _modified(folder: str) -> datetime:
    return datetime.fromtimestamp(os.lstat(folder).st_mtime, UTC)


def _in_order(name: str) -> list[str | int]:
    """Sorts v9 before v10: what is no digit and what is stand in turn."""
    return [int(part) if n % 2 else part for n, part in enumerate(DIGITS.split(name))]


def _place(folder: Path) -> str:
    real = os.path.realpath(folder)
    return f"{os.stat(real).st_ino}{real}"
