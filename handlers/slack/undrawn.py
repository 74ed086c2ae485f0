"""Messages that are owed and cannot be drawn: tried with growing pauses, and given up after ten tries.

The count is kept in memory, by the key of the message: after a restart, or in another publisher, it begins
anew. That costs at most ten further tries a message, which is not worth a column of its row.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

DRAWING_TRIED_AT_MOST_TIMES = 10
FIRST_PAUSE = timedelta(seconds=1)  # doubled with each further one: nine minutes in all


@dataclass(frozen=True, slots=True)
class _Tried:
    times: int
    until: datetime  # not again before


class Undrawn:
    def __init__(self) -> None:
        self._tried: dict[str, _Tried] = {}

    def __len__(self) -> int:
        """Returns how many messages there are that could not be drawn so far."""
        return len(self._tried)

    def pauses_until(self, key: str, now: datetime) -> datetime | None:
        """Returns when it may be tried again; None: now."""
        tried = self._tried.get(key)
        return tried.until if tried is not None and now < tried.until else None

    def failed(self, key: str, now: datetime) -> bool:
        """Returns whether it was tried often enough now."""
        before = self._tried.get(key)
        times = 1 if before is None else before.times + 1
        if times >= DRAWING_TRIED_AT_MOST_TIMES:
            self.forget(key)
            return True
        self._tried[key] = _Tried(times, now + FIRST_PAUSE * 2 ** (times - 1))
        return False

    def forget(self, key: str) -> None:
        """Ends the count: it was drawn, or is given up."""
        self._tried.pop(key, None)
