"""What people learnt from a drill, as they write it down: on its card, in reminders, and in the evidence."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.handlers.conftest import Open
from tests.handlers.test_drills import back_up, make_orders
from tests.handlers.test_reminders import HOURS, REMINDED, reminded, ticks
from tests.handlers.world import World
from tests.people import PEOPLE

WRITTEN = {"deviation": "3 totals below 0", "why": "it runs before the batch", "to_do": "backup at 04:30"}


@pytest.fixture
async def failed(open_world: Open, tmp_path: Path) -> World:
    """A drill of `orders` did not pass."""
    make_orders(tmp_path)
    bad = back_up(tmp_path, 3, -7)
    world = await open_world(REMINDED + HOURS)
    await world.says("ana", f"drill orders {bad}")
    await world.reaches("failed")
    await world.shows("did NOT come back")
    return world


def in_days(world: World, days: int) -> str:
    return (world.clock() + timedelta(days=days)).date().isoformat()


async def write_down(world: World, who: str = "ana", **changes: str) -> None:
    """As the form asks for it: Cy does what is to be done, within 10 days."""
    await world.clicks(who, "Say what went wrong…")
    await world.sees_modal(who, "what we learnt")
    told = {**WRITTEN, "owner": PEOPLE["cy"], "due": in_days(world, 10), **changes}
    assert (await world.fills_in(who, **told)).errors == {}


async def test_the_form_begins_with_what_the_checks_said(failed: World) -> None:
    await failed.clicks("ana", "Say what went wrong…")
    assert "totals: 1, not 0" in await failed.sees_modal("ana", "what we learnt")


async def test_what_was_learnt_stands_on_the_card_and_in_the_evidence(failed: World) -> None:
    await write_down(failed)
    card = await failed.shows("Otherwise than expected: 3 totals below 0")
    assert f"Follow-up: <@{PEOPLE['cy']}>, by" in card
    assert "backup at 04:30" in card
    (entry,) = [entry for entry in await failed.evidence() if entry["kind"] == "learnt"]
    assert entry["by"] == PEOPLE["ana"]


async def test_who_does_it_is_reminded_in_the_words_that_were_written_down(failed: World) -> None:
    await write_down(failed)
    failed.later(days=11)
    await ticks(failed)
    message = await reminded(failed, "1 follow-up", "cy")
    assert "after drill RB-1: backup at 04:30" in message.plain()


async def test_it_is_closed_with_a_reason(failed: World) -> None:
    await write_down(failed)
    await failed.shows("Follow-up")
    await write_down(failed, closed="the batch runs at 04:00 now")
    await failed.shows(f"by <@{PEOPLE['ana']}>: the batch runs at 04:00 now")
    assert "backup at 04:30" not in str((await failed.says("ana", "drills")).blocks)


async def test_what_is_missing_is_said_in_the_form_and_nothing_typed_is_lost(failed: World) -> None:
    await failed.clicks("ana", "Say what went wrong…")
    await failed.sees_modal("ana", "what we learnt")
    sent = await failed.fills_in("ana", **WRITTEN)
    assert "Choose who does" in str(sent.errors)


async def test_what_is_to_be_done_is_not_silenced_for_years(failed: World) -> None:
    await failed.clicks("ana", "Say what went wrong…")
    await failed.sees_modal("ana", "what we learnt")
    told = {**WRITTEN, "owner": PEOPLE["cy"], "due": "2099-01-01"}
    assert "within 90 days" in str((await failed.fills_in("ana", **told)).errors)


async def test_who_has_no_part_in_the_target_writes_nothing_down(failed: World) -> None:
    await failed.clicks("guest", "Say what went wrong…")
    await failed.sees_modal("guest", "You cannot write down")


async def test_another_point_is_drilled_with_one_click(failed: World) -> None:
    back_up(failed.folder, 5, 10)
    await failed.clicks("ana", "Drill another point")
    await failed.reaches("succeeded", "RB-2")


async def test_details_show_all_of_it(failed: World) -> None:
    await write_down(failed, assumption="it runs after the batch")
    await failed.shows("Follow-up")
    await failed.clicks("guest", "Details")
    assert "We believed: it runs after the batch" in await failed.sees_modal("guest", "What was learnt")
