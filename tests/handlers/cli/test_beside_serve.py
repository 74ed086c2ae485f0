"""The program in a process of its own: beside a bot that serves, and what its start costs."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from handlers.cli.doctor.results import Grade
from storage.database import LockFile
from tests.handlers.cli.clinic import Clinic
from tests.handlers.cli.conftest import CONFIGURATION, Done
from tests.handlers.world import World

PATIENCE = 30.0  # seconds; only a broken program needs them


async def types(environment: Mapping[str, str], *words: str) -> Done:
    """`environment`: what of it is ours."""
    others = {
        name: value for name, value in os.environ.items() if not name.startswith(("SLACK_", "ROLLBACK_"))
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "handlers.cli",
        *words,
        env={**others, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(), PATIENCE)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())


def of(world: World) -> dict[str, str]:
    """Where the bot of this world lives. No token: reading needs none."""
    return {
        "ROLLBACK_CONFIG": str(world.folder / "rollback.yaml"),
        "ROLLBACK_STATE_DIR": str(world.folder / "state"),
    }


# Beside a bot that serves ----------------------------------------------------------------------


async def test_an_open_run_is_read_while_it_waits(world: World) -> None:
    run = await world.asks()
    done = await types(of(world), "run", run.id, "--json")
    told = json.loads(done.out)
    assert done.code == 0
    assert (told["id"], told["state"], told["requester"]) == (run.id, "awaiting_approval", "U01ANA")
    assert told["plan"]["code"] == run.code
    assert [event["kind"] for event in told["events"]] == ["requested", "planned", "posted"]
    assert [event["by"] for event in told["events"]] == ["U01ANA", None, None]
    listed = json.loads((await types(of(world), "targets", "--json")).out)
    assert [target["open_run"] for target in listed] == [run.id]


async def test_an_ended_run_is_read_with_what_was_done(world: World) -> None:
    await world.asks()
    await world.clicks("ben", "Approve and start")
    run = await world.reaches("succeeded")
    installation = world.bot.context.store.installation
    told = json.loads((await types(of(world), "run", run.id, "--json")).out)
    assert (told["live"], told["approvers"], told["url"]) == ("v41", ["U01BEN"], None)
    assert told["steps"] == [
        {"op": f"{installation}.{run.id}.{n}", "state": "ended", "outcome": "succeeded"}
        for n in [record.step.n for record in run.steps if record.step.do in {"undo_point", "restore"}]
    ]
    assert {check["verdict"] for check in told["checks"]} == {"passed"}
    words = (await types(of(world), "run", run.id)).out
    assert "v41 is live" in words
    assert "U01BEN approved plan" in words


async def test_runs_are_listed_newest_first_and_by_target(world: World) -> None:
    await world.asks()
    await world.clicks("ana", "Cancel")
    await world.reaches("cancelled")
    await world.asks()
    listed = json.loads((await types(of(world), "runs", "--json")).out)
    assert [(run["id"], run["state"]) for run in listed] == [
        ("RB-2", "awaiting_approval"),
        ("RB-1", "cancelled"),
    ]
    assert json.loads((await types(of(world), "runs", "--target", "other", "--json")).out) == []


async def test_a_configuration_that_is_broken_now_hides_no_run(world: World) -> None:
    run = await world.asks()
    (world.folder / "rollback.yaml").write_text("version: 2")
    assert (await types(of(world), "run", run.id)).code == 0


async def test_a_plan_beside_an_open_run_is_the_same_plan(world: World) -> None:
    run = await world.asks()
    done = await types(of(world), "plan", "shop", "v41", "--json")
    plan = json.loads(done.out)
    assert run.plan is not None
    assert (plan["from"], plan["point"]) == (run.plan.current.id, run.plan.point.id)
    assert world.backend.effects == []


async def test_a_database_in_use_is_not_upgraded_and_its_user_is_named(world: World) -> None:
    done = await types(of(world), "db", "upgrade")
    assert (done.code, done.out) == (3, "")
    assert f"process {os.getpid()} serves" in done.err.lower()


async def test_a_second_serve_names_the_first(world: World) -> None:
    tokens = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
    done = await types({**of(world), **tokens}, "serve")
    assert (done.code, done.out) == (3, "")
    assert str(os.getpid()) in done.err
    assert done.err.count("\n") == 1


async def test_serving_without_any_way_to_hear_slack_is_usage(tmp_path: Path) -> None:
    (tmp_path / "rollback.yaml").write_text(CONFIGURATION)
    environment = {
        "ROLLBACK_CONFIG": str(tmp_path / "rollback.yaml"),
        "ROLLBACK_STATE_DIR": str(tmp_path / "state"),
        "SLACK_BOT_TOKEN": "xoxb-1",
    }
    done = await types(environment, "serve")
    assert (done.code, done.out) == (2, "")
    assert "SLACK_APP_TOKEN" in done.err
    assert "Traceback" not in done.err


# The doctor ------------------------------------------------------------------------------------


def of_clinic(clinic: Clinic) -> dict[str, str]:
    return {
        "SLACK_BOT_TOKEN": clinic.slack.bot_token,
        "SLACK_APP_TOKEN": clinic.slack.app_token,
        "SLACK_API_URL": clinic.slack.api_url,
        "ROLLBACK_CONFIG": str(clinic.folder / "rollback.yaml"),
        "ROLLBACK_STATE_DIR": str(clinic.folder / "state"),
    }


async def test_the_doctor_prints_a_line_for_each_look_and_ends_with_0(clinic: Clinic) -> None:
    done = await types(of_clinic(clinic), "doctor")
    assert (done.code, done.err) == (0, "")
    assert {line.split()[0] for line in done.out.splitlines()} == {"ok"}


async def test_the_doctor_for_programs_prints_data_only_and_its_words_beside(clinic: Clinic) -> None:
    clinic.slack.workspace.scopes.discard("dnd:read")
    done = await types(of_clinic(clinic), "doctor", "--json")
    failed = [result["name"] for result in json.loads(done.out) if result["grade"] == "fail"]
    assert (failed, done.code) == (["scopes"], 1)
    assert f"{Grade.FAIL}  scopes: missing: dnd:read" in done.err


async def test_rehearsing_needs_to_know_who_you_are(clinic: Clinic) -> None:
    done = await types(of_clinic(clinic), "doctor", "--rehearse")
    assert (done.code, done.out) == (2, "")
    assert "--as" in done.err


async def test_rehearsing_beside_a_serve_says_so(clinic: Clinic) -> None:
    settings = clinic.settings()
    settings.state.mkdir(mode=0o700)
    serve = LockFile(settings.lock)
    serve.acquire()
    done = await types(of_clinic(clinic), "doctor", "--rehearse", "--as", "U01ANA")
    serve.release()
    assert done.code == 0
    assert "Ana" in done.out or "ana may ask for storefront" in done.out
    assert "rehearsal, press: process" in done.out


# What the start costs --------------------------------------------------------------------------


async def test_nothing_is_imported_that_a_quick_command_does_not_use() -> None:
    quick = "import sys, handlers.cli; print(sorted({'rich', 'pydantic', 'sqlalchemy', 'aiohttp', 'slack_sdk'} & set(sys.modules)))"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", quick, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert out.decode() == "[]\n"
