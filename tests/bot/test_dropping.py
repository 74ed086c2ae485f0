"""Whether what a run has made may go: nothing that something still names."""

from dataclasses import replace

import pytest

from bot.dropping import LATER_SECONDS, SOON_SECONDS, Around, Keep, why_keep
from bot.model import Current, Do, Left, Phase, PointKind, Points, Purpose, RestorePoint, Step
from bot.suggesting import Hold
from tests.bot.stories import T0, Story, having, later

SAVED = RestorePoint("undo-v42", later(-60), kind=PointKind.UNDO)
OLD, LIVE = RestorePoint("p40", later(-9000)), RestorePoint("v43", later(0), current=True)
CURRENT = Current("v43", "token-43", at=later(0))
RUN = having(Story().run, work_undo_points={"orders": "undo-v42"})
DROP = Step(9, Phase.FINISH, Do.DROP, "orders", drops=Do.SAVE)
COPY = replace(DROP, drops=Do.PREPARE)
P41 = RestorePoint("p41", later(-30))
OTHERS = Points((LIVE, P41, SAVED, OLD), CURRENT)
NOW, NOTHING = later(3600), Around()

KEPT = {
    "nothing names it": (DROP, None, (), OTHERS, None),
    "a run of its target is open": (
        DROP,
        "RB-43",
        (),
        OTHERS,
        Keep("RB-43 is under way on `orders`.", SOON_SECONDS),
    ),
    "it is on hold": (
        DROP,
        None,
        (Hold("orders", "undo-v42", "RB-40", T0),),
        OTHERS,
        Keep("It is on hold since RB-40.", LATER_SECONDS),
    ),
    "something else is on hold": (DROP, None, (Hold("orders", "p41", "RB-40", T0),), OTHERS, None),
    "it is on hold at another target": (DROP, None, (Hold("stock", "undo-v42", "RB-40", T0),), OTHERS, None),
    "it is the newest older one": (
        DROP,
        None,
        (),
        Points((LIVE, SAVED, OLD), CURRENT),
        Keep("It is the newest restore point of `orders` that is older than what is live.", LATER_SECONDS),
    ),
    "a copy is no way back": (COPY, None, (), Points((LIVE, SAVED), CURRENT), None),
    "a copy waits for an open run, too": (
        COPY,
        "RB-43",
        (),
        OTHERS,
        Keep("RB-43 is under way on `orders`.", SOON_SECONDS),
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_why_it_is_kept(name: str) -> None:
    step, open_run, holds, points, kept = KEPT[name]
    assert why_keep(RUN, step, Around(open_run, (), holds), points, NOW) == kept


def test_the_newest_point_older_than_what_is_live_stays() -> None:
    only = Points((LIVE, SAVED), CURRENT)
    assert why_keep(RUN, DROP, Around(), only, NOW) is not None


def why(points: Points = OTHERS, around: Around = NOTHING, **changes: object) -> str | None:
    kept = why_keep(having(RUN, **changes), DROP, around, points, NOW)
    return None if kept is None else kept.why


@pytest.mark.parametrize("flagged", [True, False], ids=["flagged", "named as current"])
def test_what_is_live_again_stays(flagged: bool) -> None:
    live = replace(SAVED, current=flagged)
    points = Points((LIVE, live, OLD), CURRENT if flagged else Current("undo-v42", "token-u"))
    assert why(points) == "It is what is live now."


def test_what_another_run_would_be_undone_to_stays_until_its_time_is_over() -> None:
    other = having(Story().succeeded().run, id="RB-44", work_undo_points={"orders": "undo-v42"})
    shared = Around(moved=(other, RUN))
    assert why(around=shared) == "It is the undo point of RB-44 as well."
    undone = having(other, end_undone_by="RB-45")
    assert why(around=Around(moved=(undone, RUN))) is None
    assert why_keep(RUN, DROP, shared, OTHERS, later(9 * 86_400)) is None


@pytest.mark.parametrize("live", [Left.UNKNOWN, Left.PARTIAL])
def test_it_stays_while_nobody_knows_what_is_live(live: Left) -> None:
    assert why(work_live=live) == "RB-42 ended, and nobody knows for sure what is live since."
    assert why(work_live=live, end_superseded_by="RB-43") is None


def test_it_stays_while_its_run_has_left_customers_in_maintenance() -> None:
    assert why(work_maintenance_since=T0) == "RB-42 has left customers in maintenance."


def test_another_content_under_its_name_is_not_what_the_run_has_made() -> None:
    points = Points((LIVE, P41, replace(SAVED, fingerprint="sha256:other"), OLD), CURRENT)
    contents = {"orders": "sha256:saved"}
    assert why(points, work_undo_contents=contents) == (
        "Under its name is another content now, `sha256:other`."
    )


def test_what_is_older_than_the_run_was_the_backends_own() -> None:
    nightly = replace(SAVED, at=later(-3600))
    assert why(Points((LIVE, P41, nightly, OLD), CURRENT), work_started_at=later(0)) == (
        "It is older than RB-42, so the backend had it already."
    )


def test_of_what_has_no_time_nobody_knows_whether_the_backend_had_it() -> None:
    undated = replace(SAVED, at=None)
    assert why(Points((LIVE, P41, undated, OLD), CURRENT)) == (
        "Nobody knows when it was made, so the backend may have had it before RB-42."
    )


def test_what_another_run_was_restored_from_stays_as_long_as_that_can_be_undone() -> None:
    plan = Story().posted().plan
    leg = replace(plan.legs[0], point=SAVED)
    undo = having(
        Story().posted().run,
        approval_planned=replace(plan, legs=(leg,)),
        work_undo_points={"orders": "undo-v41"},
        work_live=Left.POINT,
        end_at=later(60),
    )
    other = replace(undo, id="RB-43")
    assert why(around=Around(moved=(other, RUN))) == (
        "RB-43 was restored from it, and what that has removed can be listed for as long."
    )


@pytest.mark.parametrize("purpose", [Purpose.DRILL, Purpose.SNAPSHOT])
def test_what_a_drill_or_a_snapshot_needs_stays_as_long_as_that_does(purpose: Purpose) -> None:
    posted = Story().posted().run
    legs = (replace(posted.approval.plan.legs[0], point=SAVED),)
    copied = having(posted, approval_planned=replace(posted.approval.plan, legs=legs))
    other = replace(copied, id="RB-57", request=replace(copied.request, purpose=purpose))
    assert why(around=Around(beside=(other,))) == f"RB-57 is a {purpose} of it."


def test_what_a_list_that_was_cut_does_not_show_stays() -> None:
    assert why(Points((LIVE, P41, OLD), CURRENT, whole=False)) == (
        "Not all restore points could be read, so nobody knows what it holds."
    )


def test_what_a_list_that_was_cut_does_show_may_go() -> None:
    assert why(replace(OTHERS, whole=False)) is None
