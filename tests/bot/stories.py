"""Runs told as stories: one event after another, as values only. What should come of it is for the tests."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot import codec, machine
from bot.codec import decode, encode
from bot.envelope import Event, Stored
from bot.event_kinds import EventKind as E
from bot.events import FACTS
from bot.facts import Fact
from bot.model import (
    PLAN_FORMAT,
    Ceiling,
    Current,
    Do,
    Finding,
    Goal,
    Kind,
    Leg,
    Loss,
    LossQuality,
    OnFailure,
    Person,
    Phase,
    Plan,
    Purpose,
    RestorePoint,
    Risk,
    Step,
    Unit,
    Verdict,
    When,
)
from bot.run import Decision, End, Question, Request, Run, WorkDone
from tests.people import ANA, BEN, CHANNEL

T0 = datetime(2026, 11, 22, 3, 2, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


# Plans -----------------------------------------------------------------------------------------

POINT = RestorePoint("p41", later(-1020), "backup p41")
LIVE = Current("v42", "token-42", "v42", later(-600))
LOSS = Loss(LossQuality.MEASURED, later(-1020), (Unit("orders", 212),), measured_at=T0)
NO_LOSS = Loss(LossQuality.NONE, basis="shop: stateless")


def steps(*dos: Do, target: str = "orders", on_failure: OnFailure = OnFailure.PAUSE) -> tuple[Step, ...]:
    """Numbered from 1, in their phases; the last check after a `maintenance_off` is an online one."""
    phases = {
        Do.BASELINE: Phase.PREPARE,
        Do.MAINTENANCE_ON: Phase.PREPARE,
        Do.MEASURE: Phase.PREPARE,
        Do.SAVE: Phase.PREPARE,
        Do.RESTORE: Phase.RESTORE,
        Do.CHECK: Phase.VERIFY,
        Do.MAINTENANCE_OFF: Phase.FINISH,
    }
    told: list[Step] = []
    for n, do in enumerate(dos, start=1):
        reached = told[-1].phase if told else Phase.PREPARE
        finishing = reached is Phase.FINISH or (do is Do.CHECK and Do.CHECK in {step.do for step in told})
        phase = Phase.FINISH if finishing else phases.get(do, reached)
        text = "Is traffic drained?" if do is Do.CONFIRM else ""
        told.append(Step(n, phase, do, target, on_failure=on_failure, text=text))
    return tuple(told)


ALL_STEPS = steps(
    Do.BASELINE,
    Do.MAINTENANCE_ON,
    Do.MEASURE,
    Do.SAVE,
    Do.RESTORE,
    Do.CHECK,
    Do.MAINTENANCE_OFF,
    Do.CHECK,
)

ORDERS = Plan(
    target="orders",
    kind=Kind.DATABASE,
    environment="production",
    purpose=Purpose.ROLLBACK,
    risk=Risk.STANDARD,
    legs=(Leg("orders", LIVE, POINT, LOSS),),
    loss=LOSS,
    ceiling=Ceiling(3120.0, (Unit("orders", 649),)),
    rpo=None,
    rto=None,
    outage=240.0,
    outage_range=None,
    outage_runs=0,
    undo_days=7,
    steps=ALL_STEPS,
    warnings=(),
    blockers=(),
    approvals_needed=1,
    approvers=("managers",),
    expires=1800.0,
    start_within=300.0,
    policy_digest="p",
    procedure_digest="q",
    made_at=T0,
    format=PLAN_FORMAT,
)


def planned(*dos: Do, **changes: Any) -> Plan:
    """The plan for the orders with other steps, or other fields."""
    if dos:
        changes["steps"] = steps(*dos)
    return replace(ORDERS, **changes)


PASSED = Finding("totals", When.OFFLINE, Verdict.PASSED, 0, 41)
FAILED = Finding("totals", When.OFFLINE, Verdict.FAILED, 3, 41, "3 orders below 0")
UNSEEN = Finding("totals", When.OFFLINE, Verdict.INCONCLUSIVE, None, 41, "no answer")


def findings(*found: Finding) -> Any:
    return codec.dump(tuple[Finding, ...], found)


# Runs ------------------------------------------------------------------------------------------

_PARTS: Mapping[str, type[Any]] = {
    "request": Request,
    "approval": Decision,
    "work": WorkDone,
    "question": Question,
    "end": End,
}


def having(run: Run, **changes: Any) -> Run:
    """The run with other facts, by `part_field` (`work_steps`) or by a field of its own (`state`)."""
    of_parts = {part: _of(part, changes) for part in _PARTS}
    parts = {part: replace(getattr(run, part), **new) for part, new in of_parts.items() if new}
    own = {name: value for name, value in changes.items() if name.partition("_")[0] not in _PARTS}
    return replace(run, **parts, **own)


def _of(part: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.removeprefix(f"{part}_"): value for name, value in changes.items() if name.startswith(f"{part}_")
    }


# Stories ---------------------------------------------------------------------------------------


_ABOUT = {
    "target": "orders",
    "purpose": Purpose.ROLLBACK.value,
    "goal": codec.dump(Goal, Goal(point="p41")),
    "channel": CHANNEL,
    "reason": "totals are broken",
}


def happened(
    kind: str,  # as it was stored; earlier versions knew others
    at: datetime,
    by: str = "",
    data: Mapping[str, Any] | None = None,
    seq: int = 0,
    signature: str = "",
) -> Event:
    """An event as it is read back: from its name and what is stored of it."""
    stored = Stored(str(kind), data or {})
    return Event(decode(stored, by, at), at, by, seq, signature, stored)


def retold(event: Event, **data: Any) -> Event:
    """The same event, with other data."""
    assert event.stored is not None
    return happened(event.kind, event.at, event.by, {**event.stored.data, **data}, event.seq, event.signature)


def any_of(kind: E, **said: Any) -> Fact:
    """A fact of this kind, with what is said wherever it has such a field."""
    about = {**_ABOUT, "requester": codec.dump(Person, ANA), **plan_data(ORDERS)}
    about |= {
        "n": 5,
        "why": "",
        "installation": "old",
        "undone_by": "RB-43",
        "by_run": "RB-44",
        "point": "v40",
        "until": "2026-11-29T03:02:00Z",
        **said,
    }
    named = {each.name for each in fields(FACTS[kind])}
    fact: Fact = codec.load(FACTS[kind], {name: about[name] for name in about.keys() & named})
    return fact


def requested(by: Person = ANA, at: datetime = T0, **data: Any) -> Event:
    about = {**_ABOUT, "requester": codec.dump(Person, by)}
    return happened(E.REQUESTED, at, by.id, {**about, **data}, 1)


def plan_data(plan: Plan, **more: Any) -> dict[str, Any]:
    return {"plan": codec.dump(Plan, plan), "digest": codec.plan_digest(plan), **more}


@dataclass
class Story:
    """`tell` one thing after another, a second apart; `run` is where they have led."""

    plan: Plan = ORDERS
    events: list[Event] = field(default_factory=lambda: [requested()])

    def __post_init__(self) -> None:
        self.run: Run = machine.begin("RB-42", self.events[0])

    @property
    def now(self) -> datetime:
        return self.events[-1].at

    def event(self, kind: E, by: Person | None = None, **data: Any) -> Event:
        said = {"marks": sorted(by.marks)} if by else {}
        at = self.now + timedelta(seconds=1)
        return happened(kind, at, by.id if by else "", {**said, **data}, self.run.seq + 1)

    def tell(self, kind: E, by: Person | None = None, **data: Any) -> "Story":
        """Raises NotAllowed, and then nothing has happened."""
        event = self.event(kind, by, **data)
        self.run = machine.apply(self.run, event)
        self.events.append(event)
        return self

    def add(self, fact: Fact, by: Person | None = None) -> "Story":
        """Tells what the code itself has made."""
        stored = encode(fact)
        return self.tell(E(stored.kind), by, **stored.data)

    # Longer pieces

    def posted(self) -> "Story":
        return self.tell(E.PLANNED, **plan_data(self.plan)).tell(E.POSTED)

    def approved(self, *by: Person) -> "Story":
        self.posted()
        for one in by or (BEN,):
            self.tell(E.APPROVED, one)
        return self.tell(E.QUORUM_REACHED)

    def started(self) -> "Story":
        return self.approved().tell(E.STARTED, loss=None)

    def up_to(self, do: Do, phase: Phase | None = None) -> "Story":
        """Everything goes well, until this step is the next thing to do."""
        if self.run.approval.planned is None:
            self.started()
        while True:
            action = machine.next_action(self.run)
            match action:
                case machine.StartStep(step) | machine.Observe(step) | machine.LookAround(step) if (
                    step.do is do and phase in {None, step.phase}
                ):
                    return self
                case machine.Wait():
                    raise AssertionError(f"the story ends {self.run.state} before {do}")
            for kind, data in went_well(action):
                self.tell(kind, **data)

    def succeeded(self) -> "Story":
        if self.run.approval.planned is None:
            self.started()
        while not isinstance(action := machine.next_action(self.run), machine.Wait):
            for kind, data in went_well(action):
                self.tell(kind, **data)
        return self

    def start(self, do: Do) -> "Story":
        """The intent of the next step, which does `do`."""
        return self.up_to(do).tell(E.STEP_STARTED, n=self.n)

    def fail(self, do: Do, **data: Any) -> "Story":
        return self.start(do).tell(E.STEP_FAILED, n=self.n, words="disk full", **data)

    def lose(self, do: Do, **data: Any) -> "Story":
        return self.start(do).tell(E.STEP_LOST, n=self.n, words="no answer", asked=6, **data)

    def doubt(self, *found: Finding) -> "Story":
        """The offline checks say no."""
        self.up_to(Do.CHECK)
        return self.tell(E.CHECKS_FAILED, n=self.n, why="totals", findings=findings(*(found or (FAILED,))))

    @property
    def n(self) -> int:
        """Of the step that is next or under way."""
        assert self.run.work.current is not None
        return self.run.work.current.step.n


def went_well(action: machine.Action) -> Iterator[tuple[E, dict[str, Any]]]:
    """What a driver writes when an action succeeds at once."""
    match action:
        case machine.Write(fact):
            yield fact.kind, {}
        case machine.Review():
            yield E.REVIEWED, {}
        case machine.Observe(step) if step.do is Do.MEASURE:
            yield E.LOSS_MEASURED, {"n": step.n, "loss": codec.dump(Loss, LOSS)}
        case machine.Observe(step):
            yield (
                E.BASELINE_TAKEN,
                {"n": step.n, "findings": findings(replace(PASSED, verdict=None, value=41))},
            )
        case machine.LookAround(step):
            yield E.CHECKS_PASSED, {"n": step.n, "findings": findings(PASSED), "why": ""}
        case machine.StartStep(step):
            yield E.STEP_STARTED, {"n": step.n}
            saved = {"undo_point": "u42"} if step.do is Do.SAVE else {}
            yield E.STEP_SUCCEEDED, {"n": step.n, **saved}
        case _:
            raise AssertionError(f"{action} cannot simply go well")
