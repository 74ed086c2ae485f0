"""What would keep the bot from switching the link: said when a plan is made, not when it is carried out.

Switching is a rename, so the folder of the link decides, not the link. What passes by itself or by somebody's
hand without a new plan, such as a full disk, is raised as trouble to be tried again.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from backends.marker import file_errors
from bot.contract import Blocked, Busy, Denied, Unreachable

Disk: TypeAlias = Callable[[str], os.statvfs_result]

NEEDED_BYTES: Final = 64 * 1024  # for the notes of one operation, and for the link
NOTED: Final = "the bot notes what it does"
ROOT: Final = 0  # may use what a file system keeps back, and is held by no sticky bit
NOT_ALLOWED: Final = {errno.EACCES, errno.EPERM}
FULL: Final = {errno.ENOSPC, errno.EDQUOT}
SILENT: Final = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH}
SHORT: Final = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}


def may(path: str | Path, mode: int) -> bool:
    """Whether the user that we act as may do this. A disk that can only be read is not written to."""
    return os.access(path, mode, effective_ids=True)


def obstacles(link: str, notes: Path, disk: Disk = os.statvfs) -> tuple[str, ...]:
    """Returns why the link cannot be switched, a sentence each. Raises Busy when a disk is full.

    `notes`: the folder of our markers, which may not be there yet.
    """
    folder = os.path.dirname(link)
    disks = {each: disk(each) for each in (folder, str(notes.parent))}
    found = [
        _why_not_written(folder, "the link is switched", disks[folder]),
        _why_held(link),
        _why_no_notes(notes, disks[str(notes.parent)]),
    ]
    for each in disks:
        _refuse_full(each, disks[each])
    return tuple(filter(None, found))


@contextmanager
def refusals() -> Iterator[None]:
    """The operating system's refusals in the contract's words, those that pass as what is tried again.

    Only around what changed nothing yet; also a decorator.
    """
    with file_errors():
        try:
            yield
        except OSError as error:
            told = _told(error)
            if told is None:
                raise  # not `from` itself: who follows what an error came from would go round for ever
            raise told from error


def _told(error: OSError) -> Busy | Unreachable | Denied | Blocked | None:
    """Returns None for what `file_errors` says as well."""
    path = error.filename2 or error.filename  # of a rename the first is our own
    name = f" of {path}" if path else ""
    if error.errno in NOT_ALLOWED:
        return Denied(f"The bot may not use {path or 'a file'}: give the user that it runs as the right.")
    if error.errno == errno.EROFS:
        return Blocked(f"The disk{name} can only be read: have it mounted for writing.")
    if error.errno in FULL:
        return Busy(f"The disk{name} is full: free some space.")
    if error.errno in SILENT:
        return Unreachable(f"The disk{name} does not answer ({error.strerror}): see whether it is up.")
    if error.errno in SHORT:
        return Busy(f"This machine has no more files to open ({error.strerror}): see what holds them.")
    return None


def _why_not_written(folder: str, what: str, disk: os.statvfs_result) -> str:
    if disk.f_flag & os.ST_RDONLY:
        return f"{folder}, where {what}, is on a disk that can only be read: have it mounted for writing."
    if may(folder, os.W_OK | os.X_OK):
        return ""
    return (
        f"The bot may not write to {folder}, where {what}: "
        "give the user that it runs as the right to write to that folder."
    )


def _why_held(link: str) -> str:
    """In a folder with the sticky bit only the owner of the link, or of the folder, may replace it."""
    above, own = os.stat(os.path.dirname(link)), os.lstat(link)
    if not above.st_mode & stat.S_ISVTX or os.geteuid() in (ROOT, above.st_uid, own.st_uid):
        return ""
    return (
        f"{link} belongs to another user, and its folder has the sticky bit, so that nobody else may replace "
        "it: take the bit away, or let the bot own the link."
    )


def _why_no_notes(notes: Path, disk: os.statvfs_result) -> str:
    if not os.path.lexists(notes):
        return _why_not_written(str(notes.parent), NOTED, disk)
    found = notes.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
        return _why_not_written(str(notes), NOTED, disk)
    return f"{notes} is no folder of the bot's: remove it, and see who has put it there."


def _refuse_full(folder: str, disk: os.statvfs_result) -> None:
    """A file system that counts no blocks, or no files, is not limited by them."""
    free = disk.f_bfree if os.geteuid() == ROOT else disk.f_bavail
    if (disk.f_blocks and free * disk.f_frsize < NEEDED_BYTES) or (disk.f_files and not disk.f_ffree):
        raise Busy(f"The disk of {folder} is full: free some space.")
