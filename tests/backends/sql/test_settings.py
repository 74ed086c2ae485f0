"""Settings of the check: one that cannot work is refused with its line."""

from pathlib import Path

import pytest

from backends.installed import definitions
from backends.sql.settings import SqlCheckSettings
from bot.configuration import load, procedure_digest
from bot.errors import ConfigurationError

FILE = """\
version: 1
defaults: {approval: {from: [U1]}}
targets:
  shop:
    kind: system
    executor: {type: releases, root: shop}
    checks:
      - type: sql
"""
POSTGRES = "postgresql://ana:canary-7f3a@db1/shop"


def problems(path: Path, *settings: str) -> tuple[str, ...]:
    path.write_text("\n".join([FILE.rstrip(), *(f"        {setting}" for setting in settings), ""]))
    try:
        load(path, definitions())
    except ConfigurationError as error:
        return tuple(problem.removeprefix(f"{path}:") for problem in error.problems)
    return ()


def found(path: Path, *settings: str) -> SqlCheckSettings:
    assert problems(path, *settings) == ()
    check = load(path, definitions()).targets["shop"].checks[0]
    assert isinstance(check, SqlCheckSettings)
    return check


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rollback.yaml"


@pytest.mark.parametrize(
    "url",
    [POSTGRES, "postgres://db1:5433/shop?sslmode=require", "postgresql:///shop?host=%2Frun", "sqlite:///a"],
)
def test_a_file_and_a_database_of_postgresql_can_be_named(path: Path, url: str) -> None:
    assert found(path, f"url: {url}", "query: q", "equals: 0").url == url


@pytest.mark.parametrize(
    "url",
    [
        "mysql://db1/shop",
        "postgresql://db1",
        "postgresql://db1/",
        "postgresql+psycopg://db1/shop",
        "sqlite:///",
    ],
)
def test_anything_else_is_refused_without_repeating_it(path: Path, url: str) -> None:
    words = "must begin with sqlite:/// and name a file, or with postgresql:// and name a host and a database"
    assert problems(path, f"url: {url}", "query: q", "equals: 0") == (
        f"9: The `url` of an sql check {words}.",
    )


def test_true_is_refused_for_sqlite_that_has_none_and_known_to_postgresql(path: Path) -> None:
    words = "SQLite has no true and false, so this could never pass. Write `equals: 1`."
    assert problems(path, "url: sqlite:///a", "query: q", "equals: true") == (f"11: {words}",)
    assert found(path, f"url: {POSTGRES}", "query: q", "equals: true").equals is True


@pytest.mark.parametrize("setting", ["min: .inf", "max: .nan", "min: true", "max: many", "equals: [1]"])
def test_a_value_that_nothing_can_be_compared_with_is_refused(path: Path, setting: str) -> None:
    words = f"11: `targets.shop.checks[0].{setting.partition(':')[0]}`: must be a number"
    assert any(
        problem.startswith(words) for problem in problems(path, f"url: {POSTGRES}", "query: q", setting)
    )


def test_a_whole_number_stays_one(path: Path) -> None:
    settings = found(path, f"url: {POSTGRES}", "query: q", f"min: {2**63 - 2}", f"max: {2**63 - 1}")
    assert (settings.min, settings.max) == (2**63 - 2, 2**63 - 1)
    assert type(settings.min) is type(settings.max) is int


def test_another_bound_is_another_plan_to_the_last_digit(path: Path) -> None:
    digests = set()
    for bound in (2**53, 2**53 + 1):
        assert problems(path, f"url: {POSTGRES}", "query: q", f"min: {bound}") == ()
        configuration = load(path, definitions())
        digests.add(procedure_digest(configuration, configuration.targets["shop"]))
    assert len(digests) == 2
