"""One payload of Slack's while it is answered: its key, its time limit, what is said when it is not taken.

"NOT accepted" is a promise: nothing that the payload asked for happens, not even later. So reading is
given up when the time is over, and a change is the database's to give up: only it knows whether the
commit had begun.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, TypeVar

import structlog
from sqlalchemy.exc import DBAPIError

from bot.errors import UserError, words_of
from handlers.door.admission import Turned, brakes
from storage.database import CommitUnknown, NotAccepted
from storage.runs import Store
from storage.transaction import Transaction

log = structlog.get_logger()
T = TypeVar("T")

DELIVERY_ANSWERED_WITHIN_SECONDS = 2.2  # from the door; the rest of 2.5 is for the answer's way
WHY: Mapping[Turned, str] = {
    Turned.FULL: "more is coming in than the bot can take. Try again in a minute.",
    Turned.QUOTA: "you have sent more than 30 requests within half a minute, and others come first. "
    "Wait half a minute.",
    Turned.LATE: "Slack or the bot's database did not answer in time. Try again in a minute.",
    Turned.DATABASE: "the bot's database does not answer. Try again in a minute.",
}


class TurnedAway(UserError):
    """Not for what it says: there is no room or no time for it now."""

    def __init__(self, why: Turned, brake: bool) -> None:
        super().__init__(_words(why, brake))
        self.why = why


def _words(why: Turned, brake: bool) -> str:
    if why is Turned.UNKNOWN:
        return (
            "It is not known yet whether this was accepted: look for its card in a minute, "
            "before typing it again."
        )
    # a rejection that was not accepted stops nothing, so "nothing will run" would be a lie
    follows = "nothing was changed" if brake else "nothing will run"
    return f"NOT accepted, {follows}: {WHY[why]}"


class Delivery:
    """Entered around everything that reads or changes for it. Leaving it raises TurnedAway for whatever
    had no room or no time; every other refusal passes.
    """

    def __init__(self, key: str, brake: bool, until: float, turned: Turned | None = None) -> None:
        self.key = key
        self.turned = turned  # None: nothing is in its way so far
        self._brake = brake
        self._until = until  # on the event loop's clock
        self._reading = asyncio.timeout_at(until)

    async def __aenter__(self) -> "Delivery":
        if self.turned is not None:
            raise TurnedAway(self.turned, self._brake)
        await self._reading.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._reading.__aexit__(kind, problem, trace)
        except TimeoutError as late:
            problem = late
        self.turned = _turned(problem)
        if self.turned is not None:
            if problem is not None and not isinstance(problem, TimeoutError):
                log.error("database", error=words_of(problem))
            raise TurnedAway(self.turned, self._brake) from None

    async def change(self, store: Store, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Changes what is stored, in time or not at all. Once it was begun nothing else cuts it short."""
        self._reading.reschedule(None)
        try:
            return await store.change(work, within=max(0.0, self._until - loop_time()))
        except BaseException:
            self._reading.reschedule(self._until)  # it had no effect: reading goes on, while there is time
            raise


def _turned(problem: BaseException | None) -> Turned | None:
    match problem:
        case CommitUnknown():
            return Turned.UNKNOWN
        case NotAccepted() | DBAPIError():
            return Turned.DATABASE
        case TimeoutError():
            return Turned.LATE
        case _:
            return None


def loop_time() -> float:
    """Returns the seconds of the event loop's clock."""
    return asyncio.get_running_loop().time()


def key_of(body: Mapping[str, Any]) -> str:
    """Returns what makes a payload the same payload when it comes twice."""
    if "event_id" in body:
        return f"event {body['event_id']}"[:255]
    if body.get("type") == "view_submission":
        view = body["view"]
        return f"view {view['id']} {view['hash']}"[:255]
    if body.get("type") == "block_actions":
        action = body["actions"][0]
        return f"click {body['trigger_id']} {action.get('action_ts')} {action['action_id']}"[:255]
    return f"trigger {body.get('trigger_id')}"[:255]


def delivery_of(body: Mapping[str, Any], came_at: float, turned: Turned | None) -> Delivery:
    """`came_at` on the event loop's clock."""
    return Delivery(key_of(body), brakes(body), came_at + DELIVERY_ANSWERED_WITHIN_SECONDS, turned)
