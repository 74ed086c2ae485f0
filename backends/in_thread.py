"""Operations of ours that go on in a thread: how far each is, how it is stopped, how it ended."""

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import ClassVar

from backends.ended import ended
from backends.marker import Marker, MarkerStage, Slot, file_errors
from backends.threads import Threads
from bot.clock import Clock
from bot.contract import Ended, Fate, Found, Progress, Work
from bot.errors import PermanentError, TemporaryError
from bot.model import Left

STOPPING_SECONDS = 10.0  # for what was made to be taken back


class InThread(ABC):
    """One of them. It owns the slot of its op id from `start` on, and lets go of it when it has ended."""

    called: ClassVar[str]  # of the thread
    words: ClassVar[str]  # what it does, for people

    def __init__(self, marker: Marker, slot: Slot, unit: str, total: int = 0) -> None:
        """`total` of `unit`; 0: it is not known yet."""
        self.ended = threading.Event()
        self.error: Exception | None = None  # why it came to nothing; None: it has not, or nobody knows
        self.unit = unit
        self.done = 0
        self.total = total
        self._marker = marker
        self._slot = slot
        self._stopping = threading.Event()
        self._since = time.monotonic()

    def start(self) -> None:
        """A daemon thread: a process that must end does not wait for it. Who comes next finds its marker."""
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
        """Does all of it."""

    def _errors(self) -> AbstractContextManager[object]:
        """Returns what turns the errors of its work into ours."""
        return file_errors()

    def _begins(self) -> None:
        """Counts the time from now on: before it was only waited."""
        self._since = time.monotonic()

    def _write(self, stage: MarkerStage, words: str = "") -> None:
        self._marker = replace(self._marker, stage=stage, words=words)
        self._slot.write(self._marker)

    def _run(self) -> None:
        try:
            with self._slot:  # let go before anybody hears how it ended: they may want to take it again
                self.error = self._attempt()
        finally:
            self.ended.set()

    def _attempt(self) -> Exception | None:
        try:
            with self._errors():
                self._carry_out()
        except (PermanentError, TemporaryError) as error:
            return error
        return None


class Underway:
    """Holds those of this process, by op id. Only what goes on here can be seen to go on, and be stopped."""

    def __init__(
        self,
        find: Callable[[Work], Awaitable[Found]],
        threads: Threads,
        clock: Clock,
        let_go: Callable[[Work, InThread], None] | None = None,
    ) -> None:
        """`find`: by its marker and in the world. `let_go` is told of each that has ended, once."""
        self._find = find
        self._threads = threads
        self._clock = clock
        self._let_go = let_go
        self._going: dict[str, InThread] = {}

    def begin(self, op_id: str, going: InThread) -> None:
        going.start()
        self._going[op_id] = going

    async def poll(self, work: Work) -> Progress | Ended:
        """Raises OutcomeUnknown."""
        going = self._going.get(work.op_id)
        if going is not None and not going.ended.is_set():
            return Progress(self._clock(), going.words, going.done, going.total, going.unit, going.rate)
        found = await self._find(work)
        if self._going.pop(work.op_id, None) is not None and going is not None and self._let_go is not None:
            self._let_go(work, going)
        return ended(found, self._clock(), None if going is None else going.error)

    async def cancel(self, work: Work) -> Left | None:
        going = self._going.get(work.op_id)
        if going is None:
            return None
        going.stop()
        await self._threads.run(going.ended.wait, STOPPING_SECONDS)
        found = await self._find(work)
        return Left.BEFORE if found.fate in {Fate.FAILED, Fate.ABSENT} else None
