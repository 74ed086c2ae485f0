"""The run's state machine. Every rule about states lives in this file.

`apply` says what an event does to a run; `next_action` says what to do about it.
Neither performs anything: the engine does. Who may cause an event is in `policy`.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import singledispatch
from typing import Any

from bot import events
from bot.envelope import Event
from bot.event_kinds import EventKind
from bot.facts import Fact, OfStep
from bot.looking import not_looked_at
from bot.made import drop_due_at, droppable, has_copy
from bot.model import BESIDE, EFFECTS, MAINTENANCE, Do, Left, OnFailure, Outcome, Phase, Purpose, State, Step
from bot.run import Approval, Matter, Pause, Proposal, Request, Run, StepRecord, StepState, renewed

S, P = State, Phase
Move = tuple[State, Phase | None]

PLAN_OWED_FOR = timedelta(minutes=30)  # a request that nobody could plan ends expired, not silent
UNPOSTED_FOR = timedelta(minutes=30)  # on top of the time to approve, while the card cannot be posted
KEPT_AGAIN_FOR = timedelta(hours=1)  # what cannot be dropped now
KEPT_AFTER_FAILURE = timedelta(days=1)  # what a backend has refused to drop


class NotAllowed(Exception):
    """The table has no such event in this state."""


def _working(phase: Phase) -> dict[EventKind, Move]:
    """Returns what may happen in every phase of a running run."""
    return {
        EventKind.STEP_STARTED: (S.RUNNING, phase),
        EventKind.STEP_ACCEPTED: (S.RUNNING, phase),
        EventKind.STEP_SUCCEEDED: (S.RUNNING, phase),
        EventKind.STEP_ABSENT: (S.RUNNING, phase),
        EventKind.STEP_TAKEN_BACK: (S.PAUSED, phase),
        EventKind.STEP_FAILED: (S.PAUSED, phase),
        EventKind.STEP_STOPPED: (S.FAILED, phase),
        EventKind.STEP_LOST: (S.STUCK, phase),
        EventKind.BASELINE_TAKEN: (S.RUNNING, phase),
        EventKind.LOSS_MEASURED: (S.RUNNING, phase),
        EventKind.CHECKPOINT_REACHED: (S.PAUSED, phase),
        EventKind.STOP_REQUESTED: (S.RUNNING, phase),
        EventKind.STOPPED: (S.PAUSED, phase),
        EventKind.HALTED: (S.PAUSED, phase),
        EventKind.DOUBTED: (S.STUCK, phase),
        EventKind.DOUBTED_BY_RESTORE: (S.STUCK, phase),
    }


def _paused(phase: Phase) -> dict[EventKind, Move]:
    return {
        EventKind.RETRIED: (S.RUNNING, phase),
        EventKind.CONFIRMED: (S.RUNNING, phase),
        EventKind.CONTINUE_PROPOSED: (S.PAUSED, phase),
        EventKind.CONTINUED: (S.RUNNING, phase),
        EventKind.ENDED: (S.FAILED, phase),
        EventKind.ENDED_BY_UNDO: (S.FAILED, phase),
        EventKind.STEP_STOPPED: (S.FAILED, phase),
        EventKind.DOUBTED_BY_RESTORE: (S.STUCK, phase),
    }


def _stuck(phase: Phase) -> dict[EventKind, Move]:
    return {
        EventKind.RETRIED: (S.RUNNING, phase),
        EventKind.RESOLVE_PROPOSED: (S.STUCK, phase),
        EventKind.RESOLVED_POINT: (S.RUNNING, phase),
        EventKind.RESOLVED_UNCHANGED: (S.PAUSED, phase),
        EventKind.RESOLVED_UNCLEAR: (S.STUCK, phase),
        EventKind.STEP_STOPPED: (S.FAILED, phase),  # of a drill: nobody is asked what became of its copy
        EventKind.DOUBTED_BY_RESTORE: (S.STUCK, phase),
    }


def _dropping(state: State, phase: Phase | None) -> dict[EventKind, Move]:
    """Lets what a run has made beside its target go when it is over; that changes nothing else of it."""
    kinds = (
        EventKind.DROP_DUE,
        EventKind.DROP_PUT_OFF,
        EventKind.STEP_STARTED,
        EventKind.STEP_ACCEPTED,
        EventKind.STEP_SUCCEEDED,
        EventKind.STEP_ABSENT,
        EventKind.STEP_FAILED,
        EventKind.STEP_STOPPED,
        EventKind.STEP_LOST,
    )
    return dict.fromkeys(kinds, (state, phase))


def _failed(phase: Phase) -> dict[EventKind, Move]:
    """A failed run is final; two people may still take its target out of maintenance."""
    return {
        **_dropping(S.FAILED, phase),
        EventKind.LEAVE_PROPOSED: (S.FAILED, phase),
        EventKind.LEAVE_AGREED: (S.FAILED, phase),
        EventKind.HALTED: (S.FAILED, phase),
        EventKind.HALTED_BY_RESTORE: (S.FAILED, phase),
        EventKind.SUPERSEDED: (S.FAILED, phase),
        EventKind.LEARNT: (S.FAILED, phase),
    }


def _before_the_restore(phase: Phase) -> dict[EventKind, Move]:
    """The approval is what the next effect rests on, so it may be looked at again."""
    return {
        EventKind.HELD_UP: (S.RUNNING, phase),
        EventKind.REVIEWED: (S.RUNNING, phase),
        EventKind.LOSS_OUTGROWN: (S.PAUSED, phase),
    }


# A copy beside touches nothing, and a procedure without maintenance and undo point nothing before its first
# restore. `apply` refuses them once an intent on a target was written.
BEFORE_THE_FIRST_INTENT: Mapping[EventKind, Move] = {
    EventKind.VETOED: (S.VETOED, None),
    EventKind.CANCELLED: (S.CANCELLED, None),
    EventKind.VOIDED: (S.VOID, None),
}

# A snapshot that stands is looked at again whenever somebody asks. `apply` refuses them of any other run.
LOOKS_AGAIN = (
    EventKind.RETRIED,
    EventKind.CHECKS_PASSED,
    EventKind.CHECKS_FAILED,
    EventKind.CHECKS_INCONCLUSIVE,
)

TABLE: Mapping[Move, Mapping[EventKind, Move]] = {
    (S.REQUESTED, None): {
        EventKind.HELD_UP: (S.REQUESTED, None),
        EventKind.PLANNED: (S.AWAITING_APPROVAL, None),
        EventKind.REFUSED: (S.REFUSED, None),
        EventKind.VOIDED: (S.VOID, None),
        EventKind.VOIDED_BY_RESTORE: (S.VOID, None),
        EventKind.CANCELLED: (S.CANCELLED, None),
        EventKind.CARD_IMPOSSIBLE: (S.CANCELLED, None),
        EventKind.EXPIRED: (S.EXPIRED, None),
    },
    (S.AWAITING_APPROVAL, None): {
        EventKind.POSTED: (S.AWAITING_APPROVAL, None),
        EventKind.APPROVED: (S.AWAITING_APPROVAL, None),
        EventKind.QUORUM_REACHED: (S.APPROVED, None),
        EventKind.VOIDED: (S.VOID, None),
        EventKind.VOIDED_BY_RESTORE: (S.VOID, None),
        EventKind.VETOED: (S.VETOED, None),
        EventKind.CANCELLED: (S.CANCELLED, None),
        EventKind.CARD_IMPOSSIBLE: (S.CANCELLED, None),
        EventKind.EXPIRED: (S.EXPIRED, None),
    },
    (S.APPROVED, None): {
        EventKind.HELD_UP: (S.APPROVED, None),
        EventKind.STARTED: (S.RUNNING, P.PREPARE),
        EventKind.VOIDED: (S.VOID, None),
        EventKind.VOIDED_BY_RESTORE: (S.VOID, None),
        EventKind.VETOED: (S.VETOED, None),
        EventKind.CANCELLED: (S.CANCELLED, None),
        EventKind.EXPIRED: (S.EXPIRED, None),
    },
    (S.RUNNING, P.PREPARE): {
        **_working(P.PREPARE),
        **BEFORE_THE_FIRST_INTENT,
        **_before_the_restore(P.PREPARE),
        EventKind.PREPARED: (S.RUNNING, P.RESTORE),
    },
    (S.RUNNING, P.RESTORE): {
        **_working(P.RESTORE),
        **BEFORE_THE_FIRST_INTENT,
        **_before_the_restore(P.RESTORE),
        EventKind.RESTORED: (S.RUNNING, P.VERIFY),
    },
    (S.RUNNING, P.VERIFY): {
        **_working(P.VERIFY),
        EventKind.CHECKS_PASSED: (S.RUNNING, P.FINISH),
        EventKind.CHECKS_FAILED: (S.PAUSED, P.VERIFY),
        EventKind.CHECKS_INCONCLUSIVE: (S.PAUSED, P.VERIFY),
    },
    (S.RUNNING, P.FINISH): {
        **_working(P.FINISH),
        EventKind.CHECKS_PASSED: (S.RUNNING, P.FINISH),
        EventKind.CHECKS_FAILED: (S.PAUSED, P.FINISH),
        EventKind.CHECKS_INCONCLUSIVE: (S.PAUSED, P.FINISH),
        EventKind.SUCCEEDED: (S.SUCCEEDED, P.FINISH),
    },
    (S.PAUSED, P.PREPARE): {**_paused(P.PREPARE), **BEFORE_THE_FIRST_INTENT},
    (S.PAUSED, P.RESTORE): {**_paused(P.RESTORE), **BEFORE_THE_FIRST_INTENT},
    (S.PAUSED, P.VERIFY): {**_paused(P.VERIFY), EventKind.CONTINUED: (S.RUNNING, P.FINISH)},
    (S.PAUSED, P.FINISH): _paused(P.FINISH),
    **{(S.STUCK, phase): _stuck(phase) for phase in P},
    **{(S.FAILED, phase): _failed(phase) for phase in P},
    (S.SUCCEEDED, P.FINISH): {
        **_dropping(S.SUCCEEDED, P.FINISH),
        **dict.fromkeys(LOOKS_AGAIN, (S.SUCCEEDED, P.FINISH)),
        EventKind.SUPERSEDED: (S.SUCCEEDED, P.FINISH),
        EventKind.LEARNT: (S.SUCCEEDED, P.FINISH),
    },
    (S.REFUSED, None): {},
    (S.VETOED, None): {**_dropping(S.VETOED, None), EventKind.REASON_GIVEN: (S.VETOED, None)},
    (S.EXPIRED, None): {},
    (S.VOID, None): _dropping(S.VOID, None),
    (S.CANCELLED, None): _dropping(S.CANCELLED, None),
}

# What may be done under a standing approval, by purpose.
# To hand something over is never among it.
_ALONE = frozenset({Do.PREPARE, Do.DROP})
ALONE: Mapping[Purpose, frozenset[Do]] = {Purpose.DRILL: _ALONE, Purpose.BACKUP: _ALONE | {Do.SAVE}}

# Of a run that our database has forgotten: what was approved then may be restored already, or no more wanted.
GOES_ON = frozenset({EventKind.RETRIED, EventKind.CONFIRMED, EventKind.CONTINUED})
UP_TO_THE_RESTORE = frozenset({P.PREPARE, P.RESTORE})
WAITS_FOR_PEOPLE = frozenset({S.PAUSED, S.STUCK})
ENDS_PHASE: Mapping[Phase, Fact] = {
    P.PREPARE: events.Prepared(),
    P.RESTORE: events.Restored(),
    P.FINISH: events.Succeeded(),
}


# What to do about a run ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MakePlan:
    """A plan is owed."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """Approved: look whether it may still start."""


@dataclass(frozen=True, slots=True)
class Review:
    """People were waited for: look again whether the approval still counts."""


@dataclass(frozen=True, slots=True)
class StartStep:
    step: Step


@dataclass(frozen=True, slots=True)
class FindStep:
    """Begun, and we do not know how it ended: look, never repeat."""

    record: StepRecord


@dataclass(frozen=True, slots=True)
class Drop:
    """Drop what the run has made, unless something names it."""

    step: Step


@dataclass(frozen=True, slots=True)
class Observe:
    step: Step


@dataclass(frozen=True, slots=True)
class LookAround:
    """Run the checks of this step until they are sure."""

    step: Step


@dataclass(frozen=True, slots=True)
class Write:
    """Nothing to do in the world: this is due."""

    fact: Fact


@dataclass(frozen=True, slots=True)
class Wait:
    """People's or the clock's turn, or nothing is left."""


PLANNED_BEFORE = "it was planned by an older version, which did not look at contents; ask again"
Action = MakePlan | Preflight | Review | StartStep | FindStep | Drop | Observe | LookAround | Write | Wait


def next_action(run: Run) -> Action:
    match run.state:
        case S.REQUESTED:
            return MakePlan()
        case S.AWAITING_APPROVAL | S.APPROVED if not run.approval.plan.pins:
            return Write(events.Voided(PLANNED_BEFORE))
        case S.AWAITING_APPROVAL if may_stand_alone(run):
            return Write(events.QuorumReached(run.approval.plan.policy_digest))
        case S.PAUSED | S.STUCK if run.is_beside:
            return Write(_broken_off_beside(run))
        case S.APPROVED:
            return Preflight()
        case S.RUNNING:
            return _next_of_running(run)
        case S.FAILED if (step := _next_of_leaving(run)) is not None:
            return step
        case S.SUCCEEDED if run.work.look_due and has_copy(run):
            return LookAround(look_of(run))
        case state if state.final:
            return _next_of_dropping(run)
        case _:
            return Wait()


def look_of(run: Run) -> Step:
    """Returns the step that looks at a copy."""
    return next(record.step for record in run.work.steps if record.step.do is Do.CHECK)


def _broken_off_beside(run: Run) -> Fact:
    """Ends a drill or a snapshot that cannot go on by the step that was to look at the copy.

    So a copy that is being made is still looked for, and what was made is dropped under its own name.
    """
    look = look_of(run)
    return events.StepStopped(look.n, run.why or "somebody has stopped it", Left.BEFORE)


def _next_of_running(run: Run) -> Action:
    begun, record = in_flight(run), run.work.current
    if begun is not None:
        return FindStep(begun)
    if run.work.stop_requested:
        return Write(events.Stopped())
    if record is None or record.step.phase is not run.phase:
        assert run.phase is not None  # a running run has one, by the table
        return Write(ENDS_PHASE[run.phase])
    match record.step.do:
        case Do.CONFIRM:
            return Write(events.CheckpointReached())
        case Do.BASELINE if needs_review(run):  # after a copy was made beside: the whole preflight once more
            return Review()
        case Do.BASELINE | Do.MEASURE:
            return Observe(record.step)
        case Do.CHECK:
            return LookAround(record.step)
        case _ if needs_review(run):
            return Review()
        case _:
            return StartStep(record.step)


def may_stand_alone(run: Run) -> bool:
    """Whether the word of who asked is enough, or that of the configuration: a standing approval is narrow.

    It covers drills whose every effect is beside their target, and backups that the clock has taken.
    """
    plan = run.approval.planned
    effects = ALONE.get(run.request.purpose)
    if plan is None or effects is None or plan.approvals_needed > 0:
        return False
    if run.is_backup and not run.request.by_itself:
        return False
    return all(step.do in effects or step.do is Do.CHECK for step in plan.steps)


def needs_review(run: Run) -> bool:
    """Whether the next effect rests on an approval that people were waited for since."""
    return run.work.review_due and run.phase in UP_TO_THE_RESTORE and run.work.live is Left.BEFORE


def stood_still(run: Run, now: datetime) -> bool:
    """Whether a run that has restored nothing yet was left alone for longer than an approval may wait."""
    idle = run.state is S.RUNNING and run.phase in UP_TO_THE_RESTORE and run.work.live is Left.BEFORE
    if not idle or run.approval.planned is None or run.changed_at is None or in_flight(run) is not None:
        return False
    return now - run.changed_at > timedelta(seconds=run.approval.plan.start_within)


def in_flight(run: Run) -> StepRecord | None:
    """The step that was begun, and of which we do not know how it ended."""
    return next((record for record in run.work.steps if record.state is StepState.STARTED), None)


def _next_of_leaving(run: Run) -> Action | None:
    if not run.end.leave_agreed:
        return None
    for record in run.work.steps:
        if record.step.do is Do.MAINTENANCE_OFF and record.state is not StepState.ENDED:
            return FindStep(record) if record.state is StepState.STARTED else StartStep(record.step)
    return None


def _next_of_dropping(run: Run) -> Action:
    for record in run.work.steps:
        if record.step.do in BESIDE and record.state is StepState.STARTED:
            return FindStep(record)
    return next((Drop(record.step) for record in droppable(run) if record.due), Wait())


WAITS_FOR_A_DECISION = frozenset(
    kind
    for (state, _), moves in TABLE.items()
    if state is S.RUNNING
    for kind, (to, _) in moves.items()
    if to in {S.PAUSED, S.STUCK}
)


def start_by(run: Run) -> datetime | None:
    """Returns until when an approved run has to begin on its targets; a copy beside them has its own time."""
    if run.work.prepared_at is None:
        return run.approval.start_by
    return run.work.prepared_at + timedelta(seconds=run.approval.plan.start_within)


def wants_driving(run: Run) -> bool:
    return not isinstance(next_action(run), Wait)


def due_at(run: Run) -> datetime | None:
    """When the clock has its turn; None: never."""
    turn = due(run)
    return None if turn is None else turn[0]


def due(run: Run) -> tuple[datetime, Fact] | None:
    """Returns when the clock has its turn, and what it writes then; None: never.

    It ends a run that waits for people, and says when something that a run has made may be dropped.
    """
    match run.state:
        case S.REQUESTED:
            return run.request.at + PLAN_OWED_FOR, events.Expired()
        case S.AWAITING_APPROVAL if run.approval.planned is not None:
            unposted = run.approval.plan.made_at + timedelta(seconds=run.approval.plan.expires) + UNPOSTED_FOR
            return run.approval.approve_by or unposted, events.Expired()
        case S.APPROVED if run.approval.start_by is not None:
            return run.approval.start_by, events.Expired()
        case _:
            drops = [
                (at, events.DropDue(record.step.n))
                for record in droppable(run)
                if not record.due and (at := drop_due_at(run, record)) is not None
            ]
            return min(drops, key=lambda each: (each[0], each[1].n), default=None)


def overdue(run: Run, now: datetime) -> bool:
    """Whether the clock should have ended it. After a standstill of ours the driver may see it first."""
    at = due_at(run)
    return at is not None and now >= at


# What an event does to a run -------------------------------------------------------------------


def allows(run: Run, kind: EventKind) -> bool:
    moves = TABLE.get((run.state, run.phase), {})
    too_late = kind in BEFORE_THE_FIRST_INTENT and run.work.touched
    only_people_can_tell = kind in GOES_ON and run.work.forgotten and run.work.live is not Left.POINT
    return kind in moves and not too_late and not only_people_can_tell and not _is_of_others(run, kind)


def _is_of_others(run: Run, kind: EventKind) -> bool:
    """Whether this happens to drills, or to snapshots that stand, and this run is none."""
    if kind is EventKind.LEARNT:
        return not (run.is_drill or run.is_rehearsal)
    if run.state is not S.SUCCEEDED or kind not in LOOKS_AGAIN:
        return False
    asked_first = run.work.look_due == (kind is not EventKind.RETRIED)
    return not (run.is_snapshot and has_copy(run) and asked_first)


def begin(run_id: str, event: Event) -> Run:
    """Returns the run that a request opens."""
    asked = event.fact
    assert isinstance(asked, events.Requested)  # the first event of every run, by the store
    request = Request(
        target=asked.target,
        purpose=asked.purpose,
        goal=asked.goal,
        requester=asked.requester,
        channel=asked.channel,
        reason=asked.reason,
        at=event.at,
        thread=asked.thread,
        ask_first=asked.ask_first,
        undo_of=asked.undo_of,
        drill_of=asked.drill_of,
    )
    return Run(run_id, request, changed_at=event.at, seq=event.seq)


def apply(run: Run, event: Event) -> Run:
    """The run after the event. Raises NotAllowed when the table has no such row."""
    if not allows(run, event.kind):
        raise NotAllowed(f"{run.id} is {run.state}: {event.kind} is not possible")
    state, phase = TABLE[run.state, run.phase][event.kind]
    moved = renewed(run, state=state, phase=phase, seq=event.seq, changed_at=event.at)
    moved = _changed(event.fact, moved, event)
    if state in WAITS_FOR_PEOPLE and run.state is not state:
        moved = _asked(moved, since=event.at)
    if state is S.PAUSED:
        moved = _worked(moved, stop_requested=False)  # it has stopped, whatever stopped it
    if state.final and not run.state.final:
        moved = _ended_so(moved, at=event.at, by=event.by)
    return moved


def fold(run_id: str, history: Iterable[Event]) -> Run:
    rest = iter(history)
    run = begin(run_id, next(rest))
    for event in rest:
        run = apply(run, event)
    return run


def _decided(run: Run, **changes: Any) -> Run:
    return renewed(run, approval=renewed(run.approval, **changes))


def _worked(run: Run, **changes: Any) -> Run:
    return renewed(run, work=renewed(run.work, **changes))


def _asked(run: Run, **changes: Any) -> Run:
    return renewed(run, question=renewed(run.question, **changes))


def _ended_so(run: Run, **changes: Any) -> Run:
    return renewed(run, end=renewed(run.end, **changes))


@singledispatch
def _changed(fact: Fact, run: Run, event: Event) -> Run:
    """Returns the run with what the fact adds beyond the state; by itself that is nothing."""
    return run


@_changed.register
def _(fact: events.Planned, run: Run, event: Event) -> Run:
    decision = renewed(
        run.approval,
        planned=fact.plan,
        digest=fact.digest,
        awaited=fact.awaited,
        target_down=fact.target_down,
    )
    work = renewed(run.work, steps=tuple(StepRecord(step) for step in fact.plan.steps))
    return renewed(run, approval=decision, work=work, why="")  # `why`: of what held it up


@_changed.register
def _(fact: events.Posted, run: Run, event: Event) -> Run:
    approve_by = event.at + timedelta(seconds=run.approval.plan.expires)
    return _decided(run, posted_at=event.at, approve_by=approve_by)


@_changed.register
def _(fact: events.Approved, run: Run, event: Event) -> Run:
    approval = Approval(event.by, frozenset(fact.marks), event.at)
    return _decided(run, given=(*run.approval.given, approval))


@_changed.register
def _(fact: events.QuorumReached, run: Run, event: Event) -> Run:
    return _decided(run, start_by=event.at + timedelta(seconds=run.approval.plan.start_within))


@_changed.register
def _(fact: events.Refused, run: Run, event: Event) -> Run:
    return renewed(_ended_so(run, private=fact.private), why=fact.why)


@_changed.register
def _(fact: events.CardImpossible | events.HeldUp, run: Run, event: Event) -> Run:
    return renewed(run, why=fact.why)


@_changed.register
def _(fact: events.Voided, run: Run, event: Event) -> Run:
    return renewed(_ended_so(run, seen=fact.seen), why=fact.why)


@_changed.register
def _(fact: events.Vetoed | events.Cancelled | events.ReasonGiven, run: Run, event: Event) -> Run:
    return renewed(run, why=fact.why)


@_changed.register
def _(fact: events.Started, run: Run, event: Event) -> Run:
    started = renewed(run, why="")  # of what held it up
    return _worked(started, started_at=event.at, loss=fact.loss or run.work.loss)


@_changed.register
def _(fact: events.Reviewed, run: Run, event: Event) -> Run:
    reviewed = renewed(run, why="")  # of what held it up
    return _worked(reviewed, review_due=False, loss=fact.loss or run.work.loss)


@_changed.register
def _(fact: events.LossOutgrown, run: Run, event: Event) -> Run:
    return renewed(_worked(_asked(run, pause=Pause.LOSS), loss=fact.loss), why=fact.why)


@_changed.register
def _(fact: events.CheckpointReached, run: Run, event: Event) -> Run:
    return renewed(_asked(run, pause=Pause.CHECKPOINT), why=_in_progress(run).step.text)


@_changed.register
def _(fact: events.StopRequested, run: Run, event: Event) -> Run:
    return _worked(run, stop_requested=True)


@_changed.register
def _(fact: events.Stopped, run: Run, event: Event) -> Run:
    return renewed(_asked(run, pause=Pause.STOPPED), why="")


@_changed.register
def _(fact: events.Halted | events.HaltedByRestore, run: Run, event: Event) -> Run:
    """A failed run that was leaving maintenance stays in it."""
    if run.state is S.FAILED:
        return renewed(_ended_so(run, leave_agreed=False), why=fact.why)
    return renewed(_asked(run, pause=Pause.HALTED), why=fact.why)


@_changed.register
def _(fact: events.VoidedByRestore, run: Run, event: Event) -> Run:
    return _forgotten(renewed(run, why=fact.why))


@_changed.register
def _(fact: events.Doubted, run: Run, event: Event) -> Run:
    return _in_doubt(run, {fact.n}, fact.why, event.at)


@_changed.register
def _(fact: events.DoubtedByRestore, run: Run, event: Event) -> Run:
    """Says that the step in doubt began now if it began since the backup: nobody knows when it did."""
    begun = {record.step.n for record in run.work.steps if record.state is StepState.STARTED}
    run = _in_doubt(run, {fact.n} | begun, fact.why, event.at)
    return _forgotten(_with_step(run, fact.n, started_at=run.work.record_of(fact.n).started_at or event.at))


@_changed.register
def _(fact: events.EndedByPeople, run: Run, event: Event) -> Run:
    return renewed(_asked(run, pause=None), why=fact.why)


@_changed.register
def _(fact: events.EndedByUndo, run: Run, event: Event) -> Run:
    return renewed(_asked(_ended_so(run, undone_by=fact.undone_by), pause=None), why=fact.why)


@_changed.register
def _(fact: events.Learnt, run: Run, event: Event) -> Run:
    told = {"lessons": fact.lessons, "lessons_by": event.by, "lessons_at": event.at}
    return _ended_so(run, **told, lessons_seq=event.seq)


@_changed.register
def _(fact: events.Superseded, run: Run, event: Event) -> Run:
    since = {"superseded_point": fact.point, "superseded_at": event.at}
    return _ended_so(run, superseded_by=fact.by_run, **since)


@_changed.register
def _(fact: events.DropDue, run: Run, event: Event) -> Run:
    return _with_step(run, fact.n, due=True)


@_changed.register
def _(fact: events.DropPutOff, run: Run, event: Event) -> Run:
    record = run.work.record_of(fact.n)
    again = {"attempt": record.attempt + fact.anew, "due": False, "kept_until": fact.until}
    gone = (*record.gone, fact.gone) if fact.gone else record.gone
    return _with_step(run, fact.n, **_WAITING, **again, words=fact.why, gone=gone)


@_changed.register
def _(fact: events.Succeeded, run: Run, event: Event) -> Run:
    return renewed(_asked(run, pause=None), why="")


def _in_doubt(run: Run, steps: Collection[int], why: str, at: datetime) -> Run:
    records = tuple(
        renewed(r, state=StepState.ENDED, outcome=Outcome.LOST, ended_at=at, words=why)
        if r.step.n in steps
        else r
        for r in run.work.steps
    )
    return renewed(_asked(_worked(run, steps=records), pause=None, proposals=(), times_asked=None), why=why)


def _forgotten(run: Run) -> Run:
    return _worked(run, forgotten=True, live=Left.UNKNOWN)


def _in_progress(run: Run) -> StepRecord:
    record = run.work.current
    if record is None:
        raise NotAllowed(f"{run.id} has no step left")
    return record


def _with_step(run: Run, n: int, **changes: Any) -> Run:
    records = tuple(renewed(r, **changes) if r.step.n == n else r for r in run.work.steps)
    return _worked(run, steps=records)


_OPEN: Mapping[str, Any] = {"outcome": None, "ended_at": None, "by_people": False}
_WAITING: Mapping[str, Any] = {**_OPEN, "state": StepState.WAITING, "op": None, "place": None, "handle": None}


def _anew(record: StepRecord) -> Mapping[str, Any]:
    tried = (*record.tried, record.op) if record.op else record.tried
    return {"attempt": record.attempt + 1, "tried": tried}


@_changed.register
def _(fact: events.StepStarted, run: Run, event: Event) -> Run:
    begun = {"begun": run.work.record_of(fact.n).begun + 1, "started_at": event.at, "handle": None}
    run = _with_step(run, fact.n, state=StepState.STARTED, op=fact.op, place=fact.place, **begun)
    return _leaving(run, fact.n, Left.UNKNOWN)


@_changed.register
def _(fact: events.StepAccepted, run: Run, event: Event) -> Run:
    return _with_step(run, fact.n, handle=fact.handle)


@_changed.register
def _(fact: events.StepAbsent, run: Run, event: Event) -> Run:
    again = _anew(run.work.record_of(fact.n)) if fact.anew else {}
    return _leaving(_with_step(run, fact.n, **again, **_WAITING), fact.n, Left.BEFORE)


@_changed.register
def _(fact: events.StepTakenBack, run: Run, event: Event) -> Run:
    """Lets whoever goes on begin the step under another op id: its own has ended."""
    again = _anew(run.work.record_of(fact.n))
    run = _leaving(_with_step(run, fact.n, **again, begun=0, **_WAITING), fact.n, Left.BEFORE)
    return renewed(_asked(run, pause=Pause.STOPPED), why=fact.words)


@_changed.register
def _(fact: events.StepSucceeded, run: Run, event: Event) -> Run:
    run = _ended(run, fact.n, Outcome.SUCCEEDED, fact.words, event.at)
    step = run.work.record_of(fact.n).step
    if fact.undo_point:
        points = {**run.work.undo_points, step.target: fact.undo_point}
        contents = {**run.work.undo_contents, step.target: fact.undo_content}
        run = _worked(run, undo_points=points, undo_contents=contents)
    if fact.prepared:
        prepared = {**run.work.prepared, step.target: fact.prepared}
        run = _worked(run, prepared=prepared, copies_at={**run.work.copies_at, step.target: fact.copy_at})
    return _achieved(run, step, event.at)


@_changed.register
def _(fact: events.StepFailed | events.StepStopped, run: Run, event: Event) -> Run:
    run = _leaving(_ended(run, fact.n, Outcome.FAILED, fact.words, event.at), fact.n, fact.left)
    return run if _is_over(run, fact) else _without_success(run, fact.words)


@_changed.register
def _(fact: events.StepLost, run: Run, event: Event) -> Run:
    run = _ended(run, fact.n, Outcome.LOST, fact.words, event.at)
    return run if _is_over(run, fact) else _asked(_without_success(run, fact.words), times_asked=fact.asked)


def _is_over(run: Run, fact: OfStep) -> bool:
    """Whether it tells of something beside the target, of a run that had ended before: nobody is asked."""
    return run.end.at is not None and run.work.record_of(fact.n).step.do in BESIDE


def _ended(run: Run, n: int, outcome: Outcome, words: str, at: datetime) -> Run:
    return _with_step(run, n, state=StepState.ENDED, outcome=outcome, ended_at=at, words=words)


def _without_success(run: Run, words: str) -> Run:
    pause = Pause.STEP_FAILED if run.state is S.PAUSED else None
    return renewed(_ended_so(_asked(run, pause=pause, times_asked=None), leave_agreed=False), why=words)


def _leaving(run: Run, n: int, left: Left) -> Run:
    """A restore has left its target so; what any other step does has no part in it."""
    if run.work.record_of(n).step.do is not Do.RESTORE:
        return run
    run = _with_step(run, n, left=left)
    return _worked(run, live=_together([r.left or Left.BEFORE for r in run.work.restores]))


def _together(lefts: Iterable[Left]) -> Left:
    """Returns what several targets are, taken as one."""
    each = frozenset(lefts)
    if len(each) == 1:
        return next(iter(each))
    return Left.UNKNOWN if Left.UNKNOWN in each else Left.PARTIAL


def _achieved(run: Run, step: Step, at: datetime) -> Run:
    def all_ended(do: Do) -> bool:
        return all(r.outcome is Outcome.SUCCEEDED for r in run.work.steps if r.step.do is do)

    match step.do:
        case Do.MAINTENANCE_ON:
            return _worked(run, maintenance_since=run.work.maintenance_since or at)
        case Do.MAINTENANCE_OFF if all_ended(Do.MAINTENANCE_OFF):
            return _worked(run, maintenance_until=at)
        case Do.RESTORE:
            return _leaving(run, step.n, Left.POINT)
        case Do.PREPARE:  # hours may have passed since it was approved
            return _worked(run, prepared_at=at, review_due=True)
        case _:
            return run


@_changed.register
def _(fact: events.BaselineTaken, run: Run, event: Event) -> Run:
    return _worked(_looked(run, fact.n, event.at), before=fact.findings)


@_changed.register
def _(fact: events.LossMeasured, run: Run, event: Event) -> Run:
    return _worked(_looked(run, fact.n, event.at), loss=fact.loss or run.work.loss)


def _looked(run: Run, n: int, at: datetime) -> Run:
    return _with_step(run, n, state=StepState.ENDED, outcome=Outcome.SUCCEEDED, started_at=None, ended_at=at)


@_changed.register
def _(fact: events.Checked, run: Run, event: Event) -> Run:
    fresh = {(finding.name, finding.when) for finding in fact.findings}
    kept = tuple(f for f in run.work.findings if (f.name, f.when) not in fresh)
    told = {"findings": (*kept, *fact.findings), "unchecked": fact.left_out}
    run = _worked(run, **told, look_due=False, looked_at=event.at)
    if run.state.final:
        return renewed(run, why=fact.why)
    if run.work.record_of(fact.n).step.phase is P.VERIFY:
        run = _as_seen(run, fact.astray)
    if not isinstance(fact, events.ChecksPassed):
        return renewed(_asked(run, pause=Pause.CHECKS), why=fact.why)
    return _with_step(run, fact.n, state=StepState.ENDED, outcome=Outcome.SUCCEEDED, ended_at=event.at)


def _as_seen(run: Run, astray: Collection[str]) -> Run:
    """Returns the run with what backends see live, which counts more than a restore that ended well."""
    for record in run.work.restores:
        if record.left is Left.POINT and record.step.target in astray:
            run = _leaving(run, record.step.n, Left.UNKNOWN)
        elif record.left is Left.UNKNOWN and record.outcome is Outcome.SUCCEEDED:
            run = _leaving(run, record.step.n, Left.UNKNOWN if record.step.target in astray else Left.POINT)
    return run


@_changed.register
def _(fact: events.Retried, run: Run, event: Event) -> Run:
    """Has what people doubt looked at again."""
    if run.state.final:
        return _worked(run, look_due=True)
    failed = last_failed(run)
    return _resumed(run if failed is None else _once_more(run, failed))


@_changed.register
def _(fact: events.Confirmed, run: Run, event: Event) -> Run:
    record = run.work.current
    if run.question.pause is not Pause.CHECKPOINT or record is None:
        return _resumed(run)
    return _resumed(_with_step(run, record.step.n, outcome=Outcome.SUCCEEDED, **_settled(event.at)))


@_changed.register
def _(fact: events.Continued, run: Run, event: Event) -> Run:
    record = run.work.current
    if record is None:
        return _resumed(run)
    run = _with_step(run, record.step.n, outcome=Outcome.FAILED, **_settled(event.at))
    return _resumed(_worked(run, overridden=True))


def _settled(at: datetime) -> Mapping[str, Any]:
    """People ended a step."""
    return {"state": StepState.ENDED, "ended_at": at, "by_people": True}


def _resumed(run: Run) -> Run:
    return renewed(_worked(_asked(run, pause=None, proposals=()), review_due=True), why="")


def _once_more(run: Run, failed: StepRecord) -> Run:
    """Has what changes data looked for, and maintenance that is known to have failed switched anew."""
    if failed.outcome is Outcome.FAILED and failed.step.do in MAINTENANCE:
        return _with_step(run, failed.step.n, attempt=failed.attempt + 1, begun=0, **_WAITING)
    return _with_step(run, failed.step.n, state=StepState.STARTED, begun=0, **_OPEN)


def last_failed(run: Run) -> StepRecord | None:
    """The effect that ended without success; the table stops a run there, so there is at most one."""
    for record in run.work.steps:
        if record.outcome in {Outcome.FAILED, Outcome.LOST} and record.step.do in EFFECTS - {Do.DROP}:
            return record
    return None


@_changed.register
def _(fact: events.ResolvedPoint, run: Run, event: Event) -> Run:
    run, record = _asked(run, proposals=()), last_failed(run)
    if record is None:
        return run
    if run.work.forgotten:
        return _all_of_it_done(run, event.at)
    run = _with_step(run, record.step.n, outcome=Outcome.SUCCEEDED, by_people=True)
    return _achieved(renewed(_worked(run, review_due=True), why=""), record.step, event.at)


@_changed.register
def _(fact: events.ResolvedUnchanged, run: Run, event: Event) -> Run:
    run, record = _asked(run, proposals=()), last_failed(run)
    if record is None:
        return run
    if run.work.forgotten:
        run = _none_of_it_done(run)
    else:
        told = _with_step(run, record.step.n, outcome=Outcome.FAILED, by_people=True)
        run = _leaving(told, record.step.n, Left.BEFORE)
    return renewed(_asked(run, pause=Pause.AS_BEFORE), why=fact.why)


@_changed.register
def _(fact: events.ResolvedUnclear, run: Run, event: Event) -> Run:
    return _asked(run, proposals=())


def _none_of_it_done(run: Run) -> Run:
    """After a restored backup: no restore of the plan was done since."""
    back = tuple(
        renewed(r, state=StepState.ENDED, outcome=Outcome.FAILED, by_people=True, left=Left.BEFORE)
        if r.step.do is Do.RESTORE
        else r
        for r in run.work.steps
    )
    return _worked(run, steps=back, live=Left.BEFORE)


def _all_of_it_done(run: Run, at: datetime) -> Run:
    """After a restored backup: all of the way there was done since."""
    there = tuple(
        renewed(
            r,
            state=StepState.ENDED,
            outcome=Outcome.SUCCEEDED,
            ended_at=at,
            by_people=True,
            left=Left.POINT if r.step.do is Do.RESTORE else None,
        )
        if r.step.phase in UP_TO_THE_RESTORE and r.outcome is not Outcome.SUCCEEDED
        else r
        for r in run.work.steps
    )
    return _leaving_again(renewed(_worked(run, steps=there, live=Left.POINT), why=""))


@_changed.register
def _(fact: events.Proposed, run: Run, event: Event) -> Run:
    answer = fact.answer if isinstance(fact, events.ResolveProposed) else ""
    proposal = Proposal(_MATTERS[type(fact)], event.by, frozenset(fact.marks), answer, event.at, fact.why)
    return _asked(run, proposals=(*run.question.proposals, proposal))


_MATTERS: Mapping[type[events.Proposed], Matter] = {
    events.ContinueProposed: Matter.CONTINUE,
    events.ResolveProposed: Matter.RESOLVE,
    events.LeaveProposed: Matter.LEAVE,
}


@_changed.register
def _(fact: events.LeaveAgreed, run: Run, event: Event) -> Run:
    return _asked(_ended_so(_leaving_again(run), leave_agreed=True), proposals=())


def _leaving_again(run: Run) -> Run:
    """People decided anew: what did not leave maintenance before is another operation now."""
    records = tuple(
        renewed(r, attempt=r.attempt + 1, **_WAITING)
        if r.step.do is Do.MAINTENANCE_OFF and r.outcome in {Outcome.FAILED, Outcome.LOST}
        else r
        for r in run.work.steps
    )
    return _worked(run, steps=records)


def failure(step: Step, words: str, left: Left) -> Fact:
    """Returns which event tells that a step failed."""
    kind = events.StepStopped if step.on_failure is OnFailure.STOP else events.StepFailed
    return kind(step.n, words, left)


# What to write when a run cannot be driven -----------------------------------------------------


def broken_off(run: Run, why: str, at: datetime) -> Event:
    """Ends the driving of a run visibly, whatever it was doing; nothing more is done to the world for it."""
    begun = in_flight(run)
    match run.state:
        case S.REQUESTED:
            return Event(events.Refused(why), at)
        case S.AWAITING_APPROVAL | S.APPROVED:
            return Event(events.Voided(why), at)
        case S.PAUSED | S.STUCK if isinstance(action := next_action(run), Write):
            return Event(action.fact, at)
        case S.RUNNING if begun is not None and begun.step.do not in BESIDE:
            return Event(events.Doubted(begun.step.n, why), at)
        case state if state.final and begun is not None:
            return Event(events.StepLost(begun.step.n, why), at)
        case S.SUCCEEDED if isinstance(action := next_action(run), LookAround):
            return Event(not_looked_at(run, action.step, why), at)
        case state if state.final and isinstance(action := next_action(run), Drop):
            return Event(events.DropPutOff(action.step.n, at + KEPT_AGAIN_FOR, why), at)
        case _:
            return Event(events.Halted(why), at)


def forgotten(run: Run, at: datetime, why: str, installation: str) -> tuple[Event, ...]:
    """Returns what to write about a run of a database that was restored from a backup; empty: nothing.

    What was done since the backup is not known, so an open run is never driven on before people have said
    what is live. `installation` is the name of the database in the backup: people's words were signed for it.
    """
    halted = Event(events.HaltedByRestore(why=why, installation=installation), at)
    match run.state:
        case S.REQUESTED | S.AWAITING_APPROVAL | S.APPROVED:
            return (Event(events.VoidedByRestore(why=why, installation=installation), at),)
        case S.RUNNING | S.PAUSED | S.STUCK:
            n = _step_in_doubt(run).n
            return (Event(events.DoubtedByRestore(why=why, installation=installation, n=n), at),)
        case S.FAILED if in_flight(run) is not None:
            return broken_off(run, why, at), halted
        case S.FAILED if run.work.in_maintenance:
            return (halted,)
        case _:
            return ()


def _step_in_doubt(run: Run) -> Step:
    """Returns the step that may have been begun since the backup; beside its target that is what it makes."""
    does = {Do.PREPARE, Do.SAVE} if run.is_beside else {Do.RESTORE}
    made = [record.step for record in run.work.steps if record.step.do in does]
    return made[-1] if made else look_of(run)


def diagram() -> str:
    """The table as a Mermaid state diagram: states only, phases left out."""
    arrows: dict[tuple[State, State], list[str]] = {}
    for (state, _), moves in TABLE.items():
        for kind, (goal, _) in moves.items():
            if goal is not state:
                kinds = arrows.setdefault((state, goal), [])
                if kind.value not in kinds:
                    kinds.append(kind.value)
    lines = ["stateDiagram-v2", "    [*] --> requested"]
    lines += [f"    {a.value} --> {b.value}: {', '.join(kinds)}" for (a, b), kinds in arrows.items()]
    lines += [f"    {state.value} --> [*]" for state in State if state.final]
    return "\n".join(lines)
