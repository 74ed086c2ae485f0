"""Threads of one backend: a call that hangs keeps one of them, and nobody else's."""

import asyncio
from collections.abc import Iterator
from threading import Event, current_thread

import pytest

from backends.threads import Threads
from bot.contract import Busy, OutcomeUnknown, answered


@pytest.fixture
def hung() -> Iterator[Event]:
    """What a call hangs on until the test is over."""
    ever = Event()
    yield ever
    ever.set()


async def hang(threads: Threads, hung: Event, calls: int) -> None:
    """Begins calls that do not come back; whoever asked has given up."""
    for _ in range(calls):
        with pytest.raises(OutcomeUnknown):
            await answered(threads.run(hung.wait), 0.01)


async def test_the_answer_comes_from_another_thread() -> None:
    assert await Threads().run(lambda: current_thread().name) == "backend"


async def test_an_error_is_raised_where_it_was_asked_for() -> None:
    with pytest.raises(ZeroDivisionError):
        await Threads().run(lambda: 1 // 0)


async def test_when_all_hang_who_comes_next_is_told_that_it_is_busy(hung: Event) -> None:
    threads = Threads(at_once=2, free_within=0.01)
    await hang(threads, hung, 2)
    with pytest.raises(Busy, match="2 calls are under way there"):
        await threads.run(int)


async def test_who_hangs_at_one_backend_takes_nothing_from_another(hung: Event) -> None:
    await hang(Threads(at_once=2), hung, 2)
    assert await Threads(at_once=2).run(int) == 0


async def test_who_hangs_takes_nothing_from_the_threads_of_the_process(hung: Event) -> None:
    await hang(Threads(at_once=40), hung, 40)
    assert await asyncio.to_thread(int) == 0


async def test_a_thread_is_free_again_when_its_call_has_come_back(hung: Event) -> None:
    threads = Threads(at_once=1, free_within=10.0)
    await hang(threads, hung, 1)
    hung.set()
    assert await threads.run(int) == 0
