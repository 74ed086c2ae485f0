"""Plans as form, command line, `doctor` and engine make them: the world is scripted, nothing is written."""

from dataclasses import replace

import pytest

from bot.errors import UserError
from bot.model import Current, Goal, Plan, Points, Purpose, RestorePoint
from bot.planning import Hold
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


async def test_the_further_targets_of_a_procedure_go_to_the_same_moment() -> None:
    play = Play(BOTH)
    await planned(play, Goal(point="p41"))
    assert play.world.executor("search").goals == [Goal(before=play.backend.points["p41"].at)]


async def test_an_undo_goes_to_the_undo_point_of_each_target() -> None:
    play = Play(BOTH)
    await play.driven()
    plan = await planned(play, Goal(undo_of="RB-42"))
    assert (plan.purpose, [leg.point.id for leg in plan.legs]) == (Purpose.UNDO, ["undo-v42", "undo-v42"])


async def test_an_undo_without_an_undo_point_says_which_target_has_none(play: Play) -> None:
    play.backend.saves = ["cannot"]
    await play.driven()
    with pytest.raises(UserError, match="RB-42 has no undo point of orders"):
        await planned(play, Goal(undo_of="RB-42"))


# What is suggested -----------------------------------------------------------------------------


async def test_after_a_rollback_nothing_of_the_time_that_it_took_back_is_suggested(play: Play) -> None:
    run = await play.driven()
    play.notes.held = (Hold("orders", LIVE.id, run.id, later(60)),)
    newer = RestorePoint("p42", later(-30)), RestorePoint(LIVE.id, LIVE.at)
    listed = Points((*newer, POINT), Current(POINT.id, "token"))
    backups = replace(listed, points=newer, all_earlier=True)
    assert await play.planner().suggested("orders", backups) is None
    older = RestorePoint("p40", later(-2000))
    assert await play.planner().suggested("orders", replace(listed, points=(*newer, POINT, older))) == older
