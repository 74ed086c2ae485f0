"""An event loop whose time passes only when somebody outside lets it: hours in milliseconds.

While something runs, or an answer is awaited that comes from outside (`busy`), time stands still. When
nothing is left to do the loop tells how long it would sleep, and sleeps until it is told to go on.
"""

import asyncio
import selectors
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
BUSY_AT_MOST = 5.0  # seconds of the real time; an answer from outside takes a fraction of one


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(
        self, start: float, idle: Callable[[float | None], None], busy_at_most: float = BUSY_AT_MOST
    ) -> None:
        """`start` in seconds. `idle` is told the seconds to the next timer, None: there is none.

        Whoever is busy for longer than `busy_at_most` does not wait for the outside, but for time itself.
        """
        self._at = start
        self._busy_at_most = busy_at_most
        self._busy = 0
        self._idle = idle
        super().__init__(_Selector(self._waiting, self.pass_time))

    def time(self) -> float:
        return self._at

    def pass_time(self, seconds: float) -> None:
        self._at += seconds

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Around every wait for something that time must not run away from: a disk, another process."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self._busy += 1
        future.add_done_callback(self._free)
        return future

    def _free(self, _: object) -> None:
        self._busy -= 1

    def _waiting(self, timeout: float | None) -> float | None:
        """How long to wait really for what comes from outside; None: however long it takes."""
        if timeout is not None and timeout <= 0:
            return 0
        if not self._busy:
            self._idle(timeout)
            return None
        return None if timeout is None else self._busy_at_most


class _Selector(selectors.EpollSelector):
    def __init__(
        self, waiting: Callable[[float | None], float | None], pass_time: Callable[[float], None]
    ) -> None:
        super().__init__()
        self._waiting = waiting
        self._pass_time = pass_time

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """`timeout` is of the loop's own time."""
        found = super().select(0) or super().select(self._waiting(timeout))
        if not found and timeout is not None and timeout > 0:
            self._pass_time(timeout)
        return found
