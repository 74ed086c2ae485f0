"""What SQLite cannot save is kept byte by byte, and what was kept so is put back.

The bytes of a database are read by `packing`, in a process of its own: there it says why.
"""

import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from backends.sqlite import packing
from backends.sqlite.parts import PARTS, part, parts_of
from backends.sqlite.reading import OutOfTime
from bot.contract import Blocked

NEW_FILE: Final = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_WRONLY
TURN_SECONDS: Final = 0.05  # between two looks at whether it shall stop
BLOCK_BYTES: Final = 1 << 20
Between = Callable[[int], None]  # is called with the bytes that are done; to raise there stops it


def size_of(database: Path) -> int:
    """Returns the bytes of the database and of all that SQLite keeps beside it."""
    return sum(part(database, suffix).stat().st_size for suffix in parts_of(database))


def pack(database: Path, packed: Path, between: Between) -> None:
    """Fills `packed`, which is there. Raises Blocked, and what `between` raises."""
    with _process("pack", database, packed) as process:
        while _goes_on(process):
            between(packed.stat().st_size)
        _refuse_failed(process, "copied")


def is_same(database: Path, packed: Path, seconds: float) -> bool:
    """Whether the database holds, byte by byte, what was kept. Raises Blocked."""
    with _process("same", database, packed) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Blocked(f"The files were not compared: not finished after {seconds:.0f} s.") from None
        if process.returncode == packing.UNLIKE:
            return False
        _refuse_failed(process, "compared")
    return True


def fault(database: Path, what: str, seconds: float) -> str:
    """Returns what SQLite says against it, which takes nothing over from a -wal for that; empty: nothing.

    `what`: `reads` or `checks`. Raises OutOfTime, and Blocked where SQLite could not look.
    """
    with _process(what, database, database) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise OutOfTime(f"not finished after {seconds:.0f} s") from None
        if process.returncode == packing.UNLIKE:
            return _said(process)
        _refuse_failed(process, "read")
    return ""


@contextmanager
def _process(do: str, database: Path, packed: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """It has ended at the end, if need be because it was killed."""
    argv = (sys.executable, "-I", "-S", packing.__file__, do, str(part(database, "")), str(packed.absolute()))
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _goes_on(process: "subprocess.Popen[bytes]") -> bool:
    try:
        process.wait(TURN_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


def _refuse_failed(process: "subprocess.Popen[bytes]", done: str) -> None:
    if process.returncode:
        raise Blocked(f"The files of the database could not be {done}: {_said(process)}.")


def _said(process: "subprocess.Popen[bytes]") -> str:
    said = process.stderr.read().decode(errors="replace").strip() if process.stderr else ""
    return said or f"it ended with {process.returncode}"


def unpack(packed: IO[bytes], into: Callable[[str], Path], between: Between) -> tuple[str, ...]:
    """Writes each part under the name that `into` gives for its suffix, durable, and returns the suffixes."""
    found: list[str] = []
    with tarfile.open(fileobj=packed, mode="r:") as tar:
        for member in tar:
            suffix = member.name.removeprefix(packing.NAME)
            source = tar.extractfile(member) if suffix in PARTS and member.isreg() else None
            if source is None:
                raise Blocked(f"`{member.name}` is nothing that the bot keeps of a database.")
            with source:
                copy(source, into(suffix), between)
            like((member.uid, member.gid, member.mode & 0o777), into(suffix))
            found.append(suffix)
    return tuple(found)


def copy(source: IO[bytes], to: Path, between: Between) -> None:
    """Writes a new file, for us alone, and durable."""
    with open(os.open(to, NEW_FILE, 0o600), "wb") as file:
        while block := source.read(BLOCK_BYTES):
            file.write(block)
            between(len(block))
        file.flush()
        os.fsync(file.fileno())


def owned_as(path: Path) -> tuple[int, int, int]:
    """Returns user, group and mode."""
    of = path.stat()
    return of.st_uid, of.st_gid, stat.S_IMODE(of.st_mode)


def like(owned: tuple[int, int, int], path: Path) -> None:
    """Gives a file to the same people: they may read it, and nobody else."""
    user, group, mode = owned
    with suppress(PermissionError):  # only root gives files away
        os.chown(path, user, group)
    path.chmod(mode)
