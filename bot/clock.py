"""One clock for everything, handed in as an argument. Time never runs back."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]


class SteadyClock:
    """The latest of: the wall clock, the newest stored moment, process start plus monotonic time.

    A wall clock that is set back is ignored; one that jumps forward only makes things expire early.
    Cut to milliseconds, which is what is stored.
    """

    def __init__(self, newest_stored: datetime | None = None) -> None:
        self._started = max(_wall(), newest_stored or _wall())
        self._monotonic = time.monotonic()

    def __call__(self) -> datetime:
        elapsed = timedelta(seconds=time.monotonic() - self._monotonic)
        now = max(_wall(), self._started + elapsed)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _wall() -> datetime:
    return datetime.now(UTC)
