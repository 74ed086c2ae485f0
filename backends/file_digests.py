"""SHA-256 of files, remembered as long as nothing about a file has moved.

The stamps (device, inode, size, times) are only the key of the memory: where one moved, the file is read
again, and only other content makes another digest.
"""

import hashlib
import os
import time
from collections import OrderedDict
from io import FileIO
from pathlib import Path
from typing import Final

from backends.patience import HowFar

READ_AT_ONCE_BYTES: Final = 1 << 20
MOST_REMEMBERED: Final = 200_000  # files
TICK_NANOSECONDS: Final = (
    20_000_000  # two changes within one may leave the same stamps: kernels count by 4 to 10 ms
)

Stamps = tuple[int, int, int, int, int]


class FileDigests:
    """The memory of one process."""

    def __init__(self) -> None:
        self._known: OrderedDict[Stamps, str] = OrderedDict()

    def of(self, path: Path, told: HowFar | None = None) -> str:
        """Returns the SHA-256 of the content, 64 hex digits; a link is not followed. Raises OSError.

        `told` hears how many bytes have been read, and of how many.
        """
        with open_file(path) as file:
            return self.of_open(file, told)

    def of_open(self, file: FileIO, told: HowFar | None = None) -> str:
        """Returns the same of a file that is held open, whatever its name leads to by now."""
        stamps = stamps_of(os.fstat(file.fileno()))
        settled = is_settled(stamps)
        known = self._known.get(stamps)
        if known is not None:
            return known
        found = _read(file, stamps[2], told)
        if settled and stamps_of(os.fstat(file.fileno())) == stamps:  # nobody wrote to it meanwhile
            self._remember(stamps, found)
        return found

    def _remember(self, stamps: Stamps, digest: str) -> None:
        self._known[stamps] = digest
        while len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)


def open_file(path: Path) -> FileIO:
    """Opens it for reading; a link is not followed, and a pipe is not waited for. Raises OSError."""
    return FileIO(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK), closefd=True)


def _read(file: FileIO, size: int, told: HowFar | None) -> str:
    file.seek(0)
    done = 0
    digest = hashlib.sha256()
    block = bytearray(READ_AT_ONCE_BYTES)
    view = memoryview(block)
    while length := file.readinto(block):
        digest.update(view[:length])
        done += length
        if told is not None:
            told(done, size)
    return digest.hexdigest()


def stamps_of(stat: os.stat_result) -> Stamps:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def is_settled(stamps: Stamps) -> bool:
    """Whether any change from now on moves the stamps."""
    return time.time_ns() - max(stamps[-2:]) > TICK_NANOSECONDS


DIGESTS: Final = FileDigests()


def identity_of(path: Path) -> str:
    """Returns what is the same for two names of one file or folder; empty: it is not there."""
    try:
        found = path.stat()
    except OSError:
        return ""
    return f"{found.st_dev}:{found.st_ino}"
