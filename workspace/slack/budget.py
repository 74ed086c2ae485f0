"""Slack's rate limits, a budget that can be switched on: by method, and for posts by channel and second."""

import math
from collections import deque
from collections.abc import Callable
from typing import Final

from workspace.slack.arguments import Arguments

MINUTE_SECONDS: Final = 60.0
BURST_POSTS: Final = 3  # in a channel before the limit of one a second bites; Slack says "short bursts"


class MethodBudgets:
    def __init__(self, clock: Callable[[], float]) -> None:
        self.enabled = False
        self._clock = clock
        self._spent: dict[str, deque[float]] = {}

    def spend(self, method: str, per_minute: int, args: Arguments) -> int | None:
        """None when the call is within the budget; else the Retry-After in whole seconds."""
        if not self.enabled:
            return None
        if method == "chat.postMessage":
            return self._take(f"{method} {args.optional('channel')}", BURST_POSTS, float(BURST_POSTS))
        return self._take(method, per_minute, MINUTE_SECONDS)

    def _take(self, key: str, most: int, window: float) -> int | None:
        now = self._clock()
        spent = self._spent.setdefault(key, deque())
        while spent and spent[0] <= now - window:
            spent.popleft()
        if len(spent) >= most:
            return max(1, math.ceil(spent[0] + window - now))
        spent.append(now)
        return None
