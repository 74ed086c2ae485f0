"""What a release folder holds: its fingerprint, and which path is not as it was.

Only content counts: the path, type and mode of everything below the folder, the text of links, the SHA-256 of
files. Stamps say no more than which files need not be read again.
"""

import errno
import hashlib
import os
import stat
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from backends.file_digests import DIGESTS, Stamps, stamps_of
from backends.patience import HowFar
from bot.contract import Busy, Denied
from bot.loss import noun

MOST_REMEMBERED_PATHS: Final = 200_000  # of all manifests together
KEPT_MANIFESTS: Final = 2  # however large: what was approved and what is there now
MOVED: Final = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}  # of a path that was listed a moment ago
TYPES: Final = {  # nothing but folders and files is ever opened
    stat.S_IFDIR: "folder",
    stat.S_IFREG: "file",
    stat.S_IFLNK: "link",
    stat.S_IFSOCK: "socket",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}

Seen = tuple[Stamps, str]  # the stamps of a path, and what stands there


class Unreadable(Denied):
    """Says what in a folder may not be read, so that nobody can say what it holds."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that one folder held at one time, by path below it."""

    seen: Mapping[str, Seen]
    fingerprint: str  # 64 hex digits

    @property
    def files(self) -> int:
        """How many there are, links and the like among them."""
        return sum(not _is_folder(what) for _, what in self.seen.values())


USUAL_MODES = frozenset({0o755, 0o775})  # of a release: only another one is part of what it holds
COMPARED_AT_MOST = 3  # earlier contents of one folder


class Manifests:
    """Reads folders, and remembers what it has seen last: the rest is read again."""

    def __init__(self, ignored: Collection[str] = (), most_remembered: int = MOST_REMEMBERED_PATHS) -> None:
        """`ignored`: paths below each folder that do not count."""
        self._ignored = frozenset(ignored)
        self._most_remembered = most_remembered
        self._known: OrderedDict[tuple[str, str], Manifest] = OrderedDict()  # by folder and fingerprint
        self._last: dict[str, Manifest] = {}  # by folder
        self._lock = Lock()

    def of(self, folder: str, told: HowFar | None = None) -> Manifest:
        """Returns what it holds now. Raises Busy when somebody writes to it, Unreadable, and OSError.

        `told` hears how many paths have been read, and about of how many.
        """
        last = self._last.get(folder)
        try:
            seen = _Reading(folder, self._ignored, last.seen if last else {}, told).all()
        except OSError as error:
            if error.errno not in MOVED or not os.path.isdir(folder):
                raise
            raise Busy(f"{folder} changes while it is read.") from None
        found = Manifest(seen, _fingerprint(seen))
        self._remember(folder, found)
        return found

    def last(self, folder: str) -> Manifest | None:
        """Returns what was read of it last; None: nothing was."""
        return self._last.get(folder)

    def difference(self, folder: str, was: str, now: Manifest) -> str:
        """Returns what differs from the fingerprint `was`: a path where that is still known."""
        known = self._known.get((folder, was))
        if known is None:
            return f"its content was {was[:8]}… and is {now.fingerprint[:8]}… now"
        return _difference(known.seen, now.seen)

    def unlike(self, folder: str, now: Manifest) -> dict[str, str]:
        """Returns what differs from what the folder held before, by those fingerprints, the newest few."""
        before = [
            known for (of, was), known in self._known.items() if of == folder and was != now.fingerprint
        ]
        return {each.fingerprint: _difference(each.seen, now.seen) for each in before[-COMPARED_AT_MOST:]}

    def only_grown(self, folder: str, was: str, now: Manifest) -> bool:
        """Whether nothing of what was there is gone or changed; False also where that is not known."""
        known = self._known.get((folder, was))
        return known is not None and all(
            path in now.seen and now.seen[path][1] == what for path, (_, what) in known.seen.items()
        )

    def _remember(self, folder: str, found: Manifest) -> None:
        with self._lock:
            self._last[folder] = found
            self._known[folder, found.fingerprint] = found
            self._known.move_to_end((folder, found.fingerprint))
            while len(self._known) > KEPT_MANIFESTS and self._remembered_paths() > self._most_remembered:
                (of, _), gone = self._known.popitem(last=False)
                if self._last.get(of) is gone:
                    del self._last[of]

    def _remembered_paths(self) -> int:
        return sum(len(manifest.seen) for manifest in self._known.values())


class _Reading:
    """One pass over a folder. What moved between its begin and its end was never there as a whole."""

    def __init__(
        self, folder: str, ignored: Collection[str], known: Mapping[str, Seen], told: HowFar | None
    ) -> None:
        self._folder = folder
        self._told = told
        self._ignored = ignored
        self._known = known
        self._seen: dict[str, Seen] = {}
        self._watched: list[tuple[str, Stamps]] = []  # folders that were listed, and files that were read
        self._unreadable: list[str] = []

    def all(self) -> Mapping[str, Seen]:
        status = os.lstat(self._folder)
        if stat.S_IMODE(status.st_mode) not in USUAL_MODES:
            self._seen["."] = (stamps_of(status), f"folder {stat.S_IMODE(status.st_mode):o}")
        waiting = [""]
        while waiting:
            self._list_what_may_be_read(waiting.pop(), waiting)
            if self._told is not None:
                self._told(len(self._seen), len(self._known) or None)
        for path, stamps in self._watched:
            if stamps_of(os.lstat(path)) != stamps:
                raise Busy(f"{path} changes while it is read.")
        if self._unreadable:
            raise Unreadable(_unreadable(self._folder, self._unreadable))
        return self._seen

    def _list_what_may_be_read(self, below: str, waiting: list[str]) -> None:
        """Notes what may not be, and goes on: all of it is said at once."""
        try:
            self._list(below, waiting)
        except PermissionError:
            self._unreadable.append(below)

    def _list(self, below: str, waiting: list[str]) -> None:
        """`below`: empty, or a path with a slash at its end."""
        folder = f"{self._folder}/{below}"
        self._watched.append((folder, stamps_of(os.lstat(folder.rstrip("/")))))
        with os.scandir(folder) as entries:
            for entry in entries:
                path = below + entry.name
                if path in self._ignored:
                    continue
                status = entry.stat(follow_symlinks=False)
                stamps = stamps_of(status)
                known = self._known.get(path)
                if known is None or known[0] != stamps:
                    known = (stamps, self._what(entry.path, status, stamps))
                self._seen[path] = known
                if stat.S_ISDIR(status.st_mode):
                    waiting.append(f"{path}/")

    def _what(self, path: str, status: os.stat_result, stamps: Stamps) -> str:
        kind, mode = stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode)
        words = f"{TYPES.get(kind, 'unknown')} {mode:o}"
        if kind == stat.S_IFREG:
            self._watched.append((path, stamps))
            return f"{words} {self._digest(path)}"
        return f"{words} {os.readlink(path)}" if kind == stat.S_IFLNK else words

    def _digest(self, path: str) -> str:
        try:
            return DIGESTS.of(Path(path))
        except PermissionError:
            self._unreadable.append(os.path.relpath(path, self._folder))
            return ""


def holds_a_file(folder: str, ignored: Collection[str] = ()) -> bool:
    """Whether anything but folders, and what does not count, is below it. Raises OSError."""
    waiting = [""]
    while waiting:
        below = waiting.pop()
        with os.scandir(f"{folder}/{below}") as entries:
            for entry in entries:
                path = below + entry.name
                if path in ignored:
                    continue
                if not entry.is_dir(follow_symlinks=False):
                    return True
                waiting.append(f"{path}/")
    return False


def _unreadable(folder: str, paths: list[str]) -> str:
    more = f" and {len(paths) - 1:,} more" if len(paths) > 1 else ""
    first = _shown(min(paths).rstrip("/")) or "the folder itself"
    return (
        f"{os.path.basename(folder)} cannot be read by the bot as a whole: {first}{more}. "
        "Let the user that it runs as read it, or name in `ignore` what does not count."
    )


def _fingerprint(seen: Mapping[str, Seen]) -> str:
    """Neither a path nor a link's text can hold a NUL."""
    text = "".join([f"{path}\0{seen[path][1]}\0" for path in sorted(seen)])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _difference(was: Mapping[str, Seen], now: Mapping[str, Seen]) -> str:
    """Says the first path and how many: `config.php differs (1 of 2,114 files)`."""
    paths = [path for path in was.keys() | now.keys() if _what_at(was, path) != _what_at(now, path)]
    files = [path for path in paths if not _is_folder(_what_at(now, path) or _what_at(was, path))]
    first = min(files or paths)
    verb = "is gone" if first not in now else "is new" if first not in was else "differs"
    what, differing = ("files", files) if files else ("folders", paths)
    all_of_them = sum(_is_folder(what) != bool(files) for _, what in {**was, **now}.values())
    return f"{_shown(first)} {verb} ({len(differing):,} of {all_of_them:,} {noun(what, all_of_them)})"


def _shown(path: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in path)


def _what_at(seen: Mapping[str, Seen], path: str) -> str:
    return seen[path][1] if path in seen else ""


def _is_folder(what: str) -> bool:
    return what.startswith("folder ")
