"""Executor `command`, against a real command line tool over a file."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.command.executor import Command, ProgramCall
from backends.conformance.harness import ended
from backends.programs.spool import ELSEWHERE
from bot.contract import (
    CancelAnswer,
    Denied,
    Fate,
    Handle,
    PointUnavailable,
    StateChanged,
    Taken,
    TargetMissing,
    Unreachable,
    Unsupported,
    Work,
)
from bot.errors import PermanentError
from bot.model import Goal, LossQuality, RestorePoint, UndoMode, Unit, Verdict
from tests.backends.command.world import FIND, CommandWorld, cut_off

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WORK = Work("k3v9x2ab.RB-42.3", "RB-42", "d" * 64, point="v41", expected="v42")
CLOSED = ProgramCall(("sh", "-c", "echo the shop is closed >&2; exit 1"))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[CommandWorld]:
    shop = CommandWorld.make(tmp_path / "shop")
    yield shop
    shop.close()


def executor(shop: CommandWorld, spool: str = "spool", **calls: ProgramCall) -> Command:
    """`spool`: another one is another worker machine."""
    return Command(**{**shop.calls(), **calls}, surroundings=shop.surroundings(spool), clock=lambda: NOW)


async def started(command: Command) -> Handle:
    handle = await command.start(WORK)
    assert handle is not Taken.TAKEN
    return handle


async def test_points_come_newest_first_with_the_current_one_marked(shop: CommandWorld) -> None:
    shop.offers(
        {"id": "v40", "created_at": "2026-11-20T10:00:00Z"},
        {"id": "v42", "created_at": "2026-11-22T10:00:00Z", "label": "new prices"},
        {"id": "v41", "created_at": "2026-11-21T10:00:00+01:00"},
    )
    points = await executor(shop).restore_points()
    assert [(point.id, point.current) for point in points.points] == [
        ("v42", True),
        ("v41", False),
        ("v40", False),
    ]
    assert (points.current.id, points.current.token, points.current.label) == ("v42", "v42", "new prices")


async def test_points_without_a_time_stay_in_the_order_of_the_tool(shop: CommandWorld) -> None:
    shop.offers({"id": "b"}, {"id": "c", "created_at": "2026-11-21T10:00:00Z"}, {"id": "a"})
    assert [point.id for point in (await executor(shop).restore_points()).points] == ["b", "c", "a"]


async def test_no_more_points_are_listed_than_asked_for(shop: CommandWorld) -> None:
    assert len((await executor(shop).restore_points(limit=2)).points) == 2


async def test_a_point_that_a_command_could_mistake_for_an_option_is_not_offered(shop: CommandWorld) -> None:
    shop.offers({"id": "v42"}, {"id": "--force"}, {"id": "v1\nv2"}, {"id": ""}, {"id": "x" * 201})
    offered = (await executor(shop).restore_points()).points
    assert [point.id for point in offered] == ["v42"]


async def test_a_label_cannot_break_out_of_its_line(shop: CommandWorld) -> None:
    shop.offers({"id": "v42", "label": "new\n\u202eprices"})
    assert (await executor(shop).restore_points()).points[0].label == "new  prices"


@pytest.mark.parametrize(
    "said",
    [
        "",
        "no json",
        "{}",
        '[{"id": 7}]',
        '[{"label": "no id"}]',
        '[{"id": "v1", "created_at": "2026-11-22T10:00:00"}]',
        '[{"id": "v1", "created_at": "yesterday"}]',
        "[" * 5000,
        "9" * 2_000_000,
    ],
)
async def test_an_answer_in_another_shape_is_said_with_the_command_and_what_was_expected(
    shop: CommandWorld, said: str
) -> None:
    (shop.root / "points.json").write_text(said)
    with pytest.raises(PermanentError, match=r"points command `cat` must print .*created_at"):
        await executor(shop).restore_points()


async def test_an_argument_is_never_repeated_to_people(shop: CommandWorld) -> None:
    with pytest.raises(Unreachable) as error:
        await executor(shop, points=ProgramCall(("false", "--token", "canary-7f3a"))).restore_points()
    assert "canary-7f3a" not in str(error.value)


async def test_a_tool_that_refuses_is_unreachable_in_its_own_words(shop: CommandWorld) -> None:
    with pytest.raises(Unreachable, match="ended with 1: the shop is closed"):
        await executor(shop, points=CLOSED).restore_points()


async def test_a_tool_that_does_not_exist_is_a_missing_target(shop: CommandWorld) -> None:
    with pytest.raises(TargetMissing, match="no-such-tool"):
        await executor(shop, points=ProgramCall(("no-such-tool",))).restore_points()


async def test_a_tool_that_may_not_be_run_is_denied(shop: CommandWorld) -> None:
    (shop.root / "tool").write_text("not executable")
    with pytest.raises(Denied):
        await executor(shop, points=ProgramCall((str(shop.root / "tool"),))).restore_points()


async def test_a_tool_that_does_not_answer_in_time_is_unreachable(shop: CommandWorld) -> None:
    with pytest.raises(Unreachable, match=r"no answer within 0\.3 s"):
        await executor(shop, points=ProgramCall(("sleep", "60"), 0.3)).restore_points()


async def test_a_time_goes_to_the_newest_point_at_or_before_it(shop: CommandWorld) -> None:
    way = await executor(shop).plan(Goal(before=datetime(2026, 11, 21, 10, 0, tzinfo=UTC)), NOW)
    assert way.point.id == "v41"


async def test_a_time_before_every_point_names_the_oldest(shop: CommandWorld) -> None:
    with pytest.raises(PointUnavailable, match="v40"):
        await executor(shop).plan(Goal(before=datetime(2026, 11, 1, tzinfo=UTC)), NOW)


async def test_an_unknown_point_names_the_nearest(shop: CommandWorld) -> None:
    with pytest.raises(PointUnavailable, match="v41"):
        await executor(shop).plan(Goal(point="v4l"), NOW)


async def test_what_is_live_already_is_blocked(shop: CommandWorld) -> None:
    way = await executor(shop).plan(Goal(point="v42"), NOW)
    assert way.blockers == ("v42 is live already.",)


async def test_the_undo_of_a_run_is_not_ours_to_resolve(shop: CommandWorld) -> None:
    with pytest.raises(Unsupported):
        await executor(shop).plan(Goal(undo_of="RB-41"), NOW)


async def test_a_plan_names_what_goes(shop: CommandWorld) -> None:
    way = await executor(shop).plan(Goal(point="v40"), NOW)
    assert (way.changes, way.undo, way.blockers) == (
        ("v42 new prices", "v41 checkout"),
        UndoMode.BEST_EFFORT,
        (),
    )


async def test_undo_is_impossible_when_the_tool_does_not_offer_what_is_live(shop: CommandWorld) -> None:
    shop.goes_live("hotfix")
    way = await executor(shop).plan(Goal(point="v41"), NOW)
    assert (way.undo, way.changes) == (UndoMode.IMPOSSIBLE, ("hotfix",))
    assert await executor(shop).undo_point(replace(WORK, expected="hotfix")) is None


async def test_the_undo_point_is_what_is_live(shop: CommandWorld) -> None:
    point = await executor(shop).undo_point(WORK)
    assert point is not None
    assert point.id == "v42"


async def test_no_undo_point_is_named_for_a_state_that_moved(shop: CommandWorld) -> None:
    shop.goes_live("v40")
    with pytest.raises(StateChanged):
        await executor(shop).undo_point(WORK)


async def test_loss_is_unknown_without_a_measure_command(shop: CommandWorld) -> None:
    loss = await executor(shop).measure(RestorePoint("v41", None), NOW)
    assert loss is not None
    assert (loss.quality, loss.seconds) == (LossQuality.UNKNOWN, None)


async def test_a_measure_command_that_says_nothing_leaves_the_loss_unknown(shop: CommandWorld) -> None:
    loss = await executor(shop, measure=ProgramCall(("echo", "{}"))).measure(RestorePoint("v41", None), NOW)
    assert loss is not None
    assert (loss.quality, loss.basis) == (LossQuality.UNKNOWN, "the measure command said nothing")


async def test_loss_is_what_the_measure_command_says(shop: CommandWorld) -> None:
    way = await executor(shop, measure=shop.call("measure", "{point}")).plan(Goal(point="v41"), NOW)
    assert way.loss is not None
    assert (way.loss.quality, way.loss.seconds, way.loss.units, way.loss.measured_at) == (
        LossQuality.MEASURED,
        60,
        (Unit("orders", 212),),
        NOW,
    )


@pytest.mark.parametrize(
    "said", ['{"seconds": -1}', '{"seconds": NaN}', '{"units": [{"name": "x", "count": -1}]}']
)
async def test_an_impossible_loss_is_refused(shop: CommandWorld, said: str) -> None:
    command = executor(shop, measure=ProgramCall(("echo", said)))
    with pytest.raises(PermanentError, match="must print"):
        await command.measure(RestorePoint("v41", None), NOW)


async def test_a_restore_is_done_once_and_verified(shop: CommandWorld) -> None:
    command = executor(shop)
    progress = await ended(command, WORK, await started(command))
    assert (progress.ended, progress.done, progress.total, progress.unit) == (True, 2, 2, "steps")
    assert shop.done() == [{"point": "v41", "op": WORK.op_id}]
    assert (await command.find(WORK)).fate is Fate.DONE
    assert [finding.verdict for finding in await command.verify(WORK)] == [Verdict.PASSED]


async def test_a_second_start_is_taken_even_after_the_world_has_moved(shop: CommandWorld) -> None:
    command = executor(shop)
    await ended(command, WORK, await started(command))
    assert await command.start(WORK) is Taken.TAKEN
    assert shop.effects() == 1


async def test_nothing_is_started_when_something_else_is_live(shop: CommandWorld) -> None:
    shop.goes_live("v40")
    with pytest.raises(StateChanged):
        await executor(shop).start(WORK)
    assert (await executor(shop).find(WORK)).fate is Fate.ABSENT


async def test_nothing_is_started_towards_a_point_that_is_not_offered_any_more(shop: CommandWorld) -> None:
    shop.loses("v41")
    with pytest.raises(PointUnavailable):
        await executor(shop).start(WORK)
    assert (await executor(shop).find(WORK)).fate is Fate.ABSENT


async def test_a_restore_that_the_tool_refuses_is_failed_in_its_words(shop: CommandWorld) -> None:
    shop.wishes(fail="no space left on shelf")
    command = executor(shop)
    progress = await ended(command, WORK, await started(command))
    assert (progress.ended, progress.words) == (False, "Ended with 1: no space left on shelf")


async def test_a_restore_that_somebody_changed_since_is_overtaken(shop: CommandWorld) -> None:
    command = executor(shop)
    await ended(command, WORK, await started(command))
    shop.goes_live("v40")
    assert (await command.find(WORK)).fate is Fate.OVERTAKEN


async def test_a_tool_that_says_done_and_did_nothing_is_found_out_by_verify(shop: CommandWorld) -> None:
    command = executor(shop, restore=ProgramCall(("true",)))
    await ended(command, WORK, await started(command))
    assert (await command.find(WORK)).fate is Fate.DONE
    [finding] = await command.verify(WORK)
    assert (finding.verdict, finding.value) == (Verdict.FAILED, "v42")


async def test_verify_is_inconclusive_when_nobody_can_say_what_is_live(shop: CommandWorld) -> None:
    [finding] = await executor(shop, current=CLOSED).verify(WORK)
    assert finding.verdict is Verdict.INCONCLUSIVE


async def test_the_tool_decides_what_another_machine_has_started(shop: CommandWorld) -> None:
    here, there = (
        executor(shop, find=FIND),
        executor(shop, spool="another", find=FIND),
    )
    await ended(here, WORK, await started(here))
    assert (await there.find(WORK)).fate is Fate.DONE
    assert await there.start(WORK) is Taken.TAKEN
    assert shop.effects() == 1


def begun_by(shop: CommandWorld, spool: str) -> Work:
    """The work, as its intent says where its op id was taken."""
    return replace(WORK, place=executor(shop, spool).place)


async def test_what_another_worker_began_is_unknown_without_a_find_command(shop: CommandWorld) -> None:
    found = await executor(shop).find(begun_by(shop, "another"))
    assert (found.fate, found.words) == (Fate.UNKNOWN, ELSEWHERE)


async def test_what_another_worker_began_is_not_begun_here(shop: CommandWorld) -> None:
    assert await executor(shop).start(begun_by(shop, "another")) is Taken.TAKEN
    assert shop.effects() == 0


async def test_what_this_worker_began_and_nobody_took_is_absent(shop: CommandWorld) -> None:
    assert (await executor(shop).find(begun_by(shop, "spool"))).fate is Fate.ABSENT


async def test_what_began_before_places_were_recorded_is_judged_as_it_was(shop: CommandWorld) -> None:
    assert WORK.place is None
    assert (await executor(shop).find(WORK)).fate is Fate.ABSENT


@pytest.mark.parametrize("state", ["absent", "in_flight", "done", "failed"])
async def test_the_tool_decides_what_another_worker_began(shop: CommandWorld, state: str) -> None:
    shop.knows(WORK.op_id, state)
    shop.goes_live("v41")
    found = await executor(shop, find=FIND).find(begun_by(shop, "another"))
    assert found.fate is Fate(state)


async def test_what_the_tool_says_never_arrived_from_another_worker_is_begun_here_once(
    shop: CommandWorld,
) -> None:
    command = executor(shop, find=FIND)
    assert (await command.find(begun_by(shop, "another"))).fate is Fate.ABSENT
    assert (await ended(command, WORK, await started(command))).ended is True
    assert shop.effects() == 1


async def test_what_another_machine_has_in_flight_is_polled_through_the_tool(shop: CommandWorld) -> None:
    shop.knows(WORK.op_id, "in_flight")
    command = executor(shop, find=FIND)
    found = await command.find(WORK)
    assert found.handle is not None
    assert (await command.poll(WORK, found.handle)).ended is None
    shop.knows(WORK.op_id, "done")
    assert (await command.poll(WORK, found.handle)).ended is True


async def test_a_find_command_in_another_shape_leaves_it_unknown(shop: CommandWorld) -> None:
    found = await executor(shop, find=ProgramCall(("echo", "perhaps"))).find(WORK)
    assert found.fate is Fate.UNKNOWN
    assert "absent|in_flight|done|failed|unknown" in found.words


async def test_nothing_is_started_while_the_tool_cannot_say_whether_it_was(shop: CommandWorld) -> None:
    with pytest.raises(PermanentError):
        await executor(shop, find=ProgramCall(("echo", "perhaps"))).start(WORK)
    assert shop.effects() == 0


async def cut_off_restore(shop: CommandWorld, command: Command) -> None:
    shop.wishes(wait_for="go")
    await started(command)
    await cut_off(shop.root / "spool" / WORK.op_id / "1")


async def test_a_cut_off_restore_is_unknown_without_a_find_command(shop: CommandWorld) -> None:
    command = executor(shop)
    await cut_off_restore(shop, command)
    assert (await command.find(WORK)).fate is Fate.UNKNOWN
    assert await command.start(WORK) is Taken.TAKEN


async def test_a_cut_off_restore_of_which_the_tool_knows_nothing_is_started_again(shop: CommandWorld) -> None:
    command = executor(shop, find=FIND)
    await cut_off_restore(shop, command)
    assert (await command.find(WORK)).fate is Fate.ABSENT
    (shop.root / "go").touch()
    assert (await ended(command, WORK, await started(command))).ended is True
    assert shop.effects() == 1


async def test_a_cut_off_restore_that_the_tool_finished_is_done(shop: CommandWorld) -> None:
    command = executor(shop, find=FIND)
    await cut_off_restore(shop, command)
    shop.goes_live("v41")
    shop.knows(WORK.op_id, "done")
    assert (await command.find(WORK)).fate is Fate.DONE


async def test_the_tool_has_no_say_over_what_was_started_for_another_plan(shop: CommandWorld) -> None:
    command = executor(shop, find=FIND)
    await ended(command, WORK, await started(command))
    assert (await command.find(replace(WORK, digest="e" * 64))).fate is Fate.UNKNOWN


async def test_a_restore_is_cancelled_the_way_of_the_tool(shop: CommandWorld) -> None:
    shop.wishes(wait_for="go")
    command = executor(shop, cancel=shop.call("cancel", "{op}"))
    handle = await started(command)
    assert await command.cancel(WORK, handle) is CancelAnswer.LEAVES_PARTIAL
    assert (await ended(command, WORK, handle)).words == "Ended with 1: cancelled in time"


async def test_a_tool_that_refuses_to_cancel_is_left_alone(shop: CommandWorld) -> None:
    shop.wishes(wait_for="go")
    command = executor(shop, cancel=ProgramCall(("false",)))
    handle = await started(command)
    assert await command.cancel(WORK, handle) is CancelAnswer.IMPOSSIBLE
    (shop.root / "go").touch()
    assert (await ended(command, WORK, handle)).ended is True


async def test_without_a_cancel_command_the_restore_is_stopped(shop: CommandWorld) -> None:
    shop.wishes(wait_for="go")
    command = executor(shop)
    handle = await started(command)
    assert await command.cancel(WORK, handle) is CancelAnswer.LEAVES_PARTIAL
    assert (shop.effects(), (await command.poll(WORK, handle)).ended) == (0, False)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
async def test_a_hostile_name_is_never_handed_to_a_command(shop: CommandWorld, name: str) -> None:
    command = executor(shop, points=ProgramCall(("echo", json.dumps([{"id": "v42"}, {"id": name}]))))
    if name in {point.id for point in (await command.restore_points()).points}:
        assert name.isprintable()
        assert name[0] != "-"
    else:
        with pytest.raises(PointUnavailable):
            await command.start(replace(WORK, point=name))
    assert shop.effects() == 0
