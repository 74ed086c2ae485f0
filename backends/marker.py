"""How an op id is taken at a backend that is made of files.

Every operation has two files in one folder beside the data. `<op id>.lock` is locked by whoever is at it;
the kernel lets go when that process ends, however it ends. `<op id>.json`, the marker, says what was taken
and how far it came; only the holder of the lock writes it. Both stay: they are why a second start of the
same operation does nothing. What a marker without a holder means for the world is for the executor to say.

Who else may write there can plant files, so a marker is believed only under the HMAC of the zone's workers;
and one that is gone after its operation was accepted says nothing, least of all that nothing happened.

The folder must be on a file system where flock(2) reaches everybody who may write: a local one.
"""

import errno
import fcntl
import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from backends.programs.supervisor import sync_folder
from backends.worker_key import WorkerKey
from bot.canonical_json import canonical
from bot.contract import (
    Blocked,
    Denied,
    Fate,
    Found,
    TargetMissing,
    Work,
)

FOLDER = ".rollback"
MADE_HERE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
OP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")


class MarkerStage(StrEnum):
    TAKEN = "taken"  # nothing was changed yet
    CLOSING = "closing"  # the very next thing is the change: only the world can say whether it happened
    DONE = "done"
    FAILED = "failed"  # ended, and nothing was changed


@dataclass(frozen=True, slots=True)
class Marker:
    """Says what was taken, and how far it came. `facts` let an executor know its own change in the world."""

    digest: str  # of the plan
    point: str
    expected: str
    stage: MarkerStage
    facts: Mapping[str, str | int] = field(default_factory=dict)
    words: str = ""
    signed: bool = True  # by a worker of this zone; False: by nobody whom we know

    def is_of(self, work: Work) -> bool:
        return self.digest == work.digest


AT_IT = "Somebody is at it."
NEVER_STARTED = Found(Fate.ABSENT, "It was never started.")
ANOTHER_PLAN = "The same operation was taken under another plan."
UNSIGNED = Found(
    Fate.UNKNOWN, "The note about this operation was not written by a worker of this zone: it may be planted."
)
VANISHED = Found(Fate.UNKNOWN, "The note about this operation is gone, though it had begun.")
BARRED = "It never happened, and nobody can begin it any more."
PURPOSE = "marker"

# A marker that cannot be read belongs to no plan: no digest equals its own.
UNREADABLE = Marker("unreadable", "", "", MarkerStage.TAKEN, signed=False)


class Slot:
    """An op id in our hands: nobody else takes it, in this process or another, until it is closed."""

    def __init__(self, lock: int, path: Path, key: WorkerKey) -> None:
        self._lock = lock
        self._path = path
        self._key = key

    def read(self) -> Marker | None:
        try:
            with open(os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
                content = json.loads(file.read())
            mac = str(content.pop("mac", ""))
            signed = self._key.made(PURPOSE, self._message(content), mac)
            return Marker(**{**content, "stage": MarkerStage(content["stage"]), "signed": signed})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError):  # OSError: a link, or not ours
            return UNREADABLE

    def _message(self, content: Mapping[str, Any]) -> bytes:
        """The name of the file is in it: a marker of one operation is none of another."""
        return canonical({"op": self._path.stem, **content})

    def write(self, marker: Marker) -> None:
        """Durable when it returns: a power cut leaves the old marker or the new one."""
        content = {
            "digest": marker.digest,
            "point": marker.point,
            "expected": marker.expected,
            "stage": marker.stage,
            "facts": dict(marker.facts),
            "words": marker.words,
        }
        mac = self._key.mac(PURPOSE, self._message(content))
        temporary = self._path.with_name(f"{self._path.name}.new")
        temporary.unlink(missing_ok=True)  # of somebody who was killed
        with open(os.open(temporary, MADE_HERE, 0o600), "wb") as file:
            file.write(canonical({**content, "mac": mac}))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._path)
        sync_folder(self._path.parent)

    def close(self) -> None:
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Markers:
    """The operations known at one backend, in `beside`/.rollback."""

    def __init__(self, beside: Path, key: WorkerKey) -> None:
        self.folder = beside / FOLDER
        self.key = key

    def take(self, op_id: str) -> Slot | None:
        """None: somebody who lives has it."""
        self.make_folder()
        lock = lock_file(self._path(op_id, "lock"))
        return None if lock is None else Slot(lock, self._path(op_id, "json"), self.key)

    def make_folder(self) -> None:
        """Makes it for us alone. Raises Blocked when what stands there is not ours."""
        with suppress(FileExistsError):
            self.folder.mkdir(mode=0o700)
            sync_folder(self.folder.parent)
        found = self.folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise Blocked(f"{self.folder} is no folder of ours: remove it, and see who has put it there.")
        if found.st_mode & 0o077:
            self.folder.chmod(0o700)  # an earlier version let others in

    def warnings(self) -> tuple[str, ...]:
        """Says who else may put something in the place of the folder."""
        above = self.folder.parent.stat()
        if above.st_uid in (os.geteuid(), 0) and not above.st_mode & 0o022:
            return ()
        return (f"Others may write to {self.folder.parent}, and could take away what the bot notes there.",)

    def known(self, op_id: str) -> bool:
        """Whether anybody ever took it: asking leaves no trace."""
        return os.path.lexists(self._path(op_id, "lock"))

    def forget_backups(self, before: float) -> None:
        """Removes the notes of backups that were written before a moment, in seconds since 1970.

        Nobody asks for them any more: their runs have ended, and an op id never comes again. There is one a
        backup for each step, and for years of them the folder would be full of these.
        """
        for path in self.folder.glob("*.BK-*"):
            if path.suffix in {".json", ".lock"} and path.lstat().st_mtime < before:
                path.unlink(missing_ok=True)

    def find(self, work: Work, fate: Callable[[Marker], Found]) -> Found:
        """Returns what became of an operation. `fate` says it when it is of this plan and nobody is at it."""
        if not self.known(work.op_id):
            return VANISHED if work.handle is not None else NEVER_STARTED
        try:
            slot = self.take(work.op_id)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            return UNSIGNED  # a link in the place of the lock: nobody of us makes one
        if slot is None:
            return Found(Fate.IN_FLIGHT, AT_IT, {"op_id": work.op_id})
        with slot:
            return fate_of(work, slot.read(), fate)

    def bar(self, work: Work, fate: Callable[[Marker], Found]) -> Found:
        """Takes the op id for good where nothing has happened under it: later ones find it taken."""
        slot = self.take(work.op_id)
        if slot is None:
            return Found(Fate.IN_FLIGHT, AT_IT, {"op_id": work.op_id})
        with slot:
            found = fate_of(work, slot.read(), fate)
            if found.fate is Fate.ABSENT:
                slot.write(Marker(work.digest, work.point, work.expected, MarkerStage.FAILED, words=BARRED))
            return found

    def _path(self, op_id: str, suffix: str) -> Path:
        if not OP_ID.fullmatch(op_id):
            raise ValueError(f"not an op id: {op_id!r}")
        return self.folder / f"{op_id}.{suffix}"


def fate_of(work: Work, marker: Marker | None, fate: Callable[[Marker], Found]) -> Found:
    """Returns what a marker without a holder means: `fate` is asked only about one of this plan."""
    if marker is None:
        return VANISHED if work.handle is not None else NEVER_STARTED
    if not marker.signed and not work.unsigned:
        return UNSIGNED
    if not marker.is_of(work):
        return Found(Fate.UNKNOWN, ANOTHER_PLAN)
    return fate(marker)


def lock_file(path: Path) -> int | None:
    """A descriptor that holds the lock until it is closed; None: somebody else holds it.

    The file is never removed: a second file of the same name would be a second lock. A link is not followed:
    whoever planted it would have us make a file elsewhere.
    """
    try:
        lock = os.open(path, MADE_HERE, 0o600)
    except FileExistsError:
        lock = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    except BaseException:
        os.close(lock)
        raise
    return lock


@contextmanager
def file_errors() -> Iterator[None]:
    """The operating system's refusals in the contract's words; only around what changed nothing yet.

    Also a decorator. What fails after the change must be said as OutcomeUnknown inside.
    """
    try:
        yield
    except PermissionError as error:
        raise Denied(f"The operating system refuses access to {error.filename}.") from error
    except FileNotFoundError as error:
        raise TargetMissing(f"{error.filename} does not exist.") from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise Blocked("The disk is full: free some space." if full else str(error)) from error
