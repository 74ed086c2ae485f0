"""Reads the files of one attempt: how far its command has come, how it ended, what it has printed.

`supervisor` explains the files and writes them; `spool` decides what follows.
"""

import os
import re
import signal
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError

from backends.programs import supervisor
from backends.programs.process import last_line
from bot.canonical_json import canonical_text
from bot.contract import Fate, Found
from bot.model import Left

LATEST_OUTPUT_BYTES: Final = 64 * 1024  # from the end that are looked through for progress

_PROGRESS = re.compile(r"progress (\d{1,15}(?:\.\d{1,6})?)(?:/(\d{1,15}(?:\.\d{1,6})?))?(?: (\S{1,20}))?\s*")


def newest(folder: Path) -> int:
    """The number of the newest attempt; 0: none was ever made."""
    return max(numbers(folder), default=0)


def numbers(folder: Path) -> list[int]:
    """Returns the number of each attempt in the folder of an operation."""
    if not folder.is_dir():
        return []
    return [int(entry.name) for entry in folder.iterdir() if entry.name.isdecimal()]


def handle(attempt: int) -> dict[str, int]:
    return {"attempt": attempt}


def has_ended(attempt: Path) -> bool:
    """Whether its supervisor has said how it ended, in words that can be read: that is the last it writes."""
    try:
        return _ended(attempt / supervisor.ENDED) is not None
    except (OSError, ValidationError):
        return False


class _Process(BaseModel):
    pid: int
    started: int
    boot: str

    def runs(self) -> bool:
        return supervisor.identity(self.pid) == self.model_dump()


class _Ended(BaseModel):
    rc: int | None
    why: str
    words: str = ""
    id: str | None = None  # that it has printed in its last line; None: none


class _Request(BaseModel):
    digest: str
    boot: str
    asked_at: float
    begin_within: float
    timeout: float


def found(attempt: Path, digest: str) -> Found:
    try:
        return _read_fate(attempt, digest)
    except (OSError, ValidationError) as error:
        return Found(Fate.UNKNOWN, f"The files of this operation cannot be read: {type(error).__name__}.")


def _read_fate(attempt: Path, digest: str) -> Found:
    """The order of reading matters: each file is read after all that could have changed because of it.
    Age, then `taken`: see `supervisor.begin`. Alive, then `ended`: who is dead has said it, or never will."""
    request = _Request.model_validate_json((attempt / supervisor.REQUEST).read_bytes())
    if request.digest != digest:
        return Found(Fate.UNKNOWN, "The operation was started for another plan.")
    stale = supervisor.is_stale(request.model_dump())
    taken = _process(attempt / supervisor.TAKEN)
    child = _process(attempt / supervisor.CHILD)
    alive = any(process.runs() for process in (taken, child) if process)
    known = handle(int(attempt.name))
    if ended := _ended(attempt / supervisor.ENDED):
        return _how_it_ended(attempt, ended, request.timeout)
    if taken is None:
        return Found(Fate.ABSENT) if stale else Found(Fate.IN_FLIGHT, "It is being started.", known)
    if alive:
        return Found(Fate.IN_FLIGHT, _words(output(attempt)), known)
    return Found(Fate.UNKNOWN, "The command was cut off; nobody saw how it ended.", known)


def _process(file: Path) -> _Process | None:
    return _Process.model_validate_json(file.read_bytes()) if file.exists() else None


def _ended(file: Path) -> _Ended | None:
    return _Ended.model_validate_json(file.read_bytes()) if file.exists() else None


def _how_it_ended(attempt: Path, ended: _Ended, timeout: float) -> Found:
    words = _words(output(attempt))
    match ended.why:
        case supervisor.NEVER_RAN:
            return Found(Fate.ABSENT)
        case supervisor.NOT_RUNNABLE:
            return Found(Fate.FAILED, f"It cannot be run: {ended.words}.", left=Left.BEFORE)
        case supervisor.CALLED_OFF:
            return Found(Fate.FAILED, "It was called off before it was run.", left=Left.BEFORE)
        case supervisor.TIMED_OUT:
            return Found(Fate.FAILED, f"Stopped after {timeout:g} s; it may be done in part. {words}".strip())
        case supervisor.CANCELLED:
            return Found(Fate.FAILED, f"Stopped when asked to; it may be done in part. {words}".strip())
    if ended.rc == 0:
        return Found(Fate.DONE, words)
    return Found(Fate.FAILED, f"{_status(ended.rc)}: {words}" if words else f"{_status(ended.rc)}.")


def _status(rc: int | None) -> str:
    if rc is not None and rc < 0:
        return f"Ended by {signal.Signals(-rc).name}"
    return f"Ended with {rc}"


def output(attempt: Path) -> str:
    """The end of what was said, whatever the bytes mean."""
    latest = b"".join(_tail(attempt / name) for name in supervisor.LOGS)
    return latest[-LATEST_OUTPUT_BYTES:].decode("utf-8", "replace")


def _tail(file: Path) -> bytes:
    try:
        with file.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - LATEST_OUTPUT_BYTES))
            return log.read(LATEST_OUTPUT_BYTES)
    except FileNotFoundError:
        return b""


def _words(said: str) -> str:
    return last_line("\n".join(lines(said)[-20:]).encode(), limit=LATEST_OUTPUT_BYTES)


def last_said(attempt: Path) -> str:
    """Returns the last line of what was printed, progress apart, with an id as it was; empty: nothing was."""
    if (ended := _ended(attempt / supervisor.ENDED)) and ended.id is not None:
        return canonical_text({"id": ended.id})
    return next((line for line in reversed(lines(output(attempt))) if line.strip()), "")


def lines(said: str) -> list[str]:
    """Returns what was printed, but for progress."""
    return [line for line in said.splitlines() if not _PROGRESS.fullmatch(line)]


def progress(said: str) -> tuple[float | None, float | None, str]:
    """The last `progress n/m unit` line; of n, m and the unit only n must be there."""
    for line in reversed(said.splitlines()):
        if told := _PROGRESS.fullmatch(line):
            done, total, unit = told.groups()
            return float(done), float(total) if total else None, unit or ""
    return None, None, ""
