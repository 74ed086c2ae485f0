"""Snapshots as people see them: asked as of a day, agreed by two, copied beside, verified, dropped."""

import asyncio
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from asyncio.subprocess import PIPE, STDOUT
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from backends import snapshot_check
from bot.manifest import manifest
from bot.model import State
from bot.run import Run
from tests.handlers.conftest import Open
from tests.handlers.test_drills import DRILLED, back_up, make_orders
from tests.handlers.world import COPIED, World
from tests.people import CHANNEL, PEOPLE

AUDITED = DRILLED.replace("drill: {{mode: beside}}", "snapshots: {{keep: 30d}}")


@pytest.fixture
async def audited(open_world: Open, tmp_path: Path) -> World:
    """`orders` has one backup, of five hours ago, and two people may agree to a snapshot."""
    make_orders(tmp_path)
    back_up(tmp_path, 5, 10)
    return await open_world(AUDITED)


def hours_ago(world: World, hours: float) -> str:
    return f"{world.clock() - timedelta(hours=hours):%Y-%m-%d %H:%M} UTC"


async def asked(world: World, hours: float = 1) -> Run:
    await world.says("ana", f"snapshot orders as of {hours_ago(world, hours)} because audit Q3, 14")
    run = await world.reaches("awaiting_approval")
    await world.shows("Approve")
    world.later(seconds=2)
    return run


async def taken(world: World) -> Run:
    await asked(world)
    await world.clicks("ben", "Approve and start")
    await world.shows("copied, verified")
    return await world.run()


def copy_of(world: World) -> Path:
    (copy,) = (world.folder / "backups").rglob("*.copy.db")
    return copy


async def test_two_people_agree_to_the_moment_the_state_and_what_is_not_in_it(audited: World) -> None:
    await asked(audited)
    card = await audited.shows("Approve and start")
    assert "⏳ Copy orders · PRODUCTION as of" in card
    assert "Nearest before:" in card
    assert "between is NOT in it" in card
    assert "PRODUCTION is not touched" in card
    assert "The copy is dropped after 30 days" in card
    assert "audit Q3, 14" in card


async def test_who_asks_does_not_agree_to_it(audited: World) -> None:
    await asked(audited)
    await audited.clicks("ana", "Approve and start")
    await audited.sees_modal("ana", "cannot approve")
    assert (await audited.run()).state is State.AWAITING_APPROVAL


async def test_the_copy_holds_the_state_of_then_and_the_card_says_what_that_is(audited: World) -> None:
    run = await taken(audited)
    card = audited.card()
    assert "1 orders · schema" in card
    assert "The copy is dropped" in card
    with closing(sqlite3.connect(copy_of(audited))) as copy:
        assert copy.execute("select total from orders").fetchall() == [(10,)]
    assert run.work.live.value == "before"


async def test_a_database_with_a_log_of_writes_beside_it_is_not_as_it_was_made(audited: World) -> None:
    await taken(audited)
    copy = copy_of(audited)
    copy.with_name(f"{copy.name}-wal").write_bytes(b"\x37")
    await audited.clicks("ana", "Verify again")
    assert "Somebody has written beside it" in await audited.shows("the copy is NOT as it was made")


async def test_of_a_copy_that_is_gone_the_card_says_that_and_not_its_name(audited: World) -> None:
    await taken(audited)
    copy = copy_of(audited)
    copy.unlink()
    await audited.clicks("ana", "Verify again")
    card = await audited.shows("the copy is NOT as it was made")
    assert "There is no copy any more" in card
    assert copy.name not in card


async def test_of_a_copy_at_which_nobody_could_look_nothing_is_called_verified(open_world: Open) -> None:
    world = await open_world(
        COPIED.replace("    kind: system\n", "    kind: system\n    snapshots: {{keep: 30d}}\n")
    )
    await world.says("ana", "snapshot shop as of 1 min ago because audit Q3, 14")
    await world.reaches("awaiting_approval")
    await world.shows("Approve and start")
    world.later(seconds=2)
    await world.clicks("ben", "Approve and start")
    run = await world.reaches("succeeded")
    await world.shows("nobody can say whether the copy is what its manifest says")
    assert manifest(run, world.store.installation)["verified_at"] is None


async def test_only_who_asked_is_told_where_it_stands(audited: World) -> None:
    await taken(audited)
    where = str(copy_of(audited))
    told = await audited.until(
        lambda: [m for m in audited.direct("ana") if where in m.plain()], "the address"
    )
    assert "readable by the account" in told[0].plain()
    everywhere = [m.plain() for m in audited.workspace.messages(CHANNEL)]
    everywhere += [m.plain() for who in PEOPLE if who != "ana" for m in audited.direct(who)]
    assert not any(where in words for words in everywhere)


async def test_nobody_else_can_read_the_copy(audited: World) -> None:
    await taken(audited)
    assert stat.S_IMODE(copy_of(audited).stat().st_mode) == 0o600


async def test_the_manifest_is_there_for_everybody(audited: World) -> None:
    await taken(audited)
    await audited.clicks("dora", "Manifest")
    shown = await audited.sees_modal("dora", "Asked as of")
    assert "orders: 1 · SHA-256" in shown
    assert "Not in it: what was written in the" in shown


async def test_it_is_looked_at_again_and_a_changed_byte_is_seen(audited: World) -> None:
    run = await taken(audited)
    await audited.clicks("ana", "Verify again")
    await audited.until_run(lambda now: now.work.looked_at != run.work.looked_at)
    await audited.settled()
    assert "copied, verified" in audited.card()
    with closing(sqlite3.connect(copy_of(audited))) as copy:
        copy.execute("update orders set total = 11")
        copy.commit()
    await audited.clicks("ana", "Verify again")
    card = await audited.shows("the copy is NOT as it was made")
    assert "not the backup that was approved" in card


async def test_the_manifest_stays_the_same_whatever_is_seen_later(audited: World) -> None:
    first = manifest(await taken(audited), "here")
    with closing(sqlite3.connect(copy_of(audited))) as copy:
        copy.execute("insert into orders (total) values (12)")
        copy.commit()
    await audited.clicks("ana", "Verify again")
    await audited.shows("NOT as it was made")
    assert manifest(await audited.run(), "here") == first


async def test_it_is_dropped_when_somebody_says_so_and_the_manifest_stays(audited: World) -> None:
    await taken(audited)
    copy = copy_of(audited)
    await audited.clicks("ana", "Drop…")
    await audited.shows("the copy is gone, its manifest stays")
    assert not copy.exists()
    assert [label for label, *_ in audited.card_message().buttons()] == ["Details", "Manifest"]
    (dropped,) = [entry for entry in await audited.evidence() if entry["kind"] == "drop_due"]
    assert dropped["by"] == PEOPLE["ana"]


async def test_it_is_dropped_when_its_time_is_over(audited: World) -> None:
    await taken(audited)
    audited.later(days=31)
    await audited.shows("the copy is gone, its manifest stays")


async def test_who_has_no_part_in_it_drops_nothing(audited: World) -> None:
    await taken(audited)
    await audited.clicks("dora", "Drop…")
    await audited.sees_modal("dora", "You cannot drop the copy")
    assert copy_of(audited).exists()


async def test_a_day_before_the_first_restore_point_names_the_nearest_one(audited: World) -> None:
    await audited.says("ana", f"snapshot orders as of {hours_ago(audited, 48)}")
    await audited.reaches("refused")
    assert "the first is of" in await audited.shows("Snapshot refused")


async def test_a_day_that_is_not_over_is_refused_at_once(audited: World) -> None:
    reply = await audited.says("ana", f"snapshot orders as of {audited.clock():%Y-%m-%d}")
    assert "is not over yet" in str(reply.text)
    assert await audited.store.summaries() == ()


async def test_without_a_setting_there_are_none(audited: World) -> None:
    reply = await audited.says("ana", f"snapshot shop as of {hours_ago(audited, 1)}")
    assert "`shop` has no snapshots" in str(reply.text)


async def test_a_rollback_of_the_same_target_waits_for_nothing(audited: World) -> None:
    await asked(audited)
    (backup,) = (path.stem for path in (audited.folder / "backups").glob("*.db"))
    await audited.says("ana", f"orders to {backup} because totals are wrong")
    await audited.reaches("awaiting_approval", "RB-2")


async def test_a_script_of_the_standard_library_says_whether_it_is_what_the_manifest_says(
    audited: World, tmp_path: Path
) -> None:
    run, file = await taken(audited), tmp_path / "manifest.json"
    file.write_text(json.dumps(manifest(run, "here")))
    script = [sys.executable, "-I", "-S", snapshot_check.__file__, str(file), str(copy_of(audited))]
    assert subprocess.run(script, check=False).returncode == 0
    with copy_of(audited).open("r+b") as copy:
        copy.seek(-1, 2)
        last = copy.read(1)
        copy.seek(-1, 2)
        copy.write(bytes([last[0] ^ 1]))
    assert subprocess.run(script, check=False).returncode == 1


async def typed(world: World, *words: str | Path) -> tuple[int, str]:
    """What the command line answers beside the bot: the exit code, and all that it prints."""
    command = [sys.executable, "-m", "handlers.cli", *map(str, words)]
    done = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **world.environment()}, stdout=PIPE, stderr=STDOUT
    )
    out, _ = await done.communicate()
    return done.returncode or 0, out.decode()


async def test_the_command_line_writes_the_manifest_and_says_whether_a_copy_fits_it(
    audited: World, tmp_path: Path
) -> None:
    await taken(audited)
    folder = tmp_path / "for the auditor"
    assert (await typed(audited, "snapshot", "manifest", "RB-1", "--to", folder))[0] == 0
    shutil.copyfile(copy_of(audited), folder / "orders.db")
    assert (await typed(audited, "snapshot", "verify", folder))[0] == 0
    with closing(sqlite3.connect(folder / "orders.db")) as copy:
        copy.execute("update orders set total = 11")
        copy.commit()
    code, words = await typed(audited, "snapshot", "verify", folder)
    assert (code, "NOT as the manifest says: orders.db is another file" in words) == (1, True)


async def test_the_manifest_is_printed_and_never_written_over_another_one(
    audited: World, tmp_path: Path
) -> None:
    await taken(audited)
    code, printed = await typed(audited, "snapshot", "manifest", "RB-1")
    assert (code, json.loads(printed)["contents"]["tables"]["orders"]["rows"]) == (0, 1)
    (tmp_path / "manifest.json").write_text("mine")
    code, words = await typed(audited, "snapshot", "manifest", "RB-1", "--to", tmp_path)
    assert (code, "is there already" in words) == (1, True)
    assert (tmp_path / "manifest.json").read_text() == "mine"


async def test_what_was_not_taken_has_no_manifest(audited: World) -> None:
    await asked(audited)
    code, words = await typed(audited, "snapshot", "manifest", "RB-1")
    assert (code, words) == (1, "RB-1 is awaiting approval: no copy was made and verified.\n")
