"""Plans as form, command line, `doctor` and engine make them: the world is scripted, nothing is written."""

from dataclasses import replace

import pytest

from bot.errors import UserError
from bot.model import Current, Goal, Plan, Points, Purpose, RestorePoint, Span
from bot.spans import Lived
from bot.suggesting import Hold
from tests.bot.configured import configuration, restoring, target
from tests.bot.scripted import Play
from tests.bot.stories import LIVE, POINT, T0, later

BOTH = configuration(
    target("orders", procedure="both"), target("search"), procedures={"both": restoring("orders", "search")}
)


@pytest.fixture
def play() -> Play:
    return Play()


async def planned(play: Play, goal: Goal) -> Plan:
    return await play.planner().plan(next(iter(play.configuration.targets.values())), goal)


# What is planned -------------------------------------------------------------------------------


async def test_planning_writes_nothing_and_touches_nothing(play: Play) -> None:
    await planned(play, Goal(point="p41"))
    assert play.journal.entries == []


async def test_holds_are_warned_of(play: Play) -> None:
    play.notes.held = (Hold("orders", "p41", "RB-7", T0),)
    plan = await planned(play, Goal(point="p41"))
    assert plan.warnings == ("p41 of orders was itself rolled back by RB-7 on 22 Nov",)


async def test_the_further_targets_of_a_procedure_go_to_when_the_bad_state_came() -> None:
    play = Play(BOTH)
    await planned(play, Goal(point="p41"))
    assert play.world.executor("search").goals == [Goal(before=later(-600))]


async def test_where_nobody_knows_when_the_bad_state_came_it_is_asked() -> None:
    play = Play(BOTH)
    play.backend.since = None
    with pytest.raises(UserError, match="Nobody knows until when p41 was live"):
        await planned(play, Goal(point="p41"))


async def test_an_undo_goes_to_the_undo_point_of_each_target() -> None:
    play = Play(BOTH)
    await play.driven()
    plan = await planned(play, Goal(undo_of="RB-42"))
    assert (plan.purpose, [leg.point.id for leg in plan.legs]) == (Purpose.UNDO, ["undo-v42", "undo-v42"])


async def test_nothing_is_said_against_the_point_that_an_undo_goes_to(play: Play) -> None:
    await play.driven()
    assert (await planned(play, Goal(undo_of="RB-42"))).warnings == ()


async def test_an_undo_is_refused_when_something_else_stands_in_the_place_of_what_was_saved(
    play: Play,
) -> None:
    await play.driven()
    saved = play.backend.offered["undo-v42"]
    play.backend.offered["undo-v42"] = replace(saved, fingerprint="0bad" * 16)
    with pytest.raises(UserError, match="`undo-v42` is not what RB-42 has saved"):
        await planned(play, Goal(undo_of="RB-42"))


async def test_an_undo_without_an_undo_point_says_which_target_has_none(play: Play) -> None:
    play.backend.saving.starts = ["cannot"]
    await play.driven()
    with pytest.raises(UserError, match="RB-42 has no undo point of orders"):
        await planned(play, Goal(undo_of="RB-42"))


# What is suggested -----------------------------------------------------------------------------


def backup(name: str, at: float) -> RestorePoint:
    return RestorePoint(name, later(at), live=(Span(later(at), later(at)),))


async def test_after_a_rollback_nothing_of_the_time_that_it_took_back_is_suggested(play: Play) -> None:
    run = await play.driven()
    play.notes.held = (Hold("orders", LIVE.id, run.id, later(60)),)
    newer = backup("p42", -30), backup(LIVE.id, -600)
    listed = Points((*newer, POINT), Current(POINT.id, "token"))
    backups = replace(listed, points=newer)
    assert (await play.planner().offer("orders", backups)).suggested is None
    older = RestorePoint("p40", later(-2000))
    offered = await play.planner().offer("orders", replace(listed, points=(*newer, POINT, older)))
    assert offered.suggested == older.id
    assert offered.saved_before == {"p42": run.id, LIVE.id: run.id}


async def test_a_point_that_was_taken_back_is_warned_of_where_it_is_named(play: Play) -> None:
    run = await play.driven()
    play.backend.offered["p42"] = backup("p42", -30)
    plan = await planned(play, Goal(point="p42"))
    assert plan.warnings == (f"p42 of orders was live before {run.id}, which took it back",)


async def test_a_time_that_means_a_point_that_was_taken_back_is_refused(play: Play) -> None:
    run = await play.driven()
    play.backend.offered["p42"] = RestorePoint("p42", later(-600))
    play.notes.seen_live["orders"] = (Lived("p42", "token-42", later(-600), T0),)
    with pytest.raises(UserError, match=f"p42 of `orders` would be meant, which {run.id} has taken back"):
        await planned(play, Goal(before=later(-300)))


# What was live when ----------------------------------------------------------------------------


async def test_a_time_means_what_was_seen_live_then(play: Play) -> None:
    play.backend.offered["p40"] = RestorePoint("p40", later(-90))
    seen = Lived("p40", "token-40", later(-5000), later(-4000)), Lived("v42", "token-42", later(-600), T0)
    play.notes.seen_live["orders"] = seen
    await play.planner().plan(play.configuration.targets["orders"], Goal(before=later(-4500)))
    assert play.backend.goals == [Goal(point="p40")]


async def test_a_time_between_two_looks_is_refused_with_both(play: Play) -> None:
    play.backend.offered["p40"] = RestorePoint("p40", later(-90))
    seen = Lived("p40", "token-40", later(-5000), later(-4000)), Lived("v42", "token-42", later(-600), T0)
    play.notes.seen_live["orders"] = seen
    with pytest.raises(UserError, match="Nobody looked between"):
        await play.planner().plan(play.configuration.targets["orders"], Goal(before=later(-3000)))


async def test_the_plan_says_since_when_and_by_whom_what_is_live_stands(play: Play) -> None:
    play.notes.seen_live["orders"] = (
        Lived("v41", "token-41", later(-5000), later(-4000)),
        Lived("v42", "token-v42", later(-600), T0, later(-4000), author="cy"),
    )
    play.backend.since = None
    plan = await play.planner().plan(play.configuration.targets["orders"], Goal(point="p41"))
    assert (plan.current.since, plan.current.author) == (later(-600), "cy")
