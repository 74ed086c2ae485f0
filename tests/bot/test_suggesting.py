"""Which restore points are offered, and which one is suggested."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from bot.model import Current, Left, PointKind, Points, Purpose, RestorePoint, Span, State
from bot.run import Run
from bot.suggesting import Abandoned, Hold, offer, taken_back
from tests.bot.scripted import Play
from tests.bot.stories import T0, later

NOW = later(60)


def chosen(points: Points) -> str | None:
    return offer(points, (), (), NOW).suggested


def listed(*points: RestorePoint, live: Current | None = None, **more: Any) -> Points:
    """Newest first."""
    return Points(points, live or Current("v42", "token", at=T0), **more)


def point(name: str, at: float | None, **more: Any) -> RestorePoint:
    return RestorePoint(name, None if at is None else later(at), **more)


def test_the_newest_point_that_is_older_than_what_is_live_is_suggested() -> None:
    live = point("v42", -100, current=True)
    assert chosen(listed(point("v43", -50), live, point("v41", -200), point("v40", -300))) == "v41"


@pytest.mark.parametrize(
    ("points", "holds", "abandoned"),
    [
        (listed(point("v43", -50), live=Current("v42", "token", at=later(-100))), (), ()),
        (listed(point("v41", -50)), (Hold("shop", "v41", "RB-1", T0),), ()),
        (listed(point("pre-RB-1", -50, kind=PointKind.UNDO)), (), ()),
        (listed(point("bad", -50)), (), (Abandoned("RB-1", later(-100), later(-10)),)),
        (listed(point("undated", None)), (), ()),
        (listed(point("v43", -50), live=Current("v42", "token")), (), ()),
        (listed(point("v43", -50), point("v42", None)), (), ()),
        (listed(point("v41", -50, doubt="is marked as bad")), (), ()),
        (listed(point("v41", 3600), live=Current("v42", "token", at=later(7200))), (), ()),
    ],
    ids=[
        "newer than what is live",
        "held",
        "saved before a run",
        "of a time taken back",
        "without a time",
        "beside a live state of which nobody knows the time",
        "before the live state in the list",
        "in doubt",
        "dated in the future",
    ],
)
def test_nothing_is_suggested_that_leads_back_to_the_fault(
    points: Points, holds: Sequence[Hold], abandoned: Sequence[Abandoned]
) -> None:
    assert offer(points, holds, abandoned, NOW).suggested is None


def test_a_backup_is_suggested_although_nobody_knows_since_when_the_live_state_stands() -> None:
    backup = point("backup", -100, live=(Span(later(-100), later(-100)),))
    assert chosen(listed(backup, live=Current("now", "token"))) == backup.id


def test_what_may_be_live_still_is_not_suggested_beside_a_live_state_without_a_time() -> None:
    other = point("v41", -100, live=(Span(later(-100), None),))
    assert chosen(listed(other, live=Current("now", "token"))) is None


def test_of_two_with_the_same_time_the_one_that_stands_further_down_is_older() -> None:
    older = point("v41", -100)
    assert chosen(listed(point("v42", -100, current=True), older)) == older.id


def test_what_is_listed_after_the_live_state_is_older_although_that_has_no_time() -> None:
    older = point("v41", -50)
    live = Current("v42", "token")
    assert chosen(listed(point("v42", None), older, live=live)) == older.id


def test_the_restore_point_of_an_earlier_rollback_may_be_suggested_again() -> None:
    taken_back = Abandoned("RB-1", later(-100), later(-10))
    assert offer(listed(point("good", -100)), (), (taken_back,), NOW).suggested == "good"


def test_every_point_says_what_is_known_against_it() -> None:
    undo = point("pre-RB-2", -20, kind=PointKind.UNDO, saved_before="RB-2")
    bad, held, good = point("bad", -50), point("v40", -200), point("v39", -300)
    points = listed(undo, point("v42", -5, current=True), bad, held, good)
    hold, taken_back = Hold("shop", "v40", "RB-1", T0), Abandoned("RB-2", later(-100), later(-10))
    found = offer(points, (hold,), (taken_back,), NOW)
    assert (found.held, found.saved_before) == ({"v40": "RB-1"}, {"pre-RB-2": "RB-2", "bad": "RB-2"})
    assert (found.plain, found.suggested) == ((good,), "v39")


@pytest.mark.parametrize(
    ("live", "taken"),
    [(Left.POINT, ["RB-42"]), (Left.BEFORE, []), (Left.UNKNOWN, [])],
)
async def test_a_failed_run_has_taken_back_what_it_left(live: Left, taken: Sequence[str]) -> None:
    run = await Play().driven()
    failed = replace(run, state=State.FAILED, work=replace(run.work, live=live))
    assert [each.run for each in taken_back("orders", (failed,))] == taken


def undo_of(run: Run, name: str) -> Run:
    return replace(run, id=name, request=replace(run.request, purpose=Purpose.UNDO, undo_of=run.id))


async def test_of_a_run_that_was_undone_only_the_undo_has_taken_back() -> None:
    run = await Play().driven()
    assert [each.run for each in taken_back("orders", (undo_of(run, "RB-43"), run))] == ["RB-43"]


async def test_a_run_whose_undo_was_undone_has_taken_back_again() -> None:
    run = await Play().driven()
    undo = undo_of(run, "RB-43")
    again = undo_of(undo, "RB-44")
    assert [each.run for each in taken_back("orders", (again, undo, run))] == ["RB-44", "RB-42"]


async def test_of_a_chain_of_undos_every_second_one_has_taken_back() -> None:
    run = await Play().driven()
    undo = undo_of(run, "RB-43")
    again = undo_of(undo, "RB-44")
    last = undo_of(again, "RB-45")
    assert [each.run for each in taken_back("orders", (last, again, undo, run))] == ["RB-45", "RB-43"]


async def test_what_a_run_took_back_is_the_time_from_its_point_to_its_end() -> None:
    run = await Play().driven()
    assert taken_back("orders", (run,)) == (Abandoned(run.id, later(-1020), run.end.at or T0),)
    assert taken_back("search", (run,)) == ()


def test_the_state_that_is_live_again_is_no_choice() -> None:
    found = offer(listed(point("v42", -30, current=True), point("v41", -200)), (), (), NOW)
    assert [each.id for each in found.others] == ["v41"]
