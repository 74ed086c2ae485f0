"""Slack's ways to several fronts: each payload goes to one of them, and what the person was told is kept."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from itertools import count

from bot.canonical_json import iso
from handlers.door.delivery import key_of
from tests.chaos.histories import Answer, Told
from workspace.slack.transport import Carried, Envelope, Transport
from workspace.slack.wire import Json

CHOSEN: ContextVar[str | None] = ContextVar("the front that the next payload goes to", default=None)
NOT_ACCEPTED = "NOT accepted"


class Doors:
    """Fulfils Transport. Without a choice the fronts take turns, as behind a proxy."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.ways: dict[str, Transport] = {}
        self.told: list[Told] = []
        self._now = now
        self._turns = count()

    async def carry(self, envelope: Envelope) -> Carried:
        way, payload = self._way(), envelope.payload
        carried = Carried(False, error="no_connection") if way is None else await way.carry(envelope)
        person = payload.get("user_id") or payload["user"]["id"]
        words = str((carried.body or {}).get("text", ""))
        answer = _answer(carried, words)
        self.told.append(Told(key_of(payload), person, _what(payload), answer, iso(self._now()), words))
        return carried

    def _way(self) -> Transport | None:
        """None: there is no front now."""
        chosen, names = CHOSEN.get(), sorted(self.ways)
        if not names:
            return None
        return self.ways[chosen if chosen in self.ways else names[next(self._turns) % len(names)]]


@contextmanager
def through(front: str) -> Iterator[None]:
    """What is done here goes to this front."""
    token = CHOSEN.set(front)
    try:
        yield
    finally:
        CHOSEN.reset(token)


def _answer(carried: Carried, words: str) -> Answer:
    """A click that was refused is acknowledged as well; the small modal that follows says so."""
    if not carried.acked:
        return Answer.NONE
    if NOT_ACCEPTED in words:
        return Answer.NOT_ACCEPTED
    return Answer.ACCEPTED


def _what(payload: Json) -> str:
    actions = payload.get("actions") or [{}]
    return str(payload.get("text") or actions[0].get("action_id") or payload.get("type"))
