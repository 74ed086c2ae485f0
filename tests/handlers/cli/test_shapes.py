"""What programs get, as values: every key of the public interface is there, and unknown is null."""

import json
from dataclasses import replace

import pytest

from bot.model import (
    Current,
    Gone,
    LossQuality,
    PointKind,
    Points,
    Purpose,
    RestorePoint,
    Span,
    State,
    Unit,
)
from bot.run import Run
from bot.suggesting import offer
from handlers.cli import shapes
from storage.projection import Summary
from tests.bot.stories import having
from tests.bot.views import examples
from tests.bot.views.examples import CARDS, EVENTS, at

PLAN_KEYS = [
    "code",
    "digest",
    "target",
    "from",
    "point",
    "at",
    "data_loss",
    "warnings",
    "blockers",
    "approvals_needed",
    "gone",
    "diff",
    "fingerprint",
    "changes",
    "changes_told",
]
RUN_KEYS = [
    "id",
    "target",
    "purpose",
    "state",
    "phase",
    "requester",
    "approvers",
    "plan",
    "live",
    "steps",
    "checks",
    "events",
    "url",
]


def told(run: Run) -> shapes.Json:
    return shapes.run(run, EVENTS, "1f2e3d4c", None)


def test_a_point_is_told_with_its_time_in_milliseconds() -> None:
    points = Points((examples.SHOP_POINT,), Current("r42", "r42"))
    assert shapes.points(offer(points, (), (), at("03:02"))) == [
        {
            "id": "r41",
            "at": "2026-11-21T18:02:00.000Z",
            "label": "v41",
            "author": "cy",
            "current": False,
            "proven_at": None,
            "drill_failed_at": None,
            "kind": None,
            "live": [],
            "fingerprint": None,
            "held_by": None,
            "saved_before": None,
            "suggested": False,
        }
    ]


def test_what_a_backend_does_not_say_of_a_point_is_null() -> None:
    points = Points((RestorePoint("a", None),), Current("b", "b"))
    unsaid = dict.fromkeys(
        (
            "at",
            "label",
            "author",
            "proven_at",
            "drill_failed_at",
            "kind",
            "fingerprint",
            "held_by",
            "saved_before",
        )
    )
    (told_point,) = shapes.points(offer(points, (), (), at("03:02")))
    assert told_point == {"id": "a", "current": False, "live": [], "suggested": False, **unsaid}


def test_the_life_of_a_point_and_what_it_holds_are_told() -> None:
    span = Span(at("02:45"), None)
    backup = RestorePoint("a", None, kind=PointKind.BACKUP, live=(span,), fingerprint="40ab")
    (told_point,) = shapes.points(offer(Points((backup,), Current("b", "b")), (), (), at("03:02")))
    assert (told_point["kind"], told_point["fingerprint"]) == ("backup", "40ab")
    assert told_point["live"] == [{"since": "2026-11-22T02:45:00.000Z", "until": None}]


def test_the_point_that_is_live_is_current_even_when_the_backend_does_not_mark_it() -> None:
    points = Points((RestorePoint("a", None), RestorePoint("b", None)), Current("b", "b"))
    assert [point["current"] for point in shapes.points(offer(points, (), (), at("03:02")))] == [False, True]


def test_a_plan_is_told_with_what_it_loses_and_at_most() -> None:
    assert shapes.plan(examples.ORDERS, "7f3a91c2" + "0" * 56) == {
        "code": "7f3a91c2",
        "digest": "7f3a91c2" + "0" * 56,
        "target": "orders",
        "from": "live",
        "point": "20261122T024500Z",
        "at": "2026-11-22T02:45:00.000Z",
        "data_loss": {
            "seconds": 1_020.0,
            "units": [figure("orders", 212, 400), figure("refunds", 9, 20)],
            "quality": "measured",
            "rpo_seconds": 900.0,
            "within_rpo": False,
            "ceiling": {
                "seconds": 3_120.0,
                "units": [figure("orders", 400, 400), figure("refunds", 20, 20)],
            },
        },
        "warnings": ["Also removes the fix of INC-381 (02:50)"],
        "blockers": [],
        "approvals_needed": 1,
        "gone": [],
        "diff": None,
        "fingerprint": None,
        "changes": [],
        "changes_told": None,
    }


def figure(name: str, count: int, limit: int) -> shapes.Json:
    return {"name": name, "count": count, "change": "new", "measure": "count", "limit": limit}


def test_what_goes_is_told_with_what_is_known_of_it() -> None:
    gone = Gone("v42", "v42", at("02:50"), "cy")
    plan = replace(examples.SHOP, legs=(replace(examples.SHOP.legs[0], gone=(gone,), diff="a\nb"),))
    shape = shapes.plan(plan, "0" * 64)
    assert shape["gone"] == [
        {"id": "v42", "label": "v42", "at": "2026-11-22T02:50:00.000Z", "author": "cy", "note": None}
    ]
    assert shape["diff"] == "a\nb"


def test_a_figure_without_a_limit_has_none() -> None:
    loss = replace(examples.MEASURED, units=(Unit("authors", 2, limits=False),))
    plan = examples.with_loss(examples.ORDERS, loss)
    assert shapes.plan(plan, "0" * 64)["data_loss"]["units"][0]["limit"] is None


def test_a_loss_that_nobody_knows_is_null_and_not_zero() -> None:
    assert examples.UNKNOWN_LOSS.approval.plan is not None
    loss = shapes.plan(examples.UNKNOWN_LOSS.approval.plan, "0" * 64)["data_loss"]
    assert (loss["quality"], loss["seconds"], loss["within_rpo"], loss["units"]) == (
        "unknown",
        None,
        None,
        [],
    )
    assert loss["ceiling"] == {"seconds": None, "units": []}


def test_a_plan_that_touches_no_data_loses_zero_seconds() -> None:
    loss = shapes.plan(examples.SHOP, "0" * 64)["data_loss"]
    assert (loss["quality"], loss["seconds"], loss["rpo_seconds"]) == (LossQuality.NONE.value, 0.0, None)


def test_a_line_of_the_list_of_runs() -> None:
    summary = Summary(
        id="RB-42",
        target="orders",
        purpose=Purpose.ROLLBACK,
        state=State.AWAITING_APPROVAL,
        phase=None,
        requester="U01ANA",
        channel="C01INC",
        requested_at=at("03:01:50"),
        changed_at=at("03:02"),
    )
    assert shapes.summary(summary) == {
        "id": "RB-42",
        "target": "orders",
        "purpose": "rollback",
        "state": "awaiting_approval",
        "phase": None,
        "requester": "U01ANA",
        "at": "2026-11-22T03:01:50.000Z",
    }


@pytest.mark.parametrize("name", CARDS)
def test_a_run_in_any_state_has_every_key_and_is_json(name: str) -> None:
    shape = told(CARDS[name][0])
    assert list(shape) == RUN_KEYS
    assert shape["plan"] is None or list(shape["plan"]) == PLAN_KEYS
    assert json.loads(json.dumps(shape, allow_nan=False)) == shape


def test_people_of_a_run_are_slack_user_ids() -> None:
    shape = told(examples.SUCCEEDED)
    assert (shape["requester"], shape["approvers"]) == ("U01ANA", ["U01BEN"])


def test_steps_that_change_the_world_carry_their_op_and_the_others_are_left_out() -> None:
    assert told(examples.RESTORING)["steps"] == [
        {"op": "1f2e3d4c.RB-42.2", "state": "ended", "outcome": "succeeded", "left": None},
        {"op": "1f2e3d4c.RB-42.4", "state": "ended", "outcome": "succeeded", "left": None},
        {"op": "1f2e3d4c.RB-42.5", "state": "started", "outcome": None, "left": "unknown"},
        {"op": "1f2e3d4c.RB-42.7", "state": "waiting", "outcome": None, "left": None},
    ]


def test_a_checkpoint_is_a_step_without_an_op() -> None:
    waiting = {"op": None, "state": "waiting", "outcome": None, "left": None}
    assert told(examples.CHECKPOINT)["steps"][0] == waiting


def test_a_step_of_which_nobody_knows_the_end_is_lost() -> None:
    lost = {"op": "1f2e3d4c.RB-42.5", "state": "ended", "outcome": "lost", "left": "unknown"}
    assert lost in told(examples.STUCK)["steps"]


def test_checks_carry_their_values_before_and_after() -> None:
    assert told(examples.NOT_ONLINE)["checks"][0] == {
        "name": "totals",
        "when": "offline",
        "verdict": "failed",
        "before": 41.0,
        "after": 3.0,
    }


def test_a_check_that_was_only_read_before_has_no_verdict_and_no_value_after() -> None:
    rate = {"name": "error rate", "when": "online", "verdict": None, "before": "4.1 %", "after": None}
    assert rate in told(examples.NOT_ONLINE)["checks"]


def test_a_finding_without_its_own_value_before_gets_the_one_of_the_baseline() -> None:
    run = having(examples.NOT_ONLINE, work_findings=(replace(examples.TOTALS_BAD, before=None),))
    assert told(run)["checks"][0]["before"] == 41.0


def test_events_have_the_names_of_the_machine_and_the_bot_is_nobody() -> None:
    assert told(examples.SUCCEEDED)["events"][2:4] == [
        {"seq": 3, "at": "2026-11-22T03:02:01.000Z", "kind": "posted", "by": None},
        {"seq": 4, "at": "2026-11-22T03:06:00.000Z", "kind": "approved", "by": "U01BEN"},
    ]


@pytest.mark.parametrize(
    ("run", "live"),
    [
        (examples.REQUESTED, None),
        (examples.AWAITING, "live"),
        (examples.STUCK, None),
        (examples.SUCCEEDED, "20261122T024500Z"),
        (examples.FAILED_BEFORE, "live"),
    ],
    ids=["no plan yet", "nothing done yet", "nobody knows", "restored", "nothing restored"],
)
def test_live_is_the_id_of_what_stands_there_now(run: Run, live: str | None) -> None:
    assert told(run)["live"] == live
