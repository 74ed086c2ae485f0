"""Everything that is said to Slack goes out here, inside Slack's budgets.

chat.update is one budget for all cards of the workspace (Tier 3, 50 a minute); chat.postMessage is
about one a second for each channel. Everything else here is used rarely.
"""

from collections.abc import Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.clock import Clock

RATES: Mapping[str, tuple[float, float]] = {  # so many at once, then so many a second
    "chat.update": (10.0, 50 / 60),
    "chat.postMessage": (4.0, 1.0),
    "views.update": (20.0, 100 / 60),
}
PASSING = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "ratelimited"}
)


class Wait(Exception):
    """Not now: the budget is used up, or Slack asked to wait or did not answer."""


class Sender:
    def __init__(self, client: AsyncWebClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._buckets: dict[tuple[str, str], tuple[float, float]] = {}  # tokens, and when that was
        self._held: dict[str, float] = {}

    async def call(self, method: str, place: str = "", **arguments: Any) -> Any:
        """Slack's answer. `place`: the channel, where the budget is a channel's own.

        Raises Wait (the caller compares again later) and SlackApiError (a no for good).
        """
        self._take(method, place)
        given = {name: value for name, value in arguments.items() if value is not None}
        try:
            return await self._client.api_call(method, json=given)
        except SlackApiError as problem:
            if problem.response.status_code == 429:
                self._hold(method, float(problem.response.headers.get("Retry-After", 1)))
                raise Wait from None
            if problem.response.status_code >= 500 or problem.response.get("error") in PASSING:
                raise Wait from None
            raise
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            raise Wait from None

    def _take(self, method: str, place: str) -> None:
        now = self._clock().timestamp()
        if now < self._held.get(method, 0.0):
            raise Wait
        if method not in RATES:
            return
        burst, a_second = RATES[method]
        tokens, since = self._buckets.get((method, place), (burst, now))
        tokens = min(burst, tokens + (now - since) * a_second)
        if tokens < 1:
            raise Wait
        self._buckets[method, place] = (tokens - 1, now)

    def _hold(self, method: str, seconds: float) -> None:
        """Slack said Retry-After."""
        self._held[method] = self._clock().timestamp() + seconds
