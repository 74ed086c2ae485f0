"""Processes of one installation that differ refuse, wait for each other, and are named."""

from dataclasses import replace

import pytest

from bot.errors import UserError
from bot.model import Goal
from bot.pins import Pin
from bot.processes import LiveProcess, can_start, pins_digest, targets_apart, why_no_plan
from tests.bot.scripted import Play
from tests.bot.stories import T0

OLD, NEW = (Pin("program `ctl`", "1" * 64),), (Pin("program `ctl`", "2" * 64),)
ONE = LiveProcess("a", "db1:7", "worker", "main", "1.0", "aaaa0000", {"shop": pins_digest(OLD)}, T0, T0)
TWO = replace(ONE, id="b", name="db2:9")


def test_workers_of_a_zone_with_two_keys_make_no_plan_and_both_are_named() -> None:
    other = replace(TWO, key="bbbb0000")
    assert why_no_plan("main", [ONE, other]) == (
        "The workers of zone `main` hold different keys: db1:7 holds aaaa0000 and db2:9 holds bbbb0000. "
        "Give them the same ROLLBACK_WORKER_KEY_FILE, and ask again."
    )


def test_the_keys_of_fronts_and_of_other_zones_do_not_matter() -> None:
    front = replace(TWO, role="front", zone="", key="bbbb0000")
    elsewhere = replace(TWO, zone="far", key="cccc0000")
    assert why_no_plan("main", [ONE, TWO, front, elsewhere]) is None


def test_a_target_about_which_two_workers_differ_is_named_with_both() -> None:
    other = replace(TWO, pins={"shop": pins_digest(NEW), "search": ""})
    assert targets_apart([ONE, other]) == {"search": ("db1:7", "db2:9"), "shop": ("db1:7", "db2:9")}
    assert targets_apart([ONE, TWO]) == {}


async def test_only_a_worker_that_finds_what_was_approved_can_start_it() -> None:
    play = Play()
    play.ask()
    plan = (await play.drive()).approval.plan
    agreed = {leg.target: pins_digest(leg.pins) for leg in plan.legs}
    assert can_start(agreed, plan)
    assert not can_start({name: pins_digest(NEW) for name in agreed}, plan)
    assert not can_start({}, plan)


async def test_a_request_is_refused_while_workers_of_its_zone_hold_two_keys() -> None:
    play = Play()
    play.notes.there = (ONE, replace(TWO, key="bbbb0000"))
    with pytest.raises(UserError, match="db1:7 holds aaaa0000 and db2:9 holds bbbb0000"):
        await play.planner().plan(next(iter(play.configuration.targets.values())), Goal(point="p41"))
