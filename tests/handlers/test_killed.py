"""kill -9 of the real process: nothing is lost, nothing is done twice, the card's buttons still work."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.handlers.killed_world import KilledWorld
from tests.handlers.world import IN_MAINTENANCE, PATIENCE, STANDARD


@pytest.fixture
async def world(request: pytest.FixtureRequest, tmp_path: Path, template: Path) -> AsyncIterator[KilledWorld]:
    world = KilledWorld(tmp_path)
    await world.open(getattr(request, "param", STANDARD), template)
    yield world
    await world.close()


async def asked_and_read(world: KilledWorld) -> None:
    await world.says("ana", "shop to v41")
    await world.reaches("awaiting_approval")
    await world.shows("Approve")
    await world.read_for_a_second()


async def test_killed_while_waiting_its_card_is_still_good(world: KilledWorld) -> None:
    await asked_and_read(world)
    await world.kill()
    await world.comes_back()
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")
    assert world.backend.restored == ["v41"]


async def test_killed_while_restoring_it_finds_the_restore_and_does_not_repeat_it(world: KilledWorld) -> None:
    await asked_and_read(world)
    world.backend.will("hang")
    await world.clicks("ben", "Approve and start")
    await world.until(lambda: world.backend.restored, "the restore")
    await world.kill()
    world.backend.no_longer("hang")
    await world.comes_back()
    await world.reaches("succeeded")
    assert world.backend.restored == ["v41"]
    assert sum("is back at v41" in line for line in world.thread()) == 1


@pytest.mark.parametrize("world", [IN_MAINTENANCE], indirect=True)
async def test_killed_again_and_again_every_effect_happens_once(world: KilledWorld) -> None:
    await asked_and_read(world)
    world.backend.will("hang")
    await world.clicks("ben", "Approve and start")
    for _ in range(3):
        await world.until(lambda: world.backend.effects, "the first effect")
        await world.kill()
        await world.comes_back()
    world.backend.no_longer("hang")
    await world.reaches("succeeded")
    assert world.backend.effects == ["enter", "restore v41", "leave"]


async def test_an_acknowledged_request_outlives_a_kill_right_after_it(world: KilledWorld) -> None:
    reply = await world.says("ana", "shop to v41")
    await world.kill()
    assert reply.acked
    await world.comes_back()
    await world.reaches("awaiting_approval")
    await world.shows("Approve")


async def test_there_is_one_card_after_a_kill_between_request_and_card(world: KilledWorld) -> None:
    await world.says("ana", "shop to v41")
    await world.kill()
    await world.comes_back()
    await world.shows("Approve")
    cards = [m for m in world.workspace.messages("C01INC") if m.metadata and not m.thread_ts]
    assert len(cards) == 1


async def test_sigterm_ends_it_with_exit_code_0_and_leaves_the_restore_running(world: KilledWorld) -> None:
    await asked_and_read(world)
    world.backend.will("hang")
    await world.clicks("ben", "Approve and start")
    await world.until(lambda: world.backend.restored, "the restore")
    world.process.terminate()
    assert await asyncio.wait_for(world.process.wait(), 30) == 0
    world.backend.no_longer("hang")
    await world.reading.database.close()
    await world.comes_back()
    await world.reaches("succeeded")
    assert world.backend.restored == ["v41"]


async def test_a_second_serve_beside_it_ends_with_3_and_names_the_first(world: KilledWorld) -> None:
    second = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "handlers.cli",
        "serve",
        env={**os.environ, **world.environment()},
        stderr=asyncio.subprocess.PIPE,
    )
    _, words = await asyncio.wait_for(second.communicate(), PATIENCE)
    assert second.returncode == 3
    assert str(world.process.pid) in words.decode()


async def test_sighup_takes_a_good_configuration_and_keeps_the_old_one_when_it_has_problems(
    world: KilledWorld,
) -> None:
    path = world.folder / "rollback.yaml"
    good = path.read_text()
    path.write_text(good + "  nonsense: 1\n")
    world.process.send_signal(signal.SIGHUP)
    assert "shop" in str((await world.says("ana", "targets")).blocks)
    path.write_text(good.replace("  shop:\n", "  bakery:\n"))
    world.process.send_signal(signal.SIGHUP)
    assert world.process.stdout is not None
    line = await asyncio.wait_for(world.process.stdout.readline(), PATIENCE)
    assert line.startswith(b"listening on")
    assert "bakery" in str((await world.says("ana", "targets")).blocks)
