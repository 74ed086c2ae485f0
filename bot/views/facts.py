"""What a card needs to know beside its run: who was reached, what is configured, how far a step is."""

from dataclasses import dataclass
from datetime import datetime

from bot.contract import Progress


@dataclass(frozen=True, slots=True)
class CardFacts:
    """Read by the caller just before a card is drawn. Everything from outside is escaped by the views."""

    button_value: str  # opaque; comes back with each click and says which state it was drawn for
    awaited: tuple[str, ...] = ()  # Slack user ids that got a direct copy
    messaged_at: datetime | None = None  # None: nobody was messaged yet
    dnd: frozenset[str] = frozenset()  # of the awaited, who is on do-not-disturb
    others_can: int = 0  # entitled people who were not messaged
    usergroups: tuple[str, ...] = ()  # Slack ids of the approver groups, to mention them
    progress: Progress | None = None  # of the current step; None: nothing observed
    next_news_by: datetime | None = None  # of a running card
    look_yourself: str | None = None  # a command that shows what is live, for a stuck run
    holds: tuple[str, ...] = ()  # what stays open after the end, a sentence each
    not_undone: str | None = None  # what going back does not take back
    failover: str | None = None  # the declared way when the target itself is down
    owner: str = ""  # as configured: a group, a person or free text
    point_of_contact: str | None = None  # Slack user id
    url: str | None = None  # of the run page; None: no public address
    superseded: bool = False  # another card of this run in this channel is the live one
