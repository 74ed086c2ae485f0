"""An event: what happened, in an envelope that says when, by whom and as which of its run."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.event_kinds import EventKind
from bot.facts import Fact


@dataclass(frozen=True, slots=True)
class Stored:
    """An event as the database holds it: what signatures and digests are taken over."""

    kind: str
    data: Mapping[str, Any]  # JSON


@dataclass(frozen=True, slots=True)
class Event:
    fact: Fact
    at: datetime
    by: str = ""  # Slack user id; empty: the bot itself
    seq: int = 0  # given by the store
    signature: str = ""  # of people's events, hex
    stored: Stored | None = None  # None: it is not stored yet

    @property
    def kind(self) -> EventKind:
        return self.fact.kind
