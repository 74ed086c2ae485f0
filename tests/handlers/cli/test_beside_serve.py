"""Reading the database of a bot that serves, without its lock and without a token of Slack."""

import os

import pytest

from bot.clock import SteadyClock
from bot.model import Current
from handlers.cli import reading, shapes, words
from handlers.cli.database import upgraded
from handlers.settings import ProcessSettings, read_settings
from storage.database import Locked
from storage.spans import SpanStore
from tests.handlers.world import World


def settings_of(world: World) -> ProcessSettings:
    """Where the bot of this world lives, and nothing else."""
    return read_settings(
        {
            "ROLLBACK_CONFIG": str(world.folder / "rollback.yaml"),
            "ROLLBACK_STATE_DIR": str(world.folder / "state"),
        }
    )


async def told(world: World, run_id: str) -> shapes.Json:
    found = await reading.run(settings_of(world), run_id)
    return shapes.run(found.run, found.events, found.installation, found.url)


async def test_an_open_run_is_read_while_it_waits(world: World) -> None:
    run = await world.asks()
    shape = await told(world, run.id)
    assert (shape["state"], shape["requester"], shape["plan"]["code"]) == (
        "awaiting_approval",
        "U01ANA",
        run.code,
    )
    assert [event["kind"] for event in shape["events"]] == ["requested", "planned", "posted"]
    assert [event["by"] for event in shape["events"]] == ["U01ANA", None, None]


async def test_an_ended_run_is_read_with_what_was_done(world: World) -> None:
    await world.asks()
    await world.clicks("ben", "Approve and start")
    run = await world.reaches("succeeded")
    shape = await told(world, run.id)
    assert (shape["live"], shape["approvers"], shape["url"]) == ("v41", ["U01BEN"], None)
    effects = [record.step.n for record in run.work.steps if record.step.do in {"undo_point", "restore"}]
    assert [step["op"] for step in shape["steps"]] == [
        f"{world.store.installation}.{run.id}.{n}" for n in effects
    ]
    assert {check["verdict"] for check in shape["checks"]} == {"passed"}


async def test_an_ended_run_in_words_says_what_is_live_and_who_agreed(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    await world.asks()
    await world.clicks("ben", "Approve and start")
    run = await world.reaches("succeeded")
    capsys.readouterr()
    words.run(await reading.run(settings_of(world), run.id), SteadyClock()())
    said = capsys.readouterr().out
    assert "v41 is live" in said
    assert "U01BEN approved plan" in said
    assert "<@" not in said


async def test_a_target_says_its_open_run(world: World) -> None:
    run = await world.asks()
    found = await reading.targets(settings_of(world))
    assert [(each.target.name, each.open_run) for each in found] == [("shop", run.id)]


async def test_a_target_says_what_is_live_by_whom_and_what_is_held(world: World) -> None:
    await world.asks()
    await world.clicks("ben", "Approve and start")
    run = await world.reaches("succeeded")
    await SpanStore(world.store.database).saw({"shop": Current("v41", "v41", "v41")}, world.clock(), run.id)
    (found,) = await reading.targets(settings_of(world))
    told = shapes.target(found)
    assert (told["live"]["id"], told["live"]["by"], told["held"]) == ("v41", run.id, ["v42"])
    assert told["live"]["since"] is not None


async def test_runs_are_listed_newest_first_and_by_target(world: World) -> None:
    await world.asks()
    await world.clicks("ana", "Cancel")
    await world.reaches("cancelled")
    await world.asks()
    listed = await reading.runs(settings_of(world), None)
    assert [(run.id, run.state) for run in listed] == [("RB-2", "awaiting_approval"), ("RB-1", "cancelled")]
    assert await reading.runs(settings_of(world), "other") == ()


async def test_a_run_is_linked_where_a_public_url_is_configured(world: World) -> None:
    run = await world.asks()
    path = world.folder / "rollback.yaml"
    path.write_text(path.read_text() + "public_url: https://rollback.example/\n")
    assert (await told(world, run.id))["url"] == f"https://rollback.example/runs/{run.id}"


async def test_a_configuration_that_is_broken_now_hides_no_run(world: World) -> None:
    run = await world.asks()
    (world.folder / "rollback.yaml").write_text("version: 2")
    assert (await told(world, run.id))["url"] is None


async def test_a_plan_beside_an_open_run_changes_nothing(world: World) -> None:
    run = await world.asks()
    plan = await reading.plan(settings_of(world), "shop", "v41")
    assert run.approval.plan is not None
    assert (plan.current, plan.point) == (run.approval.plan.current, run.approval.plan.point)
    assert world.backend.effects == []
    assert (await world.run()).seq == run.seq


async def test_a_point_that_is_on_hold_is_said_in_the_plan(world: World) -> None:
    await world.asks()
    await world.clicks("ben", "Approve and start")
    run = await world.reaches("succeeded")
    plan = await reading.plan(settings_of(world), "shop", "v42")
    assert any(run.id in warning for warning in plan.warnings)


async def test_a_database_in_use_is_not_upgraded_and_its_user_is_named(world: World) -> None:
    with pytest.raises(Locked) as locked:
        await upgraded(settings_of(world))
    assert locked.value.pid == os.getpid()
