"""Everything that is said to Slack goes out here, inside Slack's budgets, and waits when Slack says so.

chat.update is one budget for all cards of the workspace (Tier 3, 50 a minute); chat.postMessage is
about one a second for each channel, in short bursts. What may wait (progress, copies) is spread evenly
over the window, so that of whatever else comes, n cards at once are shown within n × 1.2 s + 5 s.
"""

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.clock import Clock
from handlers.slack.refusals import Meaning, meaning, said
from handlers.told import Outage

log = structlog.get_logger()
Place = tuple[str, str]  # method, and the channel where the budget is a channel's own

Windows = Mapping[str, tuple[int, float]]  # by method: at most so many calls in any so many seconds

WINDOWS: Windows = {
    "chat.update": (50, 60.0),
    "chat.postMessage": (3, 3.0),
    "chat.postEphemeral": (100, 60.0),
    "conversations.history": (50, 60.0),
    "conversations.replies": (50, 60.0),
    "views.open": (100, 60.0),
    "views.publish": (100, 60.0),
    "views.update": (100, 60.0),
}
# These go out as a query, as the SDK's own methods send them: of some of them Slack does not read a JSON
# body, and answers as if nothing had been given.
READS = frozenset(
    {
        "bots.info",
        "chat.getPermalink",
        "conversations.history",
        "conversations.info",
        "conversations.replies",
        "dnd.teamInfo",
        "usergroups.list",
        "usergroups.users.list",
        "users.info",
    }
)
PACED = frozenset({"chat.update"})  # of these, what may wait goes out so many at a time
CALLS_AT_A_TIME = 4
UNLIMITED = (10**6, 0.0)
# Somebody waits for these with a trigger of 3 s: a failure a moment ago is no reason not to try.
AT_ONCE = frozenset({"views.open", "views.publish", "chat.postEphemeral"})
FIRST_PAUSE_SECONDS = 0.5  # after a failure, doubled with each further one
LONGEST_PAUSE_SECONDS = 10.0
IN_FLIGHT_SECONDS = 0.2  # in which a call under way will probably be over
EVERYTHING: Place = ("*", "")


@dataclass(slots=True)
class Budget:
    """Calls count from when they were answered: Slack has counted them by then."""

    most: int
    seconds: float
    calls: deque[float] = field(default_factory=deque)  # when, of those inside the window
    under_way: int = 0

    def free_at(self, now: float, ahead: int = 0) -> float:
        """When the next call may be made, behind `ahead` others that wait; not after `now`: at once."""
        while self.calls and self.calls[0] <= now - self.seconds:
            self.calls.popleft()
        missing = len(self.calls) + self.under_way + ahead + 1 - self.most
        if missing <= 0:
            return now
        rounds, nth = divmod(missing - 1, self.most)
        if nth >= len(self.calls):
            return now + IN_FLIGHT_SECONDS
        return self.calls[nth] + (rounds + 1) * self.seconds


class MustWait(Exception):
    """Not now: the budget is used up, or Slack asked to wait or did nothing. Nothing was done."""

    def __init__(self, until: float, budget: Budget | None = None, *, can_wait: bool = False) -> None:
        super().__init__(f"until {until:.1f}")
        self.until = until  # seconds since 1970
        self.budget = budget  # that is used up; None: it is Slack that wants us to wait
        self.can_wait = can_wait  # it lets all others go first


class AnswerLost(MustWait):
    """The same, but perhaps it was done: the answer was lost."""


class Sender:
    def __init__(self, client: AsyncWebClient, clock: Clock, windows: Windows = WINDOWS) -> None:
        self._client = client
        self._clock = clock
        self._windows = windows
        self._budgets: dict[Place, Budget] = {}
        self._paces: dict[Place, Budget] = {}
        self._held: dict[Place, float] = {}
        self._failures: defaultdict[Place, int] = defaultdict(int)  # in a row
        self._permalinks: dict[tuple[str, str], str] = {}
        self._away = Outage("Slack", clock)
        self.refused: str | None = None  # why Slack takes nothing from this token; None: it does, or is down

    async def permalink(self, channel: str, ts: str) -> str:
        """Slack's link to a message, asked once: it never changes. Raises as `call` does."""
        if (channel, ts) not in self._permalinks:
            answer = await self.call("chat.getPermalink", channel=channel, message_ts=ts)
            self._permalinks[channel, ts] = str(answer["permalink"])
        return self._permalinks[channel, ts]

    async def call(self, method: str, place: str = "", *, can_wait: bool = False, **arguments: Any) -> Any:
        """Slack's answer. `place`: the channel, where the budget is a channel's own.

        Raises MustWait (the caller compares again later), AnswerLost, and SlackApiError (a no for good).
        """
        self.check(method, place, can_wait=can_wait)
        given = {name: value for name, value in arguments.items() if value is not None}
        spent = self._spent(method, place, can_wait)
        for budget in spent:
            budget.under_way += 1
        try:
            answer = await self._sent(method, given)
        except SlackApiError as problem:
            raise self._understood(problem, (method, place)) from None
        except aiohttp.ClientConnectorError as problem:
            self._away.seen(problem)
            raise MustWait(self._pause((method, place))) from None  # Slack has never heard of it
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as problem:
            self._away.seen(problem)
            raise AnswerLost(self._pause((method, place))) from None
        finally:
            now = self._clock().timestamp()
            for budget in spent:
                budget.under_way -= 1
                budget.calls.append(now)
        self._went_well((method, place))
        return answer

    async def _sent(self, method: str, given: dict[str, Any]) -> AsyncSlackResponse:
        if method in READS:  # the SDK writes true as 1, which Slack reads as true
            return await self._client.api_call(method, http_verb="GET", params=given)
        return await self._client.api_call(method, json=given)

    def check(self, method: str, place: str = "", *, can_wait: bool = False) -> None:
        """Raises MustWait when a call would: asked before anything is drawn for it."""
        now = self._clock().timestamp()
        held = max(self._held.get((method, place), 0.0), self._held.get(EVERYTHING, 0.0))
        if now < held:
            raise MustWait(held)
        for budget in self._spent(method, place, can_wait):
            free_at = budget.free_at(now)
            if free_at > now:
                raise MustWait(free_at, budget, can_wait=can_wait)

    def _spent(self, method: str, place: str, can_wait: bool) -> tuple[Budget, ...]:
        """The budgets that a call is taken from."""
        most, seconds = self._windows.get(method, UNLIMITED)
        whole = self._budgets.setdefault((method, place), Budget(most, seconds))
        if not can_wait or method not in PACED:
            return (whole,)
        pace = Budget(CALLS_AT_A_TIME, CALLS_AT_A_TIME * seconds / most)
        return (self._paces.setdefault((method, place), pace), whole)

    def _understood(self, problem: SlackApiError, place: Place) -> Exception:
        status, error = said(problem)
        if status == 429:
            return MustWait(self._pause(place, _retry_after(problem)))
        if status >= 500 or error is None:
            self._away.seen(problem)
            return AnswerLost(self._pause(place))
        match meaning(place[0], error):
            case Meaning.PASSING:
                return MustWait(self._pause(place))
            case Meaning.UNCLEAR:
                return AnswerLost(self._pause(place))
            case Meaning.TOKEN:
                if self.refused != error:
                    log.error("Slack refuses the token", method=place[0], error=error)
                self.refused = error
                return MustWait(self._pause(EVERYTHING))
            case _:
                self._failures.pop(place, None)  # Slack answers
                return problem

    def _pause(self, place: Place, seconds: float | None = None) -> float:
        """Until when nothing is tried there; `seconds` None: Slack did not say, so longer each time."""
        self._failures[place] += 1
        now = self._clock().timestamp()
        if seconds is None:
            seconds = min(FIRST_PAUSE_SECONDS * 2 ** (self._failures[place] - 1), LONGEST_PAUSE_SECONDS)
            if place[0] in AT_ONCE:
                return now
        self._held[place] = now + seconds
        return self._held[place]

    def _went_well(self, place: Place) -> None:
        """A pause that Slack asked for is kept: this answer may be of a call that was under way already."""
        self._away.over()
        for known in (place, EVERYTHING):
            self._failures.pop(known, None)
        if self.refused is not None:
            log.info("Slack takes the token again")
            self.refused = None


def _retry_after(problem: SlackApiError) -> float | None:
    """In seconds; None: the header is missing, or is no number."""
    try:
        return float(problem.response.headers["Retry-After"])
    except (KeyError, ValueError, AttributeError):
        return None
