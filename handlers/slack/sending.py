"""Everything that is said to Slack goes out here, inside Slack's budgets.

chat.update is one budget for all cards of the workspace (Tier 3, 50 a minute); chat.postMessage is
about one a second for each channel. Everything else here is used rarely.
"""

from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.clock import Clock

WINDOWS: Mapping[str, tuple[int, float]] = {  # at most so many calls in any so many seconds
    "chat.update": (50, 60.0),
    "chat.postMessage": (4, 4.0),
    "views.update": (100, 60.0),
}
UNLIMITED = (10**6, 0.0)
CHATTER = 0.6  # the share of a window that progress may use; the rest is kept for decisions and results
PASSING = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout", "ratelimited"}
)


class Wait(Exception):
    """Not now: the budget is used up, or Slack asked to wait or did not answer."""


class Sender:
    def __init__(self, client: AsyncWebClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        # When, of those inside the window; by method and place.
        self._calls: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._held: dict[str, float] = {}
        self._permalinks: dict[tuple[str, str], str] = {}

    async def permalink(self, channel: str, ts: str) -> str:
        """Slack's link to a message, asked once: it never changes. Raises as `call` does."""
        if (channel, ts) not in self._permalinks:
            answer = await self.call("chat.getPermalink", channel=channel, message_ts=ts)
            self._permalinks[channel, ts] = str(answer["permalink"])
        return self._permalinks[channel, ts]

    async def call(self, method: str, place: str = "", *, chatter: bool = False, **arguments: Any) -> Any:
        """Slack's answer. `place`: the channel, where the budget is a channel's own.

        Raises Wait (the caller compares again later) and SlackApiError (a no for good).
        """
        self.check(method, place, chatter=chatter)
        self._calls[method, place].append(self._clock().timestamp())
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

    def check(self, method: str, place: str = "", *, chatter: bool = False) -> None:
        """Raises Wait when a call would: asked before anything is drawn for it."""
        now = self._clock().timestamp()
        if now < self._held.get(method, 0.0):
            raise Wait
        most, seconds = WINDOWS.get(method, UNLIMITED)
        calls = self._calls[method, place]
        while calls and calls[0] <= now - seconds:
            calls.popleft()
        if len(calls) >= most * (CHATTER if chatter else 1.0):
            raise Wait

    def _hold(self, method: str, seconds: float) -> None:
        """Slack said Retry-After."""
        self._held[method] = self._clock().timestamp() + seconds
