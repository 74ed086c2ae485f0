"""What a press is: who may, when, what it asks first, what it records. Each press has a file of its own.

The questions that are the same for all of them are asked by `bot.presses`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from bot.envelope import Event
from bot.event_kinds import EventKind
from bot.facts import Word
from bot.lessons import Lessons
from bot.model import Person, State
from bot.policy import Entitled, PersonRole, can, marks, mentions
from bot.run import Run


@dataclass(frozen=True, slots=True)
class Right:
    roles: frozenset[PersonRole]
    states: frozenset[State]

    def who_can(self, run: Run, entitled: Entitled) -> str:
        """Names the people who have this right, for a refusal."""
        if PersonRole.MAY_ASK in self.roles:
            return f"only people who may ask for a rollback of `{run.request.target}` can."
        if self.roles == {PersonRole.OWNER}:
            return f"only the owner of `{run.request.target}` can."
        asked = [f"<@{run.request.requester.id}>"] if PersonRole.REQUESTER in self.roles else []
        approvers = mentions(entitled.able()) if PersonRole.APPROVER in self.roles else []
        return can([*asked, *(name for name in approvers if name not in asked)])


THEM = frozenset({PersonRole.REQUESTER, PersonRole.APPROVER, PersonRole.OWNER})
BEFORE_EFFECT = frozenset({State.AWAITING_APPROVAL, State.APPROVED, State.RUNNING, State.PAUSED})


@dataclass(frozen=True, slots=True)
class Click:
    """Comes with a press: the state it was drawn for, and what was typed."""

    stamp: str | None = None  # of the run when the button was drawn; None: typed, not clicked
    code: str = ""  # characters of the plan code
    answer: str = ""
    why: str = ""
    lessons: Lessons | None = None  # of a drill
    lessons_seen: int = 0  # the seq of those that its form showed; 0: there were none


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody presses something on a run: all that the rules of a press look at."""

    run: Run
    person: Person
    entitled: Entitled  # read just now
    click: Click
    now: datetime


@dataclass(frozen=True, slots=True)
class Form:
    """A modal. `bot.views.press_forms` says how it looks."""

    name: str
    callback_id: str = ""  # what its submission is called; empty: there is none, or the start form's


DIALOG = Form("dialog")  # Slack's own small one: the client asks, and sends the press only after a yes


@dataclass(frozen=True, slots=True)
class Asks:
    form: Form
    when: Callable[[Run], bool] = lambda _: True


WhyNot: TypeAlias = Callable[[Attempt], str | None]
Recorder: TypeAlias = Callable[[Run, Person, Click, datetime], tuple[Event, ...]]


def nothing_against(attempt: Attempt) -> None:
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Press:
    """A row of the table of presses. Fields that are left out take nothing away from the general rules."""

    action_id: str  # of its button, and its name in the evidence
    verb: str  # for sentences: "You cannot … RB-42"
    right: Right
    events: Recorder | None = field(default=None, repr=False)  # None: it changes nothing about this run
    why_not_now: WhyNot = field(default=nothing_against, repr=False)  # asked before the right is looked at
    why_not: WhyNot = field(default=nothing_against, repr=False)  # asked of somebody who has the right
    asks: tuple[Asks, ...] = ()  # the first whose `when` holds; none does: it is done at once
    then: Form | None = None  # opened when it is done
    no: EventKind | None = None  # the event by which it ends a run that has touched nothing yet
    brakes: bool = False  # it stops something, so it is let in before others when there is a crowd
    on_any_drawing: bool = False  # it means the same however the run has moved on since the card was drawn

    @property
    def for_everybody(self) -> bool:
        """Whether it only reads: nothing is refused, looked up or recorded for it."""
        return PersonRole.ANYBODY in self.right.roles

    @property
    def decides(self) -> bool:
        """Whether it says something about this run, instead of reading it or asking for another."""
        return self.events is not None

    def form(self, run: Run) -> Form | None:
        """Returns what is asked before it is done."""
        return next((ask.form for ask in self.asks if ask.when(run)), None)


def said(word: Word, person: Person, now: datetime) -> Event:
    """Returns the event of a person's word, with the marks by which one human is recognised."""
    return Event(replace(word, marks=tuple(sorted(marks(person)))), now, person.id)
