"""The state machine: its table is whole, and each event does what it says, once."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot import codec, events, machine
from bot.codec import encode
from bot.envelope import Event
from bot.event_kinds import EventKind as E
from bot.machine import (
    LOOKS_AGAIN,
    TABLE,
    FindStep,
    LookAround,
    MakePlan,
    NotAllowed,
    Observe,
    Preflight,
    Review,
    StartStep,
    Wait,
    Write,
    next_action,
)
from bot.model import (
    FINAL,
    Do,
    Left,
    Loss,
    LossQuality,
    OnFailure,
    Outcome,
    Phase,
    Plan,
    State,
    Step,
    Unit,
    Verdict,
    When,
)
from bot.run import Approval, Matter, Pause, Proposal, Run, StepState, op_id
from tests.bot.stories import (
    ALL_STEPS,
    FAILED,
    LOSS,
    NO_LOSS,
    PASSED,
    T0,
    UNSEEN,
    Story,
    findings,
    happened,
    having,
    later,
    plan_data,
    planned,
    requested,
    steps,
    went_well,
)
from tests.people import ANA, BEN, CY

WITH_PHASES = frozenset({State.RUNNING, State.PAUSED, State.STUCK, State.FAILED})
CONFIRM_FIRST = planned(Do.BASELINE, Do.CONFIRM, Do.RESTORE, Do.CHECK)
TWO_RESTORES = (
    Step(1, Phase.PREPARE, Do.BASELINE, "orders"),
    Step(2, Phase.RESTORE, Do.RESTORE, "orders"),
    Step(3, Phase.RESTORE, Do.RESTORE, "search"),
    Step(4, Phase.VERIFY, Do.CHECK, "orders"),
)


# The table -------------------------------------------------------------------------------------


def test_every_state_and_running_phase_has_a_row() -> None:
    alone = {(state, None) for state in State if state not in WITH_PHASES | {State.SUCCEEDED}}
    phased = {(state, phase) for state in WITH_PHASES for phase in Phase}
    assert set(TABLE) == alone | phased | {(State.SUCCEEDED, Phase.FINISH)}


def test_no_row_leads_to_where_there_is_no_row() -> None:
    goals = {goal for moves in TABLE.values() for goal in moves.values()}
    assert goals - set(TABLE) == set()


def test_every_kind_of_event_is_in_some_row_but_the_first() -> None:
    used = {kind for moves in TABLE.values() for kind in moves}
    assert set(E) - used == {E.REQUESTED}


def test_every_state_can_be_reached() -> None:
    reached: set[machine.Move] = {(State.REQUESTED, None)}
    while more := {goal for row in reached for goal in TABLE[row].values()} - reached:
        reached |= more
    assert {state for state, _ in reached} == set(State)


def test_what_is_final_stays_final() -> None:
    for (state, phase), moves in TABLE.items():
        if state in FINAL:
            assert {goal for goal, _ in moves.values()} <= {state}, (state, phase)


def test_an_end_is_followed_only_by_reasons_leaving_maintenance_and_what_is_dropped() -> None:
    drops = {
        E.DROP_DUE,
        E.DROP_PUT_OFF,
        E.STEP_STARTED,
        E.STEP_ACCEPTED,
        E.STEP_SUCCEEDED,
        E.STEP_ABSENT,
        E.STEP_FAILED,
        E.STEP_STOPPED,
        E.STEP_LOST,
    }
    leave = {E.LEAVE_PROPOSED, E.LEAVE_AGREED, E.HALTED, E.HALTED_BY_RESTORE, E.SUPERSEDED}
    followed = {(state, frozenset(moves)) for (state, _), moves in TABLE.items() if state in FINAL and moves}
    assert followed == {
        (State.VETOED, frozenset({*drops, E.REASON_GIVEN})),
        (State.CANCELLED, frozenset(drops)),
        (State.VOID, frozenset(drops)),
        (State.FAILED, frozenset(drops | leave | {E.LEARNT})),
        (State.SUCCEEDED, frozenset({*drops, E.SUPERSEDED, E.LEARNT, *LOOKS_AGAIN})),
    }


def test_the_diagram_in_the_architecture_is_this_table() -> None:
    page = Path(__file__).parents[2] / "ARCHITECTURE.md"
    how = (
        "ARCHITECTURE.md must hold the machine's diagram in a ```mermaid block. Print it with "
        '`.venv/bin/python -c "from bot.machine import diagram; print(diagram())"` and paste it.'
    )
    assert page.exists(), how
    blocks = page.read_text(encoding="utf-8").split("```mermaid\n")[1:]
    assert machine.diagram() in [block.split("\n```")[0] for block in blocks], how


# What to do next -------------------------------------------------------------------------------

ACTIONS: dict[str, tuple[Callable[[], Story], object]] = {
    "a request is planned": (Story, MakePlan()),
    "who waits for approval is left alone": (lambda: Story().posted(), Wait()),
    "what is approved is looked at again": (lambda: Story().approved(), Preflight()),
    "first of all the values before are read": (lambda: Story().started(), Observe(ALL_STEPS[0])),
    "then maintenance goes on": (
        lambda: Story().up_to(Do.MAINTENANCE_ON),
        StartStep(ALL_STEPS[1]),
    ),
    "behind it the loss is measured": (lambda: Story().up_to(Do.MEASURE), Observe(ALL_STEPS[2])),
    "then the undo point is taken": (lambda: Story().up_to(Do.SAVE), StartStep(ALL_STEPS[3])),
    "then it is restored": (lambda: Story().up_to(Do.RESTORE), StartStep(ALL_STEPS[4])),
    "then it is checked offline": (
        lambda: Story().up_to(Do.CHECK, Phase.VERIFY),
        LookAround(ALL_STEPS[5]),
    ),
    "then maintenance goes off": (
        lambda: Story().up_to(Do.MAINTENANCE_OFF),
        StartStep(ALL_STEPS[6]),
    ),
    "then it is checked online": (
        lambda: Story().up_to(Do.CHECK, Phase.FINISH),
        LookAround(ALL_STEPS[7]),
    ),
    "the end of prepare is written": (
        lambda: (
            Story(planned(Do.BASELINE, Do.RESTORE, Do.CHECK))
            .started()
            .tell(E.BASELINE_TAKEN, n=1, findings=findings())
        ),
        Write(events.Prepared()),
    ),
    "the end of restore is written": (
        lambda: Story(planned(Do.RESTORE, Do.CHECK)).start(Do.RESTORE).tell(E.STEP_SUCCEEDED, n=1),
        Write(events.Restored()),
    ),
    "the end is written": (
        lambda: (
            Story(planned(Do.RESTORE, Do.CHECK))
            .up_to(Do.CHECK)
            .tell(E.CHECKS_PASSED, n=2, findings=findings(PASSED))
        ),
        Write(events.Succeeded()),
    ),
    "a checkpoint is said": (
        lambda: Story(CONFIRM_FIRST).started().tell(E.BASELINE_TAKEN, n=1, findings=findings()),
        Write(events.CheckpointReached()),
    ),
    "a stop comes before the next step": (
        lambda: Story().up_to(Do.RESTORE).tell(E.STOP_REQUESTED, BEN),
        Write(events.Stopped()),
    ),
    "who is paused is left alone": (lambda: Story().fail(Do.RESTORE), Wait()),
    "who is stuck is left alone": (lambda: Story().lose(Do.RESTORE), Wait()),
    "an end is an end": (lambda: Story().succeeded(), Wait()),
    "a failure is an end": (lambda: Story().fail(Do.RESTORE).tell(E.ENDED, BEN), Wait()),
    "a failure leaves maintenance when two say so": (
        lambda: Story().fail(Do.RESTORE).tell(E.ENDED, BEN).tell(E.LEAVE_AGREED, CY),
        StartStep(ALL_STEPS[6]),
    ),
    "a veto is an end": (lambda: Story().posted().tell(E.VETOED, BEN), Wait()),
    "a cancelled request is an end": (lambda: Story().posted().tell(E.CANCELLED, ANA), Wait()),
    "an expired request is an end": (lambda: Story().posted().tell(E.EXPIRED), Wait()),
    "a void approval is an end": (lambda: Story().approved().tell(E.VOIDED, why="moved"), Wait()),
    "a refused request is an end": (lambda: Story().tell(E.REFUSED, why="no such point"), Wait()),
}


@pytest.mark.parametrize("name", ACTIONS)
def test_what_to_do_next(name: str) -> None:
    story, action = ACTIONS[name]
    assert next_action(story().run) == action


def test_every_state_stands_among_the_actions() -> None:
    assert {story().run.state for story, _ in ACTIONS.values()} == set(State)


@pytest.mark.parametrize("do", [Do.MAINTENANCE_ON, Do.SAVE, Do.RESTORE, Do.MAINTENANCE_OFF])
def test_a_step_in_flight_is_found_and_never_started(do: Do) -> None:
    run = Story().start(do).run
    assert run.work.current is not None
    assert next_action(run) == FindStep(run.work.current)


def test_a_step_in_flight_is_found_before_a_stop_is_obeyed() -> None:
    story = Story().start(Do.RESTORE).tell(E.STOP_REQUESTED, BEN)
    assert isinstance(next_action(story.run), FindStep)


def test_a_failed_step_that_is_looked_at_again_is_found_and_never_started() -> None:
    story = Story().fail(Do.RESTORE).tell(E.RETRIED, BEN)
    assert next_action(story.run) == FindStep(story.run.work.steps[4])


def test_a_lost_step_that_is_looked_at_again_is_found_and_never_started() -> None:
    story = Story().lose(Do.RESTORE).tell(E.RETRIED, BEN)
    assert next_action(story.run) == FindStep(story.run.work.steps[4])


def test_a_step_that_never_happened_is_started() -> None:
    story = Story().start(Do.RESTORE).tell(E.STEP_ABSENT, n=5)
    assert next_action(story.run) == StartStep(ALL_STEPS[4])


def test_checks_that_did_not_pass_are_looked_at_again() -> None:
    story = Story().doubt().tell(E.RETRIED, BEN)
    assert next_action(story.run) == LookAround(ALL_STEPS[5])


@pytest.mark.parametrize("name", ACTIONS)
def test_a_run_wants_driving_unless_it_waits(name: str) -> None:
    story, action = ACTIONS[name]
    assert machine.wants_driving(story().run) == (action != Wait())


# When the clock ends it ------------------------------------------------------------------------

POSTED_AT = 2  # seconds into the story: planned, posted
QUORUM_AT = 4
DUE: dict[str, tuple[Callable[[], Story], datetime | None]] = {
    "a request that nobody plans": (Story, later(30 * 60)),
    "a plan whose card cannot be posted": (
        lambda: Story().tell(E.PLANNED, **plan_data(planned())),
        later(1800 + 30 * 60),
    ),
    "a posted card": (lambda: Story().posted(), later(POSTED_AT + 1800)),
    "an approval": (lambda: Story().approved(), later(QUORUM_AT + 300)),
    "a running run": (lambda: Story().started(), None),
    "a paused run": (lambda: Story().fail(Do.RESTORE), None),
    "a stuck run": (lambda: Story().lose(Do.RESTORE), None),
    "an ended run": (lambda: Story().succeeded(), None),
    "a rejected run": (lambda: Story().posted().tell(E.VETOED, BEN), None),
}


@pytest.mark.parametrize("name", DUE)
def test_when_the_clock_ends_it(name: str) -> None:
    story, due = DUE[name]
    assert machine.due_at(story().run) == due


def test_an_approval_is_overdue_from_the_very_moment_on() -> None:
    run = Story().approved().run
    due = later(QUORUM_AT + 300)
    millisecond = timedelta(milliseconds=1)
    assert [machine.overdue(run, at) for at in (due - millisecond, due, due + millisecond)] == [
        False,
        True,
        True,
    ]


def test_a_running_run_is_never_overdue() -> None:
    assert not machine.overdue(Story().started().run, T0 + timedelta(days=400))


# Folding ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ACTIONS)
def test_a_run_is_the_fold_over_its_events(name: str) -> None:
    told = ACTIONS[name][0]()
    assert machine.fold("RB-42", told.events) == told.run


@pytest.mark.parametrize("name", ACTIONS)
def test_events_fold_to_the_same_after_they_were_json(name: str) -> None:
    told = ACTIONS[name][0]()
    assert machine.fold("RB-42", [_through_json(event) for event in told.events]) == told.run


def _through_json(event: Event) -> Event:
    stored = encode(event.fact)
    data = json.loads(json.dumps(stored.data))
    return happened(E(stored.kind), event.at, event.by, data, event.seq)


def test_each_event_gives_the_run_its_seq_and_its_time() -> None:
    story = Story().posted()
    assert (story.run.seq, story.run.changed_at) == (3, later(2))


# Facts -----------------------------------------------------------------------------------------


def test_a_request_says_who_wants_what_and_where() -> None:
    event = requested(ANA, thread="17.1", ask_first=CY.id, undo_of="RB-41")
    run = machine.begin("RB-42", event)
    assert (run.request.target, run.request.requester, run.request.channel, run.request.reason) == (
        "orders",
        ANA,
        "C01INC",
        "totals are broken",
    )
    assert (run.request.thread, run.request.ask_first, run.request.undo_of, run.state) == (
        "17.1",
        CY.id,
        "RB-41",
        State.REQUESTED,
    )


def test_planned_fixes_the_plan_its_digest_its_steps_and_who_is_awaited() -> None:
    plan = planned()
    run = Story().tell(E.PLANNED, **plan_data(plan, awaited=[BEN.id, CY.id], target_down=True)).run
    assert (run.approval.plan, run.approval.digest, run.code) == (
        plan,
        codec.plan_digest(plan),
        codec.plan_digest(plan)[:8],
    )
    assert [record.step for record in run.work.steps] == list(plan.steps)
    assert (run.approval.awaited, run.approval.target_down) == ((BEN.id, CY.id), True)


def test_the_time_to_approve_begins_when_the_card_is_posted() -> None:
    run = Story().posted().run
    assert (run.approval.posted_at, run.approval.approve_by) == (later(2), later(1802))


def test_an_approval_keeps_who_and_by_which_marks() -> None:
    run = Story().posted().tell(E.APPROVED, BEN).run
    assert run.approval.given == (Approval(BEN.id, BEN.marks, later(3)),)


def test_approvals_add_up() -> None:
    run = Story().posted().tell(E.APPROVED, BEN).tell(E.APPROVED, CY).run
    assert [approval.person for approval in run.approval.given] == [BEN.id, CY.id]


def test_the_time_to_start_begins_with_the_quorum() -> None:
    assert Story().approved().run.approval.start_by == later(QUORUM_AT + 300)


def test_the_start_keeps_the_loss_as_it_is_then() -> None:
    grown = Loss(LossQuality.MEASURED, later(-1100), (Unit("orders", 230),))
    run = Story().approved().tell(E.STARTED, loss=codec.dump(Loss, grown)).run
    assert (run.work.loss, run.work.started_at, run.phase) == (grown, later(5), Phase.PREPARE)


def test_an_intent_touches_the_run() -> None:
    story = Story().up_to(Do.MAINTENANCE_ON)
    assert not story.run.work.touched
    assert story.tell(E.STEP_STARTED, n=2).run.work.touched


def test_reading_does_not_touch_the_run() -> None:
    story = Story(planned(Do.BASELINE, Do.RESTORE, Do.CHECK)).up_to(Do.RESTORE)
    assert not story.run.work.touched


def test_a_baseline_keeps_the_values_before() -> None:
    run = Story().up_to(Do.MAINTENANCE_ON).run
    assert run.work.before == (replace(PASSED, verdict=None, value=41),)
    assert run.work.steps[0].outcome is Outcome.SUCCEEDED


def test_a_measured_loss_replaces_the_one_from_the_start() -> None:
    assert Story().up_to(Do.SAVE).run.work.loss == LOSS


def test_a_loss_that_outgrew_the_ceiling_pauses_with_the_new_loss() -> None:
    much = Loss(LossQuality.MEASURED, later(-9000))
    run = (
        Story().up_to(Do.MEASURE).tell(E.LOSS_OUTGROWN, n=3, why="too much", loss=codec.dump(Loss, much)).run
    )
    assert (run.state, run.question.pause, run.why, run.work.loss) == (
        State.PAUSED,
        Pause.LOSS,
        "too much",
        much,
    )
    assert run.work.current is not None
    assert run.work.current.step.do is Do.MEASURE


def test_an_accepted_step_keeps_the_handle_to_ask_with() -> None:
    story = Story().start(Do.RESTORE).tell(E.STEP_ACCEPTED, n=5, handle={"job": 7})
    assert story.run.work.steps[4].handle == {"job": 7}


def test_a_step_begun_once_more_forgets_the_old_handle() -> None:
    story = Story().start(Do.RESTORE).tell(E.STEP_ACCEPTED, n=5, handle={"job": 7}).tell(E.STEP_ABSENT, n=5)
    assert story.tell(E.STEP_STARTED, n=5).run.work.steps[4].handle is None


def test_maintenance_is_on_from_the_first_that_succeeded_until_the_last_that_left() -> None:
    two = (
        Step(1, Phase.PREPARE, Do.MAINTENANCE_ON, "orders"),
        Step(2, Phase.PREPARE, Do.MAINTENANCE_ON, "search"),
        Step(3, Phase.RESTORE, Do.RESTORE, "orders"),
        Step(4, Phase.VERIFY, Do.CHECK, "orders"),
        Step(5, Phase.FINISH, Do.MAINTENANCE_OFF, "search"),
        Step(6, Phase.FINISH, Do.MAINTENANCE_OFF, "orders"),
    )
    story = Story(planned(steps=two)).start(Do.MAINTENANCE_ON).tell(E.STEP_SUCCEEDED, n=1)
    since = story.now
    story.tell(E.STEP_STARTED, n=2).tell(E.STEP_SUCCEEDED, n=2)
    assert story.run.work.maintenance_since == since
    story.start(Do.MAINTENANCE_OFF).tell(E.STEP_SUCCEEDED, n=5)
    assert story.run.work.in_maintenance
    story.tell(E.STEP_STARTED, n=6).tell(E.STEP_SUCCEEDED, n=6)
    assert (story.run.work.in_maintenance, story.run.work.maintenance_until) == (False, story.now)


def test_an_undo_point_is_kept_for_its_target() -> None:
    assert Story().up_to(Do.RESTORE).run.work.undo_points == {"orders": "u42"}


def test_a_backend_that_has_no_undo_point_leaves_none() -> None:
    story = Story().start(Do.SAVE).tell(E.STEP_SUCCEEDED, n=4, undo_point=None)
    assert story.run.work.undo_points == {}


def test_a_restored_run_ends_with_everything_known() -> None:
    run = Story().succeeded().run
    assert (run.state, run.work.live, run.work.in_maintenance, run.work.verdict) == (
        State.SUCCEEDED,
        Left.POINT,
        False,
        Verdict.PASSED,
    )
    assert run.end.at == run.changed_at


def test_a_veto_keeps_who_ended_it_and_the_reason_given_afterwards() -> None:
    story = Story().posted().tell(E.VETOED, BEN, why="")
    assert (story.run.end.by, story.run.end.at) == (BEN.id, story.now)
    assert story.tell(E.REASON_GIVEN, BEN, why="wrong release").run.why == "wrong release"


@pytest.mark.parametrize("kind", [E.VOIDED, E.EXPIRED])
def test_the_clock_and_the_driver_end_a_run_in_nobodys_name(kind: E) -> None:
    assert Story().approved().tell(kind, why="…").run.end.by == ""


# What is live ----------------------------------------------------------------------------------


def test_from_the_intent_on_nobody_knows_what_is_live() -> None:
    assert Story().start(Do.RESTORE).run.work.live is Left.UNKNOWN


def test_a_restore_that_never_happened_leaves_what_was_before() -> None:
    assert Story().start(Do.RESTORE).tell(E.STEP_ABSENT, n=5).run.work.live is Left.BEFORE


def test_a_restore_refused_at_once_leaves_what_was_before() -> None:
    assert Story().fail(Do.RESTORE, untouched=True).run.work.live is Left.BEFORE


def test_a_restore_that_failed_on_its_way_leaves_nobody_knows_what() -> None:
    assert Story().fail(Do.RESTORE).run.work.live is Left.UNKNOWN


def test_one_of_two_restores_is_neither_before_nor_the_point() -> None:
    story = Story(planned(steps=TWO_RESTORES)).start(Do.RESTORE)
    one = story.tell(E.STEP_SUCCEEDED, n=2).run
    both = story.tell(E.STEP_STARTED, n=3).tell(E.STEP_SUCCEEDED, n=3).run
    assert (one.work.live, both.work.live) == (Left.PARTIAL, Left.POINT)


def test_while_the_second_of_two_restores_is_under_way_nobody_knows_what_is_live() -> None:
    story = Story(planned(steps=TWO_RESTORES)).start(Do.RESTORE).tell(E.STEP_SUCCEEDED, n=2)
    assert story.tell(E.STEP_STARTED, n=3).run.work.live is Left.UNKNOWN


@pytest.mark.parametrize(
    ("ending", "data"),
    [(E.STEP_ABSENT, {}), (E.STEP_TAKEN_BACK, {}), (E.STEP_FAILED, {"left": "before"})],
)
def test_when_the_second_of_two_restores_does_nothing_the_first_still_stands(
    ending: E, data: dict[str, Any]
) -> None:
    story = Story(planned(steps=TWO_RESTORES)).start(Do.RESTORE).tell(E.STEP_SUCCEEDED, n=2)
    story.tell(E.STEP_STARTED, n=3).tell(ending, n=3, **data)
    assert story.run.work.live is Left.PARTIAL


# Paused ----------------------------------------------------------------------------------------


def test_a_failed_step_pauses_with_the_backends_words() -> None:
    run = Story().fail(Do.RESTORE).run
    assert (run.state, run.phase, run.question.pause, run.why) == (
        State.PAUSED,
        Phase.RESTORE,
        Pause.STEP_FAILED,
        "disk full",
    )


def test_a_failed_step_ends_the_run_where_the_procedure_says_stop() -> None:
    plan = planned(steps=steps(Do.RESTORE, Do.CHECK, on_failure=OnFailure.STOP))
    story = Story(plan).start(Do.RESTORE)
    failed = machine.failure(plan.steps[0], "disk full", Left.BEFORE)
    assert failed == events.StepStopped(1, "disk full", Left.BEFORE)
    run = story.add(failed).run
    assert (run.state, run.question.pause, run.why) == (State.FAILED, None, "disk full")


def test_a_checkpoint_asks_its_question() -> None:
    run = (
        Story(CONFIRM_FIRST)
        .started()
        .tell(E.BASELINE_TAKEN, n=1, findings=findings())
        .tell(E.CHECKPOINT_REACHED)
        .run
    )
    assert (run.state, run.question.pause, run.why) == (State.PAUSED, Pause.CHECKPOINT, "Is traffic drained?")


def test_a_yes_ends_the_checkpoint_in_the_name_of_people() -> None:
    story = (
        Story(CONFIRM_FIRST)
        .started()
        .tell(E.BASELINE_TAKEN, n=1, findings=findings())
        .tell(E.CHECKPOINT_REACHED)
    )
    record = story.tell(E.CONFIRMED, BEN).run.work.steps[1]
    assert (record.state, record.outcome, record.by_people) == (StepState.ENDED, Outcome.SUCCEEDED, True)


def test_a_stop_pauses_before_the_next_step() -> None:
    run = Story().up_to(Do.RESTORE).tell(E.STOP_REQUESTED, BEN).tell(E.HALTED).run
    assert (run.state, run.question.pause, run.work.stop_requested) == (State.PAUSED, Pause.STOPPED, False)


def test_a_yes_after_a_stop_ends_no_step() -> None:
    story = Story().up_to(Do.RESTORE).tell(E.STOP_REQUESTED, BEN).tell(E.HALTED).tell(E.CONFIRMED, BEN)
    assert next_action(story.tell(E.REVIEWED).run) == StartStep(ALL_STEPS[4])


def test_a_step_that_fails_after_a_stop_has_stopped_the_run() -> None:
    story = Story().start(Do.RESTORE).tell(E.STOP_REQUESTED, BEN).tell(E.STEP_FAILED, n=5, words="cancelled")
    assert not story.run.work.stop_requested


def test_a_stop_outlives_being_stuck() -> None:
    story = Story().start(Do.RESTORE).tell(E.STOP_REQUESTED, BEN).tell(E.STEP_LOST, n=5)
    story.tell(E.RETRIED, BEN).tell(E.STEP_SUCCEEDED, n=5)
    assert next_action(story.run) == Write(events.Stopped())


def test_waiting_since_stands_while_the_first_of_two_speaks() -> None:
    story = Story().doubt()
    since = story.now
    story.tell(E.CONTINUE_PROPOSED, ANA, why="…")
    assert story.run.question.since == since


def test_checks_that_fail_are_kept_with_the_reason() -> None:
    run = Story().doubt().run
    assert (run.question.pause, run.why, run.work.findings, run.work.verdict) == (
        Pause.CHECKS,
        "totals",
        (FAILED,),
        Verdict.FAILED,
    )


def test_the_newest_finding_of_a_check_replaces_the_older() -> None:
    story = Story().doubt(FAILED, replace(UNSEEN, name="rows"))
    story.tell(E.RETRIED, BEN).tell(E.CHECKS_PASSED, n=6, findings=findings(PASSED))
    assert {f.name: f.verdict for f in story.run.work.findings} == {
        "rows": Verdict.INCONCLUSIVE,
        "totals": Verdict.PASSED,
    }


def test_an_online_check_does_not_replace_the_offline_one_of_the_same_name() -> None:
    story = Story().up_to(Do.CHECK, Phase.FINISH)
    online = replace(PASSED, when=When.ONLINE)
    story.tell(E.CHECKS_PASSED, n=8, findings=findings(online))
    assert story.run.work.findings == (PASSED, online)


def test_going_on_against_the_checks_is_red_for_ever() -> None:
    story = Story().doubt().tell(E.CONTINUE_PROPOSED, ANA, why="…").tell(E.CONTINUED, BEN, why="…")
    assert (story.run.work.overridden, story.run.phase, story.run.question.proposals) == (
        True,
        Phase.FINISH,
        (),
    )
    run = story.succeeded().run
    assert (run.state, run.work.overridden, run.work.steps[5].outcome) == (
        State.SUCCEEDED,
        True,
        Outcome.FAILED,
    )


def test_the_first_of_two_is_remembered_with_the_reason() -> None:
    story = Story().doubt().tell(E.CONTINUE_PROPOSED, ANA, why="customers wait")
    assert story.run.question.proposals == (
        Proposal(Matter.CONTINUE, ANA.id, ANA.marks, "", story.now, "customers wait"),
    )


def test_a_look_again_takes_back_what_the_first_of_two_said() -> None:
    story = Story().doubt().tell(E.CONTINUE_PROPOSED, ANA, why="…").tell(E.RETRIED, BEN)
    assert story.run.question.proposals == ()


def test_a_paused_run_that_is_ended_fails() -> None:
    run = Story().fail(Do.RESTORE).tell(E.ENDED, BEN, why="enough", undone_by="RB-43").run
    assert (run.state, run.why, run.question.pause, run.end.undone_by, run.end.by) == (
        State.FAILED,
        "enough",
        None,
        "RB-43",
        BEN.id,
    )


# Too late to be as if never asked --------------------------------------------------------------

UNTOUCHED: dict[str, Callable[[], Story]] = {
    "awaiting approval": lambda: Story().posted(),
    "approved": lambda: Story().approved(),
    "running in prepare": lambda: Story().started(),
    "at a checkpoint in prepare": lambda: (
        Story(CONFIRM_FIRST)
        .started()
        .tell(E.BASELINE_TAKEN, n=1, findings=findings())
        .tell(E.CHECKPOINT_REACHED)
    ),
    "running in restore": lambda: Story(planned(Do.BASELINE, Do.RESTORE, Do.CHECK)).up_to(Do.RESTORE),
    "at a checkpoint in restore": lambda: (
        Story(
            planned(
                steps=(
                    Step(1, Phase.PREPARE, Do.BASELINE, "orders"),
                    Step(2, Phase.RESTORE, Do.CONFIRM, "orders", text="Sure?"),
                    Step(3, Phase.RESTORE, Do.RESTORE, "orders"),
                    Step(4, Phase.VERIFY, Do.CHECK, "orders"),
                )
            )
        )
        .started()
        .tell(E.BASELINE_TAKEN, n=1, findings=findings())
        .tell(E.PREPARED)
        .tell(E.CHECKPOINT_REACHED)
    ),
}
TOUCHED: dict[str, Callable[[], Story]] = {
    "while the first step runs": lambda: Story().start(Do.MAINTENANCE_ON),
    "after the first step": lambda: Story().up_to(Do.SAVE),
    "paused after a step": lambda: Story().fail(Do.MAINTENANCE_ON),
    "when the step turned out never to have happened": lambda: (
        Story().start(Do.MAINTENANCE_ON).tell(E.STEP_ABSENT, n=2)
    ),
    "while it restores": lambda: Story().start(Do.RESTORE),
    "paused while it restores": lambda: Story().fail(Do.RESTORE),
    "stuck": lambda: Story().lose(Do.RESTORE),
    "at the end": lambda: Story().succeeded(),
}


@pytest.mark.parametrize("kind", [E.VETOED, E.CANCELLED])
@pytest.mark.parametrize("name", UNTOUCHED)
def test_veto_and_cancel_end_a_run_that_touched_nothing(name: str, kind: E) -> None:
    run = UNTOUCHED[name]().tell(kind, BEN).run
    assert run.state is {E.VETOED: State.VETOED, E.CANCELLED: State.CANCELLED}[kind]
    assert (run.phase, run.work.live) == (None, Left.BEFORE)


@pytest.mark.parametrize("kind", [E.VETOED, E.CANCELLED])
@pytest.mark.parametrize("name", TOUCHED)
def test_veto_and_cancel_are_refused_once_an_intent_was_written(name: str, kind: E) -> None:
    story = TOUCHED[name]()
    before = story.run
    with pytest.raises(NotAllowed, match=f"RB-42 is .*: {kind} is not possible"):
        story.tell(kind, BEN)
    assert story.run == before


# Stuck -----------------------------------------------------------------------------------------


def test_a_lost_step_says_how_often_it_was_asked_for() -> None:
    run = Story().lose(Do.RESTORE).run
    assert (run.state, run.phase, run.why, run.question.times_asked) == (
        State.STUCK,
        Phase.RESTORE,
        "no answer",
        6,
    )


def test_two_say_the_point_is_live_so_it_goes_on_to_verify() -> None:
    story = Story().lose(Do.RESTORE).tell(E.RESOLVE_PROPOSED, ANA, answer="point")
    run = story.tell(E.RESOLVED_POINT, BEN, answer="point").run
    assert (run.state, run.work.live, run.question.proposals) == (State.RUNNING, Left.POINT, ())
    assert (run.work.steps[4].outcome, run.work.steps[4].by_people) == (Outcome.SUCCEEDED, True)
    assert next_action(run) == Write(events.Restored())


def test_two_say_as_before_so_it_waits_for_a_decision() -> None:
    story = Story().lose(Do.RESTORE).tell(E.RESOLVE_PROPOSED, ANA, answer="unchanged")
    run = story.tell(E.RESOLVED_UNCHANGED, BEN, answer="unchanged", why="I looked").run
    assert (run.state, run.work.live, run.question.pause, run.why) == (
        State.PAUSED,
        Left.BEFORE,
        Pause.AS_BEFORE,
        "I looked",
    )


def test_two_say_not_clear_yet_so_it_stays_stuck() -> None:
    story = Story().lose(Do.RESTORE).tell(E.RESOLVE_PROPOSED, ANA, answer="unclear")
    run = story.tell(E.RESOLVED_UNCLEAR, BEN, answer="unclear").run
    assert (run.state, run.work.live, run.question.proposals) == (State.STUCK, Left.UNKNOWN, ())
    assert run.work.steps[4].outcome is Outcome.LOST


def test_as_before_of_the_second_restore_does_not_unsay_the_first() -> None:
    story = Story(planned(steps=TWO_RESTORES)).start(Do.RESTORE).tell(E.STEP_SUCCEEDED, n=2)
    story.tell(E.STEP_STARTED, n=3).tell(E.STEP_LOST, n=3).tell(E.RESOLVED_UNCHANGED, BEN)
    assert story.run.work.live is Left.PARTIAL


def test_as_before_of_leaving_maintenance_does_not_unsay_the_restore() -> None:
    story = Story().lose(Do.MAINTENANCE_OFF).tell(E.RESOLVED_UNCHANGED, BEN)
    assert (story.run.work.live, story.run.work.in_maintenance) == (Left.POINT, True)


def test_a_lost_maintenance_that_is_on_counts_as_on() -> None:
    story = Story().lose(Do.MAINTENANCE_ON).tell(E.RESOLVED_POINT, BEN)
    assert (story.run.work.in_maintenance, story.run.work.live) == (True, Left.BEFORE)


def test_as_before_can_still_be_looked_at_again() -> None:
    story = Story().lose(Do.RESTORE).tell(E.RESOLVED_UNCHANGED, BEN).tell(E.RETRIED, ANA)
    assert isinstance(next_action(story.run), FindStep)


# What the bot may not or cannot drive ----------------------------------------------------------

DRIVEN: dict[str, tuple[Callable[[], Story], State]] = {
    "while it is planned": (Story, State.REFUSED),
    "before it starts": (lambda: Story().approved(), State.VOID),
    "between two steps": (lambda: Story().up_to(Do.RESTORE), State.PAUSED),
    "while a step is under way": (lambda: Story().start(Do.RESTORE), State.STUCK),
    "while maintenance is left": (lambda: failed_in_maintenance().tell(E.LEAVE_AGREED, BEN), State.FAILED),
    "while leaving is under way": (
        lambda: failed_in_maintenance().tell(E.LEAVE_AGREED, BEN).tell(E.STEP_STARTED, n=7),
        State.FAILED,
    ),
}


@pytest.mark.parametrize("name", DRIVEN)
def test_what_is_broken_off_waits_or_has_ended_and_says_why(name: str) -> None:
    before, state = DRIVEN[name]
    story = before()
    assert machine.wants_driving(story.run)
    run = machine.apply(story.run, machine.broken_off(story.run, "a secret is missing", later(99)))
    assert (run.state, run.why, machine.wants_driving(run)) == (state, "a secret is missing", False)


def test_a_run_that_was_broken_off_between_steps_goes_on_when_somebody_looks_again() -> None:
    story = Story().up_to(Do.RESTORE).tell(E.HALTED, why="a secret is missing")
    assert story.run.question.pause is Pause.HALTED
    assert next_action(story.tell(E.RETRIED, BEN).run) == Review()


def test_a_step_that_was_broken_off_is_lost_and_looked_for_when_somebody_looks_again() -> None:
    story = Story().start(Do.RESTORE).tell(E.DOUBTED, n=5, why="a secret is missing")
    assert (story.run.work.steps[4].outcome, story.run.work.live) == (Outcome.LOST, Left.UNKNOWN)
    assert next_action(story.tell(E.RETRIED, BEN).run) == FindStep(story.run.work.steps[4])


# Looking again after people were waited for ----------------------------------------------------


def test_after_a_wait_the_approval_is_looked_at_before_the_next_effect() -> None:
    story = Story(planned(Do.CONFIRM, Do.RESTORE, Do.CHECK)).started().tell(E.CHECKPOINT_REACHED)
    story.tell(E.CONFIRMED, BEN).tell(E.PREPARED)
    assert next_action(story.run) == Review()
    story.tell(E.REVIEWED, loss=codec.dump(Loss, LOSS))
    assert (next_action(story.run), story.run.work.loss) == (StartStep(story.run.work.steps[1].step), LOSS)


def test_a_review_that_finds_too_much_loss_pauses_before_the_restore() -> None:
    story = Story(planned(Do.CONFIRM, Do.RESTORE, Do.CHECK)).started().tell(E.CHECKPOINT_REACHED)
    story.tell(E.CONFIRMED, BEN).tell(E.PREPARED)
    run = story.tell(E.LOSS_OUTGROWN, why="too much", loss=codec.dump(Loss, LOSS)).run
    assert (run.state, run.phase, run.question.pause, run.why) == (
        State.PAUSED,
        Phase.RESTORE,
        Pause.LOSS,
        "too much",
    )


def test_once_something_was_restored_there_is_no_state_of_before_to_compare_with() -> None:
    story = Story(planned(steps=TWO_RESTORES)).start(Do.RESTORE).tell(E.STEP_SUCCEEDED, n=2)
    story.tell(E.STOP_REQUESTED, BEN).tell(E.HALTED).tell(E.CONFIRMED, BEN)
    assert next_action(story.run) == StartStep(TWO_RESTORES[2])


def test_bringing_it_back_online_needs_no_review() -> None:
    story = Story().fail(Do.MAINTENANCE_OFF).tell(E.RETRIED, BEN)
    assert isinstance(next_action(story.run), StartStep)


STANDSTILL = timedelta(seconds=300)  # as long as an approval may wait for its start


@pytest.mark.parametrize("still", [False, True])
def test_a_run_that_was_left_alone_too_long_before_its_restore_stood_still(still: bool) -> None:
    run = Story().up_to(Do.RESTORE).run
    assert run.changed_at is not None
    now = run.changed_at + STANDSTILL + timedelta(milliseconds=1 if still else 0)
    assert machine.stood_still(run, now) is still


@pytest.mark.parametrize(
    "story",
    [
        lambda: Story().approved(),
        lambda: Story().start(Do.MAINTENANCE_ON),
        lambda: Story().up_to(Do.CHECK),
        lambda: Story().fail(Do.RESTORE),
    ],
    ids=["not started", "a step under way", "restored", "people are waited for"],
)
def test_only_who_could_restore_next_can_have_stood_still(story: Callable[[], Story]) -> None:
    assert not machine.stood_still(story().run, later(999_999))


# Maintenance that failed -----------------------------------------------------------------------


@pytest.mark.parametrize(("do", "n"), [(Do.MAINTENANCE_ON, 2), (Do.MAINTENANCE_OFF, 7)])
def test_a_switch_that_failed_is_done_anew_under_another_name(do: Do, n: int) -> None:
    story = Story().fail(do).tell(E.RETRIED, BEN)
    record = story.run.work.steps[n - 1]
    assert (record.state, record.outcome, record.attempt, record.op) == (StepState.WAITING, None, 2, None)


def test_a_switch_that_was_lost_is_looked_for_under_its_own_name() -> None:
    story = Story().lose(Do.MAINTENANCE_ON).tell(E.RETRIED, BEN)
    assert next_action(story.run) == FindStep(story.run.work.steps[1])
    assert story.run.work.steps[1].attempt == 1


def test_a_switch_that_people_saw_undone_is_done_anew() -> None:
    story = Story().lose(Do.MAINTENANCE_OFF).tell(E.RESOLVED_UNCHANGED, BEN)
    assert story.run.work.steps[6].by_people
    story.tell(E.RETRIED, BEN)
    record = story.run.work.steps[6]
    assert (next_action(story.run), record.attempt, record.by_people) == (
        StartStep(ALL_STEPS[6]),
        2,
        False,
    )


def test_an_intent_keeps_the_name_under_which_it_was_written() -> None:
    story = Story().up_to(Do.RESTORE).tell(E.STEP_STARTED, n=5, op="k7f3.RB-42.5")
    assert story.run.work.steps[4].op == "k7f3.RB-42.5"
    story.tell(E.STEP_LOST, n=5, words="…").tell(E.RETRIED, BEN)
    assert story.run.work.steps[4].op == "k7f3.RB-42.5"
    assert story.tell(E.STEP_ABSENT, n=5).run.work.steps[4].op is None


# After our database was restored from a backup -------------------------------------------------


def remembered(story: Story) -> Story:
    """What is written about a run that the backup holds."""
    for event in machine.forgotten(story.run, story.now, "put back from a backup", "old"):
        story.add(event.fact)
    return story


@pytest.mark.parametrize(
    "story",
    [Story, lambda: Story().posted(), lambda: Story().approved()],
    ids=["asked", "posted", "approved"],
)
def test_what_had_not_begun_in_the_backup_is_void(story: Callable[[], Story]) -> None:
    run = remembered(story()).run
    assert (run.state, run.why, run.work.live) == (State.VOID, "put back from a backup", Left.UNKNOWN)


UNDER_WAY: dict[str, Callable[[], Story]] = {
    "a restore was under way": lambda: Story().start(Do.RESTORE),
    "maintenance was entered": lambda: Story().start(Do.MAINTENANCE_ON),
    "maintenance was left": lambda: Story().start(Do.MAINTENANCE_OFF),
    "between two steps": lambda: Story().up_to(Do.MEASURE),
    "nothing was begun": lambda: Story().started(),
    "maintenance could not be entered": lambda: Story().fail(Do.MAINTENANCE_ON),
    "maintenance could not be left": lambda: Story().fail(Do.MAINTENANCE_OFF),
    "it was stuck": lambda: Story().lose(Do.RESTORE),
    "only a look was left": lambda: Story().up_to(Do.CHECK, Phase.FINISH),
}
under_way = pytest.mark.parametrize("name", UNDER_WAY)


@under_way
def test_what_was_under_way_in_the_backup_is_stuck_until_people_say(name: str) -> None:
    run = remembered(UNDER_WAY[name]()).run
    assert (run.state, run.work.live, run.why) == (State.STUCK, Left.UNKNOWN, "put back from a backup")
    assert (run.work.touched, machine.in_flight(run), machine.wants_driving(run)) == (True, None, False)


@under_way
def test_looking_at_one_step_does_not_resolve_a_forgotten_run(name: str) -> None:
    story = remembered(UNDER_WAY[name]())
    with pytest.raises(NotAllowed):
        story.tell(E.RETRIED, BEN)


@under_way
def test_a_forgotten_run_whose_point_is_live_never_restores_and_is_brought_online(name: str) -> None:
    story = remembered(UNDER_WAY[name]()).tell(E.RESOLVED_POINT, BEN)
    assert story.run.work.live is Left.POINT
    begun = []
    while not isinstance(action := next_action(story.run), Wait):
        begun += [action.step.do] if isinstance(action, StartStep) else []
        for kind, data in went_well(action):
            story.tell(kind, **data)
    assert (story.run.state, story.run.work.live, story.run.work.in_maintenance) == (
        State.SUCCEEDED,
        Left.POINT,
        False,
    )
    assert begun in ([], [Do.MAINTENANCE_OFF])


@under_way
@pytest.mark.parametrize("onwards", [E.RETRIED, E.CONFIRMED, E.CONTINUED])
def test_a_forgotten_run_that_is_as_before_can_only_be_ended(name: str, onwards: E) -> None:
    story = remembered(UNDER_WAY[name]()).tell(E.RESOLVED_UNCHANGED, BEN)
    assert (story.run.state, story.run.question.pause, story.run.work.live) == (
        State.PAUSED,
        Pause.AS_BEFORE,
        Left.BEFORE,
    )
    with pytest.raises(NotAllowed):
        story.tell(onwards, BEN)
    assert story.tell(E.ENDED, BEN).run.state is State.FAILED


def test_a_failed_run_of_a_backup_leaves_maintenance_only_when_two_agree_anew() -> None:
    story = remembered(failed_in_maintenance().tell(E.LEAVE_AGREED, BEN).tell(E.STEP_STARTED, n=7))
    assert (story.run.state, next_action(story.run)) == (State.FAILED, Wait())
    assert next_action(story.tell(E.LEAVE_AGREED, CY).run) == StartStep(ALL_STEPS[6])


@pytest.mark.parametrize(
    "story",
    [lambda: Story().succeeded(), lambda: Story().posted().tell(E.VETOED, BEN)],
    ids=["succeeded", "vetoed"],
)
def test_what_had_ended_in_the_backup_has_ended(story: Callable[[], Story]) -> None:
    assert machine.forgotten(story().run, later(99), "…", "old") == ()


# Leaving maintenance after a failure -----------------------------------------------------------


def failed_in_maintenance() -> Story:
    return Story().fail(Do.RESTORE).tell(E.ENDED, BEN, why="enough")


def test_two_take_a_failed_run_out_of_maintenance() -> None:
    story = failed_in_maintenance().tell(E.LEAVE_PROPOSED, ANA, why="…").tell(E.LEAVE_AGREED, BEN, why="…")
    story.tell(E.STEP_STARTED, n=7).tell(E.STEP_SUCCEEDED, n=7)
    assert (story.run.state, story.run.work.in_maintenance, story.run.work.live) == (
        State.FAILED,
        False,
        Left.UNKNOWN,
    )
    assert next_action(story.run) == Wait()


def test_a_run_ends_only_once_whatever_follows() -> None:
    story = failed_in_maintenance()
    ended = story.run.end.at
    story.tell(E.LEAVE_AGREED, CY).tell(E.STEP_STARTED, n=7).tell(E.STEP_SUCCEEDED, n=7)
    assert (story.run.end.at, story.run.end.by) == (ended, BEN.id)


def test_two_may_leave_maintenance_that_could_not_be_left_before() -> None:
    story = Story().fail(Do.MAINTENANCE_OFF).tell(E.ENDED, BEN).tell(E.LEAVE_AGREED, CY)
    assert next_action(story.run) == StartStep(ALL_STEPS[6])


@pytest.mark.parametrize("ending", [E.STEP_FAILED, E.STEP_LOST])
def test_leaving_maintenance_may_be_tried_as_often_as_two_agree(ending: E) -> None:
    story = failed_in_maintenance()
    for _ in range(3):
        story.tell(E.LEAVE_AGREED, BEN).tell(E.STEP_STARTED, n=7).tell(ending, n=7, words="no")
        assert (story.run.end.leave_agreed, next_action(story.run)) == (False, Wait())
    assert story.tell(E.LEAVE_AGREED, BEN).run.work.in_maintenance
    assert next_action(story.run) == StartStep(ALL_STEPS[6])


def test_each_leaving_that_two_agreed_on_is_an_operation_of_its_own() -> None:
    story = failed_in_maintenance().tell(E.LEAVE_AGREED, BEN)
    first = story.run.work.steps[6]
    story.tell(E.STEP_STARTED, n=7).tell(E.STEP_FAILED, n=7).tell(E.LEAVE_AGREED, BEN)
    second = story.run.work.steps[6]
    assert op_id("k7f3", "RB-42", 7, first.attempt) == "k7f3.RB-42.7"
    assert op_id("k7f3", "RB-42", 7, second.attempt) == "k7f3.RB-42.7.2"


def test_a_leaving_in_flight_is_found_and_never_started() -> None:
    story = failed_in_maintenance().tell(E.LEAVE_AGREED, BEN).tell(E.STEP_STARTED, n=7)
    assert next_action(story.run) == FindStep(story.run.work.steps[6])


# Refusals --------------------------------------------------------------------------------------


def test_an_event_without_a_row_changes_nothing_and_says_so() -> None:
    story = Story()
    with pytest.raises(NotAllowed, match="RB-42 is requested: approved is not possible"):
        story.tell(E.APPROVED, BEN)


def test_a_checkpoint_cannot_be_reached_when_no_step_is_left() -> None:
    run: Run = having(Story().started().run, work_steps=())
    with pytest.raises(NotAllowed, match="no step left"):
        machine.apply(run, happened(E.CHECKPOINT_REACHED, T0, seq=9))


def test_a_plan_without_data_to_lose_is_a_plan_like_any_other() -> None:
    plan: Plan = planned(Do.BASELINE, Do.RESTORE, Do.CHECK, loss=NO_LOSS)
    assert Story(plan).succeeded().run.state is State.SUCCEEDED
