"""docs/command.md: its example works as it stands, its answers are read, its promises name their tests."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from backends.command.answers import CURRENT, FIND, LIST, MADE, MEASURE, PAGE
from backends.command.examining import NEVER_BEGUN
from backends.command.listing import MOST_BYTES, MOST_PAGES, MOST_POINTS
from backends.command.settings import CURSOR, PLACES, CommandSettings
from backends.conformance.harness import ended
from backends.installed import definitions
from backends.opening import CHILD_ENVIRONMENT
from backends.programs import supervisor
from backends.references import Resolver
from backends.surroundings import Surroundings
from backends.world import ConfiguredWorld
from bot.clock import utc_now
from bot.configuration import Configuration, load, warnings
from bot.contract import Ended, Executor, Fate, StateChanged, Taken, Work
from bot.model import Do, Goal, Left, UndoMode, Verdict
from handlers.cli.doctor import targets
from handlers.cli.doctor.results import Grade
from tests.backends.command.world import kill

ROOT = Path(__file__).parents[3]
PAGE_TEXT = (ROOT / "docs" / "command.md").read_text(encoding="utf-8")
LONGEST_EXAMPLE_LINES = 25
PATH = f"{Path(sys.executable).parent}:{os.defpath}"
HELD_BY = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE_TEXT, re.MULTILINE | re.DOTALL)


# The example -----------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    [program], [configuration] = blocks("python"), blocks("yaml")
    (tmp_path / "prices").write_text(program)
    (tmp_path / "prices").chmod(0o755)
    (tmp_path / "rollback.yaml").write_text(configuration)
    for name in ("begun", "versions", "spool"):
        (tmp_path / name).mkdir()
    for name, days in (("spring", 3), ("summer", 2), ("autumn", 1)):
        content = {"made": (utc_now() - timedelta(days=days)).isoformat(), "coffee": f"{days}.50"}
        (tmp_path / "versions" / f"{name}.json").write_text(json.dumps(content))
    (tmp_path / "live.json").write_bytes((tmp_path / "versions" / "autumn.json").read_bytes())
    yield tmp_path
    for record in tmp_path.glob("spool/*/*/*.json"):
        if record.name in (supervisor.TAKEN, supervisor.CHILD):
            kill(supervisor.read(str(record.parent), record.name))


@pytest.fixture
def configuration(folder: Path) -> Configuration:
    return load(folder / "rollback.yaml", definitions())


@pytest.fixture
def world(folder: Path, configuration: Configuration) -> ConfiguredWorld:
    surroundings = Surroundings(folder, folder / "spool", {"PATH": PATH}, place="7f3a")
    return ConfiguredWorld(configuration, definitions(), Resolver(surroundings, {}))


async def gone_to(executor: Executor, point: str, n: int) -> Work:
    """Plans and carries it out."""
    way = await executor.plan(Goal(point=point), utc_now())
    work = Work(
        f"k3v9x2ab.RB-{n}.1",
        f"RB-{n}",
        "d" * 64,
        Do.RESTORE,
        point,
        expected=way.current.token,
        fingerprint=way.point.fingerprint,
    )
    handle = await executor.start(work)
    assert not isinstance(handle, Ended | Taken)
    end = await ended(executor, replace(work, handle=handle))
    assert (end.ok, end.left) == (True, Left.POINT), end.words
    return work


async def test_the_example_goes_back_once_and_can_be_undone(world: ConfiguredWorld, folder: Path) -> None:
    executor = world.executor("prices")
    before = (folder / "live.json").read_bytes()
    listed = await executor.points()
    assert [point.id for point in listed.points] == ["autumn", "summer", "spring"]
    way = await executor.plan(Goal(point="summer"), utc_now())
    assert (way.undo, [one.id for one in way.gone]) == (UndoMode.BEST_EFFORT, ["autumn"])
    work = await gone_to(executor, "summer", 1)
    assert (folder / "live.json").read_bytes() == (folder / "versions" / "summer.json").read_bytes()
    assert [finding.verdict for finding in await executor.verify(work)] == [Verdict.PASSED]
    assert (await executor.find(work)).fate is Fate.DONE
    assert await executor.start(work) is Taken.TAKEN
    await gone_to(executor, "autumn", 2)
    assert (folder / "live.json").read_bytes() == before


async def test_the_example_tells_another_worker_what_became_of_it(
    world: ConfiguredWorld, configuration: Configuration, folder: Path
) -> None:
    work = await gone_to(world.executor("prices"), "summer", 1)
    surroundings = Surroundings(folder, folder / "another", {"PATH": PATH}, place="b2c4")
    another = ConfiguredWorld(configuration, definitions(), Resolver(surroundings, {})).executor("prices")
    assert (await another.find(replace(work, place="7f3a"))).fate is Fate.DONE
    assert (await another.find(replace(work, place="7f3a", op_id=NEVER_BEGUN))).fate is Fate.ABSENT


async def test_the_example_goes_nowhere_when_a_version_was_changed(
    world: ConfiguredWorld, folder: Path
) -> None:
    executor = world.executor("prices")
    fingerprint = (await executor.plan(Goal(point="summer"), utc_now())).point.fingerprint
    current = (await executor.points()).current
    summer = folder / "versions" / "summer.json"
    summer.write_text(summer.read_text().replace("2.50", "0.01"))
    work = Work("k3v9x2ab.RB-1.1", "RB-1", "d" * 64, Do.RESTORE, "summer", current.token)
    with pytest.raises(StateChanged):
        await executor.start(replace(work, fingerprint=fingerprint))
    assert list((folder / "begun").iterdir()) == []


@pytest.mark.parametrize("differs", ["fingerprint", "expected"])
async def test_the_program_of_the_example_refuses_what_was_not_approved(
    world: ConfiguredWorld, folder: Path, differs: str
) -> None:
    way = await world.executor("prices").plan(Goal(point="summer"), utc_now())
    approved = {"fingerprint": way.point.fingerprint, "expected": way.current.token, differs: "another"}
    before = (folder / "live.json").read_bytes()
    argv = ["./prices", "restore", "summer", *approved.values(), "k3v9x2ab.RB-1.1"]
    ended_with = subprocess.run(argv, cwd=folder, env={"PATH": PATH}, capture_output=True, text=True)
    assert (ended_with.returncode, "nothing was done" in ended_with.stderr) == (1, True)
    assert (folder / "live.json").read_bytes() == before


async def test_doctor_finds_nothing_wrong_with_the_example(
    world: ConfiguredWorld, configuration: Configuration
) -> None:
    [result] = (await targets.examine(configuration.targets["prices"], None, world)).results
    assert (result.grade, result.words) == (Grade.OK, "3 restore points")


def test_the_example_is_short_and_configured_without_a_warning(configuration: Configuration) -> None:
    [program] = blocks("python")
    code = [line for line in program.splitlines() if line and not line.startswith("#")]
    assert len(code) <= LONGEST_EXAMPLE_LINES
    assert warnings(configuration, definitions()) == ()


# The rest of the page --------------------------------------------------------------------------


def test_every_answer_that_is_shown_is_read() -> None:
    shapes: Mapping[str, TypeAdapter[Any]] = {
        "live": LIST,
        "next": PAGE,
        "token": CURRENT,
        "state": FIND,
        "units": MEASURE,
        "before": MADE,
    }
    shown = dict(zip(shapes, blocks("json"), strict=True))
    for key, answer in shown.items():
        assert key in answer
        shapes[key].validate_json(answer)


def test_every_setting_and_placeholder_is_on_the_page() -> None:
    schema = CommandSettings.model_json_schema(by_alias=True)
    settings = {name for model in (schema, *schema["$defs"].values()) for name in model["properties"]}
    words = {*(f"`{name}`" for name in settings - {"type"}), *(f"`{{{name}}}`" for name in (*PLACES, CURSOR))}
    assert {word for word in words if word not in PAGE_TEXT} == set()


def test_what_a_program_may_be_given_is_as_the_table_says() -> None:
    rows = re.findall(r"^\| `(\w+)` \|.*?\|.*?\| ([^|]*) \|[^|]*\|$", PAGE_TEXT, re.MULTILINE)
    told = {name: set(re.findall(r"\{\w+\}", places)) for name, places in rows if name != "environment"}
    assert len(told) == 9
    for name, places in told.items():
        for place in (*PLACES, CURSOR):
            argv = ["ctl", f"{{{place}}}"]
            assert _is_allowed(name, argv) is (f"{{{place}}}" in places), (name, place)


def _is_allowed(name: str, argv: list[str]) -> bool:
    needed = {call: {"argv": ["ctl"]} for call in ("points", "current", "restore")}
    try:
        CommandSettings.model_validate({"type": "command", **needed, name: {"argv": argv}})
    except ValueError:
        return False
    return True


def test_the_bounds_and_variables_are_those_of_the_code() -> None:
    said = f"At most {MOST_PAGES} pages, {MOST_POINTS:,} points and {MOST_BYTES >> 20} MiB in all are read."
    assert said in PAGE_TEXT
    for name in CHILD_ENVIRONMENT:
        assert f"`{name}`" in PAGE_TEXT


def test_every_row_of_promises_names_tests_that_are_there() -> None:
    promises = PAGE_TEXT.partition("## What holds")[2].split("\n|---|---|---|\n")[1].strip().splitlines()
    assert [row for row in promises if not HELD_BY.search(row)] == []


def test_every_test_that_the_page_names_is_there() -> None:
    held_by = HELD_BY.findall(PAGE_TEXT)
    assert len(held_by) == PAGE_TEXT.count("::test_") > 0
    gone = [
        f"{path}::{name}"
        for path, name in held_by
        if not re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
    ]
    assert gone == []
