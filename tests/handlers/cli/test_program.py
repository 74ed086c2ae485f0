"""The program in a process of its own: its exit codes, what it prints where, and what its start costs."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.handlers.cli.clinic import Clinic
from tests.handlers.cli.conftest import CONFIGURATION, Done
from tests.handlers.world import World

PATIENCE = 60.0  # seconds; only a broken program needs them
HEAVY = {"aiohttp", "pydantic", "rich", "slack_sdk", "sqlalchemy"}


async def python(environment: Mapping[str, str], *words: str) -> Done:
    others = {
        name: value for name, value in os.environ.items() if not name.startswith(("SLACK_", "ROLLBACK_"))
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
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
            process.kill()
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())


def installed_in(folder: Path) -> dict[str, str]:
    return {
        "ROLLBACK_CONFIG": str(folder / "rollback.yaml"),
        "ROLLBACK_STATE_DIR": str(folder / "state"),
    }


async def test_a_run_is_read_beside_the_bot_that_drives_it(world: World) -> None:
    run = await world.asks()
    done = await python(installed_in(world.folder), "-m", "handlers.cli", "run", run.id, "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["id"] == run.id


async def test_a_second_serve_names_the_first_in_one_line(world: World) -> None:
    tokens = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
    done = await python({**installed_in(world.folder), **tokens}, "-m", "handlers.cli", "serve")
    assert (done.code, done.out) == (3, "")
    assert f"Process {os.getpid()} serves" in done.err
    assert done.err.count("\n") == 1


async def test_serving_without_any_way_to_hear_slack_is_usage(tmp_path: Path) -> None:
    (tmp_path / "rollback.yaml").write_text(CONFIGURATION)
    environment = {**installed_in(tmp_path), "SLACK_BOT_TOKEN": "xoxb-1"}
    done = await python(environment, "-m", "handlers.cli", "serve")
    assert (done.code, done.out) == (2, "")
    assert "SLACK_APP_TOKEN" in done.err
    assert done.err.count("\n") == 1


async def test_the_doctor_for_programs_prints_data_only_and_its_words_beside(clinic: Clinic) -> None:
    clinic.slack.workspace.scopes.discard("dnd:read")
    environment = installed_in(clinic.folder) | {
        "SLACK_BOT_TOKEN": clinic.slack.bot_token,
        "SLACK_APP_TOKEN": clinic.slack.app_token,
        "SLACK_API_URL": clinic.slack.api_url,
    }
    done = await python(environment, "-m", "handlers.cli", "doctor", "--json")
    failed = [result["name"] for result in json.loads(done.out) if result["grade"] == "fail"]
    assert (failed, done.code) == (["scopes"], 1)
    assert "FAIL  scopes: missing: dnd:read" in done.err


async def test_the_start_imports_nothing_heavy() -> None:
    done = await python({}, "-c", f"import sys, handlers.cli; print({HEAVY!r} & sys.modules.keys())")
    assert (done.out, done.err) == ("set()\n", "")
