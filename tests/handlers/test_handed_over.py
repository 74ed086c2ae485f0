"""Snapshots that go to whoever audits: into a folder, or by a program, with the manifest beside them."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from backends import into_folder
from bot.manifest import manifest
from bot.model import Do, State
from bot.run import Run
from tests.handlers.conftest import Open
from tests.handlers.test_drills import back_up, make_orders
from tests.handlers.test_snapshots import AUDITED, asked
from tests.handlers.world import COPIED, World

INTO = "snapshots: {{keep: 30d, to: %s}}"


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    make_orders(tmp_path)
    back_up(tmp_path, 5, 10)
    folder = tmp_path / "audit"
    folder.mkdir()
    return folder


async def opened(open_world: Open, to: str) -> World:
    return await open_world(AUDITED.replace("snapshots: {{keep: 30d}}", INTO % to))


async def agreed(world: World, ends: str = "succeeded") -> Run:
    await asked(world)
    await world.clicks("ben", "Approve and start")
    return await world.reaches(ends)


def checked(folder: Path) -> int:
    """Returns the exit code of the script that lies beside the copy."""
    (copy,) = folder.glob("*.db")
    return subprocess.run(
        [sys.executable, "-I", "-S", "snapshot_check.py", "manifest.json", copy.name], cwd=folder, check=False
    ).returncode


async def test_a_folder_gets_the_copy_the_manifest_and_the_script(open_world: Open, audit: Path) -> None:
    world = await opened(open_world, str(audit))
    run = await agreed(world)
    assert sorted(os.listdir(audit / run.id)) == ["manifest.json", "orders.db", "snapshot_check.py"]
    assert checked(audit / run.id) == 0
    assert "to a folder of the account" in await world.shows("Handed over")


async def test_who_approves_is_told_to_whom_it_goes(open_world: Open, audit: Path) -> None:
    world = await opened(open_world, f"{{{{folder: {audit}, owner: root}}}}")
    await asked(world)
    card = await world.shows("Approve and start")
    assert "it is handed over to root; what is given away is not dropped by the bot" in card


async def test_what_was_handed_over_can_be_read_by_its_owner_alone(open_world: Open, audit: Path) -> None:
    world = await opened(open_world, str(audit))
    run = await agreed(world)
    modes = {stat.S_IMODE(file.stat().st_mode) for file in (audit / run.id).iterdir()}
    assert (modes, stat.S_IMODE((audit / run.id).stat().st_mode)) == ({0o600}, 0o700)


async def test_where_it_was_put_stands_on_no_card(open_world: Open, audit: Path) -> None:
    world = await opened(open_world, str(audit))
    await agreed(world)
    assert str(audit) not in await world.shows("Handed over")


async def test_the_copy_of_the_bot_goes_in_its_time_and_the_one_given_away_stays(
    open_world: Open, audit: Path
) -> None:
    world = await opened(open_world, str(audit))
    run = await agreed(world)
    await world.shows("copied, verified")
    world.later(days=31)
    await world.shows("the copy is gone, its manifest stays")
    assert checked(audit / run.id) == 0


async def test_a_program_is_told_where_the_copy_and_the_manifest_stand(open_world: Open, audit: Path) -> None:
    program = audit / "give.sh"
    program.write_text('#!/bin/sh\ncp "$1" "$2" "$3" "$5" && echo "$4" > "$5/run"\n')
    program.chmod(0o755)
    places = '"{{copy}}", "{{manifest}}", "{{check}}", "{{run}}"'
    world = await opened(open_world, f'["{program}", {places}, "{audit}"]')
    run = await agreed(world)
    assert (audit / "run").read_text() == f"{run.id}\n"
    assert checked(audit) == 0


async def test_a_program_that_fails_is_said_and_the_copy_goes(open_world: Open, audit: Path) -> None:
    world = await opened(open_world, '[sh, -c, "echo no room >&2; exit 3", x, "{{copy}}"]')
    await agreed(world, "failed")
    card = await world.shows("No snapshot of orders")
    assert "the hand-over failed: It is not known what was given away until then." in card
    assert "no room" in card


async def test_a_copy_at_which_nobody_could_look_goes_nowhere(open_world: Open, audit: Path) -> None:
    given = INTO % f'[sh, -c, "touch {audit}/given", x, "{{{{copy}}}}"]'
    world = await open_world(COPIED.replace("    kind: system\n", f"    kind: system\n    {given}\n"))
    await world.says("ana", "snapshot shop as of 1 min ago because audit Q3, 14")
    await world.reaches("awaiting_approval")
    await world.shows("Approve and start")
    world.later(seconds=2)
    await world.clicks("ben", "Approve and start")
    run = await world.reaches("failed")
    assert run.why == "the hand-over failed: nobody could say whether it is the copy that was meant"
    assert os.listdir(audit) == []


async def test_a_folder_that_is_gone_is_said_before_anybody_is_asked(open_world: Open, audit: Path) -> None:
    world = await opened(open_world, str(audit / "away"))
    await world.says("ana", "snapshot orders as of 2026-01-01 because audit Q3, 14")
    await world.reaches("refused")
    assert "is not there, or not ours to write into" in await world.shows("Snapshot refused")


async def test_a_program_that_is_not_there_is_said_before_anybody_is_asked(
    open_world: Open, audit: Path
) -> None:
    world = await opened(open_world, '[no-such-program, "{{copy}}"]')
    await world.says("ana", "snapshot orders as of 2026-01-01 because audit Q3, 14")
    await world.reaches("refused")
    assert "There is no program no-such-program" in await world.shows("Snapshot refused")


async def test_a_program_that_is_another_one_by_then_is_not_run(open_world: Open, audit: Path) -> None:
    program = audit / "give.sh"
    program.write_text("#!/bin/sh\ntrue\n")
    program.chmod(0o755)
    world = await opened(open_world, f'["{program}", "{{{{copy}}}}"]')
    await asked(world)
    program.write_text("#!/bin/sh\ncat $1 > /dev/null\n")
    await world.clicks("ben", "Approve and start")
    run = await world.reaches("void")
    assert "of the hand-over" in run.why


async def test_a_rollback_does_not_mind_who_audits(open_world: Open, audit: Path) -> None:
    program = audit / "give.sh"
    program.write_text("#!/bin/sh\ntrue\n")
    world = await opened(open_world, f'["{program}", "{{{{copy}}}}"]')
    (backup,) = (path.stem for path in (world.folder / "backups").glob("*.db"))
    await world.says("ana", f"orders to {backup} because totals are wrong")
    run = await world.reaches("awaiting_approval")
    assert not any("hand-over" in pin.name for leg in run.approval.plan.legs for pin in leg.pins)


async def test_another_receiver_than_was_agreed_to_gets_nothing(open_world: Open, audit: Path) -> None:
    program = audit.parent / "give.sh"
    program.write_text(f'#!/bin/sh\ncp "$1" "{audit}/$2"\n')
    program.chmod(0o755)
    world = await opened(open_world, f'["{program}", "{{{{copy}}}}", alice]')
    await asked(world)
    card = await world.shows("Approve and start")
    assert "by give.sh alice; what is given away" in card
    await world.bot.stop()
    text = (world.folder / "rollback.yaml").read_text()
    (world.folder / "rollback.yaml").write_text(text.replace("alice", "mallory"))
    await world.start()
    await world.clicks("ben", "Approve and start")
    await world.reaches("void")
    assert os.listdir(audit) == []


async def test_what_was_begun_is_followed_where_the_file_says_it_no_more(
    open_world: Open, audit: Path
) -> None:
    waits = f'[sh, -c, "until [ -e {audit}/go ]; do sleep 0.05; done", x, "{{{{copy}}}}"]'
    world = await opened(open_world, waits)
    await asked(world)
    await world.clicks("ben", "Approve and start")
    await world.shows("Handing the copy over")
    await world.bot.stop()
    world.configure(AUDITED)
    await world.start()
    (audit / "go").touch()
    await world.reaches("succeeded")


async def test_a_place_that_stands_in_the_words_of_a_failure_is_on_no_card(
    open_world: Open, audit: Path
) -> None:
    world = await opened(open_world, str(audit))
    (audit / "RB-1").mkdir()
    await agreed(world, "failed")
    card = await world.shows("RB-1 is there already and holds something else")
    assert str(audit) not in card


async def test_a_program_that_tells_where_the_copy_stands_is_not_believed_on_a_card(
    open_world: Open, audit: Path
) -> None:
    world = await opened(open_world, '[sh, -c, "echo cannot read $0 >&2; exit 1", "{{copy}}"]')
    await agreed(world, "failed")
    assert "cannot read the copy" in await world.shows("No snapshot of orders")


async def test_it_stands_in_the_evidence_that_it_was_handed_over(open_world: Open, audit: Path) -> None:
    world = await opened(open_world, str(audit))
    run = await agreed(world)
    (given,) = (record for record in run.work.steps if record.step.do is Do.HAND_OVER)
    assert (run.state, given.words) == (State.SUCCEEDED, "handed over")
    told = json.loads((audit / run.id / into_folder.MANIFEST).read_text())
    assert told == manifest(run, world.store.installation)
    assert os.listdir(audit) == [run.id]
