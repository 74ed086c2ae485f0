"""Threads for the calls of one backend that block: a few at most, and nobody else's.

A call that hangs keeps its thread until it returns, if ever. The threads of the process stay free: names of
hosts are looked up in them, and other targets are read.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from threading import Thread
from typing import ParamSpec, TypeVar

from bot.contract import Busy

P = ParamSpec("P")
T = TypeVar("T")
AT_ONCE = 4
FREE_WITHIN_SECONDS = 5.0


class Threads:
    def __init__(self, at_once: int = AT_ONCE, free_within: float = FREE_WITHIN_SECONDS) -> None:
        """`free_within`: seconds to wait for one that is free."""
        self._at_once = at_once
        self._free_within = free_within
        self._free = asyncio.Semaphore(at_once)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Returns what `work` returns, and raises what it raises. Raises Busy when no thread becomes free.

        Who is cancelled leaves the thread to itself: it is free again when `work` has come back.
        """
        try:
            async with asyncio.timeout(self._free_within):
                await self._free.acquire()
        except TimeoutError:
            raise Busy(f"{self._at_once} calls are under way there and do not come back.") from None
        loop, context = asyncio.get_running_loop(), copy_context()
        done: asyncio.Future[T] = loop.create_future()

        def ended(tell: Callable[[], None]) -> None:
            self._free.release()
            if not done.done():  # else whoever asked has been cancelled
                tell()

        def carry_out() -> None:
            tell: Callable[[], None]
            try:
                answer = context.run(work, *args, **kwargs)
            except BaseException as problem:  # noqa: BLE001 - it is raised again where it was asked for
                tell = _told(done, problem)
            else:
                tell = _answered(done, answer)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(ended, tell)

        try:
            Thread(target=carry_out, name="backend", daemon=True).start()
        except RuntimeError as problem:
            self._free.release()
            raise Busy(f"This machine has no thread left: {problem}.") from problem
        return await done


def _answered(done: asyncio.Future[T], answer: T) -> Callable[[], None]:
    return lambda: done.set_result(answer)


def _told(done: asyncio.Future[T], problem: BaseException) -> Callable[[], None]:
    return lambda: done.set_exception(problem)
