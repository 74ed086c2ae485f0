"""A bot whose database was put back from a backup: it reads, and opens, decides and does nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import ClientSession
from sqlalchemy import select, update

from bot.clock import SteadyClock
from handlers.cli.backups import confirmed
from handlers.front import expire_due
from handlers.settings import read_settings
from storage.backup import back_up, put_back
from storage.database import sqlite_url
from storage.restored import READ_ONLY
from storage.tables import cards, runs
from tests.handlers.killed_world import KilledWorld
from tests.handlers.world import PATIENCE, STANDARD, World

Open = Callable[..., Awaitable[World]]
SERVES_AGAIN_WITHIN = 2.0  # seconds after the confirmation
SOON = STANDARD.replace("approval: {{from: [managers]}}", "approval: {{from: [managers], expires: 60s}}")


async def backed_up(world: World) -> Path:
    file = world.folder / "backup.db"
    await back_up(sqlite_url(world.folder / "state" / "rollback.db"), file)
    return file


async def brought_back(world: World, backup: Path) -> None:
    """The bot serves from what the backup knows."""
    await world.bot.stop()
    await put_back(sqlite_url(world.folder / "state" / "rollback.db"), backup, SteadyClock()(), "os:dora")
    await world.start()


@pytest.fixture
async def put_back_world(world: World) -> World:
    """The backup knows RB-1, which waits for approval."""
    await world.asks()
    await brought_back(world, await backed_up(world))
    return world


async def decisions(world: World) -> list[str]:
    return [event.kind.value for event in await world.store.events("RB-1")]


# What is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "",
        "shop",
        "shop to v41 because totals are broken",
        "cancel RB-1",
        "cancel RB-7",
        "undo RB-1",
        "resolve RB-1 live unchanged because I looked",
    ],
)
async def test_no_command_opens_or_decides_anything(put_back_world: World, words: str) -> None:
    before = await decisions(put_back_world)
    assert str((await put_back_world.says("ana", words)).text) == READ_ONLY
    assert [summary.id for summary in await put_back_world.store.summaries()] == ["RB-1"]
    assert await decisions(put_back_world) == before


async def test_the_shortcut_opens_no_form(put_back_world: World) -> None:
    message = put_back_world.card_message()
    await put_back_world.slack.shortcut("U01ANA", message, "rollback_shortcut")
    await put_back_world.sees_modal("ana", READ_ONLY)


@pytest.mark.parametrize("label", ["Approve and start", "Reject", "Cancel"])
async def test_no_button_of_an_old_card_decides_anything(put_back_world: World, label: str) -> None:
    before = await decisions(put_back_world)
    await put_back_world.clicks("ben", label)
    await put_back_world.sees_modal("ben", READ_ONLY)
    assert await decisions(put_back_world) == before
    assert put_back_world.backend.effects == []


async def test_no_button_of_a_card_that_the_backup_does_not_know(world: World) -> None:
    backup = await backed_up(world)
    await world.asks()
    await brought_back(world, backup)
    await world.clicks("ben", "Approve and start")
    await world.sees_modal("ben", READ_ONLY)
    assert world.backend.effects == []


async def test_a_form_that_stood_open_asks_for_nothing(world: World) -> None:
    backup = await backed_up(world)
    await world.says("ana", "shop")
    await world.sees_modal("ana", "v41")
    await brought_back(world, backup)
    assert READ_ONLY in str(await world.fills_in("ana", reason="totals are broken"))
    assert await world.store.summaries() == ()


async def test_each_refusal_is_kept_as_evidence(put_back_world: World) -> None:
    await put_back_world.says("ana", "shop to v41")
    await put_back_world.clicks("ben", "Approve and start")
    await put_back_world.sees_modal("ben", READ_ONLY)
    entries = [row for row in await put_back_world.evidence() if row["kind"] == "read_only_refused"]
    assert [entry["by"] for entry in entries] == ["U01ANA", "U01BEN"]


# What goes on ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("status", "RB-1"),
        ("status RB-1", "RB-1"),
        ("history shop", "RB-1"),
        ("targets", "shop"),
        ("points shop", "v41"),
        ("help", "/rollback points TARGET"),
    ],
)
async def test_reading_commands_answer(put_back_world: World, words: str, answer: str) -> None:
    reply = await put_back_world.says("ana", words)
    assert answer in f"{reply.text} {reply.blocks}"


async def test_it_says_that_it_is_not_ready_and_why(put_back_world: World) -> None:
    async with ClientSession() as session, session.get(f"{put_back_world.bot.url}/readyz") as answer:
        assert answer.status == 503
        assert READ_ONLY in await answer.text()


# What does not go on ---------------------------------------------------------------------------


async def test_a_run_that_the_backup_holds_for_approved_is_not_driven(world: World) -> None:
    await world.asks()
    world.backend.will("hang")
    await world.clicks("ben", "Approve and start")
    await world.until(lambda: world.backend.restored, "the restore")
    backup = await backed_up(world)
    world.backend.no_longer("hang")
    await world.reaches("succeeded")
    await brought_back(world, backup)
    world.later(minutes=1)  # the lease of whoever drove it when the backup was made is over
    before = await epoch(world)
    await sweeps(world)
    assert await epoch(world) == before
    assert world.backend.restored == ["v41"]


async def epoch(world: World) -> int:
    """How often the run was taken to be driven."""
    async with world.store.database.read() as connection:
        return int(await connection.scalar(select(runs.c.epoch)) or 0)


async def sweeps(world: World) -> None:
    """Until the worker has looked for work twice."""
    assert world.bot.worker is not None
    for _ in range(2):
        seen = world.bot.worker.swept_at
        await world.until(lambda seen=seen: world.bot.worker.swept_at > seen, "a sweep")  # type: ignore[misc]


async def test_nothing_expires(open_world: Open) -> None:
    world = await open_world(SOON)
    await world.asks()
    await brought_back(world, await backed_up(world))
    world.later(minutes=2)
    await expire_due(world.front.context)
    assert (await world.run()).state.value == "awaiting_approval"


async def test_no_card_is_drawn_as_the_backup_remembers_it(world: World) -> None:
    await world.asks()
    backup = await backed_up(world)
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")
    card = world.card()
    await brought_back(world, backup)
    for behind in (update(runs).values(shown_seq=0), update(cards).values(drawn="")):
        await world.store.database.write(lambda connection, it=behind: connection.execute(it))  # type: ignore[misc]
    await world.front.publisher.stop(PATIENCE)  # it ends with a last round
    assert world.card() == card


# Afterwards ------------------------------------------------------------------------------------


@pytest.fixture
async def killed_world(tmp_path: Path, template: Path) -> AsyncIterator[KilledWorld]:
    world = KilledWorld(tmp_path)
    await world.open(STANDARD, template)
    yield world
    await world.close()


async def test_it_serves_again_by_itself_once_its_operator_has_confirmed(killed_world: KilledWorld) -> None:
    world = killed_world
    await world.says("ana", "shop to v41")
    await world.reaches("awaiting_approval")
    backup = await backed_up(world)
    world.process.terminate()
    await world.process.wait()
    await world.reading.database.close()
    await put_back(sqlite_url(world.folder / "state" / "rollback.db"), backup, SteadyClock()(), "os:dora")
    await world.comes_back()
    assert str((await world.says("ana", "shop to v41")).text) == READ_ONLY
    await confirmed(read_settings(world.environment()), 57)
    assert world.process.stdout is not None
    line = await asyncio.wait_for(world.process.stdout.readline(), SERVES_AGAIN_WITHIN)
    assert line.startswith(b"listening on http://")
    assert (await world.run("RB-1")).state.value == "void"
    await world.says("ana", "shop to v41")
    await world.reaches("awaiting_approval", "RB-58")
