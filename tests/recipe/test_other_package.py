"""A backend in a package of somebody else's, beside our wheel, where there is no checkout."""

import re
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.recipe.carrying_out import ELSEWHERE, ROOT, SMALL, copy_of_the_tree, run, write_backend

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "rollback-counter"
version = "1"
dependencies = ["rollback-bot"]

[project.entry-points."rollback_bot.executors"]
counter = "rollback_counter.definition:EXECUTOR"

[project.entry-points."rollback_bot.checks"]
counter = "rollback_counter.definition:CHECK"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's project, as they would write it."""
    project = tmp_path_factory.mktemp("project")
    (project / "pyproject.toml").write_text(PROJECT)
    write_backend(project / "rollback_counter", project / "tests" / "world.py", ELSEWHERE)
    (project / "rollback.yaml").write_text(SMALL)
    return project


@pytest.fixture(scope="module")
def bin_folder(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with both wheels.

    Our dependencies come from the environment of this test, by its path: nothing is fetched, and a line of a
    .pth file does not bring our editable checkout along. What this cannot see is a dependency that the wheel
    forgets to name.
    """
    wheels, fresh = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("fresh")
    for source in (copy_of_the_tree(tmp_path_factory.mktemp("tree")), project):
        run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels], source)
    run([sys.executable, "-m", "venv", "--without-pip", fresh], fresh)
    pip = [sys.executable, "-m", "pip", "--python", str(fresh / "bin" / "python"), "--quiet"]
    run([*pip, "install", "--no-index", "--no-deps", *wheels.glob("*.whl")], fresh)
    (site_packages,) = fresh.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return fresh / "bin"


def test_it_imports_nothing_of_ours_but_the_package_for_it(project: Path) -> None:
    imports = re.compile(r"^(?:from|import) (backends|bot|handlers|storage|workspace|tests)\b", re.MULTILINE)
    assert [path for path in project.rglob("*.py") if imports.search(path.read_text())] == []


def test_the_checkout_is_not_seen(bin_folder: Path, project: Path) -> None:
    where = run([bin_folder / "python", "-c", "import backends; print(backends.__file__)"], project)
    assert where.startswith(str(bin_folder.parent))
    assert not where.startswith(str(ROOT))


def test_check_and_schema_know_its_type(bin_folder: Path, project: Path) -> None:
    environment = {"ROLLBACK_CONFIG": str(project / "rollback.yaml")}
    said = run([bin_folder / "rollback-bot", "check"], project, environment)
    assert said == "1 target, no problems\n"
    assert '"counter": "#/$defs/CounterSettings"' in run([bin_folder / "rollback-bot", "schema"], project)


def test_the_contract_is_tried_on_it(bin_folder: Path, project: Path) -> None:
    """Without the hundreds of hostile names, which test_backend.py tries on the same source."""
    tried = ["-m", "pytest", "-v", "-p", "backends.conformance", "-k", "not hostile", "tests"]
    said = run([bin_folder / "python", *tried], project)
    assert "CounterWorld::test_a_second_start_does_nothing PASSED" in said
    assert "CounterCheckWorld::test_a_world_as_it_should_be_passes PASSED" in said
