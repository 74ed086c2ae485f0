"""Backends of other packages, in a process of their own: which word is told when one cannot be used."""

import os
import sys
from pathlib import Path

import pytest

from backends.installed import EXECUTORS
from tests.handlers.cli.test_program import installed_in, python

DEFINITION = """\
from typing import Literal
from rollback_bot.definition import Definition, ExecutorSettings

class HeavySettings(ExecutorSettings):
    type: Literal["heavy"]

EXECUTOR = Definition("heavy", HeavySettings, "rollback_heavy.executor:build", extra="rollback-heavy[client]")
"""
CONFIGURATION = """\
version: 1
defaults: {approval: {from: [U1]}}
targets:
  far: {kind: system, executor: {type: heavy}, checks: [{type: command, argv: ["true"]}], zone: main}
"""
MISSING = (
    "Type `heavy` cannot be built: No module named 'a_client_that_is_not_installed'. "
    "Run: pip install 'rollback-heavy[client]'\n"
)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """With a package in it that names an executor."""
    described = tmp_path / "rollback_heavy-1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: rollback-heavy\nVersion: 1\n")
    (described / "entry_points.txt").write_text(f"[{EXECUTORS}]\nheavy = rollback_heavy:EXECUTOR\n")
    (tmp_path / "rollback.yaml").write_text(CONFIGURATION)
    path = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    return {**installed_in(tmp_path), "PYTHONPATH": path}


@pytest.fixture
def without_its_client(tmp_path: Path) -> None:
    package = tmp_path / "rollback_heavy"
    package.mkdir()
    (package / "__init__.py").write_text(DEFINITION)
    (package / "executor.py").write_text("import a_client_that_is_not_installed\n")


async def test_check_refuses_a_package_that_breaks_in_one_line(environment: dict[str, str]) -> None:
    done = await python(environment, "-m", "handlers.cli", "check")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "The entry point `heavy` of rollback_bot.executors, from the package rollback-heavy, cannot be "
        "imported: ModuleNotFoundError: No module named 'rollback_heavy'. "
        "Update the package rollback-heavy, or uninstall it.\n"
    )


@pytest.mark.parametrize("reference", ["", "not a reference", "rollback_heavy:"])
async def test_check_refuses_an_entry_point_that_leads_nowhere(
    environment: dict[str, str], tmp_path: Path, reference: str
) -> None:
    described = tmp_path / "rollback_heavy-1.dist-info" / "entry_points.txt"
    described.write_text(f"[{EXECUTORS}]\nheavy = {reference}\n")
    done = await python(environment, "-m", "handlers.cli", "check")
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        "The entry point `heavy` of rollback_bot.executors, from the package rollback-heavy, leads nowhere: "
        f"{reference!r} is no `package.module:NAME`. Update the package rollback-heavy, or uninstall it.\n"
    )


@pytest.mark.usefixtures("without_its_client")
async def test_check_warns_of_a_missing_extra_since_it_may_run_elsewhere(
    environment: dict[str, str], tmp_path: Path
) -> None:
    done = await python(environment, "-m", "handlers.cli", "check")
    assert (done.code, done.out) == (0, "1 target, no problems\n")
    assert done.err == f"{tmp_path / 'rollback.yaml'}: warning: {MISSING}"


@pytest.mark.usefixtures("without_its_client")
async def test_a_worker_does_not_start_without_the_extra_of_its_target(environment: dict[str, str]) -> None:
    tokens = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
    done = await python({**environment, **tokens}, "-m", "handlers.cli", "serve")
    assert (done.code, done.out, done.err) == (2, "", MISSING)
