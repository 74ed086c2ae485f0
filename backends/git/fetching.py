"""A fetch into a copy of ours, which goes on when nobody waits for it any more.

The first fetch of a large repository takes longer than anybody who plans should wait, and git throws away
what came in when it is stopped. So git runs by itself: it keeps the lock on the copy open, says in a file how
far it is, and whoever looks next, in this process or another, finds it further on or done. It is stopped
only when it sends nothing any more, or when its time is over.
"""

import asyncio
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from typing import Final

from backends.git.program import MOST_COMPLAINTS_BYTES, MOST_ON_DISK_BYTES, Program
from backends.marker import file_errors, lock_file
from backends.programs.supervisor import boot_clock, identity
from bot.contract import Busy, StillReading, Unreachable

SILENT_SECONDS: Final = 60.0  # after which a fetch that says nothing is taken for dead
LOOKED_EVERY_SECONDS: Final = (0.005, 0.05)  # at first, and at last
LOG: Final = "fetch.log"  # what git says
AT_IT: Final = "fetch.json"  # which process it is; there as long as nobody has seen its end

_FAILED: Final = re.compile(rb"(?:^|[\r\n])(?:fatal|error): ")
# The last phase comes first: what git has said of an earlier one still stands above it.
_PHASES: Final = (
    (re.compile(rb"Resolving deltas: +100%()"), "its objects are here, and are looked over"),
    (re.compile(rb"Resolving deltas: +(\d+)%"), "its objects are here, {} % of them are read"),
    (re.compile(rb"Receiving objects: +(\d+)%"), "{} % of its objects are here"),
    (re.compile(rb"Compressing objects: +(\d+)%"), "its host is packing it, {} %"),
    (re.compile(rb"(?:Counting|Enumerating) objects()"), "its host is counting its objects"),
)


@dataclass(frozen=True, slots=True)
class Fetched:
    ok: bool
    complaints: str


class Fetching:
    """One at a time for one copy, whoever asks."""

    def __init__(self, copy: Path, program: Program, patience: float, within: float) -> None:
        """`patience`: seconds for which one question waits. `within`: those that a fetch may take in all."""
        self._copy = copy
        self._program = program
        self._patience = patience
        self._within = within

    async def lock(self) -> int:
        """Returns the lock on the copy. Raises StillReading, Busy and Unreachable."""
        with file_errors():
            self._copy.parent.mkdir(parents=True, exist_ok=True)
        end = time.monotonic() + self._patience
        pauses = _pauses()
        while (lock := self._take()) is None:
            self._stop_if_lost()
            if time.monotonic() > end:
                raise self._still()
            await asyncio.sleep(next(pauses))
        return lock

    def left_over(self) -> str | None:
        """Returns what a fetch said that has failed while nobody saw it; None: none has. Under the lock."""
        note = self._copy / AT_IT
        if not note.exists():
            return None
        note.unlink()
        return self._said() if _FAILED.search(self._read()) else None

    async def run(self, lock: int, argv: Sequence[str], extra: Mapping[str, str]) -> Fetched:
        """Raises StillReading when it takes longer than anybody waits; it goes on then."""
        with file_errors():
            self._tidy()
            running = self._begin(lock, argv, extra)
        end = time.monotonic() + self._patience
        pauses = _pauses()
        while (code := running.poll()) is None:
            self._stop_if_lost()
            if time.monotonic() > end:
                raise self._still()
            await asyncio.sleep(next(pauses))
        (self._copy / AT_IT).unlink(missing_ok=True)
        return Fetched(code == 0, self._said())

    def _begin(self, lock: int, argv: Sequence[str], extra: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with open(self._copy / LOG, "wb") as log:
            running = self._program.begin(argv, log.fileno(), lock, extra)
        note = {**(identity(running.pid) or {}), "at": boot_clock()}
        (self._copy / AT_IT).write_text(json.dumps(note), encoding="utf-8")
        return running

    def _take(self) -> int | None:
        with file_errors():
            return lock_file(self._copy.with_suffix(".lock"))

    def _read(self) -> bytes:
        """Returns the end of what git has said."""
        try:
            with open(self._copy / LOG, "rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - MOST_COMPLAINTS_BYTES))
                return log.read(MOST_COMPLAINTS_BYTES)
        except OSError:
            return b""

    def _said(self) -> str:
        return self._program.complaints(self._read())

    def _still(self) -> Busy:
        if not (self._copy / LOG).exists():
            return Busy("Somebody else is about to fetch the repository.")
        return StillReading(f"The repository is still being fetched: {_far(self._read())}.")

    def _stop_if_lost(self) -> None:
        """Ends a fetch that is silent, over its time or talks without end. Raises Unreachable."""
        try:
            note = json.loads((self._copy / AT_IT).read_text(encoding="utf-8"))
            log = (self._copy / LOG).stat()
        except (OSError, ValueError):
            return  # it has just begun, or ended
        at = note.pop("at", None)
        if not note or identity(note["pid"]) != note:
            return
        if boot_clock() - at > self._within:
            words = f"The repository could not be fetched within {self._within:g} s: raise `fetch_within`."
        elif time.time() - log.st_mtime > SILENT_SECONDS:
            words = f"The repository's host has sent nothing for {SILENT_SECONDS:g} s."
        elif log.st_size > MOST_ON_DISK_BYTES:
            words = "The repository's host sends words without end."
        else:
            return
        with suppress(ProcessLookupError):
            os.killpg(note["pid"], SIGKILL)
        (self._copy / AT_IT).unlink(missing_ok=True)
        raise Unreachable(words)

    def _tidy(self) -> None:
        """Removes what a killed fetch left behind. While we hold the lock, nobody else writes there."""
        for pattern in ("*.lock", "objects/pack/tmp_*"):
            for left in self._copy.glob(pattern):
                left.unlink(missing_ok=True)


def _pauses() -> Iterator[float]:
    pause, longest = LOOKED_EVERY_SECONDS
    while True:
        yield pause
        pause = min(pause * 1.5, longest)


def _far(said: bytes) -> str:
    """In steps of ten percent: each new sentence is a line of the run's history."""
    for pattern, words in _PHASES:
        if found := pattern.findall(said):
            return words.format(int(found[-1] or 0) // 10 * 10)
    return "its host has not begun to send"
