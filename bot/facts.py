"""What every event has in common, before it says what happened: the kinds themselves are in `events`."""

from dataclasses import dataclass
from typing import ClassVar

from bot.event_kinds import EventKind


@dataclass(frozen=True, slots=True)
class Fact:
    """Says what happened, without when and by whom. Each subclass with a `kind` is a kind of event."""

    kind: ClassVar[EventKind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Word(Fact):
    """Something that only a person can say about a run: without an author it counts as unsigned."""

    marks: tuple[str, ...] = ()  # by which the human is recognised, in order
    digest: str = ""  # of the plan that it was said about; the store fills it in


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoned(Word):
    why: str = ""  # one sentence of theirs; empty: they gave none


@dataclass(frozen=True, slots=True)
class OfStep(Fact):
    n: int  # the step's number in the plan


@dataclass(frozen=True, slots=True, kw_only=True)
class AfterRestore(Fact):
    """Our own database was put back from a backup, so what was done to the run since is not known."""

    why: str
    installation: str  # the database's name in the backup: people's words were signed for it
