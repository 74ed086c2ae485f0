"""What every handler is given: the store, the people, the clock, and whom to wake."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import structlog

from bot.clock import Clock
from bot.configuration import Configuration
from handlers.slack.channels import Channels
from handlers.slack.directory import SlackDirectory
from handlers.slack.sending import Sender
from handlers.web.links import Links
from handlers.web.metrics import Metrics, new_metrics
from storage.cards import CardStore
from storage.looks import LookStore
from storage.runs import Store

log = structlog.get_logger()


class Wake:
    """Wakes one loop. Losing a wake costs a tick, never a run: the loop asks the database."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def __call__(self) -> None:
        self._event.set()

    async def wait(self, at_most: float) -> None:
        """Returns when woken, or after `at_most` seconds."""
        try:
            await asyncio.wait_for(self._event.wait(), at_most)
        except TimeoutError:
            return
        finally:
            self._event.clear()


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
class Context:
    configuration: Configuration
    store: Store
    cards: CardStore
    looks: LookStore
    directory: SlackDirectory
    channels: Channels
    sender: Sender
    links: Links
    clock: Clock
    work: Wake  # something wants driving or looking at
    publish: Wake  # something wants showing
    background: Background = field(default_factory=Background)
    metrics: Metrics = field(default_factory=new_metrics)
