"""A backup that is held in hand while it is read: whoever puts another one in its place is noticed.

What was approved is the content, so the file is hashed through a descriptor of our own. From then on nothing
about it may move, nor may its name lead elsewhere. SQLite opens files by name: that it has opened the very
same one is seen in the list of our descriptors.
"""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Final

from backends.file_digests import DIGESTS, is_settled, open_file, stamps_of
from backends.sqlite.reading import reading_backup
from bot.contract import StateChanged

SHORT_CHARACTERS: Final = 8
DESCRIPTORS: Final = "/proc/self/fd"
OPENED_TIMES: Final = 3  # another thread may close the same file meanwhile, which looks like another one
OPENING: Final = threading.Lock()  # the list of descriptors is of the whole process


class HeldBackup:
    """`digest` is the SHA-256 of what it holds."""

    def __init__(self, path: Path, file: FileIO) -> None:
        self.path = path
        self._file = file
        self._stamps = stamps_of(os.fstat(file.fileno()))
        self._settled = is_settled(self._stamps)
        self.digest = DIGESTS.of_open(file)

    def compare(self, approved: str) -> None:
        """Raises StateChanged when it is not what was approved; empty: nothing was pinned."""
        if approved and approved != self.digest:
            raise self._changed("is not what was approved", approved, self.digest)

    def check(self) -> None:
        """Raises StateChanged when anybody touched it since it was hashed, or its name leads elsewhere."""
        unmoved = stamps_of(os.fstat(self._file.fileno())) == self._stamps
        if unmoved and not self._settled:
            unmoved = DIGESTS.of_open(self._file) == self.digest
        if not unmoved or self._named() != self._stamps[:2]:
            raise self._changed("was touched while it was read", self.digest, self._digest_now())

    def from_the_start(self) -> FileIO:
        """Returns it to be read as it is, from its first byte on."""
        self._file.seek(0)
        return self._file

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """Yields it in SQLite. Raises StateChanged when SQLite has found another file under the name."""
        for _ in range(OPENED_TIMES):
            with ExitStack() as files:
                with OPENING:
                    before = self._descriptors()
                    connection = files.enter_context(reading_backup(self.path))
                    is_ours = bool(self._descriptors() - before)
                if is_ours:
                    yield connection
                    return
        raise self._changed("was replaced while it was opened", self.digest, self._digest_now())

    def _named(self) -> tuple[int, ...]:
        """Device and inode; empty: there is nothing under the name."""
        try:
            return stamps_of(self.path.lstat())[:2]
        except OSError:
            return ()

    def _digest_now(self) -> str:
        try:
            return DIGESTS.of(self.path)
        except OSError:
            return ""

    def _descriptors(self) -> frozenset[str]:
        """Returns the numbers of those in this process that are of this file."""
        found = set()
        for number in os.listdir(DESCRIPTORS):
            with suppress(OSError):  # closed meanwhile
                if stamps_of(os.fstat(int(number)))[:2] == self._stamps[:2]:
                    found.add(number)
        return frozenset(found)

    def _changed(self, how: str, was: str, now: str) -> StateChanged:
        there = f"{now[:SHORT_CHARACTERS]}… is there" if now else "no file is there"
        return StateChanged(
            f"The backup `{self.path.stem}` {how}: approved was {was[:SHORT_CHARACTERS]}…, {there} now."
        )


@contextmanager
def held(path: Path) -> Iterator[HeldBackup]:
    """A link is not followed. Raises StateChanged, or the operating system's refusals."""
    with open_file(path) as file:
        yield HeldBackup(path, file)
