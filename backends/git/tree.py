"""The files of a commit: as git lists them, as they are written to a folder, and as they stand there.

Each object is taken as it is stored: no attribute, filter or line ending that the repository asks for counts,
no submodule is fetched, and nothing is run. Its id is made from its content, so whoever has the list can
compare a folder with it file by file.
"""

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import IO, Final

from backends.marker import MADE_HERE
from backends.programs.process import printable
from backends.programs.supervisor import sync_folder
from bot.contract import Blocked, Busy

EXECUTABLE: Final = "100755"
LINK: Final = "120000"
SUBMODULE: Final = "160000"
AT_ONCE_BYTES: Final = 1 << 20  # between two goes it can be stopped
BLOCK_BYTES: Final = 4096  # that a file takes at least
LONGEST_LINK_BYTES: Final = 4095  # of the operating system
LONGEST_NAME_CHARACTERS: Final = 200
NO_NAMES: Final = frozenset({b"", b".", b"..", b".git"})
DAMAGED: Final = "The bot's own copy of the repository is damaged: remove it from the state folder."
CUT_OFF: Final = "git ended before it had given all files of the commit."


@dataclass(frozen=True, slots=True)
class CommitFile:
    path: bytes  # from the top of the repository
    mode: str  # as git writes it
    id: str  # of the object
    size: int  # of a submodule 0: it is only an empty folder

    @property
    def shown(self) -> str:
        return shown(self.path)


@dataclass(frozen=True)
class CommitTree:
    files: tuple[CommitFile, ...]

    @classmethod
    def listed(cls, listing: bytes) -> "CommitTree":
        """Reads what `git ls-tree -r -l -z` says. Raises Blocked for what cannot stand in a folder."""
        tree = cls(tuple(_read(line) for line in listing.split(b"\0")[:-1]))
        tree._refuse_odd()
        return tree

    @property
    def blobs(self) -> tuple[CommitFile, ...]:
        return tuple(file for file in self.files if file.mode != SUBMODULE)

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def needs_bytes(self) -> int:
        """Returns what it takes on a disk, which gives whole blocks."""
        blocks = sum(-(-file.size // BLOCK_BYTES) for file in self.files)
        return (blocks + len(self.folders) + 1) * BLOCK_BYTES

    @cached_property
    def folders(self) -> frozenset[bytes]:
        above = {folder for file in self.files for folder in _above(file.path)}
        return frozenset(above | {file.path for file in self.files if file.mode == SUBMODULE})

    def write(self, root: bytes, answer: IO[bytes], went_on: Callable[[int], None]) -> None:
        """Makes the files in `root`, an empty folder of ours. It is on the disk when it returns.

        `answer`: what git says of the `blobs` in their order, as `git cat-file --batch` does. `went_on` is
        told how many bytes more are written, and may raise to stop it.

        Links come last, so nothing is ever written through one.
        """
        for folder in sorted(self.folders):
            os.mkdir(os.path.join(root, folder), 0o700)
        links = []
        for file in self.blobs:
            content = _content(file, answer, went_on)
            if file.mode != LINK or file.size > LONGEST_LINK_BYTES:
                _write(root, file, content)
            elif stays_inside(file.path, target := b"".join(content)):
                links.append((os.path.join(root, file.path), target))
            else:
                _write(root, file, iter((target,)))
        for path, target in links:
            os.symlink(target, path)
        for folder in (*self.folders, b""):
            sync_folder(os.fsdecode(os.path.join(root, folder)))

    def difference(self, root: bytes) -> str:
        """Returns in which path a folder differs first from the commit, as a sentence; empty: in none."""
        files = {file.path: file for file in self.files if file.mode != SUBMODULE}
        there = dict(_walk(root))
        for path in sorted(files.keys() | self.folders | there.keys()):
            if path not in there:
                return f"`{shown(path)}` is missing."
            if path not in files and path not in self.folders:
                return f"`{shown(path)}` is not in the commit."
            is_same = there[path] if path in self.folders else _is_same(root, files[path])
            if not is_same:
                return f"`{shown(path)}` is not what the commit holds."
        return ""

    def kept_as_text(self, root: bytes) -> int:
        """Returns how many links of the commit are plain files in a folder that does not differ from it."""
        links = (os.path.join(root, file.path) for file in self.files if file.mode == LINK)
        return sum(not os.path.islink(link) for link in links)

    def _refuse_odd(self) -> None:
        """A commit that was made by hand may hold what git itself would never check out."""
        paths = set()
        for file in self.files:
            steps = file.path.lower().split(b"/")
            if not NO_NAMES.isdisjoint(steps) or file.path in paths:
                raise Blocked(f"The commit holds `{file.shown}`, which git itself would not check out.")
            paths.add(file.path)
        files = {file.path for file in self.files if file.mode != SUBMODULE}
        above = {folder for file in self.files for folder in _above(file.path)}
        if both := min(files & above, default=None):
            raise Blocked(f"The commit holds `{shown(both)}` as a file and as a folder.")


def shown(path: bytes) -> str:
    return printable(path.decode("utf-8", "replace"), LONGEST_NAME_CHARACTERS)


def stays_inside(link: bytes, target: bytes) -> bool:
    """Whether a link at this path never leads out of the folder, whatever other links stand on its way.

    It may go up at its beginning only, where all folders are real: `a/..` is anywhere once `a` is a link. One
    that may lead out is written as a file that holds where it leads to. So does git where there are no links,
    and a check that looks into the copy can then never be made to read the bot's own files.
    """
    if not 0 < len(target) <= LONGEST_LINK_BYTES or target.startswith(b"/") or b"\0" in target:
        return False
    steps = [step for step in target.split(b"/") if step not in (b"", b".")]
    up = next((n for n, step in enumerate(steps) if step != b".."), len(steps))
    return up <= link.count(b"/") and b".." not in steps[up:]


def _read(line: bytes) -> CommitFile:
    about, _, path = line.partition(b"\t")
    mode, _, object_id, size = about.decode("ascii").split()
    if mode != SUBMODULE and not size.isdigit():
        raise Blocked(DAMAGED)
    return CommitFile(path, mode, object_id, 0 if mode == SUBMODULE else int(size))


def _above(path: bytes) -> Iterator[bytes]:
    """Yields the folders in which it stands."""
    while path := path.rpartition(b"/")[0]:
        yield path


def _content(file: CommitFile, answer: IO[bytes], went_on: Callable[[int], None]) -> Iterator[bytes]:
    """Yields the next object of the answer, which must be this one. Raises Blocked and Busy."""
    about = answer.readline().decode("ascii", "replace").split()
    if not about:
        raise Busy(CUT_OFF)
    if about != [file.id, "blob", str(file.size)]:
        raise Blocked(DAMAGED)
    digest, left = _digest(file.id, file.size), file.size
    while left:
        chunk = answer.read(min(left, AT_ONCE_BYTES))
        if not chunk:
            raise Busy(CUT_OFF)
        digest.update(chunk)
        left -= len(chunk)
        went_on(len(chunk))
        yield chunk
    if digest.hexdigest() != file.id:
        raise Blocked(DAMAGED)
    answer.read(1)  # the end of its line


def _digest(object_id: str, size: int) -> "hashlib._Hash":
    """Git names an object so; which of its two algorithms is meant is seen by the length."""
    name = "sha1" if len(object_id) == 40 else "sha256"
    return hashlib.new(name, b"blob %d\0" % size, usedforsecurity=False)


def _write(root: bytes, file: CommitFile, content: Iterator[bytes]) -> None:
    mode = 0o700 if file.mode == EXECUTABLE else 0o600
    with open(os.open(os.path.join(root, file.path), MADE_HERE, mode), "wb") as written:
        for chunk in content:
            written.write(chunk)
        written.flush()
        os.fsync(written.fileno())


def _walk(root: bytes, folder: bytes = b"") -> Iterator[tuple[bytes, bool]]:
    """Yields each path in it and whether it is a folder. No link is followed."""
    with os.scandir(os.path.join(root, folder)) as entries:
        for entry in entries:
            path = os.path.join(folder, entry.name)
            is_folder = entry.is_dir(follow_symlinks=False)
            yield path, is_folder
            if is_folder:
                yield from _walk(root, path)


def _is_same(root: bytes, file: CommitFile) -> bool:
    path = os.path.join(root, file.path)
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        target = os.readlink(path)
        return file.mode == LINK and stays_inside(file.path, target) and _is_of(file, (target,), len(target))
    if not stat.S_ISREG(found.st_mode) or found.st_size != file.size:
        return False
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as opened:
        if file.mode == LINK and stays_inside(file.path, opened.read(LONGEST_LINK_BYTES + 1)):
            return False
        opened.seek(0)
        return bool(found.st_mode & 0o100) == (file.mode == EXECUTABLE) and _is_of(
            file, iter(lambda: opened.read(AT_ONCE_BYTES), b""), found.st_size
        )


def _is_of(file: CommitFile, content: Iterable[bytes], size: int) -> bool:
    digest = _digest(file.id, size)
    for chunk in content:
        digest.update(chunk)
    return digest.hexdigest() == file.id
