"""The folders as they are now: which releases there are, which one is live, and what is odd about them.

It only looks. Folders and links may be reached through other links: what counts is where they lead, which
`links` finds out.
"""

import os
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import Final

from backends.choosing import shortened
from backends.programs.process import printable
from backends.releases.links import Live, leads_out, live_behind
from backends.releases.manifest import holds_a_file
from backends.releases.obstacles import may
from backends.releases.records import ReleaseRecords, dated, records_in, with_revision
from bot.contract import TargetMissing
from bot.model import Current, Points, RestorePoint

LINK: Final = "current"
RELEASES: Final = "releases"
BEING_MADE: Final = "release"  # the link that Deployer removes when a release is whole
MARKS: Final = {  # files in a release: the first two are of Deployer, the third of Ansible's deploy_helper
    "BAD_RELEASE": "is marked as bad",
    "DIRTY_RELEASE": "was changed after it was deployed",
    "DEPLOY_UNFINISHED": "was never deployed to the end, or was taken back: the next deploy may remove it",
}
DIGITS = re.compile(r"([0-9]+)")


class Layout:
    def __init__(
        self,
        root: Path,
        zone: tzinfo,
        ignored: Collection[str] = (),
        link: str = LINK,
        releases: str = RELEASES,
    ) -> None:
        """`ignored`: paths below each release that do not count as its content. The last two: names in it."""
        self.root = root
        self.link = root / link
        self.folder = root / releases
        self._zone = zone
        self._ignored = frozenset(ignored)

    def points(self) -> Points:
        """Returns the releases, newest first. Raises TargetMissing, Blocked, OSError."""
        live = self.live()
        names, left_out = self._names(live.release)
        noted = records_in(str(self.root), self._zone)
        being_made = self._being_made()
        points = []
        for name in names:
            with suppress(FileNotFoundError):  # it was pruned a moment ago
                point = self._point(name, live.release, being_made, noted)
                more = noted.why_unfinished(name) or self.why_not_inside(name, live)
                points.append(replace(point, doubt=point.doubt or more))
        points.sort(key=lambda point: (point.at, _in_order(point.id)), reverse=True)
        reasons = [f"`{printable(name, 60)}` {reason}." for name, reason in left_out.items()]
        return Points(tuple(points), self._current(live, points, noted), shortened(reasons))

    def live(self) -> Live:
        """Returns what the link names, whether or not its folder is still there. Raises as `points` does."""
        if not self.folder.is_dir():
            raise TargetMissing(f"{self.folder} is not a folder of releases.")
        return live_behind(self.root, self.link, self.folder)

    def current(self) -> Current:
        """Returns what is live and where, and no more. Raises as `points` does."""
        live = self.live()
        return Current(live.release, self.token_of(live))

    def why_left_out(self, name: str) -> str:
        """Returns why something with this name is no restore point; empty: there is nothing with it."""
        return self._names("")[1].get(name, "")

    def why_not_inside(self, release: str, live: Live) -> str:
        """Returns why the link cannot lead into this release as it does into the live one; empty: it can."""
        if not live.inside or release == live.release:
            return ""
        inside = printable(live.inside, 60)
        if not os.path.exists(self.folder / release / live.inside):
            return f"{release} has no `{inside}`, and that is where `{self.link.name}` leads in a release."
        if leads_out(self.folder, release, live.inside):
            return f"`{inside}` in {release} leads out of it: `{self.link.name}` would show something else."
        return ""

    def path_of(self, release: str) -> str:
        return str(self.folder / release)

    def under_way(self, live: Live) -> str:
        """Returns what a deploy that has not ended may still do; empty: there is none to be seen."""
        made = printable(os.path.basename(self._being_made()), 60)
        if not made or made == live.release:
            return ""
        may_be = f"{made} may be under way, for the link `{BEING_MADE}` names it"
        return f"{may_be}: a deploy that ends puts its own release there."

    def token_of(self, live: Live) -> str:
        """Returns what is live, where, and by which way, as one text: a name of a release holds no slash."""
        return f"{live.release}/{' '.join(_place(folder) for folder in self._places())}{live.way}"

    def told(self, path: str) -> str:
        """Returns a path as people know it: below `root` where it is there."""
        below = os.path.relpath(path, os.path.realpath(self.root))
        return path if below.startswith("..") else below

    def _places(self) -> tuple[Path, ...]:
        """The folder of releases counts for itself where it is a link, or a disk of its own."""
        apart = self.folder.is_symlink() or os.path.ismount(self.folder)
        return (self.root, self.folder) if apart else (self.root,)

    def _names(self, live: str) -> tuple[list[str], dict[str, str]]:
        """Real folders with plain names only, for a link among them could lead anywhere; and the reasons.

        Those are by name. What is live is no reason, whether or not it can be read.
        """
        names, left_out = [], {}
        with os.scandir(self.folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if reason := self._why_no_release(entry, live):
                    left_out[entry.name] = reason
                else:
                    names.append(entry.name)
        return names, left_out

    def _why_no_release(self, entry: os.DirEntry[str], live: str) -> str:
        if entry.is_symlink():
            return self._which_link(entry)
        if not entry.is_dir():
            return "is not a folder"
        if entry.name.startswith("."):
            return "has a name that begins with a dot"
        if not entry.name.isprintable():
            return "has a name that cannot be shown"
        return "" if entry.name == live or may(entry.path, os.R_OK | os.X_OK) else "cannot be read by the bot"

    def _which_link(self, entry: os.DirEntry[str]) -> str:
        if not os.path.exists(entry.path):
            return "is a link to nowhere"
        above, name = os.path.split(os.path.realpath(entry.path))
        other = above == os.path.realpath(self.folder)
        return f"is a link to {printable(name, 60)}" if other else "is a link, not a folder"

    def _point(self, name: str, live: str, being_made: str, noted: ReleaseRecords) -> RestorePoint:
        folder = self.path_of(name)
        record = with_revision(noted.of(name), folder)
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
            token=self.token_of(live),
            label=point.label if point else live.release,
            at=point.at if point else None,
            since=live.since,
            author=noted.last[1] or None if noted.last and noted.last[0] == live.release else None,
        )

    def _being_made(self) -> str:
        """Returns the release that Deployer has not finished; empty: it is at none."""
        link = self.root / BEING_MADE
        return os.path.realpath(link) if link != self.link and link.is_symlink() else ""


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
