"""Gives the handlers of requests what they need, under keys of the application: one a kind of asker."""

from dataclasses import dataclass

from aiohttp import web

from bot.clock import Clock
from handlers.context import Context
from handlers.door.deliver import Door
from handlers.web.inbox import Inbox
from handlers.web.metrics import Metrics
from handlers.web.readiness import Readiness
from storage.runs import Store


@dataclass(frozen=True, slots=True)
class ProcessState:
    """Holds what machines that watch are answered from: every process has it."""

    store: Store
    metrics: Metrics
    clock: Clock
    readiness: Readiness


@dataclass(frozen=True, slots=True)
class FrontState:
    """Holds what Slack and readers of pages are answered from: a front has it."""

    context: Context
    door: Door
    secret: str | None  # None: HTTP from Slack is not open
    inbox: Inbox


PROCESS = web.AppKey("process", ProcessState)
FRONT = web.AppKey("front", FrontState)
