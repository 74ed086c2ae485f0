"""Approvers are drilled too: whoever has decided nothing for long gets one message to practise on.

Pressing it approves nothing: it has buttons of its own, and belongs to no run. Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.event_kinds import EventKind
from bot.model import Person

ANSWERED_WITHIN = timedelta(days=14)  # later it counts as silence
SILENT_AT_MOST = 2  # times in a row, and nobody counts on them
A_DAY_AT_MOST = 20  # messages: a large group is asked over several days
YES, NO = "yes", "no"
# Words of people by which somebody is seen to be there.
DECISIONS = frozenset(
    {
        EventKind.APPROVED,
        EventKind.VETOED,
        EventKind.CONTINUED,
        EventKind.CONTINUE_PROPOSED,
        EventKind.CONFIRMED,
        EventKind.RESOLVE_PROPOSED,
        EventKind.RESOLVED_POINT,
        EventKind.RESOLVED_UNCHANGED,
        EventKind.RESOLVED_UNCLEAR,
        EventKind.LEAVE_PROPOSED,
        EventKind.LEAVE_AGREED,
        EventKind.ENDED,
    }
)


@dataclass(frozen=True, slots=True)
class Practice:
    """The newest message to practise on of one person."""

    person: str  # account
    asked_at: datetime
    card: str  # the key of the message
    answered_at: datetime | None = None
    answer: str = ""  # YES or NO
    silent: int = 0  # messages before it, in a row, that were not answered

    def times_silent(self, now: datetime) -> int:
        """Returns how often in a row nothing was heard, this one among them when its time is over."""
        if self.answered_at is not None:
            return 0
        return self.silent + (now > self.asked_at + ANSWERED_WITHIN)


def is_inactive(practice: Practice | None, decided_at: datetime | None, now: datetime) -> bool:
    """Whether nobody should count on this approver. A real decision since counts as an answer."""
    if practice is None or (decided_at is not None and decided_at >= practice.asked_at):
        return False
    return practice.times_silent(now) >= SILENT_AT_MOST


def decided_at(person: Person, decided: Mapping[str, datetime]) -> datetime | None:
    """Returns when a human decided something last, under any of their accounts; None: never."""
    return max((decided[mark] for mark in {person.id, *person.marks} if mark in decided), default=None)


def due(
    approvers: Iterable[Person],
    decided: Mapping[str, datetime],
    known: Mapping[str, Practice],
    every: float,
    now: datetime,
) -> tuple[str, ...]:
    """Returns the accounts that are asked now, who waited longest first; at most A_DAY_AT_MOST.

    `decided`: when each account decided something last. `every`: seconds.
    """
    since = now - timedelta(seconds=every)
    waiting: dict[str, datetime] = {}
    for person in approvers:
        seen = [decided_at(person, decided), known[person.id].asked_at if person.id in known else None]
        newest = max((at for at in seen if at is not None), default=None)
        if not person.barred and (newest is None or newest <= since):
            waiting[person.id] = newest or datetime.min.replace(tzinfo=now.tzinfo)
    return tuple(sorted(waiting, key=lambda person: (waiting[person], person))[:A_DAY_AT_MOST])
