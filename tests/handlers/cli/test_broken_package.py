"""A package of somebody else's whose backend breaks: it is named in a sentence, and the rest is looked at."""

import os
import sys
from pathlib import Path

import pytest

from backends.installed import EXECUTORS
from tests.handlers.cli.conftest import CONFIGURATION, releases
from tests.handlers.cli.test_program import installed_in, python

PACKAGE = """\
from datetime import datetime, UTC
from typing import Literal
from rollback_bot.contract import Capabilities, Current, Denied, Fence, Loss, LossQuality, Points
from rollback_bot.contract import RestorePoint, Unit, Way
from rollback_bot.definition import Definition, ExecutorSettings

class ToySettings(ExecutorSettings):
    type: Literal["toy"]

EXECUTOR = Definition("toy", ToySettings, "rollback_toy:build")
NOW, OLD = (datetime(2026, 11, day, tzinfo=UTC) for day in (22, 21))

class Toy:
    place = None
    capabilities = Capabilities(Fence.BARRED)
    async def points(self, limit=50): {RESTORE_POINTS}
    async def plan(self, goal, now): {PLAN}
    async def measure(self, point, now): return None
    async def verify(self, work): return ()
    async def start(self, work): return {{}}
    async def find(self, work): return None
    async def bar(self, work): return None
    async def poll(self, work): return None
    async def cancel(self, work): return None

def build(settings, resolver):
    return Toy{CALL}
"""
TOY = "  far: {kind: system, executor: {type: toy}, checks: []}\n"
GOOD = 'return Points((RestorePoint("b", NOW, current=True), RestorePoint("a", OLD)), Current("b", "b"))'


class Installed:
    """An environment with the package in it, beside a healthy target of ours."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        described = folder / "rollback_toy-1.dist-info"
        described.mkdir()
        (described / "METADATA").write_text("Metadata-Version: 2.1\nName: rollback-toy\nVersion: 1\n")
        (described / "entry_points.txt").write_text(f"[{EXECUTORS}]\ntoy = rollback_toy:EXECUTOR\n")
        releases(folder / "shop")
        (folder / "rollback.yaml").write_text(CONFIGURATION.replace("targets:\n", f"targets:\n{TOY}"))

    async def types(
        self, points: str, *words: str, call: str = "()", plan: str = "return None"
    ) -> tuple[int, str]:
        """Returns how it ends, and all that it says."""
        source = PACKAGE.format(RESTORE_POINTS=points, PLAN=plan, CALL=call)
        (self._folder / "rollback_toy.py").write_text(source)
        path = os.pathsep.join([str(self._folder), *filter(None, sys.path)])
        done = await python({**installed_in(self._folder), "PYTHONPATH": path}, "-m", "handlers.cli", *words)
        return done.code, done.out + done.err


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ("raise KeyError('a secret')", "Type `toy` is broken: its `points` raised KeyError."),
        ("raise SystemExit(7)", "Type `toy` is broken: its `points` raised SystemExit."),
        ("return []", "Type `toy` is broken: its `points` returned list, not Points."),
        ("raise Denied()", "Type `toy` gives no reason: its `points` raised Denied."),
        (GOOD, "Type `toy` is broken: its `plan` returned NoneType, not a Way."),
    ],
)
async def test_the_doctor_names_it_and_goes_on(installed: Installed, points: str, said: str) -> None:
    code, words = await installed.types(points, "doctor")
    assert code == 1
    assert f"FAIL  target far: {said}" in words
    assert "ok    target storefront: 3 restore points" in words
    assert "secret" not in words


async def test_a_figure_that_breaks_us_hides_no_other_target(installed: Installed) -> None:
    """Of the right type, and more than anything can be counted with."""
    loss = "Loss(LossQuality.MEASURED, OLD, (Unit('orders', 10**400),))"
    plan = f"return Way(RestorePoint('a', OLD), Current('b', 'b'), {loss})"
    code, words = await installed.types(GOOD, "doctor", plan=plan)
    assert code == 1
    assert "FAIL  target far: " in words
    assert "ok    target storefront: 3 restore points" in words


@pytest.mark.parametrize("word", ["points", "plan"])
async def test_points_and_plan_say_it(installed: Installed, word: str) -> None:
    code, words = await installed.types("raise KeyError('a secret')", word, "far")
    assert (code, words) == (
        1,
        "Type `toy` is broken: its `points` raised KeyError. Update the package that brings it.\n",
    )


async def test_a_class_is_not_taken_for_what_it_makes(installed: Installed) -> None:
    code, words = await installed.types(GOOD, "points", "far", call="")
    assert (code, words) == (
        2,
        "Type `toy` cannot be built: rollback_toy:build returned the class Toy, which is no Executor. "
        "Mend its package.\n",
    )
