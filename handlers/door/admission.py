"""Who is let in when more comes than can be answered in time. What they are told is in `delivery`.

Decisions go before requests and reading, and some places are theirs alone. Whoever sends more than
their quota is served only from what nobody else needs, so that one person's flood costs that person.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any

from bot.commands import VERBS
from bot.presses import PRESSES, forms_before, forms_then

# A name that is missing decides nothing; for the others: whether it brakes.
DECIDING_PRESSES = {press.action_id: press.brakes for press in PRESSES.values() if press.decides}
DECIDING_WORDS = {verb.name: DECIDING_PRESSES[verb.press] for verb in VERBS if verb.press in DECIDING_PRESSES}


def _deciding_forms() -> dict[str, bool]:
    """Says by callback id whether a form brakes. One that several presses share does if one of them does."""
    forms = dict.fromkeys((form.callback_id for _, form in forms_then()), False)  # the press is done already
    for press, form in forms_before():
        forms[form.callback_id] = press.brakes or forms.get(form.callback_id, False)
    return forms


DECIDING_FORMS = _deciding_forms()


class Rank(Enum):
    DECISION = "decision"
    ASKING = "asking"  # requests and reading
    SPARE = "spare"  # of somebody over their quota


class Turned(StrEnum):
    """Why a delivery was not accepted."""

    FULL = "full"
    QUOTA = "quota"
    LATE = "late"
    DATABASE = "database"
    UNKNOWN = "unknown"  # the only one after which it may have been accepted all the same


@dataclass(frozen=True, slots=True)
class Limits:
    """A place is taken from the door to the answer: milliseconds, but two seconds where a target is read."""

    places: int = 32
    places_for_asking: int = 24  # the others are kept for decisions
    places_to_spare: int = 8
    waiting: int = 200
    waits: float = 1.5  # seconds; what is left of Slack's three is for the answer
    quota: int = 30  # deliveries of one person, decisions counted apart from the rest
    window: float = 30.0  # seconds

    def places_of(self, rank: Rank) -> int:
        """How many places may be taken at all when one of this rank takes another."""
        return {
            Rank.DECISION: self.places,
            Rank.ASKING: self.places_for_asking,
            Rank.SPARE: self.places_to_spare,
        }[rank]


# Reading a payload -----------------------------------------------------------------------------


def person_of(payload: Mapping[str, Any]) -> str | None:
    """Returns whose quota it uses. None: it is nobody's, a group that changed for instance."""
    user = payload.get("user_id") or payload.get("user") or payload.get("event", {}).get("user")
    return user.get("id") if isinstance(user, dict) else user


def decides(payload: Mapping[str, Any]) -> bool:
    return _brakes(payload) is not None


def brakes(payload: Mapping[str, Any]) -> bool:
    """Whether it asks to stop something: not accepting that does not mean that nothing will run."""
    return _brakes(payload) is True


def _brakes(payload: Mapping[str, Any]) -> bool | None:
    """None: it decides nothing."""
    if "command" in payload:
        word, *_ = payload.get("text", "").casefold().split(maxsplit=1) or [""]
        return DECIDING_WORDS.get(word)
    match payload["type"]:
        case "block_actions":
            return DECIDING_PRESSES.get(payload["actions"][0]["action_id"])
        case "view_submission" | "view_closed":
            return DECIDING_FORMS.get(payload["view"].get("callback_id", ""))
        case _:
            return None


# Keeping the books -----------------------------------------------------------------------------


class Quota:
    """How much each person has sent lately. Times are seconds of any clock that does not run back."""

    KNOWN_AT_MOST = 10_000  # people; then those who were quiet are forgotten

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._sent: defaultdict[tuple[str, bool], deque[float]] = defaultdict(deque)

    def over(self, person: str, decision: bool, now: float) -> bool:
        """Counts one more, and says whether it is more than the quota."""
        sent = self._sent[person, decision]
        while sent and sent[0] <= now - self._limits.window:
            sent.popleft()
        if len(sent) >= self._limits.quota:
            return True  # not counted: whoever slows down is let in again
        sent.append(now)
        if len(self._sent) > self.KNOWN_AT_MOST:
            self._forget_quiet(now)
        return False

    def _forget_quiet(self, now: float) -> None:
        for who, sent in tuple(self._sent.items()):
            if not sent or sent[-1] <= now - self._limits.window:
                del self._sent[who]


class Admission:
    """The places and the two queues for them. Every `enter` that returned None is followed by a `leave`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._quota = Quota(limits)
        self._queues: dict[Rank, deque[asyncio.Future[Turned | None]]] = {
            Rank.DECISION: deque(),
            Rank.ASKING: deque(),
        }
        self.taken = 0

    @property
    def waiting(self) -> int:
        return sum(map(len, self._queues.values()))

    def rank(self, payload: Mapping[str, Any], now: float) -> Rank:
        person, decision = person_of(payload), decides(payload)
        if person is not None and self._quota.over(person, decision, now):
            return Rank.SPARE
        return Rank.DECISION if decision else Rank.ASKING

    async def enter(self, rank: Rank) -> Turned | None:
        """Takes a place, now or when one is free. Otherwise why not."""
        if self.taken < self._limits.places_of(rank) and not self._before(rank):
            self.taken += 1
            return None
        if rank is Rank.SPARE:
            return Turned.QUOTA
        if self.waiting >= self._limits.waiting and not self._makes_way(rank):
            return Turned.FULL
        return await self._wait(self._queues[rank])

    def leave(self) -> None:
        self.taken -= 1
        for rank, queue in self._queues.items():
            while queue and self.taken < self._limits.places_of(rank):
                self.taken += 1
                queue.popleft().set_result(None)

    def _before(self, rank: Rank) -> bool:
        """Whether somebody waits who comes first."""
        return self.waiting > 0 if rank is not Rank.DECISION else bool(self._queues[Rank.DECISION])

    def _makes_way(self, rank: Rank) -> bool:
        """The newest that only asks makes way for a decision."""
        asking = self._queues[Rank.ASKING]
        if rank is not Rank.DECISION or not asking:
            return False
        asking.pop().set_result(Turned.FULL)
        return True

    async def _wait(self, queue: deque[asyncio.Future[Turned | None]]) -> Turned | None:
        place: asyncio.Future[Turned | None] = asyncio.get_running_loop().create_future()
        queue.append(place)
        try:
            await asyncio.wait({place}, timeout=self._limits.waits)
        except asyncio.CancelledError:  # the process ends: a place that was given meanwhile goes to the next
            if place.done() and place.result() is None:
                self.leave()
            raise
        finally:
            if not place.done():
                queue.remove(place)
        return place.result() if place.done() else Turned.FULL
