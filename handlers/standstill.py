"""Ends a process whose event loop stands still, so that it is started again and others take its runs over.

A loop that answers nothing hears no Slack and drives no run, while its process looks alive. A thread counts
its own ticks, not the time: a process or a machine that was frozen has missed none when it goes on.
"""

import asyncio
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger()

TICKS = 30
SAID_WITHIN_SECONDS = 2.0  # what stands still may hold what the log needs
PLACES_SAID = 20  # of the stack, the innermost ones
EXIT_CODE = 3  # a fault of ours


class LoopTicks:
    """Asks a loop at each tick to answer, and counts those in a row that it did not."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._unanswered = 0

    def tick(self) -> int:
        """Returns how many ticks before this one were not answered. It is called by another thread."""
        unanswered, self._unanswered = self._unanswered, self._unanswered + 1
        self._loop.call_soon_threadsafe(self._answer)
        return unanswered

    def _answer(self) -> None:
        self._unanswered = 0


@contextmanager
def ends_when_it_stands_still(within: float, end: Callable[[int], object] = os._exit) -> Iterator[None]:
    """Watches the running loop until it is left.

    `within`: seconds in which it has to answer. `end`: ends the process with an exit code, whatever it does.
    """
    ticks, left, watched = LoopTicks(asyncio.get_running_loop()), threading.Event(), threading.get_ident()

    def watch() -> None:
        while not left.wait(within / TICKS):
            if ticks.tick() >= TICKS:
                _say_where(watched, within)
                end(EXIT_CODE)
                return

    thread = threading.Thread(target=watch, name="standstill", daemon=True)
    thread.start()
    try:
        yield
    finally:
        left.set()
        thread.join()


def _say_where(watched: int, within: float) -> None:
    """Says names of files and functions, and no value of any of them."""
    stack = traceback.extract_stack(sys._current_frames().get(watched))
    where = [f"{place.filename}:{place.lineno} {place.name}" for place in stack[-PLACES_SAID:]]
    words = "the event loop stands still: this process ends"
    speaker = threading.Thread(target=lambda: log.error(words, seconds=within, where=where), daemon=True)
    speaker.start()
    speaker.join(SAID_WITHIN_SECONDS)
