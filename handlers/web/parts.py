"""What the handlers of requests are given, under one key of the application."""

from dataclasses import dataclass

from aiohttp import web

from handlers.context import Context
from handlers.door.deliver import Door
from handlers.web.readiness import Readiness


@dataclass(frozen=True, slots=True)
class Parts:
    context: Context
    door: Door
    secret: str | None  # None: HTTP from Slack is not open
    readiness: Readiness


PARTS = web.AppKey("parts", Parts)
