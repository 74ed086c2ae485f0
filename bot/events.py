"""Everything that can happen to a run: one frozen value a kind. When and by whom is said by its envelope.

Stored events are for ever. A kind's name and the meaning of its fields never change; a field may be added
with a default that says what older events meant; a new meaning is a new kind. What an event does to a run is
in `machine`, how it is written as JSON in `codec`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.event_kinds import EventKind
from bot.facts import AfterRestore, Fact, OfStep, Reasoned, Word
from bot.lessons import NOTHING_LEARNT, Lessons
from bot.model import Do, Finding, Goal, Left, Loss, Person, Plan, Purpose, Seen

# Asking and planning ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Requested(Fact):
    """Opens a run."""

    kind = EventKind.REQUESTED
    target: str
    purpose: Purpose
    goal: Goal
    requester: Person
    channel: str  # where its card goes
    reason: str = ""
    thread: str | None = None  # where it was asked, for one line with the link
    ask_first: str | None = None
    undo_of: str | None = None
    drill_of: str | None = None  # of a rehearsal: the target whose drill it is


@dataclass(frozen=True, slots=True)
class Planned(Fact):
    kind = EventKind.PLANNED
    plan: Plan
    digest: str  # of the plan as it is stored
    awaited: tuple[str, ...] = ()  # who gets a direct copy: Slack user ids, at most five
    target_down: bool = False  # the target itself could not be reached


@dataclass(frozen=True, slots=True)
class Refused(Fact):
    """Nobody could plan it, or nobody could approve it."""

    kind = EventKind.REFUSED
    why: str = ""
    private: bool = False  # a slip of who asked: told to nobody else


@dataclass(frozen=True, slots=True)
class Posted(Fact):
    """The card stands in the channel: the time to approve begins."""

    kind = EventKind.POSTED
    channel: str = ""
    ts: str = ""


@dataclass(frozen=True, slots=True)
class CardImpossible(Fact):
    """Slack takes no card where it was asked, so nobody could approve."""

    kind = EventKind.CARD_IMPOSSIBLE
    why: str = ""


# Deciding --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved(Word):
    kind = EventKind.APPROVED


@dataclass(frozen=True, slots=True)
class QuorumReached(Fact):
    kind = EventKind.QUORUM_REACHED
    standing: str = ""  # the digest of the policy by which nobody else had to agree; empty: people have


@dataclass(frozen=True, slots=True, kw_only=True)
class Vetoed(Reasoned):
    kind = EventKind.VETOED


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonGiven(Reasoned):
    """Asked for after the veto."""

    kind = EventKind.REASON_GIVEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(Reasoned):
    kind = EventKind.CANCELLED


@dataclass(frozen=True, slots=True)
class Expired(Fact):
    kind = EventKind.EXPIRED


@dataclass(frozen=True, slots=True)
class Voided(Fact):
    """The approval no longer counts."""

    kind = EventKind.VOIDED
    why: str = ""
    seen: tuple[Seen, ...] = ()  # by the last look; empty: nobody looked at the targets then


@dataclass(frozen=True, slots=True, kw_only=True)
class VoidedByRestore(AfterRestore):
    kind = EventKind.VOIDED_BY_RESTORE


# Carrying out ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HeldUp(Fact):
    """Something passing stands against a plan or a start: it is tried again while there is time."""

    kind = EventKind.HELD_UP
    why: str = ""


@dataclass(frozen=True, slots=True)
class Started(Fact):
    kind = EventKind.STARTED
    loss: Loss | None = None  # as it is now; None: the plan's


@dataclass(frozen=True, slots=True)
class StepStarted(OfStep):
    """The intent, written before anything is done."""

    kind = EventKind.STEP_STARTED
    op: str | None = None  # the op id
    place: str | None = None  # where it is taken; None: at the backend itself
    do: Do | None = None
    target: str = ""
    point: str = ""


@dataclass(frozen=True, slots=True)
class StepAccepted(OfStep):
    """The backend took it and it goes on."""

    kind = EventKind.STEP_ACCEPTED
    handle: Mapping[str, Any] = field(default_factory=dict)  # to ask with; JSON of the backend's own


@dataclass(frozen=True, slots=True)
class StepSucceeded(OfStep):
    kind = EventKind.STEP_SUCCEEDED
    words: str = ""
    undo_point: str | None = None  # id of the state that was saved; None: the step saved none
    undo_content: str = ""  # its fingerprint; empty: none was told
    prepared: str | None = None  # id of the copy that was made beside; None: the step made none
    copy_at: str = ""  # where that stands, in the backend's words; empty: it was not told


@dataclass(frozen=True, slots=True)
class StepFailed(OfStep):
    kind = EventKind.STEP_FAILED
    words: str = ""
    left: Left = Left.UNKNOWN


@dataclass(frozen=True, slots=True)
class StepStopped(OfStep):
    """Failed, and the procedure says to stop there."""

    kind = EventKind.STEP_STOPPED
    words: str = ""
    left: Left = Left.UNKNOWN


@dataclass(frozen=True, slots=True)
class StepLost(OfStep):
    kind = EventKind.STEP_LOST
    words: str = ""
    asked: int | None = None  # how often it was looked for


@dataclass(frozen=True, slots=True)
class StepAbsent(OfStep):
    """Looked: it never happened."""

    kind = EventKind.STEP_ABSENT
    words: str = ""
    anew: bool = False  # its op id has ended: it is begun under another one


@dataclass(frozen=True, slots=True)
class StepTakenBack(OfStep):
    """Stopped since somebody asked to, and the target is as before: it can be begun anew."""

    kind = EventKind.STEP_TAKEN_BACK
    words: str = ""


@dataclass(frozen=True, slots=True)
class BaselineTaken(OfStep):
    kind = EventKind.BASELINE_TAKEN
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class LossMeasured(OfStep):
    """Once more, behind maintenance."""

    kind = EventKind.LOSS_MEASURED
    loss: Loss | None = None


@dataclass(frozen=True, slots=True)
class LossOutgrown(Fact):
    kind = EventKind.LOSS_OUTGROWN
    why: str
    loss: Loss | None = None
    n: int | None = None  # the step that measured it; None: a look without a step


@dataclass(frozen=True, slots=True)
class Reviewed(Fact):
    """Looked again, since time has passed: the approval still counts."""

    kind = EventKind.REVIEWED
    loss: Loss | None = None


@dataclass(frozen=True, slots=True)
class CheckpointReached(Fact):
    kind = EventKind.CHECKPOINT_REACHED


@dataclass(frozen=True, slots=True)
class Prepared(Fact):
    kind = EventKind.PREPARED


@dataclass(frozen=True, slots=True)
class Restored(Fact):
    kind = EventKind.RESTORED


@dataclass(frozen=True, slots=True)
class Checked(OfStep):
    findings: tuple[Finding, ...] = ()
    why: str = ""
    left_out: tuple[str, ...] = ()  # of a drill: the names of checks that cannot look at a copy
    astray: tuple[str, ...] = ()  # targets whose backend says that something else is live


@dataclass(frozen=True, slots=True)
class ChecksPassed(Checked):
    kind = EventKind.CHECKS_PASSED


@dataclass(frozen=True, slots=True)
class ChecksFailed(Checked):
    kind = EventKind.CHECKS_FAILED


@dataclass(frozen=True, slots=True)
class ChecksInconclusive(Checked):
    kind = EventKind.CHECKS_INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class Succeeded(Fact):
    kind = EventKind.SUCCEEDED


@dataclass(frozen=True, slots=True)
class DropDue(OfStep):
    """The time is over for which an undo point was promised: it may go, unless something still names it."""

    kind = EventKind.DROP_DUE


@dataclass(frozen=True, slots=True)
class DropPutOff(OfStep):
    """Says that what was due to be dropped is kept for longer."""

    kind = EventKind.DROP_PUT_OFF
    until: datetime
    why: str = ""
    anew: bool = False  # its op id has ended: it is begun under another one
    gone: str = ""  # the id of a copy that was dropped, where the next look is for another one


@dataclass(frozen=True, slots=True)
class Superseded(Fact):
    """Another run has taken the same target somewhere else: this one's result is not live any more."""

    kind = EventKind.SUPERSEDED
    by_run: str
    point: str  # what people call where it went


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt(Word):
    """Written down after a drill. It stands in for what was written down before."""

    kind = EventKind.LEARNT
    lessons: Lessons = NOTHING_LEARNT


# Stopping, and what people decide then ---------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested(Reasoned):
    kind = EventKind.STOP_REQUESTED


@dataclass(frozen=True, slots=True)
class Stopped(Fact):
    """No next step, since somebody asked to stop."""

    kind = EventKind.STOPPED


@dataclass(frozen=True, slots=True)
class Halted(Fact):
    """No next step, since the bot may not or cannot go on."""

    kind = EventKind.HALTED
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltedByRestore(AfterRestore):
    kind = EventKind.HALTED_BY_RESTORE


@dataclass(frozen=True, slots=True)
class Doubted(OfStep):
    """The bot cannot tell what became of a step, and may not look."""

    kind = EventKind.DOUBTED
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtedByRestore(AfterRestore):
    """Nobody knows what is live, nor what became of any step."""

    kind = EventKind.DOUBTED_BY_RESTORE
    n: int  # the plan's last restore


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried(Word):
    kind = EventKind.RETRIED


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed(Word):
    """Yes, go on: at a checkpoint, or after a stop."""

    kind = EventKind.CONFIRMED


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed(Reasoned):
    """The first of two people's word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContinueProposed(Proposed):
    kind = EventKind.CONTINUE_PROPOSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Continued(Reasoned):
    """Two people: go on against the checks."""

    kind = EventKind.CONTINUED


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedByPeople(Reasoned):
    kind = EventKind.ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedByUndo(Reasoned):
    """Ended, since another run undoes it."""

    kind = EventKind.ENDED_BY_UNDO
    undone_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveProposed(Proposed):
    kind = EventKind.RESOLVE_PROPOSED
    answer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved(Reasoned):
    answer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedPoint(Resolved):
    """Two people: the restore point is live."""

    kind = EventKind.RESOLVED_POINT


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedUnchanged(Resolved):
    """Two people: as before."""

    kind = EventKind.RESOLVED_UNCHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedUnclear(Resolved):
    kind = EventKind.RESOLVED_UNCLEAR


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveProposed(Proposed):
    kind = EventKind.LEAVE_PROPOSED


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveAgreed(Reasoned):
    kind = EventKind.LEAVE_AGREED


FACTS: Mapping[EventKind, type[Fact]] = {
    value.kind: value
    for value in tuple(globals().values())
    if isinstance(value, type) and issubclass(value, Fact) and "kind" in vars(value)
}
