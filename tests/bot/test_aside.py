"""What a run makes beside its targets: a copy before maintenance, an undo point, and when both go again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot import machine, presses
from bot.configuration import Target
from bot.contract import Busy, Ended, Fate, Found, PointUnavailable, Unreachable
from bot.made import copies_of, has_made, may_be_live
from bot.model import Do, Goal, Left, Outcome, Plan, RestorePoint, State, Unit
from bot.run import Pause
from bot.suggesting import Hold
from tests.bot.configured import CAREFUL, configuration
from tests.bot.scripted import Play
from tests.bot.stories import LOSS, POINT, T0
from tests.people import ANA, BEN

MADE = frozenset({Do.PREPARE, Do.SAVE})
COPY = "copy-k7f3a91c.RB-42.1"
WEEK = CAREFUL.model_copy(update={"undo_days": 7})


def playing(drops: frozenset[Do] = MADE, target: Target = WEEK) -> Play:
    """With a backend that makes copies beside, and undo points that go after a week."""
    play = Play(configuration(target))
    able = play.backend.capabilities
    play.backend.capabilities = replace(able, does=able.does | MADE, switches=True, drops=drops)
    return play


@pytest.fixture
def play() -> Play:
    return playing()


async def preparing(play: Play, what: str = "takes_long") -> Play:
    """Approved, and in the middle of its copy somebody does something."""
    play.backend.preparing.starts = [what]
    await play.approved()
    return play


def moves_on(play: Play, live: str = "v43") -> None:
    """Somebody deploys while the copy is made."""

    async def deploy() -> None:
        play.backend.live = live

    play.backend.preparing.meanwhile = deploy


# The copy --------------------------------------------------------------------------------------


async def test_a_copy_is_made_before_maintenance_and_everything_is_looked_at_again(play: Play) -> None:
    await play.driven()
    assert play.journal.entries[4:18] == [
        "started",
        "step_started 1",
        "PREPARE orders p41",
        "step_accepted 1",
        "step_succeeded 1",
        "reviewed",
        "baseline_taken 2",
        "step_started 3",
        "MAINTENANCE_ON orders",
        "step_accepted 3",
        "step_succeeded 3",
        "loss_measured 4",
        "step_started 5",
        "SAVE orders",
    ]


async def test_the_restore_is_told_which_copy_was_made(play: Play) -> None:
    await play.driven()
    assert play.backend.works[-1].prepared == COPY


async def test_a_copy_that_became_what_is_live_is_never_dropped(play: Play) -> None:
    run = await play.driven()
    dropped = [record for record in run.work.steps if record.step.drops is Do.PREPARE]
    assert (run.state, play.backend.copies) == (State.SUCCEEDED, [COPY])
    assert not any(has_made(run, record.step) for record in dropped)


async def test_a_run_that_only_makes_its_copy_has_touched_nothing(play: Play) -> None:
    await preparing(play)

    async def look() -> None:
        assert not play.run.work.touched

    play.backend.preparing.meanwhile = look
    await play.drive()


@pytest.mark.parametrize("press", [presses.CANCEL, presses.VETO], ids=["cancel", "veto"])
async def test_who_says_no_while_the_copy_is_made_ends_the_run_and_the_copy_goes(
    play: Play, press: presses.Press
) -> None:
    await preparing(play)
    play.backend.preparing.meanwhile = lambda: play.press(BEN, press)
    run = await play.drive()
    assert run.state in {State.CANCELLED, State.VETOED}
    assert "cancel" in play.backend.preparing.asked
    run = await play.due()
    assert (play.backend.copies, machine.due(run)) == ([], None)


async def test_a_copy_that_was_ready_before_the_no_is_dropped_as_soon_as_the_clock_says(play: Play) -> None:
    await preparing(play)
    play.backend.preparing.cancels = [None]  # it could not be stopped
    play.backend.preparing.meanwhile = lambda: play.press(BEN, presses.CANCEL)
    assert (await play.drive()).state is State.CANCELLED
    assert play.backend.copies == [COPY]
    run = await play.due()
    assert (play.effects[-1], play.backend.copies) == (f"DROP orders {COPY}", [])
    assert (run.state, machine.due(run), machine.wants_driving(run)) == (State.CANCELLED, None, False)


async def test_what_differs_after_the_copy_voids_the_run_and_the_copy_goes(play: Play) -> None:
    await preparing(play)
    moves_on(play)
    run = await play.drive()
    assert (run.state, run.why) == (
        State.VOID,
        "`orders` changed since the plan was made: it was v42, now it is v43",
    )
    await play.due()
    assert (play.backend.live, play.backend.copies) == ("v43", [])


async def test_a_loss_that_outgrew_its_ceiling_while_the_copy_was_made_voids(play: Play) -> None:
    await preparing(play)

    async def grow() -> None:
        play.backend.loss = replace(LOSS, units=(Unit("orders", 9000),))

    play.backend.preparing.meanwhile = grow
    run = await play.drive()
    assert (run.state, run.work.touched) == (State.VOID, False)


async def test_trouble_that_passes_after_the_copy_is_waited_out(play: Play) -> None:
    await preparing(play)

    async def busy() -> None:
        play.backend.plans = [Busy("a backup is being made"), Busy("a backup is being made")]

    play.backend.preparing.meanwhile = busy
    run = await play.drive()
    assert (run.state, run.why) == (State.SUCCEEDED, "")
    assert "held_up" in play.kinds()


async def test_trouble_that_does_not_pass_in_time_voids_and_says_why(play: Play) -> None:
    await preparing(play)

    async def away() -> None:
        play.backend.plans = [Unreachable("db1 does not answer")] * 100

    play.backend.preparing.meanwhile = away
    run = await play.drive()
    assert (run.state, run.why) == (State.VOID, "db1 does not answer")


async def test_the_time_to_begin_counts_from_when_the_copy_was_ready(play: Play) -> None:
    play.backend.takes = timedelta(hours=3).total_seconds()
    await preparing(play)

    async def hours() -> None:
        play.clock.now += timedelta(hours=3)

    play.backend.preparing.meanwhile = hours
    assert (await play.drive()).state is State.SUCCEEDED


async def copied_in(play: Play, time: timedelta) -> Plan:
    """What is planned after a run whose copy took that long, by a backend that cannot say it beforehand."""
    play.backend.takes = timedelta(hours=3).total_seconds()
    await preparing(play)

    async def passes() -> None:
        play.clock.now += time

    play.backend.preparing.meanwhile = passes
    assert (await play.drive()).state is State.SUCCEEDED
    play.backend.takes, play.backend.live = None, "v42"
    return await play.planner().plan(play.configuration.targets["orders"], Goal(point=POINT.id))


def counted_in(plan: Plan) -> float:
    """The seconds that the approval covers for the copy."""
    covered = (plan.ceiling.seconds or 0.0) - (plan.loss.window(plan.made_at) or 0.0)
    return covered - plan.expires - plan.start_within


async def test_a_copy_is_expected_to_take_as_long_as_the_slowest_before_it_and_that_is_said(
    play: Play,
) -> None:
    plan = await copied_in(play, timedelta(minutes=10))
    assert counted_in(plan) == pytest.approx(600.0, abs=60.0)
    assert "Up to 10 min are counted in for the copy, as it took in RB-42" in plan.warnings


async def test_a_copy_that_was_found_late_is_counted_with_no_more_than_its_step_may_take(play: Play) -> None:
    plan = await copied_in(play, timedelta(hours=2))
    assert counted_in(plan) == pytest.approx(plan.steps[0].timeout)


async def test_a_copy_that_fails_pauses_with_everything_as_before(play: Play) -> None:
    await preparing(play)
    play.backend.preparing.polls = [Ended(False, Left.UNKNOWN, "disk full")]
    run = await play.drive()
    assert (run.state, run.question.pause, run.work.live) == (State.PAUSED, Pause.STEP_FAILED, Left.BEFORE)
    assert not run.work.touched


async def test_a_copy_that_nobody_can_tell_of_is_no_doubt_about_the_target(play: Play) -> None:
    await preparing(play, "answer_lost")
    play.backend.preparing.finds = [Found(Fate.UNKNOWN, "it was cut off")]
    run = await play.drive()
    assert (run.state, run.why, run.work.live) == (State.PAUSED, "it was cut off", Left.BEFORE)


async def test_a_copy_that_failed_is_made_anew_when_somebody_looks_again(play: Play) -> None:
    await preparing(play)
    play.backend.preparing.polls = [Ended(False, Left.UNKNOWN, "disk full")]
    await play.drive()
    play.backend.preparing.finds = [Found(Fate.FAILED, "disk full")]
    await play.press(ANA, presses.RETRY)
    run = await play.drive()
    assert (run.state, [work.op_id for work in play.backend.preparing.works]) == (
        State.SUCCEEDED,
        ["k7f3a91c.RB-42.1", "k7f3a91c.RB-42.1.2"],
    )


@pytest.mark.parametrize("how", ["takes", "takes_long", "answer_lost"])
async def test_killed_at_any_moment_with_a_copy_everything_is_done_once(how: str) -> None:
    whole = playing()
    whole.backend.preparing.starts = [how]
    await whole.driven()
    for moment in range(1, whole.journal.moments + 1):
        play = playing()
        play.backend.preparing.starts = [how, how]
        await play.approved()
        play.journal.kill_at = play.journal.moments + moment
        run = await play.drive_though_killed()
        assert (run.state, play.effects) == (State.SUCCEEDED, whole.effects), moment


# The undo point --------------------------------------------------------------------------------


async def kept_for_a_week(play: Play) -> Play:
    run = await play.driven()
    assert run.state is State.SUCCEEDED
    return play


async def test_an_undo_point_goes_when_its_days_are_over(play: Play) -> None:
    await kept_for_a_week(play)
    due = machine.due(play.run)
    assert due is not None
    assert due[0] == play.run.approval.plan.undo_until(play.run.end.at or T0)
    run = await play.due()
    assert (play.effects[-1], "undo-v42" in play.backend.offered) == ("DROP orders undo-v42", False)
    assert (run.state, run.work.live, machine.due(run)) == (State.SUCCEEDED, Left.POINT, None)


async def test_nothing_goes_where_nobody_has_written_down_how_long_it_is_kept() -> None:
    play = playing(target=CAREFUL)
    run = await play.driven()
    assert machine.due(run) is None


async def test_nothing_goes_that_the_backend_does_not_drop() -> None:
    play = playing(drops=frozenset())
    run = await play.driven()
    assert machine.due(run) is None


async def test_an_undo_point_stays_while_a_run_of_its_target_is_open(play: Play) -> None:
    await kept_for_a_week(play)
    await play.strike()
    first = play.run
    play.ask()
    run = await play.engine().drive(play.claim(first))
    kept = next(record for record in run.work.steps if record.step.drops is Do.SAVE)
    assert kept.words == "RB-43 is under way on `orders`."
    assert "undo-v42" in play.backend.offered


async def test_an_undo_point_that_is_not_among_the_newest_is_looked_at_as_closely(play: Play) -> None:
    await kept_for_a_week(play)
    saved = play.backend.offered.pop("undo-v42")
    newer = {f"b{n}": RestorePoint(f"b{n}", T0 + timedelta(days=1)) for n in range(60)}
    play.backend.offered |= newer | {saved.id: replace(saved, at=T0 - timedelta(days=30))}
    run = await play.due()
    kept = next(record for record in run.work.steps if record.step.drops is Do.SAVE)
    assert kept.words == "It is older than RB-42, so the backend had it already."


async def test_what_is_kept_for_longer_is_looked_at_again(play: Play) -> None:
    await kept_for_a_week(play)
    play.notes.held = (Hold("orders", "undo-v42", "RB-40", T0),)
    await play.due()
    assert play.effects[-1] != "DROP orders undo-v42"
    play.notes.held = ()
    run = await play.due()
    assert (play.effects[-1], run.state) == ("DROP orders undo-v42", State.SUCCEEDED)


async def test_a_backend_that_is_away_is_asked_to_drop_again_later(play: Play) -> None:
    await kept_for_a_week(play)
    play.backend.dropping.starts = [Unreachable("db1 does not answer")]
    run = await play.due()
    dropping = next(record for record in run.work.steps if record.step.drops is Do.SAVE)
    assert (dropping.words, machine.wants_driving(run)) == ("db1 does not answer", False)
    await play.due()
    assert play.effects[-1] == "DROP orders undo-v42"


async def test_killed_at_any_moment_while_it_is_dropped_it_is_dropped_once() -> None:
    whole = await kept_for_a_week(playing())
    await whole.strike()
    before = whole.journal.moments
    await whole.drive()
    for moment in range(1, whole.journal.moments - before + 1):
        play = await kept_for_a_week(playing())
        await play.strike()
        play.journal.kill_at = play.journal.moments + moment
        run = await play.drive_though_killed()
        assert (run.state, play.effects.count("DROP orders undo-v42")) == (State.SUCCEEDED, 1), moment


async def test_a_drop_that_fails_changes_nothing_of_how_the_run_ended(play: Play) -> None:
    await kept_for_a_week(play)
    play.backend.dropping.polls = [Ended(False, Left.UNKNOWN, "it holds something else")]
    run = await play.due()
    assert (run.state, run.why, run.question.pause) == (State.SUCCEEDED, "", None)
    kept = next(record for record in run.work.steps if record.step.drops is Do.SAVE)
    assert (kept.words, kept.outcome) == ("it holds something else", None)


async def test_a_drop_that_failed_is_tried_again_a_day_later_under_another_op_id(play: Play) -> None:
    await kept_for_a_week(play)
    play.backend.dropping.polls = [Ended(False, Left.UNKNOWN, "503 Service Unavailable")]
    failed_at = (await play.due()).changed_at
    due = machine.due(play.run)
    assert failed_at is not None
    assert due is not None
    assert due[0] - failed_at == timedelta(days=1)
    run = await play.due()
    dropping = next(record for record in run.work.steps if record.step.drops is Do.SAVE)
    assert (dropping.attempt, dropping.outcome) == (2, Outcome.SUCCEEDED)
    assert ("undo-v42" in play.backend.offered, machine.due(run)) == (False, None)


async def test_a_drop_that_never_works_ends_after_a_week_and_says_so(play: Play) -> None:
    await kept_for_a_week(play)
    play.backend.dropping.polls = [Ended(False, Left.UNKNOWN, "access denied")] * 7
    for _ in range(6):
        await play.due()
    run = await play.due()
    kept = next(record for record in run.work.steps if record.step.drops is Do.SAVE)
    assert (kept.outcome, kept.words, machine.due(run)) == (Outcome.FAILED, "access denied", None)


async def test_what_is_gone_already_is_not_tried_again(play: Play) -> None:
    await kept_for_a_week(play)
    play.backend.dropping.starts = [PointUnavailable("somebody has removed it")]
    run = await play.due()
    kept = next(record for record in run.work.steps if record.step.drops is Do.SAVE)
    assert (kept.outcome, kept.words, machine.due(run)) == (Outcome.FAILED, "somebody has removed it", None)


async def test_a_copy_of_an_earlier_attempt_is_dropped_as_well(play: Play) -> None:
    await preparing(play)
    play.backend.preparing.polls = [Ended(False, Left.UNKNOWN, "disk full")]
    await play.drive()
    play.backend.preparing.finds = [Found(Fate.FAILED, "disk full")]
    await play.press(ANA, presses.RETRY)
    assert (await play.drive()).state is State.SUCCEEDED
    run = await play.due()
    assert play.effects[-1] == "DROP orders k7f3a91c.RB-42.1"
    assert not [record for record in run.work.steps if record.step.drops is Do.PREPARE and not record.outcome]


async def test_all_copies_go_of_a_run_that_ends_without_them(play: Play) -> None:
    await preparing(play)
    play.backend.preparing.polls = [Ended(False, Left.UNKNOWN, "disk full")]
    await play.drive()
    play.backend.preparing.finds = [Found(Fate.FAILED, "disk full")]
    await play.press(ANA, presses.RETRY)
    moves_on(play)
    assert (await play.drive()).state is State.VOID
    await play.due()
    run = await play.due()
    second = COPY.replace(".1", ".1.2")
    assert play.effects[-2:] == ["DROP orders k7f3a91c.RB-42.1", f"DROP orders {second}"]
    assert (play.backend.copies, machine.due(run)) == ([], None)


@pytest.mark.parametrize(
    ("left", "by_run", "kept", "goes"),
    [
        (Left.POINT, None, True, False),
        (Left.POINT, "RB-43", True, False),
        (Left.UNKNOWN, None, True, False),
        (Left.PARTIAL, None, True, False),
        (Left.UNKNOWN, "RB-43", False, True),
        (Left.BEFORE, None, False, True),
    ],
)
async def test_a_copy_that_may_be_live_is_kept_and_goes_when_another_run_has_moved_the_target(
    play: Play, left: Left, by_run: str | None, kept: bool, goes: bool
) -> None:
    run = await play.driven()
    steps = tuple(replace(r, left=left) if r.step.do is Do.RESTORE else r for r in run.work.steps)
    ended = replace(run, work=replace(run.work, steps=steps), end=replace(run.end, superseded_by=by_run))
    assert (may_be_live(ended, "orders"), copies_of(ended, "orders")) == (kept, (COPY,) * goes)
