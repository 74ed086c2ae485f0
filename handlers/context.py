"""What the two roles are opened with, and what every handler is given: store, people, clock, whom to wake."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import ClientSession

from bot.clock import Clock
from bot.configuration import Configuration
from bot.signatures import Signer
from handlers.settings import ProcessSettings
from handlers.slack.channels import Channels
from handlers.slack.directory import SlackDirectory
from handlers.slack.sending import Sender
from handlers.web.links import Links
from handlers.web.metrics import Metrics, new_metrics
from storage.cards import CardStore
from storage.changes import ChangeStore
from storage.duties import DutyStore
from storage.looks import LookStore
from storage.runs import Store
from storage.schedules import ScheduleStore

if TYPE_CHECKING:
    from storage.jobs import Jobs

log = structlog.get_logger()


class Wake:
    """Wakes one loop. Losing a wake costs a tick, never a run: the loop asks the database."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def __call__(self) -> None:
        self._event.set()

    def in_a_moment(self, seconds: float) -> None:
        """Leaves the work that it is about time to come further."""
        asyncio.get_running_loop().call_later(seconds, self._event.set)

    async def wait(self, at_most: float) -> None:
        """Returns when woken, or after `at_most` seconds."""
        try:
            await asyncio.wait_for(self._event.wait(), at_most)
        except TimeoutError:
            return
        finally:
            self._event.clear()


@asynccontextmanager
async def running(anew: asyncio.Event, *loops: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs the loops until it is left. None should end by itself: when one breaks, `anew` is set.

    Rather than go on without it, everything is opened again.
    """
    tasks = [asyncio.create_task(loop) for loop in loops]
    for task in tasks:
        task.add_done_callback(partial(_ended_by_itself, anew))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _ended_by_itself(anew: asyncio.Event, loop: asyncio.Task[None]) -> None:
    if not loop.cancelled() and (problem := loop.exception()) is not None:
        log.error("a loop ended", error=type(problem).__name__, exc_info=problem)
        anew.set()


class Background:
    """Work that an answer must not wait for; drained before the process ends."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("background", error=type(problem).__name__, exc_info=problem)

    async def drain(self, at_most: float) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=at_most)


@dataclass(frozen=True, slots=True)
class Parts:
    """Is what both roles are opened with. The configuration is loaded, so neither sees how that is done."""

    settings: ProcessSettings
    configuration: Configuration
    store: Store
    jobs: "Jobs | None"  # between processes; None: there is one process
    signer: Signer | None  # None: this process hears nobody
    session: ClientSession  # for Slack
    clock: Clock
    work: Wake  # something wants driving or looking at
    publish: Wake  # something wants showing


@dataclass(frozen=True, slots=True)
class Context:
    """Holds what every handler of a front is given."""

    configuration: Configuration
    store: Store
    cards: CardStore
    looks: LookStore
    duties: DutyStore
    schedules: ScheduleStore
    directory: SlackDirectory
    channels: Channels
    sender: Sender
    links: Links
    clock: Clock
    work: Wake  # something wants driving or looking at
    publish: Wake  # something wants showing
    changes: ChangeStore
    background: Background = field(default_factory=Background)
    metrics: Metrics = field(default_factory=new_metrics)
