"""An operation on a database that goes on in a thread."""

from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack

from backends.in_thread import InThread
from backends.marker import Marker, MarkerStage, Slot, file_errors
from backends.sqlite.reading import sqlite_errors
from bot.contract import OutcomeUnknown
from bot.errors import PermanentError


class TakenBack(PermanentError):
    """Somebody asked for it, and the database is as it was."""


class OnDatabase(InThread):
    def __init__(self, marker: Marker, slot: Slot) -> None:
        super().__init__(marker, slot, "pages")
        self.begun: Future[None] = Future()  # set once we hold the database; its error: nothing was done

    def start(self) -> None:
        """SQLite takes the copy back where the process ends."""
        self.begun.set_running_or_notify_cancel()  # whoever stops waiting for it must not cancel it
        super().start()

    def _has_begun(self) -> None:
        """Is called once nobody can change what is copied."""
        self._begins()
        self.begun.set_result(None)

    def _refuse_if_stopped(self, remaining: int, total: int) -> None:
        """Called between two goes: to raise there takes everything back."""
        if self._stopping.is_set():
            raise TakenBack(
                f"Stopped after {total - remaining} of {total} {self.unit}; the database is as it was."
            )
        self.done, self.total = total - remaining, total

    def _errors(self) -> AbstractContextManager[object]:
        both = ExitStack()
        both.enter_context(sqlite_errors())
        both.enter_context(file_errors())
        return both

    def _run(self) -> None:
        try:
            super()._run()
        finally:
            if not self.begun.done():
                self.begun.set_exception(self.error or OutcomeUnknown("The copy ended without a word."))


class Restoring(OnDatabase):
    """A restore, or a copy. One that has begun and came to nothing is noted: nobody begins it again."""

    def _attempt(self) -> Exception | None:
        error = super()._attempt()
        if error is not None and self.begun.done() and self._marker.stage is MarkerStage.TAKEN:
            self._write(MarkerStage.FAILED, words=str(error))
        return error
