"""The page of drills: what is due, what was shown, and how long it took, over time."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest

from handlers.web.drills_page import Drilled, restored_in, target_row, window_of
from tests.bot.configured import CAREFUL
from tests.bot.stories import having
from tests.bot.views.drills import BROKEN_OFF, FAILED, SUCCEEDED, WRITTEN_DOWN
from tests.bot.views.examples import at
from tests.handlers.conftest import Open
from tests.handlers.test_drills import DRILLED, back_up, make_orders
from tests.handlers.web.browsing import PROXIED, ask
from tests.handlers.world import World

NOW = at("11:00")
TARGET = CAREFUL.model_copy(update={"rto": 300.0, "rpo": 3_600.0})


@pytest.fixture
async def drilled(open_world: Open, tmp_path: Path) -> World:
    make_orders(tmp_path)
    return await open_world(DRILLED)


async def test_each_drill_stands_there_with_what_it_has_shown(drilled: World) -> None:
    good, bad = back_up(drilled.folder, 5, 10), back_up(drilled.folder, 3, -7)
    for point, state in ((good, "succeeded"), (bad, "failed")):
        await drilled.says("ana", f"drill orders {point}")
        await drilled.reaches(state)
    page = await ask(drilled, "/drills")
    assert page.status == 200
    for words in (good, bad, "restored, verified", "failed: totals", "RTO 15 min", "RPO not declared"):
        assert words in page.body
    assert '<a href="/runs/RB-1">RB-1</a>' in page.body


async def test_the_page_of_a_drill_speaks_of_a_copy_and_of_nothing_that_is_lost(drilled: World) -> None:
    await drilled.says("ana", f"drill orders {back_up(drilled.folder, 5, 10)}")
    await drilled.reaches("succeeded")
    page = await ask(drilled, "/runs/RB-1")
    assert "is not touched: a copy is made beside it" in page.body
    assert "What was seen of the copy" in page.body
    assert not {words for words in ("Way back", "Loss and its ceiling", "Back to") if words in page.body}


async def test_what_was_never_drilled_says_how_to_begin_and_what_has_no_drills_is_named(
    drilled: World,
) -> None:
    page = await ask(drilled, "/drills")
    assert "/rollback drill orders" in page.body
    assert "Without drills: shop" in page.body


async def test_nobody_reads_it_through_a_proxy(drilled: World) -> None:
    assert (await ask(drilled, "/drills", PROXIED)).status == 404


async def test_a_signed_link_shows_it_to_whoever_lists_the_drills_and_leads_on_to_each(
    open_world: Open, tmp_path: Path
) -> None:
    make_orders(tmp_path)
    world = await open_world(DRILLED + "public_url: https://rollback.example\n")
    await world.says("ana", f"drill orders {back_up(tmp_path, 5, 10)}")
    await world.reaches("succeeded")
    told = str((await world.says("ana", "drills")).blocks)
    address = re.search(r"<https://rollback\.example(/drills\?[^|]+)\|", told)
    assert address is not None
    page = await ask(world, unescape(address[1]), PROXIED)
    assert page.status == 200
    assert "All runs" not in page.body
    onward = re.search(r'<a href="(runs/RB-1\?[^"]+)">RB-1</a>', page.body)
    assert onward is not None
    assert (await ask(world, f"/{unescape(onward[1])}", PROXIED)).status == 200


def test_what_was_measured_is_what_is_plotted() -> None:
    assert (restored_in(SUCCEEDED), window_of(SUCCEEDED)) == (250.0, 840.0)
    row = target_row(Drilled(TARGET, None, [SUCCEEDED]), NOW)
    assert row.restore is not None
    assert row.window is not None
    assert [dot.value for dot in row.restore.dots] == [250.0]
    assert [dot.value for dot in row.window.dots] == [840.0]


def test_a_drill_that_was_broken_off_has_shown_nothing() -> None:
    row = target_row(Drilled(TARGET, None, [BROKEN_OFF]), NOW)
    assert (row.drills, row.restore, row.window) == ((), None, None)


def test_what_is_to_be_done_after_a_drill_stands_beside_it() -> None:
    (row,) = target_row(Drilled(TARGET, None, [having(FAILED, **WRITTEN_DOWN)]), NOW).drills
    assert "backup at 04:30" in row.follow_up


def test_a_window_that_nobody_knows_is_not_drawn_as_none_at_all() -> None:
    plan = replace(SUCCEEDED.approval.plan, freshest=None)
    row = target_row(Drilled(TARGET, None, [having(SUCCEEDED, approval_planned=plan)]), NOW)
    assert row.window is None
    assert row.drills[0].window == "not known"


def test_older_ones_are_counted() -> None:
    many = [having(SUCCEEDED, end_at=NOW - timedelta(days=n)) for n in range(25)]
    row = target_row(Drilled(TARGET, None, many), NOW)
    assert (len(row.drills), row.more) == (20, 5)
    assert row.restore is not None
    assert len(row.restore.dots) == 25
