"""Readings that take long: they go on in a thread, and whoever asked is told how far they are.

A restore point of hundreds of gigabytes takes minutes to read. Nobody who plans waits that long in silence:
after a few seconds `StillReading` says how far it is, and whoever asks again finds the reading further on.
"""

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, TypeVar

from bot.contract import StillReading

T = TypeVar("T")
HowFar: TypeAlias = Callable[[int, int | None], None]  # done, and of how much; None: that is not known

PATIENCE_SECONDS: Final = 10.0
GOOD_SECONDS: Final = 60.0  # for which what nobody has fetched is kept: whoever waits asks again before that


@dataclass(slots=True)
class _UnderWay:
    answer: "Future[Any]" = field(default_factory=Future)
    done: int = 0
    total: int | None = None
    ended_at: float | None = None  # on the monotonic clock

    def told(self, done: int, total: int | None) -> None:
        self.done, self.total = done, total

    @property
    def is_stale(self) -> bool:
        return self.ended_at is not None and time.monotonic() - self.ended_at > GOOD_SECONDS


class Readings:
    """Reads each thing of one executor in one thread at a time, however many ask for it."""

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        """`patience`: seconds for which one question waits."""
        self.patience = patience
        self._known: dict[Hashable, _UnderWay] = {}
        self._lock = threading.Lock()

    def of(self, name: str, unit: str, read: Callable[[HowFar], T]) -> T:
        """Returns what `read` returns, and raises what it raises.

        Raises StillReading when that takes longer. `name`: of what is read, for people.
        """
        with self._lock:
            reading = self._known.get(name)
            if reading is None or reading.is_stale:
                reading = _UnderWay()
                threading.Thread(target=_carry_out, args=(reading, read), daemon=True).start()
                self._known[name] = reading  # not before: a thread may not be to be had
        wait((reading.answer,), self.patience)
        if not reading.answer.done():
            raise StillReading(_words(name, reading, unit))
        with self._lock:
            if self._known.get(name) is reading:
                del self._known[name]
        answer: T = reading.answer.result()
        return answer


def _carry_out(reading: _UnderWay, read: Callable[[HowFar], Any]) -> None:
    try:
        answer = read(reading.told)
    except BaseException as problem:  # noqa: BLE001 - it is raised again where somebody waits for it
        reading.ended_at = time.monotonic()
        reading.answer.set_exception(problem)
    else:
        reading.ended_at = time.monotonic()
        reading.answer.set_result(answer)


def _words(name: str, reading: _UnderWay, unit: str) -> str:
    """In steps of ten percent, or of the first digit: each new sentence is a line of the run's history."""
    if reading.total:
        far = f"{min(reading.done * 10 // reading.total, 9) * 10} %"
    else:
        step = 10 ** (len(str(reading.done)) - 1)
        far = f"{reading.done // step * step:,} {unit} so far"
    return f"The content of {name} is still being read, {far}."
