"""Restore points that come in pages, or are very many: all of them, or a sentence about what is left out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backends.command import listing
from backends.command.answers import OtherShape, read_page
from backends.command.calls import ProgramCall, Programs
from backends.command.executor import Command
from backends.command.listing import (
    MOST_PAGES,
    SAME_PAGE,
    TOO_LONG,
    TOO_MANY_PAGES,
    TOO_MANY_POINTS,
    page_argv,
)
from backends.threads import Threads
from bot.contract import Unreachable
from bot.errors import PermanentError
from bot.model import Goal
from tests.backends.command.test_executor import NOW
from tests.backends.command.world import CommandWorld

PAGES = ProgramCall(("sh", "-c", 'cat "page-$1.json"', "pages", "{cursor}"), 20.0)
ENDLESS = """printf '{"points": [{"id": "v%s"}], "next": %s}' "${1:-0}" "$((${1:-0} + 1))" """
SLOW = f"sleep 0.1; {ENDLESS}"
COMES_AFTER = "what comes after that is left out."


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[CommandWorld]:
    shop = CommandWorld.make(tmp_path / "shop")
    yield shop
    shop.close()


def executor(shop: CommandWorld, points: ProgramCall = PAGES) -> Command:
    return Command(**{**shop.calls(), "points": points}, resolver=shop.resolver(), clock=lambda: NOW)


def printing(script: str, *argv: str, timeout: float = 20.0) -> ProgramCall:
    return ProgramCall(("sh", "-c", script, "points", *argv), timeout)


def page(shop: CommandWorld, cursor: str, ids: list[str], following: Any, **more: Any) -> None:
    """Lays down the page that begins at this cursor; the first one has an empty one."""
    points = [{"id": name, **more} for name in ids]
    (shop.root / f"page-{cursor}.json").write_text(json.dumps({"points": points, "next": following}))


async def listed(shop: CommandWorld, points: ProgramCall = PAGES) -> tuple[list[str], tuple[str, ...]]:
    found = await executor(shop, points).points(limit=60_000)
    return [point.id for point in found.points], found.left_out


@pytest.mark.parametrize("last", [None, ""])
async def test_pages_are_read_until_there_is_no_next(shop: CommandWorld, last: str | None) -> None:
    page(shop, "", ["v42", "v41"], "b")
    page(shop, "b", ["v40"], 3)
    page(shop, "3", ["v39"], last)
    assert await listed(shop) == (["v42", "v41", "v40", "v39"], ())


async def test_a_point_of_a_later_page_can_be_gone_to(shop: CommandWorld) -> None:
    page(shop, "", ["v42"], "b")
    page(shop, "b", ["v9"], None)
    assert (await executor(shop).plan(Goal(point="v9"), NOW)).point.id == "v9"


# An option before the cursor, as in `--starting-token TOKEN`: aws/aws-cli, awscli/customizations/paginate.py.
@pytest.mark.parametrize(
    ("argv", "first", "following"),
    [
        (["ctl", "points"], ["ctl", "points"], ["ctl", "points"]),
        (["ctl", "points", "{cursor}"], ["ctl", "points"], ["ctl", "points", "p 2"]),
        (["ctl", "--after", "{cursor}", "-v"], ["ctl", "-v"], ["ctl", "--after", "p 2", "-v"]),
        (["ctl", "-v", "--", "{cursor}"], ["ctl", "-v", "--"], ["ctl", "-v", "--", "p 2"]),
        (["-odd", "{cursor}"], ["-odd"], ["-odd", "p 2"]),
    ],
)
def test_the_first_page_is_asked_for_without_the_cursor_and_its_option(
    argv: list[str], first: list[str], following: list[str]
) -> None:
    assert list(page_argv(argv, [])) == first
    assert list(page_argv(argv, ["p 2"])) == following


async def test_a_cursor_reaches_the_program_as_it_was_printed(shop: CommandWorld) -> None:
    page(shop, "", ["v42"], "{op} '%s' $(id)")
    page(shop, "{op} '%s' $(id)", ["v41"], None)
    assert await listed(shop) == (["v42", "v41"], ())


async def test_a_page_that_was_printed_already_ends_the_list_and_is_said(shop: CommandWorld) -> None:
    page(shop, "", ["v42"], "b")
    page(shop, "b", ["v41"], "b")
    assert await listed(shop) == (["v42", "v41"], (SAME_PAGE,))


async def test_endless_pages_end_with_one_sentence(shop: CommandWorld) -> None:
    ids, left_out = await listed(shop, printing(ENDLESS, "{cursor}"))
    assert (ids, left_out) == ([f"v{n}" for n in range(MOST_PAGES)], (TOO_MANY_PAGES,))


async def test_all_pages_together_have_the_time_of_the_call(shop: CommandWorld) -> None:
    with pytest.raises(Unreachable, match=r"points command `sh` was stopped: .* within 0\.3 s"):
        await listed(shop, printing(SLOW, "{cursor}", timeout=0.3))


@pytest.mark.parametrize(
    ("cursor", "why"),
    [
        (["b"], "is neither text nor a number"),
        (True, "is neither text nor a number"),
        ("--force", "looks like an option"),
        ("a\nb", "holds characters that cannot be printed"),
        ("x" * 4_097, "is longer than 4,096 characters"),
    ],
    ids=["list", "truth", "option", "lines", "long"],
)
async def test_a_next_page_that_is_no_argument_is_said(shop: CommandWorld, cursor: object, why: str) -> None:
    page(shop, "", ["v42"], cursor)
    said = f"The points command names a next page that {why}: {COMES_AFTER}"
    assert await listed(shop) == (["v42"], (said,))


async def test_a_cursor_may_begin_with_a_dash_after_two_dashes(shop: CommandWorld) -> None:
    page(shop, "", ["v42"], "-2")
    page(shop, "-2", ["v41"], None)
    after_dashes = ProgramCall(("sh", "-c", 'cat "page-$2.json"', "pages", "--", "{cursor}"), 20.0)
    assert await listed(shop, after_dashes) == (["v42", "v41"], ())


async def test_pages_that_are_too_long_together_are_cut_off_and_it_is_said(shop: CommandWorld) -> None:
    page(shop, "", [f"a{n}" for n in range(450)], "b", notes="x" * 20_000)
    page(shop, "b", [f"b{n}" for n in range(450)], "c", notes="x" * 20_000)
    ids, left_out = await listed(shop)
    assert (450 < len(ids) < 900, left_out) == (True, (TOO_LONG,))


async def test_a_later_page_in_another_shape_is_no_end_of_the_list(shop: CommandWorld) -> None:
    page(shop, "", ["v42"], "b")
    (shop.root / "page-b.json").write_text('{"pints": []}')
    with pytest.raises(PermanentError, match="points command `sh` must print"):
        await listed(shop)


async def test_a_later_page_that_does_not_come_is_no_end_of_the_list(shop: CommandWorld) -> None:
    page(shop, "", ["v42"], "b")
    with pytest.raises(Unreachable, match="points command `sh` ended with 1"):
        await listed(shop)


async def test_a_point_that_comes_twice_is_offered_once_and_it_is_said(shop: CommandWorld) -> None:
    page(shop, "", ["v42", "v41"], "b")
    page(shop, "b", ["v41"], None)
    twice = "`v41` is listed more than once: the newest counts."
    assert await listed(shop) == (["v42", "v41"], (twice,))


async def test_of_more_points_than_are_shown_it_is_said_how_many(shop: CommandWorld) -> None:
    page(shop, "", [f"v{n}" for n in range(1_042)], None)
    found = await executor(shop).points(limit=42)
    said = "1,000 more points are not shown here: a name or a time finds them all the same."
    assert (len(found.points), found.left_out) == (42, (said,))


# Reading one page ------------------------------------------------------------------------------


def test_more_points_than_are_held_are_counted_off_and_it_is_told() -> None:
    out = json.dumps({"points": [{"id": f"v{n}"} for n in range(5)], "next": "b"}).encode()
    found = read_page(out, len(out), 3)
    assert ([point.id for point in found.points], found.is_too_many) == (["v0", "v1", "v2"], True)


def test_ids_inside_of_points_are_no_points() -> None:
    points = [{"id": f"v{n}", "changes": [{"id": 1}, {"id": 2}]} for n in range(3)]
    found = read_page(json.dumps(points).encode(), 10_000, 3)
    assert (len(found.points), found.is_too_many, found.is_too_long) == (3, False, False)


@pytest.mark.parametrize("out", [b'[{"id": "v42"}, {"id": "v4', b'{"points": [{"id": "v42"}, {"id": "v4'])
def test_what_was_cut_off_in_a_point_leaves_those_before(out: bytes) -> None:
    found = read_page(out, len(out) - 1, 100)
    assert ([point.id for point in found.points], found.is_too_long) == (["v42"], True)


def test_a_page_that_is_cut_off_in_its_first_point_has_none() -> None:
    assert read_page(b'[{"id": "v4', 5, 100).points == []


def test_what_is_too_long_and_no_list_is_of_another_shape() -> None:
    with pytest.raises(OtherShape, match="no list"):
        read_page(b"9" * 100, 50, 100)


@pytest.mark.parametrize(
    "script",
    [ENDLESS, """echo '[{"id": "v1"}, {"id": "v2"}, {"id": "v3"}, {"id": "v4"}]'"""],
    ids=["one a page", "one page"],
)
async def test_more_points_than_are_held_end_with_one_sentence(shop: CommandWorld, script: str) -> None:
    threads = Threads()
    call = printing(script, "{cursor}")
    found = await listing.listed(call, Programs(shop.resolver(), threads), threads, most_points=3)
    assert (len(found.points), found.left_out) == (3, (TOO_MANY_POINTS,))
