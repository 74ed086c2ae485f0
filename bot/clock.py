"""One clock for everything, handed in as an argument. Time never runs back."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
Sleep = Callable[[float], Awaitable[None]]  # waits for so many seconds


def utc_now() -> datetime:
    """The wall clock, for what is only said to people or compared with the world."""
    return datetime.now(UTC)


class SteadyClock:
    """The latest of: the wall clock, the newest stored moment, process start plus monotonic time.

    A wall clock that is set back is ignored; one that jumps forward only makes things expire early.
    Cut to milliseconds, which is what is stored.
    """

    def __init__(
        self,
        newest_stored: datetime | None = None,
        wall: Clock = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`monotonic` in seconds."""
        self._wall = wall
        self._monotonic = monotonic
        self._latest = max(wall(), newest_stored or wall())
        self._told_at = monotonic()

    def __call__(self) -> datetime:
        told_at = self._monotonic()
        going_on = self._latest + timedelta(seconds=told_at - self._told_at)
        self._latest, self._told_at = max(self._wall(), going_on), told_at
        return self._latest.replace(microsecond=self._latest.microsecond // 1000 * 1000)
