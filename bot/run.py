"""A run as its events have left it: what was asked, decided, done, what people are asked, and how it ended.

Where it may go next is in `machine`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from bot.lessons import Lessons
from bot.model import (
    BESIDE,
    PURPOSES_BESIDE,
    THE_SCHEDULE,
    Do,
    Finding,
    Goal,
    Left,
    Loss,
    Outcome,
    Person,
    Phase,
    Plan,
    Purpose,
    Seen,
    State,
    Step,
    Verdict,
)

Part = TypeVar("Part")


def renewed(part: Part, **changes: Any) -> Part:
    """Returns a copy of a run, or of a part of one, with these fields changed. Raises TypeError for others.

    A fold does this several times for each event, and `dataclasses.replace` would be a fifth of what a
    rollback costs: it calls the constructor, which sets the fields of a frozen class one after the other.
    The classes that it copies have no slots and check nothing when they are made.
    """
    if unknown := changes.keys() - vars(part).keys():
        raise TypeError(f"{type(part).__name__} has no {', '.join(sorted(unknown))}")
    new = object.__new__(type(part))
    vars(new).update(vars(part), **changes)
    return new


@dataclass(frozen=True, slots=True)
class Approval:
    person: str
    marks: frozenset[str]  # of the person, then
    at: datetime


class StepState(StrEnum):
    WAITING = "waiting"
    STARTED = "started"
    ENDED = "ended"


@dataclass(frozen=True)
class StepRecord:
    """How far a step of the plan has come."""

    step: Step
    state: StepState = StepState.WAITING
    outcome: Outcome | None = None
    op: str | None = None  # the op id of its intent; None: there is none yet
    place: str | None = None  # where that was taken; None: at the backend itself
    handle: Mapping[str, Any] | None = None  # what the backend gave us to ask with
    started_at: datetime | None = None
    ended_at: datetime | None = None
    words: str = ""  # how it ended, in one sentence
    by_people: bool = False  # people said how it ended, the backend did not
    attempt: int = 1  # more when people had maintenance switched once more, or went on after a stop
    begun: int = 0  # how many intents were written since people last decided
    tried: tuple[str, ...] = ()  # the op ids of attempts that have ended, and were begun anew
    left: Left | None = None  # what a restore has left; None: it has none of its own doing
    due: bool = False  # of a DROP: its time has come
    kept_until: datetime | None = None  # of a DROP that was due and had to wait
    gone: tuple[str, ...] = ()  # of a DROP of several copies: the ids of those that it has dropped so far


class Pause(StrEnum):
    """Why people must decide."""

    CHECKPOINT = "checkpoint"
    STOPPED = "stopped"
    STEP_FAILED = "step_failed"
    CHECKS = "checks"
    LOSS = "loss"
    AS_BEFORE = "as_before"  # people said that nothing was changed
    HALTED = "halted"  # the bot may not or cannot go on, `why` says the reason


class Matter(StrEnum):
    """Says what two people decide together."""

    CONTINUE = "continue"  # against the checks
    RESOLVE = "resolve"  # what is live
    LEAVE = "leave"  # maintenance, of a failed run


@dataclass(frozen=True, slots=True)
class Proposal:
    """The first of two people's word on a paused, stuck or failed run."""

    about: Matter
    person: str
    marks: frozenset[str]
    answer: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """Holds what somebody asked for. It never changes."""

    target: str
    purpose: Purpose
    goal: Goal
    requester: Person
    channel: str
    reason: str
    at: datetime
    thread: str | None = None  # where it was asked, for one line with the link
    ask_first: str | None = None
    undo_of: str | None = None
    drill_of: str | None = None  # of a rehearsal: the target whose drill it is

    @property
    def drilled(self) -> str:
        """Returns the target of which a drill shows something."""
        return self.drill_of or self.target

    @property
    def by_itself(self) -> bool:
        """Whether nobody asked for it: the configuration says that it starts by the clock."""
        return self.requester.id == THE_SCHEDULE.id


@dataclass(frozen=True)
class Decision:
    """The plan, and how far people have come with approving it."""

    planned: Plan | None = None  # None: a plan is owed
    digest: str = ""  # of the plan, as it is stored
    target_down: bool = False  # when it was planned the target itself could not be reached
    awaited: tuple[str, ...] = ()  # who gets a direct copy: Slack user ids, at most five
    posted_at: datetime | None = None
    approve_by: datetime | None = None
    start_by: datetime | None = None
    given: tuple[Approval, ...] = ()

    @property
    def plan(self) -> Plan:
        """Returns the plan. Raises NoPlan in the states that have none: ask `planned` where that may be."""
        if self.planned is None:
            raise NoPlan
        return self.planned


class NoPlan(Exception):
    """The run was not planned, so nothing may be done or said that needs its plan."""


@dataclass(frozen=True)
class WorkDone:
    """Holds what was done and seen."""

    started_at: datetime | None = None
    steps: tuple[StepRecord, ...] = ()
    before: tuple[Finding, ...] = ()
    findings: tuple[Finding, ...] = ()  # newest of each check
    unchecked: tuple[str, ...] = ()  # of a drill: the names of checks that cannot look at a copy
    loss: Loss | None = None  # as measured at the start, or once more behind maintenance
    live: Left = Left.BEFORE
    undo_points: Mapping[str, str] = field(default_factory=dict)  # target to the id of its undo point
    undo_contents: Mapping[str, str] = field(default_factory=dict)  # target to the fingerprint that it had
    prepared: Mapping[str, str] = field(default_factory=dict)  # target to the id of the copy beside it
    copies_at: Mapping[str, str] = field(default_factory=dict)  # target to where its copy stands, if told
    prepared_at: datetime | None = None  # when the last copy was ready; None: none is
    maintenance_since: datetime | None = None  # None: not entered by this run
    maintenance_until: datetime | None = None  # None with `since`: still on
    stop_requested: bool = False
    review_due: bool = False  # people were waited for: compare with what they approved before the next effect
    forgotten: bool = False  # our database was restored from a backup: what was done since is not known
    overridden: bool = False  # went online against a verdict
    look_due: bool = False  # somebody wants the copy of a snapshot to be looked at again
    looked_at: datetime | None = None  # by the checks, last; None: never

    @property
    def current(self) -> StepRecord | None:
        """The first step of the way that has not ended. A DROP is none: it follows when the run is over."""
        way = (record for record in self.steps if record.step.do is not Do.DROP)
        return next((record for record in way if record.state is not StepState.ENDED), None)

    @property
    def restores(self) -> tuple[StepRecord, ...]:
        return tuple(record for record in self.steps if record.step.do is Do.RESTORE)

    def record_of(self, n: int) -> StepRecord:
        return next(record for record in self.steps if record.step.n == n)

    @property
    def touched(self) -> bool:
        """Whether an intent on a target was ever written: from then on a veto comes too late."""
        return any(r.started_at is not None and r.step.do not in BESIDE for r in self.steps)

    @property
    def only_copied(self) -> bool:
        """Whether a copy was begun beside a target, and nothing else."""
        return not self.touched and any(r.started_at and r.step.do is Do.PREPARE for r in self.steps)

    @property
    def in_maintenance(self) -> bool:
        return self.maintenance_since is not None and self.maintenance_until is None

    @property
    def verdict(self) -> Verdict | None:
        """The worst of the newest findings; None: nothing was checked yet."""
        verdicts = {finding.verdict for finding in self.findings}
        for verdict in (Verdict.FAILED, Verdict.INCONCLUSIVE, Verdict.PASSED):
            if verdict in verdicts:
                return verdict
        return None


@dataclass(frozen=True)
class Question:
    """Holds what people have to decide."""

    pause: Pause | None = None  # why a paused run waits
    since: datetime | None = None  # paused or stuck, whatever one of two people said since
    proposals: tuple[Proposal, ...] = ()
    times_asked: int | None = None  # how often a lost step was looked for


@dataclass(frozen=True)
class End:
    at: datetime | None = None  # None: it has not ended
    by: str = ""
    undone_by: str | None = None  # the id of the run that undoes this one
    leave_agreed: bool = False  # two people: out of maintenance, though it failed
    seen: tuple[Seen, ...] = ()  # by a last look, of a run that did not start; empty: there was none
    superseded_by: str | None = None  # the id of the run that has taken the target somewhere else since
    superseded_point: str = ""  # what people call where it went
    superseded_at: datetime | None = None
    private: bool = False  # who asked made a slip, and nobody else need hear of it
    lessons: Lessons | None = None  # of a drill; None: nothing was written down
    lessons_by: str = ""
    lessons_at: datetime | None = None
    lessons_seq: int = 0  # of the event in which they were written down; 0: there is none


@dataclass(frozen=True)
class Run:
    """A fold over its events: `machine.apply` is the only maker of the next one.

    Each part is empty until the run has come so far.
    """

    id: str
    request: Request
    state: State = State.REQUESTED
    phase: Phase | None = None
    seq: int = 0
    changed_at: datetime | None = None  # the newest event
    approval: Decision = Decision()
    work: WorkDone = WorkDone()
    question: Question = Question()
    end: End = End()
    why: str = ""  # of a refusal, a veto, a void, a pause, an end: one sentence

    @property
    def is_drill(self) -> bool:
        return self.request.purpose is Purpose.DRILL

    @property
    def is_rehearsal(self) -> bool:
        return self.request.purpose is Purpose.REHEARSAL

    @property
    def looks_only(self) -> bool:
        """Whether it is a drill without a copy, which is planned and looked at, and proves nothing."""
        copies = any(record.step.do is Do.PREPARE for record in self.work.steps)
        return self.is_drill and self.approval.planned is not None and not copies

    @property
    def is_snapshot(self) -> bool:
        return self.request.purpose is Purpose.SNAPSHOT

    @property
    def is_backup(self) -> bool:
        return self.request.purpose is Purpose.BACKUP

    @property
    def is_beside(self) -> bool:
        """Whether all that it does is beside its target: it takes no lock, and nobody has to decide."""
        return self.request.purpose in PURPOSES_BESIDE

    @property
    def code(self) -> str:
        """The plan code: the first 8 hex digits, on every card. Empty before there is a plan."""
        return self.approval.digest[:8]

    def can_be_undone(self, now: datetime) -> bool:
        """Whether there is something to undo, something to undo it with, and nobody does it already."""
        if (
            self.approval.planned is None
            or not self.work.undo_points
            or self.end.undone_by
            or self.end.superseded_by
            or self.work.live is Left.BEFORE
        ):
            return False
        return now < self.approval.plan.undo_until(self.end.at or now)


def op_id(installation: str, run_id: str, n: int, attempt: int = 1) -> str:
    """The name of an operation at the backend: the same however often it is begun, found and resumed."""
    name = f"{installation}.{run_id}.{n}"
    return name if attempt == 1 else f"{name}.{attempt}"
