"""Random histories of a run against a small model.

People press what policy lets them, the world does as it likes, and we are killed at any time.

The model knows who is one human, what was really done to the world, and nothing of how the code decides.
"""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bot import codec, machine, policy, presses
from bot.codec import encode
from bot.event_kinds import EventKind as E
from bot.facts import Fact
from bot.model import FINAL, Do, Left, Loss, LossQuality, OnFailure, Outcome, Person, Phase, Plan, State, Step
from bot.policy import Entitled
from bot.presses import PRESSES, Click, Press
from bot.presses.resolve import RESOLUTIONS
from bot.run import StepState, op_id
from tests.bot.stories import (
    FAILED,
    LOSS,
    ORDERS,
    PASSED,
    T0,
    UNSEEN,
    findings,
    happened,
    later,
    plan_data,
    requested,
)
from tests.people import ANA, BEN, CY, DORA, EVE, GUEST

ANA_AT_HOME = Person("U09ANA", "ana", "Ana", marks=frozenset({"U09ANA", "person:ana"}))
BEN_AT_HOME = Person("U09BEN", "ben", "Ben", marks=frozenset({"U09BEN", "person:ben"}))
PEOPLE = (ANA, ANA_AT_HOME, BEN, BEN_AT_HOME, CY, DORA, EVE, GUEST)
RECORDED = [press for press in PRESSES.values() if press.decides]
ENDING = [presses.VETO, presses.CANCEL, presses.STOP]
Key = tuple[int, str]
SELDOM = st.integers(0, 5).map(lambda n: n == 5)
MUCH = Loss(LossQuality.MEASURED, later(-90_000))


def plan_of(
    maintenance: bool, undo: bool, checkpoint: bool, restores: int, quorum: int, on_failure: OnFailure
) -> Plan:
    dos: list[tuple[Phase, Do, str]] = [(Phase.PREPARE, Do.BASELINE, "orders")]
    if maintenance:
        dos += [(Phase.PREPARE, Do.MAINTENANCE_ON, "orders"), (Phase.PREPARE, Do.MEASURE, "orders")]
    if undo:
        dos += [(Phase.PREPARE, Do.SAVE, "orders")]
    if checkpoint:
        dos += [(Phase.RESTORE, Do.CONFIRM, "orders")]
    dos += [(Phase.RESTORE, Do.RESTORE, target) for target in ("orders", "search")[:restores]]
    dos += [(Phase.VERIFY, Do.CHECK, "orders")]
    if maintenance:
        dos += [(Phase.FINISH, Do.MAINTENANCE_OFF, "orders"), (Phase.FINISH, Do.CHECK, "orders")]
    steps = tuple(
        Step(n, phase, do, target, on_failure=on_failure if do is Do.RESTORE else OnFailure.PAUSE)
        for n, (phase, do, target) in enumerate(dos, start=1)
    )
    return replace(ORDERS, steps=steps, approvals_needed=quorum)


class Histories(RuleBasedStateMachine):
    @initialize(
        maintenance=st.booleans(),
        undo=st.booleans(),
        checkpoint=st.booleans(),
        restores=st.integers(1, 2),
        quorum=st.integers(1, 2),
        on_failure=st.sampled_from(OnFailure),
        agreed=st.booleans(),
        data=st.data(),
    )
    def ask(self, agreed: bool, data: st.DataObject, **shape: Any) -> None:
        """Every second history begins with everybody's consent: most of what can go wrong comes later."""
        self.plan = plan_of(**shape)
        self.events = [requested(ANA)]
        self.run = machine.begin("RB-42", self.events[0])
        self.now: datetime = T0
        self.approvers = [ANA, BEN, BEN_AT_HOME, CY]
        self.agreed: list[Person] = []  # approvals, as the model heard them
        self.done: Counter[Key] = Counter()  # effects in the world, by step and op id
        self.begun: set[Key] = set()  # intents whose fate the driver does not know
        self.name = "k7f3"  # of the installation
        self.reviewed = False  # whether the approval was compared with the world since people were waited for
        self.ended: State | None = None
        self.agreed_against_the_checks = False
        if agreed:
            self.tell(E.PLANNED, **plan_data(self.plan))
            self.tell(E.POSTED)
            self.time_passes(5)
            for who in (BEN, CY)[: self.plan.approvals_needed]:
                self._press(presses.APPROVE, who, "")
            self._drive(data)

    # Who tells what

    def tell(self, kind: E, by: str = "", **data: Any) -> None:
        self.now += timedelta(seconds=1)
        event = happened(kind, self.now, by, data, self.run.seq + 1)
        self.run = machine.apply(self.run, event)
        self.events.append(event)

    def add(self, fact: Fact, by: str = "") -> None:
        """Tells what the code itself has made."""
        stored = encode(fact)
        self.tell(E(stored.kind), by, **stored.data)

    @property
    def entitled(self) -> Entitled:
        return Entitled(tuple(self.approvers), owners=frozenset({DORA.id}))

    def key(self, step: Step) -> Key:
        record = self.run.work.steps[step.n - 1]
        return step.n, record.op or op_id(self.name, "RB-42", step.n, record.attempt)

    def truth(self, step: Step) -> bool:
        """Whether this step's effect is in the world."""
        return self.done[self.key(step)] > 0

    # People

    @rule(data=st.data(), sure=st.booleans(), stops_it=SELDOM)
    def somebody_presses(self, data: st.DataObject, sure: bool, stops_it: bool) -> None:
        """Few stop it: else hardly any history would come to a restore."""
        answer = self._answer(sure)
        possible = ENDING if stops_it else [press for press in RECORDED if press not in ENDING]
        may = [(press, who) for press in possible for who in PEOPLE if self._may(press, who, answer)]
        if may:
            self._press(*data.draw(st.sampled_from(may), "who presses what"), answer)
        self._drive(data)

    def _may(self, press: Press, who: Person, answer: str) -> bool:
        click = self._click(press, answer)
        return presses.why_not(press, self.run, who, self.entitled, click, self.now) is None

    def _click(self, press: Press, answer: str) -> Click:
        said = answer if press is presses.RESOLVE else ""
        return Click(stamp=presses.stamp(self.run), why="because", answer=said)

    def _press(self, press: Press, who: Person, answer: str) -> None:
        said = presses.events_for(press, self.run, who, self._click(press, answer), self.now)
        assert said
        for event in said:  # what policy lets through, the machine takes
            self.add(event.fact, event.by)
            if event.kind in {*machine.GOES_ON, E.RESOLVED_POINT}:
                self.reviewed = False
            if event.kind is E.APPROVED:
                self.agreed.append(who)
            if event.kind is E.CONTINUED:
                self.agreed_against_the_checks = True

    def _answer(self, sure: bool) -> str:
        """People say what they see, or that they cannot tell."""
        lost = [r for r in self.run.work.steps if r.outcome is Outcome.LOST]
        if not sure or not lost:
            return "unclear"
        if self.run.work.forgotten:
            restored = self._of(Do.RESTORE)
            return "point" if all(restored) else "unclear" if any(restored) else "unchanged"
        return "point" if self.truth(lost[0].step) else "unchanged"

    @rule()
    def an_approver_leaves_the_group(self) -> None:
        self.approvers = [person for person in self.approvers if person is not CY]

    @rule()
    def an_approver_comes_back(self) -> None:
        self.approvers = [ANA, BEN, BEN_AT_HOME, CY]

    # The publisher and the clock

    @precondition(lambda self: self.run.state is State.AWAITING_APPROVAL)
    @precondition(lambda self: self.run.approval.posted_at is None)
    @rule()
    def the_card_is_posted(self) -> None:
        self.tell(E.POSTED)

    @rule(seconds=st.integers(0, 99).map(lambda n: 4_000 if n > 90 else 5))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: machine.overdue(self.run, self.now))
    @rule()
    def the_clock_ends_it(self) -> None:
        self.tell(E.EXPIRED)

    # Our own end

    def _give_up(self) -> None:
        event = machine.broken_off(self.run, "the bot could not go on", self.now)
        self.add(event.fact)
        assert not machine.wants_driving(self.run)

    @precondition(lambda self: len(self.events) > 8 and not self.run.work.forgotten)
    @rule(data=st.data(), seldom=SELDOM)
    def our_database_is_put_back_from_a_backup(self, data: st.DataObject, seldom: bool) -> None:
        """What was done since stays done, and nobody remembers it."""
        if not seldom:
            self._drive(data)
            return
        self.events = self.events[: data.draw(st.integers(1, len(self.events)), "kept")]
        self.run = machine.fold("RB-42", self.events)
        self.agreed = self.agreed[: len(self.run.approval.given)]
        self.agreed_against_the_checks = self.run.work.overridden
        self.ended = None
        was, self.name = self.name, "a83c"
        for event in machine.forgotten(self.run, self.now, "put back from a backup", was):
            self.add(event.fact)
        assert not machine.wants_driving(self.run)

    # The driver, and a world that does as it likes

    @precondition(lambda self: machine.wants_driving(self.run))
    @rule(data=st.data(), fails=SELDOM)
    def the_sweep_finds_it(self, data: st.DataObject, fails: bool) -> None:
        """Driving that fails time after time is given up, wherever the run is then."""
        self._drive(data)
        if fails and machine.wants_driving(self.run):
            self._give_up()

    def _drive(self, data: st.DataObject) -> None:
        """Some actions of the driver; then it is killed, or somebody is quicker."""
        for _ in range(data.draw(st.integers(1, 8), "actions")):
            self._act(data)

    def _act(self, data: st.DataObject) -> None:
        match machine.next_action(self.run):
            case machine.MakePlan():
                self.tell(E.PLANNED, **plan_data(self.plan))
            case machine.Preflight():
                self._start()
            case machine.Review():
                self._review(data)
            case machine.Write(fact):
                self.add(fact)
            case machine.Observe(step):
                self._observe(step, data)
            case machine.LookAround(step):
                self._look(step, data)
            case machine.StartStep(step):
                self._begin(step, data)
            case machine.FindStep(record):
                self._find(record.step, data)
            case machine.Wait():
                return

    def _start(self) -> None:
        if policy.why_not_start(self.run, self.entitled):
            self.tell(E.VOIDED, why="…")
            return
        others = {person.human for person in self.agreed} - {ANA.human}
        assert len(others) >= self.plan.approvals_needed
        assert others <= {person.human for person in self.approvers}
        self.tell(E.STARTED, loss=codec.dump(Loss, LOSS))
        self.reviewed = True

    def _review(self, data: st.DataObject) -> None:
        kind = data.draw(st.sampled_from([E.REVIEWED, E.REVIEWED, E.LOSS_OUTGROWN, E.HALTED]), "review")
        self.tell(kind, why="…", loss=codec.dump(Loss, MUCH if kind is E.LOSS_OUTGROWN else LOSS))
        self.reviewed = kind is E.REVIEWED

    def _observe(self, step: Step, data: st.DataObject) -> None:
        if step.do is Do.MEASURE and data.draw(st.booleans(), "outgrown"):
            self.tell(E.LOSS_OUTGROWN, n=step.n, why="…", loss=codec.dump(Loss, MUCH))
        else:
            self.tell(E.BASELINE_TAKEN, n=step.n, findings=findings(replace(PASSED, verdict=None)))

    def _look(self, step: Step, data: st.DataObject) -> None:
        kind, found = data.draw(
            st.sampled_from(
                [
                    (E.CHECKS_PASSED, PASSED),
                    (E.CHECKS_PASSED, PASSED),
                    (E.CHECKS_FAILED, FAILED),
                    (E.CHECKS_INCONCLUSIVE, UNSEEN),
                ]
            )
        )
        self.tell(kind, n=step.n, why="…", findings=findings(found))

    def _begin(self, step: Step, data: st.DataObject) -> None:
        key = self.key(step)
        assert key not in self.begun, "begun, and never looked for"
        assert not self.truth(step), "done before"
        assert self.run.state is State.RUNNING or step.do is Do.MAINTENANCE_OFF
        assert self.run.work.started_at is not None
        assert step.do is Do.MAINTENANCE_OFF or not self.run.work.forgotten
        assert step.do is Do.MAINTENANCE_OFF or self.reviewed or self.run.work.live is not Left.BEFORE
        self.begun.add(key)
        self.tell(E.STEP_STARTED, n=step.n, op=key[1])
        if data.draw(st.integers(0, 3), "reaches the world"):
            self.done[key] += 1
            answers = [E.STEP_SUCCEEDED, E.STEP_SUCCEEDED, E.STEP_SUCCEEDED, E.STEP_LOST, None]
        else:
            answers = [E.STEP_FAILED, E.STEP_LOST, None]
        answer = data.draw(st.sampled_from(answers), "answer")  # None: we were killed
        if answer is not None:
            self._write(step, answer)

    def _find(self, step: Step, data: st.DataObject) -> None:
        if self.truth(step):
            answers = [E.STEP_SUCCEEDED, E.STEP_LOST]
        else:
            answers = [E.STEP_ABSENT, E.STEP_FAILED, E.STEP_LOST]
        self._write(step, data.draw(st.sampled_from(answers), "found"))

    def _write(self, step: Step, kind: E) -> None:
        if kind is E.STEP_FAILED:
            kind = machine.failure(step, "…", Left.UNKNOWN).kind
        if kind is E.STEP_ABSENT:
            self.begun.discard(self.key(step))
        saved = {"undo_point": "u42"} if step.do is Do.SAVE and kind is E.STEP_SUCCEEDED else {}
        self.tell(kind, n=step.n, words="…", **saved, **self._left(step, kind))

    def _left(self, step: Step, kind: E) -> dict[str, Any]:
        if kind not in {E.STEP_FAILED, E.STEP_STOPPED}:
            return {}
        return {"left": (Left.UNKNOWN if self.truth(step) else Left.BEFORE).value}

    # What must hold at any time

    def _of(self, do: Do) -> list[bool]:
        """For each step that does it: whether it is in the world, by any attempt."""
        return [any(n == step.n for n, _ in self.done) for step in self.plan.steps if step.do is do]

    @invariant()
    def who_agrees_is_somebody_else_each_time(self) -> None:
        humans = [person.human for person in self.agreed]
        assert ANA.human not in humans
        assert len(humans) == len(set(humans))

    @invariant()
    def no_effect_happens_twice(self) -> None:
        assert all(times == 1 for times in self.done.values())
        restores = {step.n for step in self.plan.steps if step.do in {Do.RESTORE, Do.SAVE}}
        assert all(times == 1 for times in Counter(n for n, _ in self.done if n in restores).values())

    @invariant()
    def what_is_said_to_be_live_is_live(self) -> None:
        restored = self._of(Do.RESTORE)
        if self.run.work.live is Left.POINT:
            assert all(restored)
        if self.run.work.live is Left.BEFORE:
            assert not any(restored)

    @invariant()
    def maintenance_that_we_say_is_on_is_on(self) -> None:
        if self.run.work.in_maintenance:
            assert all(self._of(Do.MAINTENANCE_ON))
        if self.run.work.maintenance_until is not None:
            assert all(self._of(Do.MAINTENANCE_OFF))

    @invariant()
    def success_means_restored_checked_and_open(self) -> None:
        if self.run.state is State.SUCCEEDED:
            assert self.run.work.live is Left.POINT
            assert not self.run.work.in_maintenance
            assert all(record.state is StepState.ENDED for record in self.run.work.steps)
            assert self.run.work.overridden == self.agreed_against_the_checks

    @invariant()
    def what_is_final_stays_final(self) -> None:
        if self.ended is None and self.run.state in FINAL:
            self.ended = self.run.state
        assert self.ended in {None, self.run.state}

    @invariant()
    def what_was_never_begun_was_never_touched(self) -> None:
        if self.run.state in {State.VETOED, State.CANCELLED, State.EXPIRED, State.VOID, State.REFUSED}:
            assert not self.run.work.touched
            assert not self.done or self.run.work.forgotten

    @invariant()
    def who_waits_for_people_says_since_when(self) -> None:
        if self.run.state in {State.PAUSED, State.STUCK}:
            assert self.run.question.since is not None
        if self.run.state is State.PAUSED:
            assert self.run.question.pause is not None
            assert not self.run.work.stop_requested

    @invariant()
    def an_open_run_is_driven_or_waits_for_somebody(self) -> None:
        if self.run.state not in FINAL:
            waits = {State.AWAITING_APPROVAL, State.PAUSED, State.STUCK}
            assert machine.wants_driving(self.run) != (self.run.state in waits)

    def teardown(self) -> None:
        if hasattr(self, "events"):
            assert machine.fold("RB-42", self.events) == self.run


def test_every_answer_to_what_is_live_has_an_event() -> None:
    assert set(RESOLUTIONS) == {"point", "unchanged", "unclear"}


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=150, stateful_step_count=40)
