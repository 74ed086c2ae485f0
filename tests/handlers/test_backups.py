"""Backups that the clock takes: named by their point, looked into, dropped in time, told when they fail."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from bot.model import Do, State
from bot.run import Run, StepState
from handlers.backing_up import back_up_due, request
from handlers.front import expire_due
from storage.tables import evidence, proofs
from tests.handlers.conftest import Open
from tests.handlers.test_drills import DRILLED, make_orders
from tests.handlers.test_reminders import HOURS, reminded, ticks
from tests.handlers.web.browsing import ask
from tests.handlers.world import PATIENCE, World
from tests.people import CHANNEL
from workspace.slack.nouns import Message

BACKED_UP = DRILLED.replace(
    "drill: {{mode: beside}}", "owner: U01DORA\n    rpo: 2h\n    backup: {{every: 1h, keep: 3h}}"
)


@pytest.fixture
async def backed_up(open_world: Open, tmp_path: Path) -> World:
    """A backup of `orders` is taken every hour and kept for three. Nothing is wrong with it."""
    make_orders(tmp_path)
    write(tmp_path, "update orders set total = 5")
    return await open_world(BACKED_UP + HOURS)


@pytest.fixture
async def damaged(open_world: Open, tmp_path: Path) -> World:
    """What the first backup saves has bad totals."""
    make_orders(tmp_path)
    return await open_world(BACKED_UP + HOURS)


def write(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "orders.db")) as live:
        live.execute(statement)
        live.commit()


def files(world: World) -> list[str]:
    return sorted(path.stem for path in (world.folder / "backups").glob("*.db"))


async def ends(world: World, run_id: str) -> Run:
    """The backup of this id, once it has ended and its copy is gone."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        if run_id in await run_ids(world):
            run = await world.store.load(run_id)
            made = any(r.step.do is Do.PREPARE and r.started_at for r in run.work.steps)
            drop = [r.state for r in run.work.steps if r.step.drops is Do.PREPARE]
            if run.state.final and (not made or drop == [StepState.ENDED]):
                return run
        assert asyncio.get_running_loop().time() < deadline, f"{run_id} did not end"
        await expire_due(world.front.context)
        world.front.context.work()
        await asyncio.sleep(0.01)


async def run_ids(world: World) -> set[str]:
    async with world.store.database.read() as connection:
        rows = await connection.execute(select(evidence.c.run_id).distinct())
        return {row.run_id for row in rows if row.run_id}


async def saved(world: World, run_id: str) -> str:
    return (await ends(world, run_id)).work.undo_points["orders"]


async def told_of_points(world: World) -> str:
    return str((await world.says("ana", "points orders")).blocks)


async def an_hour_later(world: World, hours: float = 1.0) -> None:
    world.later(hours=hours)
    await back_up_due(world.front.context)


# What is taken ---------------------------------------------------------------------------------


async def test_the_first_one_is_taken_at_once_named_by_its_point_and_looked_into(backed_up: World) -> None:
    run = await ends(backed_up, "BK-1")
    assert (run.state, run.why) == (State.SUCCEEDED, "")
    assert [finding.name for finding in run.work.findings] == ["copy", "integrity", "totals"]
    assert files(backed_up) == [run.work.undo_points["orders"]]
    assert list((backed_up.folder / "backups").rglob("*.copy.*")) == []


async def test_nothing_of_it_stands_in_a_channel_or_in_a_list(backed_up: World) -> None:
    await ends(backed_up, "BK-1")
    await ticks(backed_up)
    assert await backed_up.store.summaries() == ()
    assert backed_up.workspace.messages(CHANNEL) == []
    assert backed_up.direct("dora") == []


async def test_its_point_is_offered_with_what_was_seen_and_takes_no_number_of_a_run(backed_up: World) -> None:
    point = await saved(backed_up, "BK-1")
    assert "verified on a copy" in await told_of_points(backed_up)
    run = await backed_up.asks(text=f"orders to {point}")
    assert run.id == "RB-1"
    assert "taken" in await backed_up.shows("verified on a copy")


async def test_the_next_ones_follow_by_the_clock_and_what_was_missed_is_taken_once(backed_up: World) -> None:
    await ends(backed_up, "BK-1")
    await an_hour_later(backed_up)
    await ends(backed_up, "BK-2")
    await back_up_due(backed_up.front.context)
    await an_hour_later(backed_up, 10.0)
    await ends(backed_up, "BK-3")
    await back_up_due(backed_up.front.context)
    assert await run_ids(backed_up) == {"BK-1", "BK-2", "BK-3"}


async def test_processes_that_tick_at_once_take_one(backed_up: World) -> None:
    await ends(backed_up, "BK-1")
    backed_up.later(hours=1)
    await asyncio.gather(*(back_up_due(backed_up.front.context) for _ in range(8)))
    await ends(backed_up, "BK-2")
    assert await run_ids(backed_up) == {"BK-1", "BK-2"}


async def test_one_that_nobody_keeps_any_more_goes_and_the_newest_stays(backed_up: World) -> None:
    first = await saved(backed_up, "BK-1")
    await an_hour_later(backed_up)
    second = await saved(backed_up, "BK-2")
    assert files(backed_up) == [first, second]
    backed_up.later(hours=20)
    await gone(backed_up, first)
    await put_off(backed_up, "BK-2")
    assert files(backed_up) == [second]
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while await noted(backed_up) != {second}:
        assert asyncio.get_running_loop().time() < deadline, "what was shown of the first is still noted"
        await tick(backed_up)


async def gone(world: World, point: str) -> None:
    await until(world, lambda: point not in files(world), f"{point} was not dropped")


async def put_off(world: World, run_id: str) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not any(r.kept_until for r in (await world.store.load(run_id)).work.steps):
        assert asyncio.get_running_loop().time() < deadline, f"nobody has looked at {run_id}"
        await tick(world)
    (words,) = {r.words for r in (await world.store.load(run_id)).work.steps if r.kept_until}
    assert words == "It is the newest backup of `orders` that is good."


async def until(world: World, is_so: Callable[[], bool], words: str) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not is_so():
        assert asyncio.get_running_loop().time() < deadline, words
        await tick(world)


async def tick(world: World) -> None:
    await expire_due(world.front.context)
    world.front.context.work()
    await asyncio.sleep(0.01)


async def noted(world: World) -> set[str]:
    async with world.store.database.read() as connection:
        return {row.point for row in await connection.execute(select(proofs.c.point))}


async def test_its_page_says_what_was_seen(backed_up: World) -> None:
    point = await saved(backed_up, "BK-1")
    page = (await ask(backed_up, "/runs/BK-1")).body
    assert "Backup of orders: taken, verified on a copy" in page
    assert point in page
    assert "Undo point" not in page


# When it fails ---------------------------------------------------------------------------------


async def test_one_whose_checks_fail_is_not_suggested_and_its_owner_is_told_why(damaged: World) -> None:
    run = await ends(damaged, "BK-1")
    assert run.state is State.FAILED
    told = await told_of_points(damaged)
    assert "FAILED: totals" in told
    assert "suggested" not in told
    damaged.later(days=1)
    await ticks(damaged)
    message = await reminded(damaged, "1 target has NO good backup, 1 backup failed")
    assert "totals: 1, not 0" in message.plain()
    assert [label for label, *_ in message.buttons()] == ["Take one now", "Quiet until…", "Hand over…"] * 2


async def test_one_that_was_not_taken_is_tried_again_soon_and_nobody_hears_of_what_passes(
    backed_up: World,
) -> None:
    await ends(backed_up, "BK-1")
    (backed_up.folder / "orders.db").rename(backed_up.folder / "away.db")
    await an_hour_later(backed_up)
    assert (await ends(backed_up, "BK-2")).work.undo_points == {}
    (backed_up.folder / "away.db").rename(backed_up.folder / "orders.db")
    await an_hour_later(backed_up, 0.26)
    assert (await ends(backed_up, "BK-3")).state is State.SUCCEEDED
    backed_up.later(days=1)
    await ticks(backed_up)
    assert [message.plain() for message in backed_up.direct("dora") if "failed" in message.plain()] == []


async def test_one_whose_checks_failed_is_not_taken_again_before_the_next_is_due(damaged: World) -> None:
    await ends(damaged, "BK-1")
    await an_hour_later(damaged, 0.5)
    await back_up_due(damaged.front.context)
    assert await run_ids(damaged) == {"BK-1"}
    assert len(files(damaged)) == 1


async def test_a_clock_that_was_wrong_for_a_moment_stops_nothing(backed_up: World) -> None:
    await ends(backed_up, "BK-1")
    schedules = backed_up.front.context.schedules
    (schedule,) = await schedules.all()
    ahead = backed_up.clock() + timedelta(days=400)
    await schedules.begin(schedule, request(schedule, ahead), ahead)
    await ends(backed_up, "BK-2")
    await back_up_due(backed_up.front.context)
    await ends(backed_up, "BK-3")
    (schedule,) = await schedules.all()
    assert schedule.due_at <= backed_up.clock() + timedelta(hours=1)


async def test_a_file_of_garbage_or_of_the_future_stands_in_for_no_good_backup(backed_up: World) -> None:
    first = await saved(backed_up, "BK-1")
    folder = backed_up.folder / "backups"
    (folder / "20990101T000000Z.db").write_bytes((folder / f"{first}.db").read_bytes())
    soon = backed_up.clock() + timedelta(seconds=5)
    (folder / f"{soon:%Y%m%dT%H%M%SZ}.db").write_bytes(b"SQLite format 3\x00" + b"garbage" * 100)
    backed_up.later(hours=20)
    await put_off(backed_up, "BK-1")
    assert first in files(backed_up)


async def test_a_folder_that_is_away_for_a_moment_ends_the_days_of_none(backed_up: World) -> None:
    first = await saved(backed_up, "BK-1")
    await an_hour_later(backed_up)
    second = await saved(backed_up, "BK-2")
    folder = backed_up.folder / "backups"
    folder.rename(backed_up.folder / "away")
    folder.mkdir()
    backed_up.later(hours=20)
    await until(backed_up, lambda: (folder / ".rollback").exists(), "nobody has looked")
    for _ in range(20):
        await tick(backed_up)
    (folder / ".rollback").rename(backed_up.folder / "other")
    folder.rmdir()
    (backed_up.folder / "away").rename(folder)
    for _ in range(9):
        backed_up.later(days=1)
        for _ in range(10):
            await tick(backed_up)
    await gone(backed_up, first)
    assert files(backed_up) == [second]


async def test_one_press_has_one_taken_and_the_message_says_that_it_was(damaged: World) -> None:
    await ends(damaged, "BK-1")
    damaged.later(days=1)
    await ticks(damaged)
    message = await reminded(damaged, "1 backup failed")
    write(damaged.folder, "update orders set total = 5")
    await damaged.clicks("dora", "Take one now", message)
    assert (await ends(damaged, "BK-2")).state is State.SUCCEEDED
    await reminded(damaged, "a backup was taken")


async def test_one_is_not_taken_again_and_again_by_the_same_button(damaged: World) -> None:
    await ends(damaged, "BK-1")
    damaged.later(days=1)
    await ticks(damaged)
    message = await reminded(damaged, "1 backup failed")
    for _ in range(3):
        await damaged.clicks("dora", "Take one now", message)
    await ends(damaged, "BK-2")
    assert await run_ids(damaged) == {"BK-1", "BK-2"}


async def test_nobody_else_can_have_one_taken(open_world: Open, tmp_path: Path) -> None:
    make_orders(tmp_path)
    keepers = f"groups:\n  keepers: {{{{members: [U01DORA], channel: {CHANNEL}}}}}\n"
    world = await open_world((BACKED_UP + HOURS).replace("U01DORA", "keepers").replace("groups:\n", keepers))
    await ends(world, "BK-1")
    world.later(days=1)
    await ticks(world)

    def shown() -> Message | None:
        return next((m for m in world.workspace.messages(CHANNEL) if "1 backup failed" in m.plain()), None)

    message = await world.until(shown, "a message in the channel")
    assert isinstance(message, Message)
    await world.clicks("cy", "Take one now", message)
    await world.sees_modal("cy", "Only who may ask for a rollback")
    assert await run_ids(world) == {"BK-1"}
