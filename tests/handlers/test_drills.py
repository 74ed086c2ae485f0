"""Drills as people see them: asked with one line, made on a copy, remembered where points are chosen."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from bot.clock import SteadyClock
from bot.model import State
from storage.tables import proofs
from tests.handlers.conftest import Open
from tests.handlers.world import STANDARD, World

DRILLED = (
    STANDARD
    + """
  orders:
    kind: database
    requesters: [responders]
    rto: 15m
    drill: {{mode: beside}}
    executor: {{type: sqlite, database: orders.db, backups: backups}}
    checks:
      - type: sql
        name: totals
        url: "sqlite:///orders.db"
        query: "select count(*) from orders where total < 0"
        equals: 0
        wait: 0s
      - {{type: command, name: smoke test, argv: ["{ctl}", healthy]}}
"""
)


def back_up(folder: Path, hours: int, total: int) -> str:
    """Returns the name of a backup of so many hours ago, with one order of this total."""
    name = f"{SteadyClock()() - timedelta(hours=hours):%Y%m%dT%H0000Z}"
    with closing(sqlite3.connect(folder / "backups" / f"{name}.db")) as backup:
        backup.execute("create table orders (id integer primary key, total integer)")
        backup.execute("insert into orders (total) values (?)", [total])
        backup.commit()
    return name


def make_orders(folder: Path) -> None:
    """Makes the database that was damaged, and the folder of its backups."""
    (folder / "backups").mkdir()
    with closing(sqlite3.connect(folder / "orders.db")) as live:
        live.execute("create table orders (id integer primary key, total integer)")
        live.execute("insert into orders (total) values (-5)")
        live.commit()


@pytest.fixture
async def drilled(open_world: Open, tmp_path: Path) -> World:
    """`orders` was damaged: what is live has bad totals, and so has one of its two backups."""
    make_orders(tmp_path)
    return await open_world(DRILLED)


async def test_one_line_walks_the_way_back_on_a_copy_and_says_what_was_seen(drilled: World) -> None:
    good = back_up(drilled.folder, 5, 10)
    reply = await drilled.says("ana", f"drill orders {good} because it is due")
    assert "nothing live is touched" in str(reply.text)
    await drilled.reaches("succeeded")
    card = await drilled.shows("was dropped")
    assert "Drill: orders came back on a copy, verified" in card
    assert "named" in card
    assert "(RTO 15 min)" in card
    assert "Checked: copy · integrity · totals" in card
    assert "Not on a copy: smoke test" in card
    assert "PRODUCTION is not touched by a drill" in card
    assert "it is due" in card


async def test_nothing_is_left_of_the_copy_and_the_database_is_as_it_was(drilled: World) -> None:
    good = back_up(drilled.folder, 5, 10)
    before = (drilled.folder / "orders.db").read_bytes()
    await drilled.says("ana", f"drill orders {good}")
    await drilled.shows("was dropped")
    assert list((drilled.folder / "backups").rglob("*.copy.*")) == []
    assert (drilled.folder / "orders.db").read_bytes() == before


async def test_a_drill_that_fails_says_what_did_not_come_back_and_keeps_the_copy(drilled: World) -> None:
    bad = back_up(drilled.folder, 5, -7)
    await drilled.says("ana", f"drill orders {bad}")
    await drilled.reaches("failed")
    card = await drilled.shows("did NOT come back")
    assert "totals: 1, not 0" in card
    assert f"`{bad}` is not suggested any more" in card
    assert len(list((drilled.folder / "backups").rglob("*.copy.db"))) == 1


async def test_a_point_that_failed_its_drill_is_not_suggested_and_says_why(drilled: World) -> None:
    good, bad = back_up(drilled.folder, 5, 10), back_up(drilled.folder, 3, -7)
    await drilled.says("ana", f"drill orders {bad}")
    await drilled.reaches("failed")
    await drilled.says("ana", f"drill orders {good}")
    await drilled.reaches("succeeded")
    reply = await drilled.says("ana", "points orders")
    told = str(reply.blocks)
    assert "FAILED: totals" in told
    assert "restored, verified" in told


async def test_without_a_point_one_is_drawn_and_the_seed_is_on_the_card(drilled: World) -> None:
    back_up(drilled.folder, 5, 10)
    await drilled.says("ana", "drill orders")
    await drilled.reaches("succeeded")
    assert "drawn by chance, seed" in await drilled.shows("verified")


async def test_a_drill_is_asked_for_beside_a_rollback_that_waits_for_approval(drilled: World) -> None:
    good = back_up(drilled.folder, 5, 10)
    await drilled.says("ana", f"orders to {good} because totals are wrong")
    await drilled.reaches("awaiting_approval")
    await drilled.says("ben", f"drill orders {good}")
    await drilled.reaches("succeeded")
    assert (await drilled.run("RB-1")).state is State.AWAITING_APPROVAL


async def test_a_drill_places_no_hold_and_supersedes_nothing(drilled: World) -> None:
    good = back_up(drilled.folder, 5, 10)
    await drilled.says("ana", f"drill orders {good}")
    await drilled.reaches("succeeded")
    assert await drilled.store.holds(["orders"]) == ()
    assert await drilled.store.moved("orders") == ()


async def test_where_the_configuration_has_no_drills_that_is_said_at_once(drilled: World) -> None:
    reply = await drilled.says("ana", "drill shop")
    assert "`shop` has no drills" in str(reply.text)
    assert await drilled.store.summaries(limit=1) == ()


async def test_who_may_not_ask_for_a_rollback_may_not_ask_for_a_drill(drilled: World) -> None:
    back_up(drilled.folder, 5, 10)
    reply = await drilled.says("cy", "drill orders")
    assert "not in a group" in str(reply.text)


async def test_a_real_card_says_what_the_drill_of_its_point_has_shown(drilled: World) -> None:
    good = back_up(drilled.folder, 5, 10)
    await drilled.says("ana", f"drill orders {good}")
    await drilled.reaches("succeeded")
    await drilled.says("ana", f"orders to {good} because totals are wrong")
    await drilled.reaches("awaiting_approval")
    assert "restored, verified" in await drilled.shows("drill")


async def test_a_drill_waits_for_a_run_that_has_begun_and_is_known_to_be_open(drilled: World) -> None:
    bad = back_up(drilled.folder, 5, -7)
    await drilled.asks("ana", f"orders to {bad} because totals are wrong")
    await drilled.clicks("ben", "Approve and start")
    await drilled.reaches("paused")
    await drilled.says("ben", f"drill orders {bad}")
    assert "gives way to it" in await drilled.shows("RB-1 is under way")
    assert [run.id for run in await drilled.store.open_drills("orders")] == ["RB-2"]


async def test_a_drill_by_plan_says_that_it_is_the_weakest(open_world: Open, tmp_path: Path) -> None:
    make_orders(tmp_path)
    by_plan = "drill: {{mode: plan, scenario: the migration broke totals}}"
    world = await open_world(DRILLED.replace("drill: {{mode: beside}}", by_plan))
    good = back_up(tmp_path, 5, 10)
    await world.says("ana", f"drill orders {good} because it is due")
    await world.reaches("succeeded")
    card = await world.shows("nothing was restored")
    assert "Drill, planned only: a rollback of orders could begin" in card
    assert "Taken to have happened: the migration broke totals" in card
    assert "The weakest drill: nothing is restored" in card
    told = str((await world.says("ana", "points orders")).blocks)
    assert "restored, verified" not in told


# What is said of a name is true of its content ------------------------------------------------


async def test_another_file_under_the_name_of_a_proven_point_is_not_proven(drilled: World) -> None:
    good = back_up(drilled.folder, 5, 10)
    await drilled.says("ana", f"drill orders {good}")
    await drilled.reaches("succeeded")
    assert "restored, verified" in str((await drilled.says("ana", "points orders")).blocks)
    (drilled.folder / "backups" / f"{good}.db").unlink()
    back_up(drilled.folder, 5, 11)
    assert "restored, verified" not in str((await drilled.says("ana", "points orders")).blocks)


async def test_a_backup_that_was_mended_is_offered_again(drilled: World) -> None:
    bad = back_up(drilled.folder, 5, -7)
    await drilled.says("ana", f"drill orders {bad}")
    await drilled.reaches("failed")
    (drilled.folder / "backups" / f"{bad}.db").unlink()
    back_up(drilled.folder, 5, 7)
    told = str((await drilled.says("ana", "points orders")).blocks)
    assert "FAILED" not in told
    assert "*suggested*" in told


async def test_a_damaged_backup_fails_its_drill_and_is_not_suggested(drilled: World) -> None:
    bad = back_up(drilled.folder, 5, 10)
    with (drilled.folder / "backups" / f"{bad}.db").open("r+b") as backup:
        backup.seek(4096)
        backup.write(b"\xff" * 4096)
    await drilled.says("ana", f"drill orders {bad}")
    await drilled.reaches("failed")
    await drilled.shows("did NOT come back")
    told = str((await drilled.says("ana", "points orders")).blocks)
    assert "FAILED: integrity" in told
    assert "*suggested*" not in told


async def test_a_drill_waits_until_it_can_look_and_says_for_what(drilled: World) -> None:
    good = back_up(drilled.folder, 5, 10)
    with closing(sqlite3.connect(drilled.folder / "orders.db", isolation_level=None)) as live:
        live.execute("begin exclusive")
        await drilled.says("ana", f"drill orders {good}")
        await drilled.shows("keeps the database locked")
    await drilled.reaches("succeeded")


async def test_drills_that_wait_stand_in_no_rollbacks_way(drilled: World) -> None:
    good = back_up(drilled.folder, 5, 10)
    drilled.backend.will("unhealthy")
    await drilled.says("ana", f"orders to {good} because totals are wrong")
    await drilled.reaches("awaiting_approval")
    await drilled.shows("Approve")
    drilled.later(seconds=2)
    await drilled.clicks("cy", "Approve and start")
    await drilled.reaches("paused", "RB-1")
    for _ in range(3):
        await drilled.says("ben", f"drill orders {good}")
    await drilled.says("ben", "shop to v41 because of the other one")
    assert (await drilled.run()).request.target == "shop"


async def test_of_drills_that_failed_one_copy_is_kept_at_most(drilled: World) -> None:
    bad = back_up(drilled.folder, 5, -7)
    for _ in range(3):
        await drilled.says("ana", f"drill orders {bad}")
        await drilled.reaches("failed")
    await drilled.until(lambda: len(copies(drilled)) == 1, "one copy")


async def test_the_last_word_on_a_point_holds_however_many_drills_of_others_follow(drilled: World) -> None:
    bad = back_up(drilled.folder, 5, -7)
    await drilled.says("ana", f"drill orders {bad}")
    await drilled.reaches("failed")
    ended = await drilled.run("RB-1")
    async with drilled.store.database.read() as connection:
        kept = (await connection.execute(select(proofs))).all()
    assert [(row.target, row.point, row.run_id) for row in kept] == [("orders", bad, ended.id)]


def copies(world: World) -> list[Path]:
    return list((world.folder / "backups").rglob("*.copy.db"))


async def test_what_is_noted_beside_the_events_proves_nothing(drilled: World) -> None:
    good = back_up(drilled.folder, 5, 10)
    await drilled.says("ana", "shop to v41 because the other one is broken")
    await drilled.reaches("awaiting_approval")
    rows = [{"target": "orders", "point": good, "run_id": run} for run in ("RB-1",)]
    await drilled.store.database.write(lambda connection: connection.execute(insert(proofs), rows))
    assert "restored, verified" not in str((await drilled.says("ana", "points orders")).blocks)
