"""The run's state machine. Every rule about states lives in this file.

`apply` says what an event does to a run; `next_action` says what to do about it.
Neither performs anything: the engine does. Who may cause an event is in `policy`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bot import codec
from bot.model import (
    EFFECTS,
    MAINTENANCE,
    Approval,
    Do,
    E,
    Event,
    Finding,
    Goal,
    Live,
    Loss,
    OnFailure,
    Outcome,
    Pause,
    Person,
    Phase,
    Plan,
    Proposal,
    Purpose,
    Run,
    State,
    Step,
    StepRecord,
    StepState,
)

S, P = State, Phase
Move = tuple[State, Phase | None]

PLAN_OWED_FOR = timedelta(minutes=30)  # a request that nobody could plan ends expired, not silent
UNPOSTED_FOR = timedelta(minutes=30)  # on top of the time to approve, while the card cannot be posted


class NotAllowed(Exception):
    """The table has no such event in this state."""


def _working(phase: Phase) -> dict[E, Move]:
    """What may happen in every phase of a running run."""
    return {
        E.STEP_STARTED: (S.RUNNING, phase),
        E.STEP_ACCEPTED: (S.RUNNING, phase),
        E.STEP_SUCCEEDED: (S.RUNNING, phase),
        E.STEP_ABSENT: (S.RUNNING, phase),
        E.STEP_FAILED: (S.PAUSED, phase),
        E.STEP_STOPPED: (S.FAILED, phase),
        E.STEP_LOST: (S.STUCK, phase),
        E.OBSERVED: (S.RUNNING, phase),
        E.CHECKPOINT_REACHED: (S.PAUSED, phase),
        E.STOP_REQUESTED: (S.RUNNING, phase),
        E.HALTED: (S.PAUSED, phase),
        E.DOUBTED: (S.STUCK, phase),
    }


def _paused(phase: Phase) -> dict[E, Move]:
    return {
        E.RETRIED: (S.RUNNING, phase),
        E.CONFIRMED: (S.RUNNING, phase),
        E.CONTINUE_PROPOSED: (S.PAUSED, phase),
        E.CONTINUED: (S.RUNNING, phase),
        E.ENDED: (S.FAILED, phase),
        E.DOUBTED: (S.STUCK, phase),
    }


def _stuck(phase: Phase) -> dict[E, Move]:
    return {
        E.RETRIED: (S.RUNNING, phase),
        E.RESOLVE_PROPOSED: (S.STUCK, phase),
        E.RESOLVED_POINT: (S.RUNNING, phase),
        E.RESOLVED_UNCHANGED: (S.PAUSED, phase),
        E.RESOLVED_UNCLEAR: (S.STUCK, phase),
        E.DOUBTED: (S.STUCK, phase),
    }


def _failed(phase: Phase) -> dict[E, Move]:
    """A failed run is final; two people may still take its target out of maintenance."""
    return {
        E.LEAVE_PROPOSED: (S.FAILED, phase),
        E.LEAVE_AGREED: (S.FAILED, phase),
        E.STEP_STARTED: (S.FAILED, phase),
        E.STEP_ACCEPTED: (S.FAILED, phase),
        E.STEP_SUCCEEDED: (S.FAILED, phase),
        E.STEP_ABSENT: (S.FAILED, phase),
        E.STEP_FAILED: (S.FAILED, phase),
        E.STEP_LOST: (S.FAILED, phase),
        E.HALTED: (S.FAILED, phase),
    }


def _before_the_restore(phase: Phase) -> dict[E, Move]:
    """The approval is what the next effect rests on, so it may be looked at again."""
    return {E.REVIEWED: (S.RUNNING, phase), E.LOSS_OUTGROWN: (S.PAUSED, phase)}


# A procedure without maintenance and undo point touches nothing before its first restore. `apply` refuses
# both once an intent was written.
BEFORE_THE_FIRST_INTENT: Mapping[E, Move] = {E.VETOED: (S.VETOED, None), E.CANCELLED: (S.CANCELLED, None)}

TABLE: Mapping[Move, Mapping[E, Move]] = {
    (S.REQUESTED, None): {
        E.PLANNED: (S.AWAITING_APPROVAL, None),
        E.REFUSED: (S.REFUSED, None),
        E.VOIDED: (S.VOID, None),
        E.CANCELLED: (S.CANCELLED, None),
        E.EXPIRED: (S.EXPIRED, None),
    },
    (S.AWAITING_APPROVAL, None): {
        E.POSTED: (S.AWAITING_APPROVAL, None),
        E.APPROVED: (S.AWAITING_APPROVAL, None),
        E.QUORUM_REACHED: (S.APPROVED, None),
        E.VOIDED: (S.VOID, None),
        E.VETOED: (S.VETOED, None),
        E.CANCELLED: (S.CANCELLED, None),
        E.EXPIRED: (S.EXPIRED, None),
    },
    (S.APPROVED, None): {
        E.STARTED: (S.RUNNING, P.PREPARE),
        E.VOIDED: (S.VOID, None),
        E.VETOED: (S.VETOED, None),
        E.CANCELLED: (S.CANCELLED, None),
        E.EXPIRED: (S.EXPIRED, None),
    },
    (S.RUNNING, P.PREPARE): {
        **_working(P.PREPARE),
        **BEFORE_THE_FIRST_INTENT,
        **_before_the_restore(P.PREPARE),
        E.PREPARED: (S.RUNNING, P.RESTORE),
    },
    (S.RUNNING, P.RESTORE): {
        **_working(P.RESTORE),
        **BEFORE_THE_FIRST_INTENT,
        **_before_the_restore(P.RESTORE),
        E.RESTORED: (S.RUNNING, P.VERIFY),
    },
    (S.RUNNING, P.VERIFY): {
        **_working(P.VERIFY),
        E.CHECKS_PASSED: (S.RUNNING, P.FINISH),
        E.CHECKS_FAILED: (S.PAUSED, P.VERIFY),
        E.CHECKS_INCONCLUSIVE: (S.PAUSED, P.VERIFY),
    },
    (S.RUNNING, P.FINISH): {
        **_working(P.FINISH),
        E.CHECKS_PASSED: (S.RUNNING, P.FINISH),
        E.CHECKS_FAILED: (S.PAUSED, P.FINISH),
        E.CHECKS_INCONCLUSIVE: (S.PAUSED, P.FINISH),
        E.SUCCEEDED: (S.SUCCEEDED, P.FINISH),
    },
    (S.PAUSED, P.PREPARE): {**_paused(P.PREPARE), **BEFORE_THE_FIRST_INTENT},
    (S.PAUSED, P.RESTORE): {**_paused(P.RESTORE), **BEFORE_THE_FIRST_INTENT},
    (S.PAUSED, P.VERIFY): {**_paused(P.VERIFY), E.CONTINUED: (S.RUNNING, P.FINISH)},
    (S.PAUSED, P.FINISH): _paused(P.FINISH),
    **{(S.STUCK, phase): _stuck(phase) for phase in P},
    **{(S.FAILED, phase): _failed(phase) for phase in P},
    (S.SUCCEEDED, P.FINISH): {},
    (S.REFUSED, None): {},
    (S.VETOED, None): {E.REASON_GIVEN: (S.VETOED, None)},
    (S.EXPIRED, None): {},
    (S.VOID, None): {},
    (S.CANCELLED, None): {},
}

# Of a run that our database has forgotten: what was approved then may be restored already, or no more wanted.
GOES_ON = frozenset({E.RETRIED, E.CONFIRMED, E.CONTINUED})
UP_TO_THE_RESTORE = frozenset({P.PREPARE, P.RESTORE})
WAITS_FOR_PEOPLE = frozenset({S.PAUSED, S.STUCK})
ENDS_PHASE = {P.PREPARE: E.PREPARED, P.RESTORE: E.RESTORED, P.FINISH: E.SUCCEEDED}
OUTCOMES = {
    E.STEP_SUCCEEDED: Outcome.SUCCEEDED,
    E.STEP_FAILED: Outcome.FAILED,
    E.STEP_STOPPED: Outcome.FAILED,
    E.STEP_LOST: Outcome.LOST,
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
class Observe:
    step: Step


@dataclass(frozen=True, slots=True)
class LookAround:
    """Run the checks of this step until they are sure."""

    step: Step


@dataclass(frozen=True, slots=True)
class Write:
    """Nothing to do in the world: this event is due."""

    kind: E


@dataclass(frozen=True, slots=True)
class Wait:
    """People's or the clock's turn, or nothing is left."""


Action = MakePlan | Preflight | Review | StartStep | FindStep | Observe | LookAround | Write | Wait


def next_action(run: Run) -> Action:
    match run.state:
        case S.REQUESTED:
            return MakePlan()
        case S.APPROVED:
            return Preflight()
        case S.RUNNING:
            return _next_of_running(run)
        case S.FAILED if run.leave_agreed:
            return _next_of_leaving(run)
        case _:
            return Wait()


def _next_of_running(run: Run) -> Action:
    begun, record = in_flight(run), run.current
    if begun is not None:
        return FindStep(begun)
    if run.stop_requested:
        return Write(E.HALTED)
    if record is None or record.step.phase is not run.phase:
        assert run.phase is not None  # a running run has one, by the table
        return Write(ENDS_PHASE[run.phase])
    match record.step.do:
        case Do.CONFIRM:
            return Write(E.CHECKPOINT_REACHED)
        case Do.BASELINE | Do.MEASURE:
            return Observe(record.step)
        case Do.CHECK:
            return LookAround(record.step)
        case _ if needs_review(run):
            return Review()
        case _:
            return StartStep(record.step)


def needs_review(run: Run) -> bool:
    """Whether the next effect rests on an approval that people were waited for since."""
    return run.review_due and run.phase in UP_TO_THE_RESTORE and run.live is Live.BEFORE


def stood_still(run: Run, now: datetime) -> bool:
    """Whether a run that has restored nothing yet was left alone for longer than an approval may wait."""
    idle = run.state is S.RUNNING and run.phase in UP_TO_THE_RESTORE and run.live is Live.BEFORE
    if not idle or run.plan is None or run.changed_at is None or in_flight(run) is not None:
        return False
    return now - run.changed_at > timedelta(seconds=run.plan.start_within)


def in_flight(run: Run) -> StepRecord | None:
    """The step that was begun, and of which we do not know how it ended."""
    return next((record for record in run.steps if record.state is StepState.STARTED), None)


def _next_of_leaving(run: Run) -> Action:
    for record in run.steps:
        if record.step.do is Do.MAINTENANCE_OFF and record.state is not StepState.ENDED:
            return FindStep(record) if record.state is StepState.STARTED else StartStep(record.step)
    return Wait()


def wants_driving(run: Run) -> bool:
    return not isinstance(next_action(run), Wait)


def due_at(run: Run) -> datetime | None:
    """When the clock ends a run that waits for people; None: it never does."""
    match run.state:
        case S.REQUESTED:
            return run.requested_at + PLAN_OWED_FOR
        case S.AWAITING_APPROVAL if run.plan is not None:
            unposted = run.plan.made_at + timedelta(seconds=run.plan.expires) + UNPOSTED_FOR
            return run.approve_by or unposted
        case S.APPROVED:
            return run.start_by
        case _:
            return None


def overdue(run: Run, now: datetime) -> bool:
    """Whether the clock should have ended it. After a standstill of ours the driver may see it first."""
    due = due_at(run)
    return due is not None and now >= due


# What an event does to a run -------------------------------------------------------------------


def allows(run: Run, kind: E) -> bool:
    moves = TABLE.get((run.state, run.phase), {})
    too_late = kind in BEFORE_THE_FIRST_INTENT and run.touched
    only_people_can_tell = kind in GOES_ON and run.forgotten and run.live is not Live.POINT
    return kind in moves and not too_late and not only_people_can_tell


def begin(run_id: str, event: Event) -> Run:
    """The run that a `requested` event opens. Its data: target, purpose, goal, requester, channel, …"""
    data = event.data
    return Run(
        id=run_id,
        target=data["target"],
        purpose=Purpose(data["purpose"]),
        goal=codec.load(Goal, data["goal"]),
        requester=codec.load(Person, data["requester"]),
        channel=data["channel"],
        reason=data.get("reason", ""),
        thread=data.get("thread"),
        ask_first=data.get("ask_first"),
        undo_of=data.get("undo_of"),
        requested_at=event.at,
        changed_at=event.at,
        seq=event.seq,
    )


def apply(run: Run, event: Event) -> Run:
    """The run after the event. Raises NotAllowed when the table has no such row."""
    if not allows(run, event.kind):
        raise NotAllowed(f"{run.id} is {run.state}: {event.kind} is not possible")
    state, phase = TABLE[run.state, run.phase][event.kind]
    moved = replace(run, state=state, phase=phase, seq=event.seq, changed_at=event.at)
    moved = _facts(moved, event)
    if state in WAITS_FOR_PEOPLE and run.state is not state:
        moved = replace(moved, waiting_since=event.at)
    if state is S.PAUSED:
        moved = replace(moved, stop_requested=False)  # it has stopped, whatever stopped it
    if state.final and not run.state.final:
        moved = replace(moved, ended_at=event.at, ended_by=event.by)
    return moved


def fold(run_id: str, events: Iterable[Event]) -> Run:
    rest = iter(events)
    run = begin(run_id, next(rest))
    for event in rest:
        run = apply(run, event)
    return run


def _facts(run: Run, event: Event) -> Run:
    """What an event adds beyond the state. One case for each kind that carries facts."""
    data = event.data
    match event.kind:
        case E.PLANNED:
            plan: Plan = codec.load(Plan, data["plan"])
            records = tuple(StepRecord(step) for step in plan.steps)
            awaited = tuple(data.get("awaited", ()))
            return replace(
                run,
                plan=plan,
                digest=data["digest"],
                steps=records,
                awaited=awaited,
                target_down=data.get("target_down", False),
            )
        case E.POSTED:
            assert run.plan is not None
            by = event.at + timedelta(seconds=run.plan.expires)
            return replace(run, posted_at=event.at, approve_by=by)
        case E.APPROVED:
            approval = Approval(event.by, frozenset(data["marks"]), event.at)
            return replace(run, approvals=(*run.approvals, approval))
        case E.QUORUM_REACHED:
            assert run.plan is not None
            return replace(run, start_by=event.at + timedelta(seconds=run.plan.start_within))
        case E.STARTED:
            return replace(run, started_at=event.at, loss=_loss_in(data) or run.loss)
        case E.OBSERVED:
            return _observed(run, event)
        case E.LOSS_OUTGROWN:
            return replace(run, pause=Pause.LOSS, why=data["why"], loss=_loss_in(data))
        case E.CHECKPOINT_REACHED:
            return replace(run, pause=Pause.CHECKPOINT, why=_in_progress(run).step.text)
        case E.HALTED:
            return _halted(run, data.get("why", ""))
        case E.DOUBTED:
            return _doubted(run, event)
        case E.REVIEWED:
            return replace(run, review_due=False, loss=_loss_in(data) or run.loss)
        case E.STOP_REQUESTED:
            return replace(run, stop_requested=True)
        case E.CHECKS_PASSED | E.CHECKS_FAILED | E.CHECKS_INCONCLUSIVE:
            return _checked(run, event)
        case E.RETRIED | E.CONFIRMED | E.CONTINUED:
            return _resumed(run, event)
        case E.CONTINUE_PROPOSED | E.RESOLVE_PROPOSED | E.LEAVE_PROPOSED:
            return replace(run, proposals=(*run.proposals, _proposal(event)))
        case E.RESOLVED_POINT | E.RESOLVED_UNCHANGED | E.RESOLVED_UNCLEAR:
            return _resolved(run, event)
        case E.LEAVE_AGREED:
            return replace(_leaving_again(run), leave_agreed=True, proposals=())
        case E.VOIDED if "installation" in data:
            return _forgotten(replace(run, why=data["why"]))
        case E.REFUSED | E.VOIDED | E.VETOED | E.CANCELLED | E.EXPIRED | E.REASON_GIVEN:
            return replace(run, why=data.get("why", run.why))
        case E.ENDED:
            return replace(run, why=data.get("why", ""), undone_by=data.get("undone_by"), pause=None)
        case E.SUCCEEDED:
            return replace(run, pause=None, why="")
        case kind if kind.value.startswith("step_"):
            return _stepped(run, event)
        case _:
            return run


def _loss_in(data: Mapping[str, Any]) -> Loss | None:
    loss: Loss | None = codec.load(Loss, data["loss"]) if data.get("loss") else None
    return loss


def _halted(run: Run, why: str) -> Run:
    """`why` is empty when somebody asked to stop. A failed run that was leaving maintenance stays in it."""
    if run.state is S.FAILED:
        return replace(run, leave_agreed=False, why=why)
    return replace(run, pause=Pause.HALTED if why else Pause.STOPPED, why=why)


def _doubted(run: Run, event: Event) -> Run:
    """One step, or with a restored backup all that was begun: and nobody knows what is live."""
    data = event.data
    forgotten = "installation" in data
    records = tuple(
        replace(r, state=StepState.ENDED, outcome=Outcome.LOST, ended_at=event.at, words=data["why"])
        if r.step.n == data["n"] or (forgotten and r.state is StepState.STARTED)
        else r
        for r in run.steps
    )
    run = replace(run, steps=records, pause=None, why=data["why"], proposals=(), times_asked=None)
    return _forgotten(_with_step(run, data["n"], started_at=_since(run, event))) if forgotten else run


def _since(run: Run, event: Event) -> datetime:
    """When the step in doubt was begun; of one that may have been begun since the backup: now."""
    return _record(run, event.data["n"]).started_at or event.at


def _forgotten(run: Run) -> Run:
    return replace(run, forgotten=True, live=Live.UNKNOWN)


def _in_progress(run: Run) -> StepRecord:
    record = run.current
    if record is None:
        raise NotAllowed(f"{run.id} has no step left")
    return record


def _with_step(run: Run, n: int, **changes: Any) -> Run:
    records = tuple(replace(r, **changes) if r.step.n == n else r for r in run.steps)
    return replace(run, steps=records)


def _record(run: Run, n: int) -> StepRecord:
    return next(record for record in run.steps if record.step.n == n)


_OPEN: Mapping[str, Any] = {"outcome": None, "ended_at": None, "by_people": False}
_WAITING: Mapping[str, Any] = {**_OPEN, "state": StepState.WAITING, "op": None, "place": None, "handle": None}


def _stepped(run: Run, event: Event) -> Run:
    data, n = event.data, event.data["n"]
    step = _record(run, n).step
    match event.kind:
        case E.STEP_STARTED:
            taken = {"op": data.get("op"), "place": data.get("place"), "handle": None}
            run = _with_step(run, n, state=StepState.STARTED, started_at=event.at, **taken)
            return replace(run, live=Live.UNKNOWN) if step.do is Do.RESTORE else run
        case E.STEP_ACCEPTED:
            return _with_step(run, n, handle=data["handle"])
        case E.STEP_ABSENT:
            return _not_done(_with_step(run, n, **_WAITING), step)
    words = data.get("words", "")
    outcome = OUTCOMES[event.kind]
    run = _with_step(run, n, state=StepState.ENDED, outcome=outcome, ended_at=event.at, words=words)
    if outcome is Outcome.SUCCEEDED:
        return _achieved(run, step, event)
    if data.get("untouched"):
        run = _not_done(run, step)
    pause = Pause.STEP_FAILED if run.state is S.PAUSED else None
    return replace(run, pause=pause, why=words, leave_agreed=False, times_asked=data.get("asked"))


def _not_done(run: Run, step: Step) -> Run:
    """Sure that a step changed nothing: as before, unless another restore of the run was done."""
    restored = any(r.step.do is Do.RESTORE and r.outcome is Outcome.SUCCEEDED for r in run.steps)
    if step.do is not Do.RESTORE:
        return run
    return replace(run, live=Live.UNKNOWN if restored else Live.BEFORE)


def _achieved(run: Run, step: Step, event: Event) -> Run:
    def all_ended(do: Do) -> bool:
        return all(r.outcome is Outcome.SUCCEEDED for r in run.steps if r.step.do is do)

    match step.do:
        case Do.MAINTENANCE_ON:
            return replace(run, maintenance_since=run.maintenance_since or event.at)
        case Do.MAINTENANCE_OFF if all_ended(Do.MAINTENANCE_OFF):
            return replace(run, maintenance_until=event.at)
        case Do.UNDO_POINT if event.data.get("undo_point"):
            points = {**run.undo_points, step.target: event.data["undo_point"]}
            return replace(run, undo_points=points)
        case Do.RESTORE:
            return replace(run, live=Live.POINT if all_ended(Do.RESTORE) else Live.UNKNOWN)
        case _:
            return run


def _observed(run: Run, event: Event) -> Run:
    data, n = event.data, event.data["n"]
    run = _with_step(
        run, n, state=StepState.ENDED, outcome=Outcome.SUCCEEDED, started_at=None, ended_at=event.at
    )
    if "findings" in data:
        run = replace(run, before=codec.load(tuple[Finding, ...], data["findings"]))
    return replace(run, loss=_loss_in(data) or run.loss)


def _checked(run: Run, event: Event) -> Run:
    new: tuple[Finding, ...] = codec.load(tuple[Finding, ...], event.data["findings"])
    fresh = {(finding.name, finding.when) for finding in new}
    kept = tuple(f for f in run.findings if (f.name, f.when) not in fresh)
    run = replace(run, findings=(*kept, *new))
    if event.kind is not E.CHECKS_PASSED:
        return replace(run, pause=Pause.CHECKS, why=event.data.get("why", ""))
    return _with_step(
        run, event.data["n"], state=StepState.ENDED, outcome=Outcome.SUCCEEDED, ended_at=event.at
    )


def _resumed(run: Run, event: Event) -> Run:
    """People said go on: what they settled is ended, what they doubt is looked at again."""
    settled = {"state": StepState.ENDED, "ended_at": event.at, "by_people": True}
    record = run.current
    if event.kind is E.RETRIED and (failed := last_failed(run)) is not None:
        run = _once_more(run, failed)
    elif event.kind is E.CONFIRMED and run.pause is Pause.CHECKPOINT and record is not None:
        run = _with_step(run, record.step.n, outcome=Outcome.SUCCEEDED, **settled)
    elif event.kind is E.CONTINUED and record is not None:
        run = _with_step(run, record.step.n, outcome=Outcome.FAILED, **settled)
        run = replace(run, overridden=True)
    return replace(run, pause=None, why="", proposals=(), review_due=True)


def _once_more(run: Run, failed: StepRecord) -> Run:
    """What changes data is looked for; maintenance that is known to have failed is switched anew."""
    if failed.outcome is Outcome.FAILED and failed.step.do in MAINTENANCE:
        return _with_step(run, failed.step.n, attempt=failed.attempt + 1, **_WAITING)
    return _with_step(run, failed.step.n, state=StepState.STARTED, **_OPEN)


def last_failed(run: Run) -> StepRecord | None:
    """The effect that ended without success; the table stops a run there, so there is at most one."""
    for record in run.steps:
        if record.outcome in {Outcome.FAILED, Outcome.LOST} and record.step.do in EFFECTS:
            return record
    return None


def _resolved(run: Run, event: Event) -> Run:
    run = replace(run, proposals=())
    record = last_failed(run)
    if record is None or event.kind is E.RESOLVED_UNCLEAR:
        return run
    if run.forgotten:
        return _told_what_is_live(run, event)
    if event.kind is E.RESOLVED_UNCHANGED:
        told = _with_step(run, record.step.n, outcome=Outcome.FAILED, by_people=True)
        return _as_before(_not_done(told, record.step), event)
    run = _with_step(run, record.step.n, outcome=Outcome.SUCCEEDED, by_people=True)
    return _achieved(replace(run, why="", review_due=True), record.step, event)


def _as_before(run: Run, event: Event) -> Run:
    return replace(run, pause=Pause.AS_BEFORE, why=event.data.get("why", ""))


def _told_what_is_live(run: Run, event: Event) -> Run:
    """After a restored backup: whatever was done of the plan since, all of the way there or none of it."""
    if event.kind is E.RESOLVED_UNCHANGED:
        back = tuple(
            replace(r, state=StepState.ENDED, outcome=Outcome.FAILED, by_people=True)
            if r.step.do is Do.RESTORE
            else r
            for r in run.steps
        )
        return _as_before(replace(run, steps=back, live=Live.BEFORE), event)
    there = tuple(
        replace(r, state=StepState.ENDED, outcome=Outcome.SUCCEEDED, ended_at=event.at, by_people=True)
        if r.step.phase in UP_TO_THE_RESTORE and r.outcome is not Outcome.SUCCEEDED
        else r
        for r in run.steps
    )
    return _leaving_again(replace(run, steps=there, live=Live.POINT, why=""))


def _proposal(event: Event) -> Proposal:
    data = event.data
    return Proposal(
        event.kind, event.by, frozenset(data["marks"]), data.get("answer", ""), event.at, data.get("why", "")
    )


def _leaving_again(run: Run) -> Run:
    """People decided anew: what did not leave maintenance before is another operation now."""
    records = tuple(
        replace(r, attempt=r.attempt + 1, **_WAITING)
        if r.step.do is Do.MAINTENANCE_OFF and r.outcome in {Outcome.FAILED, Outcome.LOST}
        else r
        for r in run.steps
    )
    return replace(run, steps=records)


def outcome_event(step: Step, outcome: Outcome) -> E:
    """Which event tells that a step ended so."""
    if outcome is Outcome.SUCCEEDED:
        return E.STEP_SUCCEEDED
    if outcome is Outcome.LOST:
        return E.STEP_LOST
    return E.STEP_STOPPED if step.on_failure is OnFailure.STOP else E.STEP_FAILED


# What to write when a run cannot be driven -----------------------------------------------------


def broken_off(run: Run, why: str, at: datetime) -> Event:
    """Ends the driving of a run visibly, whatever it was doing; nothing more is done to the world for it."""
    begun = in_flight(run)
    match run.state:
        case S.REQUESTED:
            return Event(E.REFUSED, at, data={"why": why})
        case S.APPROVED:
            return Event(E.VOIDED, at, data={"why": why})
        case S.RUNNING if begun is not None:
            return Event(E.DOUBTED, at, data={"n": begun.step.n, "why": why})
        case S.FAILED if begun is not None:
            return Event(E.STEP_LOST, at, data={"n": begun.step.n, "words": why})
        case _:
            return Event(E.HALTED, at, data={"why": why})


def forgotten(run: Run, at: datetime, why: str, installation: str) -> tuple[Event, ...]:
    """What to write about a run of a database that was restored from a backup; empty: nothing.

    What was done since the backup is not known, so an open run is never driven on before people have said
    what is live. `installation` is the name of the database in the backup: people's words were signed for it.
    """
    data = {"why": why, "installation": installation}
    match run.state:
        case S.REQUESTED | S.AWAITING_APPROVAL | S.APPROVED:
            return (Event(E.VOIDED, at, data=data),)
        case S.RUNNING | S.PAUSED | S.STUCK:
            return (Event(E.DOUBTED, at, data={"n": _last_restore(run).step.n, **data}),)
        case S.FAILED if in_flight(run) is not None:
            return broken_off(run, why, at), Event(E.HALTED, at, data=data)
        case S.FAILED if run.in_maintenance:
            return (Event(E.HALTED, at, data=data),)
        case _:
            return ()


def _last_restore(run: Run) -> StepRecord:
    return [record for record in run.steps if record.step.do is Do.RESTORE][-1]


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
