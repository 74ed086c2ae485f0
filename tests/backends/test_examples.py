"""The example in each folder: it is right as it stands, and shows every setting."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import backends
from backends.installed import definitions, in_module
from backends.references import Resolver
from backends.surroundings import Surroundings
from backends.world import ConfiguredWorld
from bot.configuration import Configuration, load, warnings
from bot.configuration.definitions import Definition
from bot.configuration.settings import CheckSettings, ExecutorSettings
from tests.backends.http.certificates import Authority

FOLDERS = sorted(path.parent for path in Path(backends.__path__[0]).glob("*/definition.py"))
SHARED = {*CheckSettings.model_fields, *ExecutorSettings.model_fields} - {"type"}  # in rollback.example.yaml
AROUND = {"version": 1, "defaults": {"approval": {"from": ["U1"]}}}
TARGET = {
    "kind": "system",
    "executor": {"type": "releases", "root": "shop"},
    "checks": [{"type": "command", "argv": ["true"]}],
}


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


@pytest.fixture
def example(folder: Path) -> dict[str, Any]:
    """Reads the part of a target that this folder shows."""
    assert (folder / "example.yaml").exists(), f"{folder.name} has no example.yaml: show every setting there."
    shown: dict[str, Any] = yaml.safe_load((folder / "example.yaml").read_text())
    return shown


@pytest.fixture
def configuration(example: dict[str, Any], tmp_path: Path) -> Configuration:
    path = tmp_path / "rollback.yaml"
    path.write_text(yaml.safe_dump({**AROUND, "targets": {"example": {**TARGET, **example}}}))
    return load(path, definitions())


def test_an_example_is_loaded_without_a_warning(configuration: Configuration) -> None:
    assert warnings(configuration, definitions()) == ()


def test_an_example_shows_every_setting_of_its_folder(folder: Path, example: dict[str, Any]) -> None:
    schemas = [one.settings.model_json_schema(by_alias=True) for one in _of(folder)]
    wanted = {name for schema in schemas for name in _settings(schema)}
    assert wanted - SHARED - set(_keys(example)) == set()


def test_what_an_example_shows_can_be_built(
    configuration: Configuration, example: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "smoke-test").write_text("key")
    (tmp_path / "certs").mkdir()
    Authority(tmp_path / "certs", "shop-ca")
    every_variable = dict.fromkeys(_variables(example), "x")
    resolver = Resolver(Surroundings(tmp_path, tmp_path / "spool"), every_variable)
    world = ConfiguredWorld(configuration, definitions(), resolver)
    assert world.executor("example") is not None
    assert len(world.checks(["example"])) == len(configuration.targets["example"].checks)


def _of(folder: Path) -> list[Definition[Any]]:
    found = [one.found for one in in_module(f"backends.{folder.name}.definition")]
    return [one for one in found if isinstance(one, Definition)]


def _settings(schema: dict[str, Any]) -> Iterator[str]:
    for model in (schema, *schema.get("$defs", {}).values()):
        yield from model.get("properties", {})


def _keys(shown: object) -> Iterator[str]:
    match shown:
        case dict():
            for key, value in shown.items():
                yield key
                yield from _keys(value)
        case list():
            for item in shown:
                yield from _keys(item)


def _variables(shown: object) -> Iterator[str]:
    match shown:
        case {"env": str(name)}:
            yield name
        case dict():
            for value in shown.values():
                yield from _variables(value)
        case list():
            for item in shown:
                yield from _variables(item)
