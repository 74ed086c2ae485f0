"""Time passes when it is let pass, and stands still while an answer from outside is awaited."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from tests.chaos.virtual_time import VirtualLoop

HOUR = 3600.0


def lived(work: Coroutine[Any, Any, None]) -> tuple[float, int]:
    """Seconds that passed in the loop, and how often it was idle: each time it is let go on at once."""
    times = 0

    def idle(seconds: float | None) -> None:
        nonlocal times
        if seconds is None:
            return  # the loop ends, and waits for its threads
        times += 1
        loop.pass_time(seconds)
        loop.call_soon_threadsafe(lambda: None)

    loop = VirtualLoop(0.0, idle, busy_at_most=0.01)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(work)
        return loop.time(), times


async def sleeps_while_busy() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    with loop.busy():
        await asyncio.sleep(HOUR)


async def asks_a_thread() -> None:
    waker = asyncio.create_task(asyncio.sleep(HOUR))
    await asyncio.to_thread(sum, range(1000))
    waker.cancel()


def test_an_hour_of_sleep_passes_when_it_is_let_pass() -> None:
    passed, idle = lived(asyncio.sleep(HOUR))
    assert passed == HOUR
    assert idle == 1


def test_whoever_sleeps_while_others_wait_for_him_gets_on_without_being_let() -> None:
    passed, idle = lived(sleeps_while_busy())
    assert passed == HOUR
    assert idle == 0


def test_time_stands_still_while_a_thread_works() -> None:
    assert lived(asks_a_thread())[0] == 0.0
