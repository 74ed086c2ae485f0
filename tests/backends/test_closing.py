"""What a backend holds open, it lets go of when it is not needed any more; one that cannot is named."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

import pytest

from backends.installed import definitions
from backends.references import Resolver
from backends.surroundings import Surroundings
from backends.world import ConfiguredWorld
from bot.configuration import load
from bot.configuration.definitions import Definition, Definitions
from bot.configuration.settings import ExecutorSettings
from bot.configuration.values import Value
from bot.contract import Unreachable
from tests.backends.test_discreet import Toy

TARGETS = """\
version: 1
defaults: {approval: {from: [U1]}}
targets:
  shop: {kind: system, executor: {type: holding, how: {file: how}}}
  till: {kind: system, executor: {type: plain}}
"""


class HoldingSettings(ExecutorSettings):
    type: Literal["holding"]
    how: Value


class PlainSettings(ExecutorSettings):
    type: Literal["plain"]


closed: list[str] = []


async def _lets_go(how: str) -> None:
    closed.append(how)
    if how == "hangs":
        await asyncio.Event().wait()
    if how == "cannot":
        raise Unreachable("It does not answer.")
    if how == "breaks":
        raise KeyError("canary-9d1e")


class Holding(Toy):
    def __init__(self, how: str) -> None:
        super().__init__(close=lambda: None)
        self._how = how

    async def close(self) -> None:
        await _lets_go(self._how)


def build(settings: HoldingSettings, resolver: Resolver) -> Holding:
    return Holding(resolver.text(settings.how))


class Plain:
    """Holds nothing open, and has no `close`."""

    place = None
    capabilities = Toy().capabilities
    points: Callable[..., Awaitable[object]] = staticmethod(Toy().points)
    plan = measure = verify = start = find = bar = poll = cancel = points


def build_plain(settings: PlainSettings, resolver: Resolver) -> Plain:
    return Plain()


@pytest.fixture
def world(tmp_path: Path) -> ConfiguredWorld:
    closed.clear()
    holding = Definition("holding", HoldingSettings, "tests.backends.test_closing:build")
    plain = Definition("plain", PlainSettings, "tests.backends.test_closing:build_plain")
    known = Definitions((holding, plain), definitions().checks)
    (tmp_path / "rollback.yaml").write_text(TARGETS)
    (tmp_path / "how").write_text("at once")
    configuration = load(tmp_path / "rollback.yaml", known)
    return ConfiguredWorld(configuration, known, Resolver(Surroundings(tmp_path, tmp_path / "spool"), {}))


async def test_what_was_opened_is_closed_once(world: ConfiguredWorld) -> None:
    world.executor("shop")
    world.executor("till")
    assert await world.close() == ()
    assert await world.close() == ()
    assert closed == ["at once"]


async def test_what_was_never_needed_is_not_closed(world: ConfiguredWorld) -> None:
    assert await world.close() == ()
    assert closed == []


async def test_one_that_leads_elsewhere_now_is_closed_as_well(world: ConfiguredWorld, tmp_path: Path) -> None:
    world.executor("shop")
    (tmp_path / "how").write_text("as the next one")
    world.executor("shop")
    await world.close()
    assert closed == ["at once", "as the next one"]


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("cannot", "It does not answer."),
        ("hangs", "no answer within 0.05 s"),
        (
            "breaks",
            "Type `holding` is broken: its `close` raised KeyError. Update the package that brings it.",
        ),
    ],
)
async def test_one_that_cannot_be_closed_is_named_and_holds_nobody_up(
    world: ConfiguredWorld, tmp_path: Path, how: str, words: str
) -> None:
    (tmp_path / "how").write_text(how)
    world.executor("shop")
    assert await world.close(within=0.05) == (words,)
