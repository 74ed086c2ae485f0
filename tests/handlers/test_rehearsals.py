"""A drill that is a whole rollback of another target: two people, its own lock, and never what is live."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.model import State
from bot.run import Run
from tests.handlers.conftest import Open
from tests.handlers.test_drills import DRILLED, back_up, make_orders
from tests.handlers.test_reminders import HOURS, in_channel
from tests.handlers.web.browsing import ask
from tests.handlers.world import World
from tests.people import CHANNEL

REHEARSED = (
    DRILLED.replace(
        "drill: {{mode: beside}}",
        "owner: keepers\n    point_of_contact: U01DORA\n"
        "    drill: {{mode: rehearsal, target: stage, every: 90d, scenario: a bad migration}}",
    ).replace("groups:\n", f"groups:\n  keepers: {{{{members: [U01DORA], channel: {CHANNEL}}}}}\n")
    + """
  stage:
    kind: database
    environment: staging
    requesters: [responders, U01DORA]
    executor: {{type: sqlite, database: stage.db, backups: stage-backups}}
    checks:
      - type: sql
        name: totals
        url: "sqlite:///stage.db"
        query: "select count(*) from orders where total < 0"
        equals: 0
        wait: 0s
      - {{type: command, name: smoke test, argv: ["{ctl}", healthy]}}
"""
    + HOURS
)


@pytest.fixture
async def staged(open_world: Open, tmp_path: Path) -> World:
    """`orders` is rehearsed on `stage`, which has its backups."""
    make_orders(tmp_path)
    with closing(sqlite3.connect(tmp_path / "stage.db")) as stage:
        stage.execute("create table orders (id integer primary key, total integer)")
        stage.execute("insert into orders (total) values (-5)")
        stage.commit()
    return await open_world(REHEARSED)


def brought(folder: Path, hours: int, total: int) -> str:
    """A backup of `orders` that stands in the folder of `stage` as well."""
    name = back_up(folder, hours, total)
    (folder / "stage-backups").mkdir(exist_ok=True)
    shutil.copyfile(folder / "backups" / f"{name}.db", folder / "stage-backups" / f"{name}.db")
    return name


async def rehearsed(world: World, point: str) -> None:
    await world.says("ana", f"drill orders {point} because it is due")
    await waits(world)
    await world.clicks("ben", "Approve and start")


async def waits(world: World) -> Run:
    """The run, once its card has been read."""
    run = await world.reaches("awaiting_approval")
    await world.shows("Rehearse orders on stage")
    world.later(seconds=2)
    return run


async def test_it_is_a_whole_run_of_the_other_target_with_two_people(staged: World) -> None:
    good = brought(staged.folder, 5, 10)
    before = (staged.folder / "orders.db").read_bytes()
    await staged.says("ana", f"drill orders {good} because it is due")
    run = await waits(staged)
    await staged.clicks("ana", "Approve and start")
    await staged.sees_modal("ana", "cannot approve it")
    await staged.clicks("ben", "Approve and start")
    await staged.reaches("succeeded")
    with closing(sqlite3.connect(staged.folder / "stage.db")) as stage:
        assert stage.execute("select total from orders").fetchall() == [(10,)]
    assert (staged.folder / "orders.db").read_bytes() == before
    assert run.request.target == "stage"


async def test_it_proves_the_point_of_what_it_is_a_drill_of_by_its_content(staged: World) -> None:
    good = brought(staged.folder, 5, 10)
    await rehearsed(staged, good)
    await staged.reaches("succeeded")
    assert "restored, verified" in str((await staged.says("ana", "points orders")).blocks)
    (staged.folder / "backups" / f"{good}.db").unlink()
    back_up(staged.folder, 5, 11)
    assert "restored, verified" not in str((await staged.says("ana", "points orders")).blocks)


async def test_it_settles_the_drill_that_is_due_and_can_be_written_up(staged: World) -> None:
    good = brought(staged.folder, 5, 10)
    await in_channel(staged)
    await rehearsed(staged, good)
    await staged.reaches("succeeded")
    (duty,) = await staged.front.context.duties.all()
    assert (duty.target, duty.passed_at is not None) == ("orders", True)
    await staged.shows("Add what we learnt")
    assert await staged.store.holds(["stage"]) == ()


async def test_start_now_asks_for_it_and_the_message_shows_that_it_goes_on(staged: World) -> None:
    brought(staged.folder, 5, 10)
    await staged.clicks("dora", "Start now", await in_channel(staged))
    run = await staged.reaches("awaiting_approval")
    assert (run.request.drill_of, run.request.target) == ("orders", "stage")
    assert [each.id for each in await staged.store.open_drills("orders")] == [run.id]


async def test_a_target_that_turns_out_to_be_production_is_refused_at_run_time(staged: World) -> None:
    good = brought(staged.folder, 5, 10)
    (staged.folder / "stage.db").unlink()
    (staged.folder / "stage.db").hardlink_to(staged.folder / "orders.db")
    await staged.says("ana", f"drill orders {good} because it is due")
    run = await staged.reaches("refused")
    assert run.why == "`stage` leads to the same as `orders`, which a rehearsal never touches."


async def test_what_turns_out_to_save_among_the_points_of_production_is_refused(staged: World) -> None:
    good = brought(staged.folder, 5, 10)
    shutil.rmtree(staged.folder / "stage-backups")
    (staged.folder / "stage-backups").symlink_to("backups")
    await staged.says("ana", f"drill orders {good} because it is due")
    run = await staged.reaches("refused")
    assert "leads to the same as `orders`" in run.why


async def test_what_leads_to_production_once_it_was_agreed_to_does_not_start(staged: World) -> None:
    good = brought(staged.folder, 5, 10)
    await staged.says("ana", f"drill orders {good} because it is due")
    await waits(staged)
    (staged.folder / "orders.db").unlink()
    (staged.folder / "orders.db").hardlink_to(staged.folder / "stage.db")
    await staged.clicks("ben", "Approve and start")
    run = await staged.reaches("void")
    assert "leads to the same as `orders`" in run.why
    with closing(sqlite3.connect(staged.folder / "orders.db")) as orders:
        assert orders.execute("select total from orders").fetchall() == [(-5,)]


async def test_a_drill_that_is_configured_no_more_is_not_rehearsed(staged: World) -> None:
    good = brought(staged.folder, 5, 10)
    await staged.says("ana", f"drill orders {good} because it is due")
    await waits(staged)
    await staged.bot.stop()
    without = REHEARSED.replace("mode: rehearsal, target: stage, every", "mode: beside, every")
    staged.configure(without)
    await staged.start()
    await staged.clicks("ben", "Approve and start")
    run = await staged.reaches("void")
    assert "are not rehearsed on `stage` any more" in run.why


async def test_a_point_that_holds_something_else_there_is_not_rehearsed(staged: World) -> None:
    good = brought(staged.folder, 5, 10)
    (staged.folder / "backups" / f"{good}.db").unlink()
    back_up(staged.folder, 5, 11)
    await staged.says("ana", f"drill orders {good} because it is due")
    run = await staged.reaches("refused")
    assert "holds something else than that of `orders`" in run.why


async def test_a_point_that_it_does_not_have_is_not_rehearsed(staged: World) -> None:
    good = brought(staged.folder, 5, 10)
    (staged.folder / "backups" / f"{good}.db").unlink()
    await staged.says("ana", f"drill orders {good} because it is due")
    run = await staged.reaches("refused")
    assert f"`orders` has no restore point `{good}`" in run.why


async def test_going_on_against_failed_checks_leaves_a_follow_up(staged: World) -> None:
    bad = brought(staged.folder, 5, -10)
    await rehearsed(staged, bad)
    await staged.reaches("paused")
    for who in ("ana", "ben"):
        await staged.clicks(who, "Go online anyway…")
        await staged.sees_modal(who, "stays red")
        await staged.fills_in(who, reason=f"{who} looked")
        await staged.shows("ana looked")
    await staged.reaches("succeeded")
    await staged.shows("Say what went wrong…")
    duties = await staged.front.context.duties.all()
    assert "follow_up" in [duty.kind for duty in duties]


async def test_who_may_not_ask_for_a_drill_of_it_may_not_ask_for_its_rehearsal(
    open_world: Open, tmp_path: Path
) -> None:
    make_orders(tmp_path)
    world = await open_world(REHEARSED.replace("[responders]\n    rto", "[U01BEN]\n    rto"))
    said = str((await world.says("ana", "drill orders because it is due")).text)
    assert "may ask for a rollback of `orders`" in said


async def test_who_may_not_ask_for_the_other_target_is_told_why_it_is_spoken_of(
    open_world: Open, tmp_path: Path
) -> None:
    make_orders(tmp_path)
    world = await open_world(REHEARSED.replace("requesters: [responders, U01DORA]", "requesters: [U01BEN]"))
    said = str((await world.says("ana", "drill orders because it is due")).text)
    assert said.startswith("`orders` is rehearsed on `stage`.")


async def test_it_is_asked_for_where_rollbacks_are(open_world: Open, tmp_path: Path) -> None:
    make_orders(tmp_path)
    world = await open_world(REHEARSED + "incident_channels: [inc-elsewhere]\n")
    await world.says("ana", "drill orders because it is due")
    assert await world.store.open_drills("orders") == ()


async def test_its_reminder_speaks_of_no_copy(staged: World) -> None:
    brought(staged.folder, 5, 10)
    said = (await in_channel(staged)).plain()
    assert "A rehearsal asks a second person" in said
    assert "runs on a copy" not in said


async def test_its_page_and_the_page_of_drills_speak_of_it(staged: World) -> None:
    good = brought(staged.folder, 5, 10)
    await rehearsed(staged, good)
    run = await staged.reaches("succeeded")
    page = (await ask(staged, "/drills")).body
    assert good in page
    assert "on stage: restored, verified" in page
    assert "Not measured yet" not in page.partition("RTO")[0]
    await staged.shows("A drill of")
    assert (await ask(staged, f"/runs/{run.id}")).status == 200
    assert run.state is State.SUCCEEDED
