"""An operation on a database that goes on in a thread: how far it is, how it is stopped, how it ended.

It owns the slot of its op id from `start` on, and lets go of it when it has ended.
"""

import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import Future
from dataclasses import replace
from typing import ClassVar

from backends.marker import Marker, MarkerStage, Slot, file_errors
from backends.sqlite.reading import sqlite_errors
from bot.contract import OutcomeUnknown
from bot.errors import PermanentError, TemporaryError


class TakenBack(PermanentError):
    """Somebody asked for it, and the database is as it was."""


class InThread(ABC):
    called: ClassVar[str]  # of the thread
    words: ClassVar[str]  # what it does, for people

    def __init__(self, marker: Marker, slot: Slot) -> None:
        self.begun: Future[None] = Future()  # set once we hold the database; its error: nothing was done
        self.ended = threading.Event()
        self.error: Exception | None = None  # why it came to nothing; None: it has not, or nobody knows
        self.unit = "pages"
        self.done = 0
        self.total = 0
        self._marker = marker
        self._slot = slot
        self._stopping = threading.Event()
        self._since = time.monotonic()

    def start(self) -> None:
        """A daemon thread: a process that must end does not wait for it, SQLite takes the copy back."""
        self.begun.set_running_or_notify_cancel()  # whoever stops waiting for it must not cancel it
        threading.Thread(target=self._run, name=self.called, daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    @property
    def rate(self) -> float | None:
        """Returns how many a second since it began; None: none is done yet."""
        took = time.monotonic() - self._since
        return self.done / took if self.done and took > 0 else None

    @abstractmethod
    def _carry_out(self) -> None:
        """Does all of it. Calls `_has_begun` once nobody can change what is copied."""

    def _has_begun(self) -> None:
        self._since = time.monotonic()
        self.begun.set_result(None)

    def _refuse_if_stopped(self, remaining: int, total: int) -> None:
        """Called between two goes: to raise there takes everything back."""
        if self._stopping.is_set():
            raise TakenBack(
                f"Stopped after {total - remaining} of {total} {self.unit}; the database is as it was."
            )
        self.done, self.total = total - remaining, total

    def _write(self, stage: MarkerStage, words: str = "") -> None:
        self._marker = replace(self._marker, stage=stage, words=words)
        self._slot.write(self._marker)

    def _run(self) -> None:
        try:
            with self._slot:  # let go before anybody hears how it ended: they may want to take it again
                self.error = self._attempt()
        finally:
            if not self.begun.done():
                self.begun.set_exception(self.error or OutcomeUnknown("The copy ended without a word."))
            self.ended.set()

    def _attempt(self) -> Exception | None:
        try:
            with sqlite_errors(), file_errors():
                self._carry_out()
        except (PermanentError, TemporaryError) as error:
            return error
        return None


class Restoring(InThread):
    """A restore, or a copy. One that has begun and came to nothing is noted: nobody begins it again."""

    def _attempt(self) -> Exception | None:
        error = super()._attempt()
        if error is not None and self.begun.done() and self._marker.stage is MarkerStage.TAKEN:
            self._write(MarkerStage.FAILED, words=str(error))
        return error
