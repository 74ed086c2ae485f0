"""The one loop: intent, act, outcome. The world is scripted, the records keep the rules, time is turned."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from backends.programs.spool import ELSEWHERE
from bot import machine, presses
from bot.asking import ASKED_AT_MOST_TIMES, ASKED_EVERY_SECONDS
from bot.configuration import Declared, Procedure, ProcedureStep, Rule
from bot.contract import (
    Blocked,
    Busy,
    Denied,
    Ended,
    Fate,
    Found,
    OutcomeUnknown,
    Progress,
    StateChanged,
    Unreachable,
)
from bot.effects import BEGUN_AT_MOST_TIMES
from bot.envelope import Event
from bot.errors import ClaimLost, PermanentError, StaleRun, TemporaryError
from bot.event_kinds import EventKind as E
from bot.events import StepStarted
from bot.machine import NotAllowed
from bot.model import (
    Do,
    Fence,
    Finding,
    Goal,
    Left,
    Loss,
    LossQuality,
    OnFailure,
    Phase,
    Purpose,
    State,
    Unit,
    Verdict,
    When,
)
from bot.policy import Entitled
from bot.run import Pause, Run
from tests.bot.configured import CAREFUL, MAINTENANCE, OFFLINE, ask, configuration, restoring, target
from tests.bot.scripted import Backend, Killed, Notebook, Play, Scripted
from tests.bot.stories import LOSS, T0, happened, later, retold
from tests.people import ANA, BEN, CY

MANY_TIMES = 100
MUCH = replace(LOSS, units=(Unit("orders", 9000),))


# All goes well ---------------------------------------------------------------------------------


async def test_each_effect_stands_between_its_intent_and_its_outcome(careful: Play) -> None:
    await careful.driven()
    assert careful.journal.entries == [
        "planned",
        "posted",
        "approved",
        "quorum_reached",
        "started",
        "baseline_taken 1",
        "step_started 2",
        "MAINTENANCE_ON orders",
        "step_accepted 2",
        "step_succeeded 2",
        "loss_measured 3",
        "step_started 4",
        "SAVE orders",
        "step_accepted 4",
        "step_succeeded 4",
        "prepared",
        "step_started 5",
        "RESTORE orders p41",
        "step_accepted 5",
        "step_succeeded 5",
        "restored",
        "checks_passed 6",
        "step_started 7",
        "MAINTENANCE_OFF orders",
        "step_accepted 7",
        "step_succeeded 7",
        "checks_passed 8",
        "succeeded",
    ]


async def test_the_world_and_the_run_agree_at_the_end(careful: Play) -> None:
    run = await careful.driven()
    assert (run.state, run.work.live, run.work.in_maintenance) == (State.SUCCEEDED, Left.POINT, False)
    assert (careful.backend.live, run.work.undo_points) == ("p41", {"orders": "undo-v42"})


async def test_an_intent_says_what_will_be_done_under_which_name(play: Play) -> None:
    run = await play.driven()
    intents = [event for event in play.notes.runs[run.id] if event.kind is E.STEP_STARTED]
    assert intents[-1].fact == StepStarted(3, "k7f3a91c.RB-42.3", None, Do.RESTORE, "orders", "p41")


async def test_the_driver_waits_for_people_without_doing_anything(play: Play) -> None:
    run = await play.planned()
    assert (run.state, play.effects) == (State.AWAITING_APPROVAL, [])


async def test_an_ended_run_is_left_alone(play: Play) -> None:
    await play.driven()
    before = list(play.journal.entries)
    await play.drive()
    assert play.journal.entries == before


# Killed at any moment --------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["takes", "takes_long", "answer_lost"])
async def test_killed_at_any_one_moment_everything_is_done_once(how: str) -> None:
    whole = Play(configuration(CAREFUL))
    whole.backend.starts = [how, how]
    await whole.driven()
    for moment in range(1, whole.journal.moments + 1):
        play = Play(configuration(CAREFUL))
        play.backend.starts = [how, how]
        await play.approved()
        play.journal.kill_at = play.journal.moments + moment
        run = await play.drive_though_killed()
        assert run.state is State.SUCCEEDED, moment
        assert play.effects == whole.effects, moment


async def test_killed_at_any_two_moments_everything_is_done_once() -> None:
    whole = Play()
    await whole.driven()
    for first in range(1, whole.journal.moments + 1):
        for second in (1, 2, 3):
            play = Play()
            await play.approved()
            play.journal.kill_at = play.journal.moments + first
            try:
                await play.drive()
            except Killed:
                play.journal.kill_at = play.journal.moments + second
            await play.drive_though_killed()
            assert play.effects == whole.effects, (first, second)


async def begun_by_another(play: Play, operation: Scripted) -> None:
    """A worker that takes op ids at a place of its own dies before it has begun what it announced."""
    await play.approved()
    operation.place = "one"
    operation.starts = [Killed()]
    with pytest.raises(Killed):
        await play.drive()
    operation.place = "another"


async def test_what_another_worker_announced_where_only_it_can_look_is_never_begun_here(play: Play) -> None:
    await begun_by_another(play, play.backend)
    run = await play.drive()
    assert (run.state, run.why) == (State.STUCK, ELSEWHERE)
    assert play.backend.asked.count("start") == 1


async def test_maintenance_that_another_worker_announced_is_never_switched_here(careful: Play) -> None:
    switch = careful.world.maintenance("orders", Do.MAINTENANCE_ON)
    await begun_by_another(careful, switch)
    run = await careful.drive()
    assert (run.state, run.why, switch.asked.count("start")) == (State.STUCK, ELSEWHERE, 1)


async def test_the_worker_that_announced_it_begins_it_after_its_own_crash(play: Play) -> None:
    await begun_by_another(play, play.backend)
    play.backend.place = "one"
    run = await play.drive()
    assert (run.state, play.backend.asked.count("start")) == (State.SUCCEEDED, 2)


async def test_looked_at_again_by_the_worker_that_announced_it_a_stuck_run_goes_on(play: Play) -> None:
    await begun_by_another(play, play.backend)
    await play.drive()
    play.backend.place = "one"
    await play.press(ANA, presses.RETRY)
    assert (await play.drive()).state is State.SUCCEEDED


@pytest.mark.parametrize(
    ("found", "seen"),
    [
        (None, False),
        (Found(Fate.ABSENT), False),
        (TemporaryError("it does not answer"), False),
        (PermanentError("it says nonsense"), False),
        *((Found(fate), True) for fate in (Fate.IN_FLIGHT, Fate.DONE, Fate.FAILED, Fate.OVERTAKEN)),
    ],
    ids=str,
)
async def test_what_another_worker_has_begun_is_seen_only_where_it_is_found_that_it_happened(
    play: Play, found: Found | Exception | None, seen: bool
) -> None:
    await begun_by_another(play, play.backend)
    play.backend.finds = [found] if found else []
    assert await sees(play) is seen


async def test_under_other_settings_nothing_is_seen_of_what_another_worker_has_begun(play: Play) -> None:
    await begun_by_another(play, play.backend)
    play.backend.finds = [Found(Fate.DONE)]
    play.configuration = configuration(target("stock"))
    assert not await sees(play)


async def sees(play: Play) -> bool:
    begun = machine.in_flight(play.run)
    assert begun is not None
    return await play.engine().sees(play.claim(), begun)


async def test_an_undo_point_is_saved_once_though_its_driver_dies(careful: Play) -> None:
    await careful.approved()
    careful.backend.saving.starts = ["takes_long"]
    careful.backend.saving.meanwhile = _dies
    with pytest.raises(Killed):
        await careful.drive()
    run = await careful.drive()
    assert (run.state, run.work.undo_points) == (State.SUCCEEDED, {"orders": "undo-v42"})
    assert careful.effects.count("SAVE orders") == 1


async def test_what_was_accepted_is_asked_for_by_its_handle_after_a_kill(play: Play) -> None:
    await play.approved()
    play.backend.starts = ["takes_long"]
    play.backend.meanwhile = _dies
    with pytest.raises(Killed):
        await play.drive()
    await play.drive()
    assert play.backend.handles == [{"job": "k7f3a91c.RB-42.3"}] * len(play.backend.handles)
    assert play.backend.asked.count("start") == 1


async def _dies() -> None:
    raise Killed


# What becomes of a step ------------------------------------------------------------------------


async def test_a_lost_answer_is_found_done(play: Play) -> None:
    play.backend.starts = ["answer_lost"]
    run = await play.driven()
    assert (run.state, play.backend.asked.count("start")) == (State.SUCCEEDED, 1)


async def test_what_is_found_in_flight_is_followed_to_its_end(play: Play) -> None:
    play.backend.starts = ["takes_long"]
    run = await play.driven()
    assert (run.state, play.effects[-1]) == (State.SUCCEEDED, "RESTORE orders p41")


async def test_an_op_id_that_was_taken_before_is_found_and_not_started(play: Play) -> None:
    await play.approved()
    play.backend.fates["k7f3a91c.RB-42.3"] = Fate.DONE
    play.backend.live = "v42"
    run = await play.drive()
    assert "RESTORE orders p41" not in play.effects
    assert run.work.steps[2].words == "it is done"


async def test_what_never_arrived_is_started_again(play: Play) -> None:
    play.backend.starts = ["never_arrives"]
    run = await play.driven()
    assert (run.state, play.backend.asked.count("start")) == (State.SUCCEEDED, 2)
    assert "step_absent" in play.kinds()


async def test_what_never_arrives_is_not_started_for_ever(play: Play) -> None:
    play.backend.starts = ["never_arrives"] * 99
    run = await play.driven()
    assert play.backend.asked.count("start") == BEGUN_AT_MOST_TIMES
    assert (run.state, run.question.pause, run.work.live) == (
        State.PAUSED,
        Pause.STEP_FAILED,
        Left.BEFORE,
    )
    assert run.why == "begun 3 times, it never arrived at the backend"


async def test_absent_is_not_believed_of_a_backend_that_does_not_take_the_op_id(play: Play) -> None:
    play.backend.capabilities = replace(play.backend.capabilities, fence=Fence.NONE)
    play.backend.starts = ["never_arrives"]
    run = await play.driven()
    assert (run.state, play.backend.asked.count("start")) == (State.STUCK, 1)


async def test_of_a_backend_where_it_may_land_late_absent_is_believed_after_a_while(play: Play) -> None:
    play.backend.capabilities = replace(play.backend.capabilities, fence=Fence.ONCE, settles=30.0)
    play.backend.starts = ["never_arrives"]
    await play.approved()
    before = play.clock()
    run = await play.drive()
    assert (run.state, play.backend.asked.count("start")) == (State.SUCCEEDED, 2)
    assert (play.clock() - before).total_seconds() >= 30


async def test_what_lands_late_is_found_and_not_sent_twice(play: Play) -> None:
    play.backend.capabilities = replace(play.backend.capabilities, fence=Fence.ONCE, settles=30.0)
    play.backend.starts = ["answer_lost"]
    play.backend.finds = [Found(Fate.ABSENT, "not there yet")]
    run = await play.driven()
    assert (run.state, play.backend.asked.count("start")) == (State.SUCCEEDED, 1)


async def test_where_it_may_land_late_nothing_is_called_untouched(play: Play) -> None:
    play.backend.capabilities = replace(play.backend.capabilities, fence=Fence.ONCE, settles=30.0)
    play.backend.starts = ["never_arrives"] * 99
    run = await play.driven()
    assert (run.state, run.work.live) == (State.STUCK, Left.UNKNOWN)
    assert run.why == "begun 3 times, it never arrived at the backend; what was sent may still arrive"


async def test_a_refusal_after_something_was_sent_is_no_word_on_what_was_sent(play: Play) -> None:
    play.backend.capabilities = replace(play.backend.capabilities, fence=Fence.ONCE, settles=30.0)
    play.backend.starts = ["never_arrives", StateChanged("v43 is live now")]
    run = await play.driven()
    assert (run.state, run.work.live) == (State.STUCK, Left.UNKNOWN)


async def test_what_never_arrived_is_barred_before_it_is_called_untouched(play: Play) -> None:
    play.backend.starts = ["never_arrives"] * 99
    run = await play.driven()
    assert play.backend.asked[-2:] == ["bar", "find"]
    assert (await play.backend.find(play.backend.works[-1])).fate is Fate.FAILED
    assert run.work.live is Left.BEFORE


async def test_what_was_barred_is_begun_anew_once_somebody_has_looked_again(play: Play) -> None:
    play.backend.starts = ["never_arrives"] * BEGUN_AT_MOST_TIMES
    await play.driven()
    await play.press(BEN, presses.RETRY)
    run = await play.drive()
    assert (run.state, list(play.backend.fates)) == (
        State.SUCCEEDED,
        ["k7f3a91c.RB-42.3", "k7f3a91c.RB-42.3.2"],
    )


async def test_what_cannot_be_barred_is_not_called_untouched(play: Play) -> None:
    play.backend.starts = ["never_arrives"] * 99
    play.backend.bars = [Unreachable("no route")] * ASKED_AT_MOST_TIMES
    run = await play.driven()
    assert (run.state, run.work.live, run.why) == (State.STUCK, Left.UNKNOWN, "no route")


async def test_what_was_there_before_it_could_be_barred_counts(play: Play) -> None:
    play.backend.starts = ["never_arrives"] * 99
    play.backend.bars = [Found(Fate.FAILED, "disk full", left=Left.PARTIAL)]
    run = await play.driven()
    assert (run.state, run.work.live, run.why) == (State.PAUSED, Left.PARTIAL, "disk full")


async def test_absent_is_believed_of_a_maintenance_command(careful: Play) -> None:
    careful.backend.capabilities = replace(careful.backend.capabilities, fence=Fence.NONE)
    careful.world.maintenance("orders", Do.MAINTENANCE_ON).starts = ["never_arrives"]
    assert (await careful.driven()).state is State.SUCCEEDED


async def test_what_was_overtaken_has_failed(play: Play) -> None:
    play.backend.starts = ["never_arrives"]
    play.backend.finds = [Found(Fate.OVERTAKEN, "somebody deployed v43 since")]
    run = await play.driven()
    assert (run.state, run.question.pause, run.why) == (
        State.PAUSED,
        Pause.STEP_FAILED,
        "somebody deployed v43 since",
    )


async def test_what_was_found_failed_has_failed_and_nobody_knows_what_is_live(play: Play) -> None:
    play.backend.starts = ["never_arrives"]
    play.backend.finds = [Found(Fate.FAILED, "disk full")]
    run = await play.driven()
    assert (run.state, run.why, run.work.live) == (State.PAUSED, "disk full", Left.UNKNOWN)


@pytest.mark.parametrize("left", list(Left))
async def test_a_restore_that_failed_has_left_what_the_backend_says(play: Play, left: Left) -> None:
    play.backend.polls = [Ended(False, left, "exit code 3")]
    assert (await play.driven()).work.live is left


@pytest.mark.parametrize(
    "refusal", [Busy("locked"), Unreachable("no route"), StateChanged("v43"), Denied("no")]
)
async def test_a_refusal_before_anything_was_sent_leaves_it_as_before(play: Play, refusal: Exception) -> None:
    play.backend.starts = [refusal] * MANY_TIMES
    run = await play.driven()
    assert (run.state, run.question.pause, run.why, run.work.live) == (
        State.PAUSED,
        Pause.STEP_FAILED,
        str(refusal),
        Left.BEFORE,
    )
    assert "RESTORE orders p41" not in play.effects


@pytest.mark.parametrize("trouble", [Busy("locked by an export"), Unreachable("no route")])
async def test_what_passes_is_waited_out_before_a_step_begins_and_is_said(
    play: Play, trouble: Exception
) -> None:
    play.backend.starts = [trouble] * 3
    run = await play.driven()
    assert (run.state, play.effects.count("RESTORE orders p41")) == (State.SUCCEEDED, 1)
    assert {"words": f"tried again: {trouble}"} in play.notes.progressed


async def test_who_stops_while_trouble_is_waited_out_is_heard(play: Play) -> None:
    play.backend.starts = [Busy("locked")] * MANY_TIMES
    await play.approved()
    play.clock.meanwhile = lambda: play.press(ANA, presses.CANCEL)
    run = await play.drive()
    assert (run.state, run.work.live) == (State.PAUSED, Left.BEFORE)
    assert play.backend.asked.count("start") < 3


async def test_a_failure_ends_the_run_where_the_procedure_says_stop() -> None:
    step = ProcedureStep(phase=Phase.RESTORE, on_failure=OnFailure.STOP)
    known = configuration(target(procedure="quick"), procedures={"quick": Procedure(steps=(step,))})
    play = Play(known)
    play.backend.starts = [Denied("no")]
    assert (await play.driven()).state is State.FAILED


async def test_a_failed_step_that_is_looked_at_again_is_started_only_because_it_is_absent(play: Play) -> None:
    play.backend.starts = [Blocked("an export runs")]
    await play.driven()
    play.backend.asked.clear()
    await play.press(BEN, presses.RETRY)
    run = await play.drive()
    assert (run.state, play.backend.asked[:2]) == (State.SUCCEEDED, ["find", "start"])


async def test_a_backend_that_cannot_be_asked_leaves_the_run_stuck(play: Play) -> None:
    play.backend.starts = ["answer_lost"]
    play.backend.finds = [Unreachable("no route")] * 99
    run = await play.driven()
    assert (run.state, run.why, run.question.times_asked, run.work.live) == (
        State.STUCK,
        "no route",
        ASKED_AT_MOST_TIMES,
        Left.UNKNOWN,
    )


async def test_it_is_asked_a_few_times_with_pauses_between(play: Play) -> None:
    await play.approved()
    play.backend.starts = ["answer_lost"]
    play.backend.finds = [Unreachable("no route")] * 99
    before = play.clock()
    await play.drive()
    assert play.clock() - before == timedelta(seconds=ASKED_EVERY_SECONDS * (ASKED_AT_MOST_TIMES - 1))


async def test_a_backend_that_answers_in_the_end_is_believed(play: Play) -> None:
    play.backend.starts = ["answer_lost"]
    play.backend.finds = [Unreachable("no route"), OutcomeUnknown("cut off")]
    assert (await play.driven()).state is State.SUCCEEDED


async def test_a_backend_that_cannot_tell_is_not_asked_again(play: Play) -> None:
    play.backend.starts = ["answer_lost"]
    play.backend.finds = [PermanentError("the marker is gone")] * 99
    run = await play.driven()
    assert (run.state, run.question.times_asked, run.why) == (State.STUCK, 1, "the marker is gone")


async def test_a_stuck_run_does_nothing_until_people_say(play: Play) -> None:
    play.backend.starts = ["answer_lost"]
    play.backend.finds = [Unreachable("no route")] * ASKED_AT_MOST_TIMES
    await play.driven()
    effects = list(play.effects)
    assert (await play.drive()).state is State.STUCK
    assert play.effects == effects


async def test_a_stuck_run_goes_on_to_verify_when_two_say_that_the_point_is_live(play: Play) -> None:
    play.backend.starts = ["answer_lost"]
    play.backend.finds = [Unreachable("no route")] * ASKED_AT_MOST_TIMES
    await play.driven()
    await play.press(ANA, presses.RESOLVE, answer="point")
    await play.press(BEN, presses.RESOLVE, answer="point")
    run = await play.drive()
    assert (run.state, play.backend.asked.count("start")) == (State.SUCCEEDED, 1)


# Following -------------------------------------------------------------------------------------


async def test_a_poll_without_an_answer_is_asked_again(play: Play) -> None:
    play.backend.starts = ["takes_long"]
    play.backend.polls = [Unreachable("no route"), Busy("locked")]
    assert (await play.driven()).state is State.SUCCEEDED


async def test_a_poll_that_no_longer_knows_asks_what_became_of_it(play: Play) -> None:
    play.backend.polls = [OutcomeUnknown("the job is gone")]
    run = await play.driven()
    assert (run.state, play.backend.asked.count("find")) == (State.SUCCEEDED, 1)


async def test_a_poll_that_no_longer_knows_goes_on_while_it_is_in_flight(play: Play) -> None:
    play.backend.starts = ["takes_long"]
    play.backend.polls = [PermanentError("the job is hidden")]
    assert (await play.driven()).state is State.SUCCEEDED


async def test_a_poll_that_says_no_has_failed(play: Play) -> None:
    play.backend.polls = [Ended(False, Left.UNKNOWN, "exit code 3")]
    run = await play.driven()
    assert (run.state, run.question.pause, run.why) == (State.PAUSED, Pause.STEP_FAILED, "exit code 3")


async def test_what_goes_on_is_accepted_once_with_its_handle(play: Play) -> None:
    play.backend.starts = ["takes_long"]
    run = await play.driven()
    assert play.kinds().count("step_accepted") == 2  # of the undo point, too
    assert run.work.steps[2].handle == {"job": "k7f3a91c.RB-42.3"}


async def test_progress_is_shown_and_is_no_event(play: Play) -> None:
    play.backend.starts = ["takes_long"]
    await play.driven()
    assert play.notes.progressed == [
        {"done": 1.0, "total": 3.0, "unit": "files", "words": "copying", "rate": None},
        {"done": 2.0, "total": 3.0, "unit": "files", "words": "copying", "rate": None},
    ]


async def test_progress_that_falls_back_says_how_far_it_has_been(play: Play) -> None:
    play.backend.starts = ["takes_long"]
    play.backend.polls = [Progress(T0, done=done, total=9.0, unit="files") for done in (6.0, 1.0, 2.0, 7.0)]
    await play.driven()
    restored = [told for told in play.notes.progressed if told["total"] == 9.0]
    assert [(told["done"], told.get("furthest")) for told in restored] == [
        (6.0, None),
        (1.0, 6 / 9),
        (2.0, 6 / 9),
        (7.0, None),
    ]


async def test_whoever_takes_over_knows_how_far_the_one_before_had_come(play: Play) -> None:
    play.backend.starts = ["takes_long"]
    play.notes.left_by_another = {"done": 6.0, "total": 9.0, "unit": "files"}
    play.backend.polls = [Progress(T0, done=1.0, total=9.0, unit="files")]
    await play.driven()
    assert [told["furthest"] for told in play.notes.progressed if "furthest" in told][-1:] == [6 / 9]


async def test_what_does_not_end_in_its_time_is_lost(play: Play) -> None:
    play.backend.starts = ["takes_long"]
    play.backend.polls = [Progress(T0, "copying", retry_after=500.0)] * 2
    play.backend.finds = [Found(Fate.IN_FLIGHT, "still copying")]
    play.backend.polls += [Progress(T0, "copying")]
    run = await play.driven()
    assert (run.state, run.why) == (State.STUCK, "no end after 900 s")


async def test_what_ended_in_the_last_moment_is_not_lost(play: Play) -> None:
    play.backend.polls = [Progress(T0, "copying", retry_after=901.0), Progress(T0, "copying")]
    assert (await play.driven()).state is State.SUCCEEDED


async def test_a_backend_that_never_answers_a_poll_is_bounded_by_the_steps_time(play: Play) -> None:
    play.backend.starts = ["takes_long"]
    play.backend.polls = [Unreachable("no route")] * 2_000
    play.backend.finds = [Unreachable("no route")] * ASKED_AT_MOST_TIMES
    assert (await play.driven()).state is State.STUCK


# Stopping --------------------------------------------------------------------------------------


async def test_a_stop_comes_before_the_next_step(careful: Play) -> None:
    await careful.approved()
    maintenance = careful.world.maintenance("orders", Do.MAINTENANCE_ON)
    maintenance.meanwhile = lambda: careful.press(BEN, presses.CANCEL)
    run = await careful.drive()
    assert (run.state, run.question.pause, run.work.in_maintenance) == (State.PAUSED, Pause.STOPPED, True)
    assert careful.effects == ["MAINTENANCE_ON orders"]


async def test_a_yes_after_a_stop_goes_on_where_it_was(careful: Play) -> None:
    await careful.approved()
    maintenance = careful.world.maintenance("orders", Do.MAINTENANCE_ON)
    maintenance.meanwhile = lambda: careful.press(BEN, presses.CANCEL)
    await careful.drive()
    await careful.press(BEN, presses.CONTINUE)
    run = await careful.drive()
    assert (run.state, careful.effects.count("MAINTENANCE_ON orders")) == (State.SUCCEEDED, 1)


async def stopped_in_the_restore(play: Play) -> Run:
    await play.approved()
    play.backend.starts = ["takes_long"]
    play.backend.meanwhile = lambda: play.press(BEN, presses.CANCEL)
    return await play.drive()


async def test_a_restore_that_can_be_cancelled_is_cancelled_once(play: Play) -> None:
    run = await stopped_in_the_restore(play)
    assert (run.state, run.question.pause, run.why) == (State.PAUSED, Pause.STOPPED, "cancelled")
    assert run.work.live is Left.BEFORE
    assert play.backend.asked.count("cancel") == 1


async def test_a_restore_that_was_taken_back_can_be_begun_anew(play: Play) -> None:
    await stopped_in_the_restore(play)
    await play.press(BEN, presses.CONTINUE)
    run = await play.drive()
    assert (run.state, run.work.live) == (State.SUCCEEDED, Left.POINT)
    assert list(play.backend.fates) == ["k7f3a91c.RB-42.3", "k7f3a91c.RB-42.3.2"]


async def test_a_restore_that_was_cut_off_has_failed(play: Play) -> None:
    play.backend.capabilities = replace(play.backend.capabilities, cancels=Left.PARTIAL)
    play.backend.cancels = [Left.PARTIAL]
    play.backend.polls = [Progress(T0, "copying"), Ended(False, Left.UNKNOWN, "killed")]
    run = await stopped_in_the_restore(play)
    assert (run.question.pause, run.work.live, run.why) == (Pause.STEP_FAILED, Left.PARTIAL, "killed")


async def test_an_undo_point_that_is_being_saved_is_left_when_somebody_stops(careful: Play) -> None:
    await careful.approved()
    careful.backend.saving.starts = ["takes_long"]
    careful.backend.saving.meanwhile = lambda: careful.press(BEN, presses.CANCEL)
    run = await careful.drive()
    assert (run.question.pause, run.work.undo_points) == (Pause.STOPPED, {})
    await careful.press(BEN, presses.CONTINUE)
    assert (await careful.drive()).work.undo_points == {"orders": "undo-v42"}


async def test_maintenance_is_never_cut_off(careful: Play) -> None:
    await careful.approved()
    enter = careful.world.maintenance("orders", Do.MAINTENANCE_ON)
    enter.starts = ["takes_long"]
    enter.meanwhile = lambda: careful.press(BEN, presses.CANCEL)
    run = await careful.drive()
    assert (run.question.pause, run.work.in_maintenance) == (Pause.STOPPED, True)
    assert "cancel" not in enter.asked


async def test_a_restore_that_cannot_be_cancelled_comes_to_its_end(play: Play) -> None:
    play.backend.capabilities = replace(play.backend.capabilities, cancels=None)
    run = await stopped_in_the_restore(play)
    assert (run.state, run.question.pause, run.work.live) == (State.PAUSED, Pause.STOPPED, Left.POINT)
    assert "cancel" not in play.backend.asked


@pytest.mark.parametrize("answer", [OutcomeUnknown("no answer"), Unreachable("no route"), Denied("no"), None])
async def test_a_cancel_that_is_not_heard_is_waited_for(play: Play, answer: Exception | None) -> None:
    play.backend.cancels = [answer]
    run = await stopped_in_the_restore(play)
    assert (run.state, run.question.pause, run.work.live) == (State.PAUSED, Pause.STOPPED, Left.POINT)


async def test_a_veto_before_the_first_intent_wins(careful: Play) -> None:
    await careful.approved()
    careful.world.offline.meanwhile = lambda: careful.press(BEN, presses.VETO)
    run = await careful.drive()
    assert (run.state, careful.effects) == (State.VETOED, [])


# Who drives ------------------------------------------------------------------------------------


async def test_an_outcome_is_appended_again_when_somebody_was_quicker(play: Play) -> None:
    await play.approved()
    play.backend.capabilities = replace(play.backend.capabilities, cancels=None)
    play.backend.meanwhile = lambda: play.press(BEN, presses.CANCEL)  # while start is under way
    await play.drive()
    told = play.kinds()
    assert told[told.index("stop_requested") + 1] == "step_accepted"
    assert "find" not in play.backend.asked


async def test_who_lost_the_claim_stops_and_writes_nothing(play: Play) -> None:
    await play.approved()

    async def somebody_takes_over() -> None:
        play.notes.epoch += 1

    play.backend.meanwhile = somebody_takes_over
    with pytest.raises(ClaimLost):
        await play.drive()
    assert play.kinds()[-1] == "step_started"


async def test_who_was_taken_over_is_followed_by_one_who_finds(play: Play) -> None:
    await play.approved()

    async def somebody_takes_over() -> None:
        play.notes.epoch += 1

    play.backend.meanwhile = somebody_takes_over
    with pytest.raises(ClaimLost):
        await play.drive()
    run = await play.drive()
    assert (run.state, play.effects.count("RESTORE orders p41")) == (State.SUCCEEDED, 1)


async def test_a_driver_whose_lease_is_over_does_not_touch_the_world(play: Play) -> None:
    await play.approved()
    with pytest.raises(ClaimLost):
        await play.drive(alive=lambda: False)
    assert "RESTORE orders p41" not in play.effects


async def test_a_driver_with_an_old_epoch_writes_nothing(play: Play) -> None:
    await play.approved()
    before = list(play.journal.entries)
    with pytest.raises(ClaimLost):
        await play.engine().drive(play.claim(epoch=play.notes.epoch - 1))
    assert play.journal.entries == before


async def test_a_driver_with_an_old_run_loads_it_again(play: Play) -> None:
    stale = play.ask()
    await play.drive()
    await play.notes.append(play.run, happened(E.POSTED, play.clock()))
    play.notes.epoch += 1
    run = await play.engine().drive(play.claim(stale))
    assert (run.state, run.approval.posted_at) == (State.AWAITING_APPROVAL, T0)


@pytest.mark.parametrize("problem", [NotAllowed("a bug of ours"), StaleRun("RB-42")])
async def test_what_would_be_decided_the_same_way_for_ever_is_raised(play: Play, problem: Exception) -> None:
    class Stubborn(Notebook):
        async def append(self, run: Run, *events: Event, epoch: int | None = None) -> Run:
            raise problem

    play.notes = Stubborn(play.journal)
    play.ask()
    with pytest.raises(type(problem)):
        await play.drive()


# Behind maintenance ----------------------------------------------------------------------------


async def test_a_loss_that_outgrows_its_ceiling_behind_maintenance_pauses(careful: Play) -> None:
    careful.backend.measured = [MUCH]
    run = await careful.driven()
    assert (run.state, run.question.pause, run.work.loss, run.why) == (
        State.PAUSED,
        Pause.LOSS,
        MUCH,
        "9,000 new orders, covered were 649",
    )
    assert careful.effects == ["MAINTENANCE_ON orders"]


@pytest.mark.parametrize("problem", [Unreachable("no route"), Denied("no"), OutcomeUnknown("no answer")])
async def test_a_loss_that_cannot_be_measured_behind_maintenance_pauses(
    careful: Play, problem: Exception
) -> None:
    careful.backend.measured = [problem]
    run = await careful.driven()
    assert (run.question.pause, run.why) == (
        Pause.LOSS,
        "the loss was measured when it was approved and is unknown now",
    )


async def test_a_loss_that_is_looked_at_again_and_fits_goes_on(careful: Play) -> None:
    careful.backend.measured = [MUCH]
    await careful.driven()
    await careful.press(BEN, presses.RETRY)
    assert (await careful.drive()).state is State.SUCCEEDED


async def test_a_declared_loss_stays_covered_when_nothing_can_be_measured() -> None:
    declared = Declared(declared="up to a day", by="web", because="caches")
    play = Play(configuration(target(loss=declared, maintenance=MAINTENANCE)))
    play.backend.loss = Loss(LossQuality.UNKNOWN)
    play.backend.measured = [Unreachable("no route")]
    assert (await play.driven()).state is State.SUCCEEDED


# Undo points -----------------------------------------------------------------------------------


async def test_an_undo_point_is_taken_once_however_often_it_is_asked_for(play: Play) -> None:
    play.backend.saving.starts = ["answer_lost"]
    run = await play.driven()
    assert (run.state, play.effects.count("SAVE orders")) == (State.SUCCEEDED, 1)
    assert run.work.undo_points == {"orders": "undo-v42"}


async def test_without_an_undo_point_nothing_is_restored(play: Play) -> None:
    play.backend.saving.starts = [Blocked("disk full")]
    run = await play.driven()
    assert (run.state, run.question.pause, run.why, play.effects) == (
        State.PAUSED,
        Pause.STEP_FAILED,
        "disk full",
        [],
    )


async def test_a_backend_that_cannot_save_says_so_and_goes_on(play: Play) -> None:
    play.backend.saving.starts = ["cannot"]
    run = await play.driven()
    assert (run.state, run.work.undo_points, run.work.steps[1].words) == (
        State.SUCCEEDED,
        {},
        "cannot be undone",
    )


async def test_a_backend_that_knows_no_undo_is_not_asked_for_one(play: Play) -> None:
    play.backend.capabilities = replace(play.backend.capabilities, does=frozenset({Do.RESTORE}))
    await play.driven()
    assert play.backend.saving.asked == []


# Checks ----------------------------------------------------------------------------------------


async def test_values_before_are_compared_with_values_after(play: Play) -> None:
    play.world.offline.sees = [Verdict.FAILED, Verdict.FAILED]  # for "is it down?", and the baseline
    run = await play.driven()
    totals = next(finding for finding in run.work.findings if finding.name == "totals")
    assert (totals.before, totals.value) == ("failed", "passed")


async def test_a_check_that_fails_pauses_behind_maintenance(careful: Play) -> None:
    careful.world.offline.sees = [Verdict.PASSED, Verdict.PASSED, Verdict.FAILED]
    run = await careful.driven()
    assert (run.state, run.phase, run.question.pause, run.work.in_maintenance) == (
        State.PAUSED,
        Phase.VERIFY,
        Pause.CHECKS,
        True,
    )
    assert run.why == "totals: saw failed"


async def test_a_check_that_sees_nothing_is_no_pass(play: Play) -> None:
    play.world.offline.sees = [Verdict.PASSED, Verdict.PASSED, None]
    run = await play.driven()
    assert (play.kinds()[-1], run.question.pause) == ("checks_inconclusive", Pause.CHECKS)


async def test_one_that_fails_counts_more_than_one_that_sees_nothing(play: Play) -> None:
    play.world.offline.sees = [Verdict.PASSED, Verdict.PASSED, None]
    play.backend.verified = [Finding("orders arrived", When.OFFLINE, Verdict.FAILED, words="v42 is live")]
    await play.driven()
    assert play.kinds()[-1] == "checks_failed"


async def test_a_backend_that_lies_is_found_out_by_itself(play: Play) -> None:
    play.backend.arrive = _does_nothing  # type: ignore[method-assign]
    run = await play.driven()
    assert (run.state, run.question.pause, run.work.verdict) == (State.PAUSED, Pause.CHECKS, Verdict.FAILED)


def _does_nothing(work: object) -> None:
    """It says that it is done."""


async def test_what_is_live_is_not_known_where_the_backend_sees_something_else(play: Play) -> None:
    play.backend.arrive = _does_nothing  # type: ignore[method-assign]
    assert (await play.driven()).work.live is Left.UNKNOWN


async def test_what_arrives_late_is_live_once_the_backend_sees_it(play: Play) -> None:
    play.backend.arrive = _does_nothing  # type: ignore[method-assign]
    await play.driven()
    play.backend.live = "p41"
    await play.press(BEN, presses.RETRY)
    run = await play.drive()
    assert (run.state, run.work.live) == (State.SUCCEEDED, Left.POINT)


@pytest.mark.parametrize("problem", [Unreachable("no route"), Denied("no"), OutcomeUnknown("no answer")])
async def test_a_backend_that_cannot_say_whether_it_arrived_is_inconclusive(
    play: Play, problem: Exception
) -> None:
    play.backend.verified = [problem]
    run = await play.driven()
    arrived = next(finding for finding in run.work.findings if finding.name == "orders arrived")
    assert (run.question.pause, arrived.verdict, arrived.words) == (
        Pause.CHECKS,
        Verdict.INCONCLUSIVE,
        str(problem),
    )


async def test_checks_that_are_looked_at_again_and_pass_go_on(play: Play) -> None:
    play.world.offline.sees = [Verdict.PASSED, Verdict.PASSED, Verdict.FAILED]
    await play.driven()
    await play.press(BEN, presses.RETRY)
    run = await play.drive()
    assert (run.state, run.work.overridden, play.effects.count("RESTORE orders p41")) == (
        State.SUCCEEDED,
        False,
        1,
    )


async def test_two_people_go_online_against_a_check(careful: Play) -> None:
    careful.world.offline.sees = [Verdict.PASSED, Verdict.PASSED, Verdict.FAILED]
    await careful.driven()
    await careful.press(ANA, presses.CONTINUE, why="customers wait")
    await careful.press(BEN, presses.CONTINUE, why="customers wait")
    run = await careful.drive()
    assert (run.state, run.work.overridden, run.work.verdict, run.work.in_maintenance) == (
        State.SUCCEEDED,
        True,
        Verdict.FAILED,
        False,
    )


async def test_an_online_check_that_fails_pauses_after_maintenance(careful: Play) -> None:
    careful.world.online.sees = [Verdict.PASSED, Verdict.PASSED, Verdict.FAILED]
    run = await careful.driven()
    assert (run.phase, run.question.pause, run.work.in_maintenance) == (Phase.FINISH, Pause.CHECKS, False)


# Checkpoints and maintenance -------------------------------------------------------------------


async def test_a_checkpoint_waits_for_a_yes() -> None:
    asking = Procedure(steps=(ask(Phase.PREPARE, "Drained?"), ProcedureStep(phase=Phase.RESTORE)))
    play = Play(configuration(target(procedure="asking"), procedures={"asking": asking}))
    run = await play.driven()
    assert (run.question.pause, run.why, play.effects) == (Pause.CHECKPOINT, "Drained?", [])
    await play.press(BEN, presses.CONTINUE)
    assert (await play.drive()).state is State.SUCCEEDED


async def failed_in_maintenance(careful: Play) -> None:
    careful.backend.starts = [Denied("no")]
    await careful.driven()
    await careful.press(BEN, presses.STOP)


async def test_two_people_take_a_failed_run_out_of_maintenance(careful: Play) -> None:
    await failed_in_maintenance(careful)
    await careful.press(ANA, presses.CONTINUE)
    await careful.press(BEN, presses.CONTINUE)
    run = await careful.drive()
    assert (run.state, run.work.in_maintenance, careful.effects[-1]) == (
        State.FAILED,
        False,
        "MAINTENANCE_OFF orders",
    )


async def test_maintenance_that_failed_is_switched_once_more_when_somebody_looks_again(careful: Play) -> None:
    enter = careful.world.maintenance("orders", Do.MAINTENANCE_ON)
    enter.polls = [Ended(False, Left.UNKNOWN, "exit code 3")]
    enter.arrive = lambda work: enter.fates.update({work.op_id: Fate.FAILED})  # type: ignore[method-assign]
    run = await careful.driven()
    assert (run.state, run.question.pause, run.why) == (State.PAUSED, Pause.STEP_FAILED, "exit code 3")
    enter.arrive = lambda work: None  # type: ignore[method-assign]
    await careful.press(BEN, presses.RETRY)
    assert (await careful.drive()).state is State.SUCCEEDED
    assert list(enter.fates) == ["k7f3a91c.RB-42.2", "k7f3a91c.RB-42.2.2"]


async def test_a_restore_that_failed_is_only_looked_for_when_somebody_looks_again(play: Play) -> None:
    play.backend.polls = [Ended(False, Left.UNKNOWN, "exit code 3")]
    play.backend.arrive = lambda work: play.backend.fates.update({work.op_id: Fate.FAILED})  # type: ignore[method-assign]
    play.backend.finds = [Found(Fate.FAILED, "exit code 3")]
    await play.driven()
    await play.press(BEN, presses.RETRY)
    run = await play.drive()
    assert (run.state, run.question.pause, play.backend.asked.count("start")) == (
        State.PAUSED,
        Pause.STEP_FAILED,
        1,
    )


async def test_a_leaving_that_failed_is_done_again_when_two_agree_again(careful: Play) -> None:
    await failed_in_maintenance(careful)
    leave = careful.world.maintenance("orders", Do.MAINTENANCE_OFF)
    leave.polls = [Ended(False, Left.UNKNOWN, "exit code 3")]
    leave.arrive = lambda work: leave.fates.update({work.op_id: Fate.FAILED})  # type: ignore[method-assign]
    for _ in range(2):
        await careful.press(ANA, presses.CONTINUE)
        await careful.press(BEN, presses.CONTINUE)
        await careful.drive()
        leave.arrive = lambda work: None  # type: ignore[method-assign]
    assert not careful.run.work.in_maintenance
    assert list(leave.fates) == ["k7f3a91c.RB-42.7", "k7f3a91c.RB-42.7.2"]


# Several targets, and going back again ---------------------------------------------------------

BOTH = configuration(
    target("orders", procedure="both"), target("search"), procedures={"both": restoring("orders", "search")}
)


async def test_two_targets_go_to_the_same_moment_one_after_another() -> None:
    play = Play(BOTH)
    run = await play.driven()
    assert run.state is State.SUCCEEDED
    assert [e for e in play.effects if e.startswith("RESTORE")] == [
        "RESTORE orders p41",
        "RESTORE search p41",
    ]
    assert play.world.executor("search").goals[0] == Goal(before=later(-600))


async def test_an_undo_goes_back_to_the_undo_point_of_each_target() -> None:
    play = Play(BOTH)
    await play.driven()
    run = await play.approved(Goal(undo_of="RB-42"))
    assert run.approval.plan is not None
    assert run.approval.plan.purpose is Purpose.UNDO
    assert [leg.point.id for leg in run.approval.plan.legs] == ["undo-v42", "undo-v42"]
    run = await play.drive()
    assert (run.state, play.backend.live) == (State.SUCCEEDED, "undo-v42")


async def test_an_undo_without_an_undo_point_is_refused(play: Play) -> None:
    play.backend.saving.starts = ["cannot"]
    await play.driven()
    run = await play.planned(Goal(undo_of="RB-42"))
    assert (run.state, run.why) == (
        State.REFUSED,
        "RB-42 has no undo point of orders. Choose a restore point instead.",
    )


async def test_an_outcome_is_written_though_the_next_backend_cannot_be_built() -> None:
    play = Play(BOTH)
    await play.approved()

    async def breaks() -> None:
        play.world.misconfigured.add("search")

    play.backend.meanwhile = breaks
    with pytest.raises(PermanentError, match="a secret of search is missing") as problem:
        await play.drive()
    assert play.kinds()[-1] == "step_succeeded"
    run = await play.give_up(problem.value)
    assert (run.state, run.why) == (
        State.PAUSED,
        "The bot could not go on: a secret of search is missing. Look again, or end it.",
    )


async def test_when_the_second_target_fails_the_first_stays_where_it_is() -> None:
    play = Play(BOTH)
    play.world.executor("search").starts = [Denied("no")]
    run = await play.driven()
    assert (run.state, run.work.live) == (State.PAUSED, Left.PARTIAL)
    assert [play.world.executor(name).live for name in ("orders", "search")] == ["p41", "v42"]


# Looking again after people were waited for ----------------------------------------------------


@pytest.fixture
async def waiting() -> Play:
    """At a checkpoint before anything was touched, a long time ago."""
    asking = Procedure(
        steps=(ask(Phase.RESTORE, "Drained?"), ProcedureStep(phase=Phase.RESTORE, target="orders"))
    )
    play = Play(configuration(target(procedure="asking"), procedures={"asking": asking}))
    play.backend.capabilities = replace(play.backend.capabilities, does=frozenset({Do.RESTORE}))
    await play.driven()
    assert (play.run.question.pause, play.run.work.touched) == (Pause.CHECKPOINT, False)
    return play


async def confirmed(play: Play) -> Run:
    await play.press(BEN, presses.CONTINUE)
    return await play.drive()


async def test_an_approval_that_still_counts_after_a_checkpoint_is_carried_out(waiting: Play) -> None:
    waiting.backend.loss = replace(LOSS, units=(Unit("orders", 230),))
    run = await confirmed(waiting)
    assert (run.state, run.work.loss) == (State.SUCCEEDED, waiting.backend.loss)
    assert waiting.kinds()[waiting.kinds().index("confirmed") + 1] == "reviewed"


LAPSED: dict[str, tuple[Callable[[Play], object], Pause, str]] = {
    "somebody deployed meanwhile": (
        lambda play: setattr(play.backend, "live", "v43"),
        Pause.HALTED,
        "`orders` changed since the plan was made: it was v42, now it is v43",
    ),
    "the loss outgrew its ceiling": (
        lambda play: setattr(play.backend, "loss", MUCH),
        Pause.LOSS,
        "9,000 new orders, covered were 649",
    ),
    "the approver left the group": (
        lambda play: setattr(play.register, "now", Entitled((CY,))),
        Pause.HALTED,
        "Somebody who approved is no longer an approver.",
    ),
    "the backend cannot be reached": (
        lambda play: play.backend.plans.append(Unreachable("no route")),
        Pause.HALTED,
        "no route",
    ),
    "the policy changed": (
        lambda play: setattr(
            play,
            "configuration",
            configuration(
                target(procedure="asking", approval=Rule(from_=("U01BEN",))),
                procedures=play.configuration.procedures,
            ),
        ),
        Pause.HALTED,
        "the policy of `orders` changed after the plan was made",
    ),
}


@pytest.mark.parametrize("name", LAPSED)
async def test_an_approval_that_lapsed_at_a_checkpoint_restores_nothing(name: str, waiting: Play) -> None:
    sabotage, pause, why = LAPSED[name]
    await waiting.press(BEN, presses.CONTINUE)
    sabotage(waiting)
    run = await waiting.drive()
    assert (run.state, run.question.pause, run.why, waiting.effects) == (State.PAUSED, pause, why, [])


async def test_a_lapse_that_has_passed_is_seen_when_somebody_looks_again(waiting: Play) -> None:
    waiting.backend.plans.append(Unreachable("no route"))
    await confirmed(waiting)
    await waiting.press(BEN, presses.RETRY)
    assert (await waiting.drive()).state is State.SUCCEEDED


async def test_a_stop_before_the_restore_asks_the_same_before_going_on(careful: Play) -> None:
    await careful.approved()
    maintenance = careful.world.maintenance("orders", Do.MAINTENANCE_ON)
    maintenance.meanwhile = lambda: careful.press(BEN, presses.CANCEL)
    await careful.drive()
    careful.backend.live = "v43"
    run = await confirmed(careful)
    assert (run.state, run.question.pause, careful.effects) == (
        State.PAUSED,
        Pause.HALTED,
        ["MAINTENANCE_ON orders"],
    )


@pytest.mark.parametrize(("seconds", "pause"), [(299, Pause.STEP_FAILED), (301, Pause.HALTED)])
async def test_who_takes_over_long_after_the_start_looks_again(
    play: Play, seconds: float, pause: Pause
) -> None:
    """A moment later only the backend itself compares, when it is asked to restore."""
    await play.approved()
    play.journal.kill_at = play.journal.moments + 2  # when `started` is stored
    with pytest.raises(Killed):
        await play.drive()
    assert play.run.state is State.RUNNING
    play.backend.live = "v43"
    await play.clock.sleep(seconds)
    run = await play.drive()
    assert (run.state, run.question.pause) == (State.PAUSED, pause)
    assert play.effects == ([] if pause is Pause.HALTED else ["SAVE orders"])


# Words that nobody said ------------------------------------------------------------------------

FORGED: dict[str, tuple[Callable[[Play], Awaitable[None]], str]] = {
    "a yes by somebody": (
        lambda play: play.write_by_hand(E.CONFIRMED, BEN),
        "the confirmed of RB-42 by U01BEN carries no valid signature",
    ),
    "a yes by nobody": (
        lambda play: play.write_by_hand(E.CONFIRMED),
        "the confirmed of RB-42 by nobody carries no valid signature",
    ),
    "a look by somebody": (
        lambda play: play.write_by_hand(E.RETRIED, BEN),
        "the retried of RB-42 by U01BEN carries no valid signature",
    ),
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_word_that_was_written_into_the_database_moves_nothing(name: str, waiting: Play) -> None:
    write, why = FORGED[name]
    await write(waiting)
    run = await waiting.drive()
    assert (run.state, run.question.pause, run.why, waiting.effects) == (State.PAUSED, Pause.HALTED, why, [])


async def test_a_true_word_after_a_forged_one_does_not_make_it_true(waiting: Play) -> None:
    await waiting.write_by_hand(E.CONFIRMED, BEN)
    await waiting.drive()
    await waiting.press(CY, presses.RETRY)
    run = await waiting.drive()
    assert (run.state, run.question.pause, waiting.effects) == (State.PAUSED, Pause.HALTED, [])
    assert (await waiting.press(CY, presses.STOP)).state is State.FAILED


async def test_two_forged_words_take_no_failed_run_out_of_maintenance(careful: Play) -> None:
    await failed_in_maintenance(careful)
    await careful.write_by_hand(E.LEAVE_AGREED, BEN, why="…")
    run = await careful.drive()
    assert (run.state, run.work.in_maintenance, run.end.leave_agreed) == (State.FAILED, True, False)
    assert "MAINTENANCE_OFF orders" not in careful.effects


async def test_a_forged_answer_does_not_resolve_a_stuck_run(play: Play) -> None:
    play.backend.starts = ["answer_lost"]
    play.backend.finds = [Unreachable("no route")] * ASKED_AT_MOST_TIMES
    await play.driven()
    await play.write_by_hand(E.RESOLVED_POINT, BEN, answer="point")
    run = await play.drive()
    assert (run.state, run.question.pause) == (State.PAUSED, Pause.HALTED)
    assert "restored" not in play.kinds()


async def test_a_word_forged_while_a_step_is_under_way_stops_the_driver_at_once(play: Play) -> None:
    play.backend.starts = ["takes_long"]
    play.backend.meanwhile = lambda: play.write_by_hand(E.STOP_REQUESTED, BEN)
    run = await play.driven()
    assert (run.state, run.why, run.work.live) == (
        State.STUCK,
        "the stop requested of RB-42 by U01BEN carries no valid signature",
        Left.UNKNOWN,
    )
    assert "cancel" not in play.backend.asked


async def test_after_a_forged_word_an_outcome_is_written_and_nothing_more_is_begun(careful: Play) -> None:
    await careful.approved()
    careful.backend.capabilities = replace(careful.backend.capabilities, cancels=None)
    maintenance = careful.world.maintenance("orders", Do.MAINTENANCE_ON)
    maintenance.meanwhile = lambda: careful.write_by_hand(E.STOP_REQUESTED, BEN)
    run = await careful.drive()
    assert (run.state, run.question.pause, careful.effects) == (
        State.PAUSED,
        Pause.HALTED,
        ["MAINTENANCE_ON orders"],
    )
    assert "step_succeeded" in careful.kinds()


# Other settings --------------------------------------------------------------------------------


def resettled(careful: Play) -> None:
    """Somebody deploys another configuration and starts the bot again."""
    careful.configuration = configuration(target(maintenance=MAINTENANCE, checks=(OFFLINE,)))


CONFIGURATION_CHANGED = (
    "The configuration of `orders` changed while RB-42 was under way. "
    "Put it back and press “Look again”, or end it."
)


async def test_a_step_under_way_is_not_looked_for_with_other_settings(careful: Play) -> None:
    await careful.approved()
    careful.world.maintenance("orders", Do.MAINTENANCE_ON).meanwhile = _dies
    with pytest.raises(Killed):
        await careful.drive()
    kept = careful.configuration
    resettled(careful)
    run = await careful.drive()
    assert (run.state, run.why) == (State.STUCK, CONFIGURATION_CHANGED)
    assert careful.world.maintenance("orders", Do.MAINTENANCE_ON).asked == ["start"]
    careful.configuration = kept
    await careful.press(BEN, presses.RETRY)
    assert (await careful.drive()).state is State.SUCCEEDED


async def test_no_step_is_begun_with_other_settings(careful: Play) -> None:
    careful.backend.measured = [MUCH]
    await careful.driven()
    resettled(careful)
    await careful.press(BEN, presses.RETRY)
    run = await careful.drive()
    assert (run.state, run.question.pause, run.why) == (State.PAUSED, Pause.HALTED, CONFIGURATION_CHANGED)


async def test_a_target_that_left_the_configuration_is_not_driven(careful: Play) -> None:
    careful.backend.measured = [MUCH]
    await careful.driven()
    careful.configuration = configuration(target("search"))
    await careful.press(BEN, presses.RETRY)
    run = await careful.drive()
    assert (run.state, run.question.pause, run.why) == (State.PAUSED, Pause.HALTED, CONFIGURATION_CHANGED)


# Giving up -------------------------------------------------------------------------------------


async def test_who_gives_up_between_steps_pauses_and_says_why(careful: Play) -> None:
    await careful.approved()
    careful.world.offline.meanwhile = _breaks
    with pytest.raises(ExceptionGroup) as broken:
        await careful.drive()
    run = await careful.give_up(broken.value)
    assert (run.state, run.question.pause) == (State.PAUSED, Pause.HALTED)
    assert run.why == ("The bot could not go on: the secret SHOP_TOKEN is not set. Look again, or end it.")
    await careful.press(BEN, presses.RETRY)
    assert (await careful.drive()).state is State.SUCCEEDED


async def _breaks() -> None:
    raise PermanentError("the secret SHOP_TOKEN is not set")


async def test_of_an_error_of_ours_only_the_kind_is_shown(play: Play) -> None:
    await play.approved()
    run = await play.give_up(KeyError("what stands here may be a secret"))
    assert (run.state, run.why) == (
        State.VOID,
        "The bot could not go on: an error of its own, KeyError. Look again, or end it.",
    )


async def test_who_gives_up_while_a_step_is_under_way_leaves_it_to_people(play: Play) -> None:
    await play.approved()
    play.backend.meanwhile = _dies
    with pytest.raises(Killed):
        await play.drive()
    run = await play.give_up(KeyError("orders"))
    assert (run.state, run.work.live) == (State.STUCK, Left.UNKNOWN)
    await play.press(BEN, presses.RETRY)
    run = await play.drive()
    assert (run.state, play.effects.count("RESTORE orders p41")) == (State.SUCCEEDED, 1)


async def test_who_was_taken_over_cannot_give_up(play: Play) -> None:
    await play.approved()
    with pytest.raises(ClaimLost):
        await play.engine().give_up(play.claim(epoch=play.notes.epoch - 1), KeyError("orders"))
    assert play.run.state is State.APPROVED


async def test_nothing_is_given_up_that_waits_for_people(waiting: Play) -> None:
    before = list(waiting.journal.entries)
    assert (await waiting.give_up(KeyError("orders"))).question.pause is Pause.CHECKPOINT
    assert waiting.journal.entries == before


async def test_who_gives_up_when_somebody_was_quicker_looks_again(careful: Play) -> None:
    stale = await careful.approved()
    await careful.press(CY, presses.VETO)
    run = await careful.engine().give_up(careful.claim(stale), KeyError("orders"))
    assert run.state is State.VETOED


# The lease -------------------------------------------------------------------------------------


async def test_a_driver_whose_lease_is_over_saves_no_undo_point(play: Play) -> None:
    await play.approved()
    with pytest.raises(ClaimLost):
        await play.drive(alive=lambda: "step_started" not in play.kinds())
    assert play.effects == []


async def test_a_driver_whose_lease_is_over_cancels_nothing(play: Play) -> None:
    await play.approved()
    play.backend.starts = ["takes_long"]
    play.backend.meanwhile = lambda: play.press(BEN, presses.CANCEL)
    with pytest.raises(ClaimLost):
        await play.drive(alive=lambda: not play.run.work.stop_requested)
    assert "cancel" not in play.backend.asked


# Backends that hang, and five of them ----------------------------------------------------------

NO_PATIENCE = configuration(
    target(procedure="short"),
    procedures={
        "short": Procedure(steps=(ProcedureStep(phase=Phase.RESTORE, target="orders", timeout=0.02),))
    },
)


async def test_a_start_that_is_never_answered_is_looked_for() -> None:
    play = Play(NO_PATIENCE)
    play.backend.starts = ["hangs"]
    run = await play.driven()
    assert (run.state, play.backend.asked[:4]) == (
        State.SUCCEEDED,
        ["start", "find", "start", "poll"],
    )


async def test_a_backend_that_answers_nothing_at_all_ends_stuck() -> None:
    play = Play(NO_PATIENCE)
    play.backend.starts = ["hangs"]
    play.backend.hangs = {"find", "poll"}
    run = await play.driven()
    assert (run.state, run.why, run.question.times_asked) == (
        State.STUCK,
        "no answer within 0.02 s",
        ASKED_AT_MOST_TIMES,
    )


async def test_a_poll_that_is_never_answered_asks_what_became_of_it() -> None:
    play = Play(NO_PATIENCE)
    play.backend.hangs = {"poll"}
    assert (await play.driven()).state is State.SUCCEEDED


FIVE = ("orders", "search", "carts", "mails", "stock")
SUBSETS = [tuple(name for i, name in enumerate(FIVE) if mask >> i & 1) for mask in range(1, 32)]


@pytest.mark.parametrize("failing", SUBSETS, ids="-".join)
@pytest.mark.parametrize("how", ["refused", "failed", "lost"])
async def test_of_five_targets_any_may_fail_and_what_is_live_is_said_truly(
    failing: tuple[str, ...], how: str
) -> None:
    play = Play(
        configuration(
            target("orders", procedure="five"),
            *(target(name) for name in FIVE[1:]),
            procedures={"five": restoring(*FIVE)},
        )
    )
    for name in failing:
        _fails(play.world.executor(name), how)
    run = await play.driven()
    first = FIVE.index(failing[0])
    restored = [name for name in FIVE if play.world.executor(name).live == "p41"]
    assert restored[:first] == list(FIVE[:first])
    assert [name for name in FIVE[first + 1 :] if name in restored] == []
    assert (run.state, run.phase) == (State.STUCK if how == "lost" else State.PAUSED, Phase.RESTORE)
    refused = Left.BEFORE if first == 0 else Left.PARTIAL
    assert run.work.live is (refused if how == "refused" else Left.UNKNOWN)
    assert all(play.world.executor(name).asked.count("start") == 1 for name in FIVE[: first + 1])


def _fails(backend: Backend, how: str) -> None:
    match how:
        case "refused":
            backend.starts = [Denied("no")]
        case "failed":
            backend.polls = [Ended(False, Left.UNKNOWN, "exit code 3")]
        case "lost":
            backend.starts = ["answer_lost"]
            backend.finds = [Unreachable("no route")] * ASKED_AT_MOST_TIMES


async def test_targets_that_failed_for_a_moment_are_all_restored_once_in_the_end() -> None:
    play = Play(
        configuration(
            target("orders", procedure="five"),
            *(target(name) for name in FIVE[1:]),
            procedures={"five": restoring(*FIVE)},
        )
    )
    for name in FIVE:
        play.world.executor(name).starts = [Blocked("an export runs")]
    await play.driven()
    for _ in FIVE:
        await play.press(BEN, presses.RETRY)
        await play.drive()
    assert play.run.state is State.SUCCEEDED
    assert [entry for entry in play.effects if entry.startswith("RESTORE")] == [
        f"RESTORE {name} p41" for name in FIVE
    ]


# After our database was put back from a backup -------------------------------------------------


async def put_back(play: Play) -> None:
    """The database as it is now, a new name for the installation, and what is written about an open run."""
    was, play.notes.installation = play.notes.installation, "a83c1b2d"
    for event in machine.forgotten(play.run, play.clock(), "Put back from a backup.", was):
        await play.notes.append(play.run, event)


async def restoring_in_maintenance(careful: Play) -> None:
    await careful.approved()
    careful.backend.meanwhile = _dies
    with pytest.raises(Killed):
        await careful.drive()


async def test_a_run_of_a_backup_is_not_driven_before_people_have_said_what_is_live(careful: Play) -> None:
    await restoring_in_maintenance(careful)
    await put_back(careful)
    careful.backend.asked.clear()
    assert (await careful.drive()).state is State.STUCK
    assert careful.backend.asked == []


async def test_a_run_of_a_backup_whose_point_is_live_is_verified_and_brought_online(careful: Play) -> None:
    await restoring_in_maintenance(careful)
    await put_back(careful)
    await careful.press(ANA, presses.RESOLVE, answer="point")
    await careful.press(BEN, presses.RESOLVE, answer="point")
    run = await careful.drive()
    assert (run.state, run.work.live, run.work.in_maintenance) == (State.SUCCEEDED, Left.POINT, False)
    assert careful.backend.asked.count("start") == 1
    assert list(careful.world.maintenance("orders", Do.MAINTENANCE_OFF).fates) == ["a83c1b2d.RB-42.7"]


async def test_a_run_of_a_backup_that_is_not_at_its_point_is_found_out_by_the_backend(careful: Play) -> None:
    await restoring_in_maintenance(careful)
    await put_back(careful)
    careful.backend.live = "v43"
    await careful.press(ANA, presses.RESOLVE, answer="point")
    await careful.press(BEN, presses.RESOLVE, answer="point")
    run = await careful.drive()
    assert (run.state, run.phase, run.question.pause) == (State.PAUSED, Phase.VERIFY, Pause.CHECKS)


async def test_an_approval_of_a_backup_starts_nothing(play: Play) -> None:
    await play.approved()
    await put_back(play)
    run = await play.drive()
    assert (run.state, play.effects) == (State.VOID, [])


async def test_a_step_under_way_is_looked_for_under_the_name_of_its_intent(play: Play) -> None:
    await play.approved()
    play.backend.starts = ["takes_long"]
    play.backend.meanwhile = _dies
    with pytest.raises(Killed):
        await play.drive()
    events = play.notes.runs[play.run.id]
    assert events[-1].kind is E.STEP_STARTED
    events[-1] = retold(events[-1], op="0ld00000.RB-42.3")
    play.backend.fates = {"0ld00000.RB-42.3": Fate.DONE}
    play.backend.live = "p41"
    assert (await play.drive()).state is State.SUCCEEDED
    assert play.backend.asked.count("start") == 1
