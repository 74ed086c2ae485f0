"""Wakes whoever waits for the workspace to change: tests, the page's streams."""

import asyncio
import contextlib


class Changes:
    """A counter that can be awaited, so that a change between a look and a wait is not lost."""

    def __init__(self) -> None:
        self.count = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def touch(self) -> None:
        self.count += 1
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    async def wait(self, seen: int, timeout: float | None = None) -> int:
        """Wait until the count has left `seen`, at most `timeout` seconds (None: for ever)."""
        if self.count == seen:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(waiter, timeout)
            self._waiting.discard(waiter)
        return self.count
