"""A counter that has stood at 40, 41 and 42, and stands at 42."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

from backends.conformance.harness import SHORT_SECONDS, Moment
from bot.model import When
from tests.recipe.counter.check import CounterCheck
from tests.recipe.counter.executor import Counter
from tests.recipe.counter.file import CounterFile, CounterState

NOON = 1_795_348_800.0  # 2026-11-22T12:00:00Z


class CounterWorld:
    def __init__(self, root: Path) -> None:
        self.file = CounterFile(root / "visits.json")

    @classmethod
    def make(cls, root: Path) -> Self:
        root.mkdir()
        world = cls(root)
        points = {f"n{n}": (NOON + n, n) for n in (40, 41, 42)}
        world.file.write(CounterState(value=42, live="n42", points=points))
        return world

    def executor(self, dies: Moment | None = None) -> Counter:
        return Counter(self.file if dies is None else DyingFile(self.file, dies))

    def live(self) -> str:
        return str(self.file.read().value)

    def holds(self, point: str) -> str:
        return str(self.file.read().points[point][1])

    def effects(self) -> int:
        return self.file.read().restores

    def drifts(self) -> None:
        state = self.file.read()
        points = {**state.points, "n43": (NOON + 43, 43)}
        self.file.write(replace(state, value=43, live="n43", points=points))

    def loses(self, point: str) -> None:
        state = self.file.read()
        points = {name: kept for name, kept in state.points.items() if name != point}
        self.file.write(replace(state, points=points))

    def lies(self) -> None:
        self.file.write(replace(self.file.read(), value=-1))

    def close(self) -> None:
        """There is nothing open."""


class DyingFile(CounterFile):
    def __init__(self, file: CounterFile, dies: Moment) -> None:
        super().__init__(file._path)
        self._dies = dies

    def write(self, state: CounterState) -> None:
        if self._dies is Moment.CHANGED:
            super().write(state)
        os.kill(os.getpid(), signal.SIGKILL)


class CounterCheckWorld:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.file = CounterFile(root / "visits.json")

    @classmethod
    @asynccontextmanager
    async def made(cls, root: Path) -> AsyncIterator[Self]:
        world = cls(root)
        world.file.write(CounterState(value=42, live="n42", points={"n42": (NOON, 42)}))
        yield world

    def passing(self) -> CounterCheck:
        return self.check(42)

    def failing(self) -> CounterCheck:
        return self.check(43)

    def unreachable(self) -> CounterCheck:
        return self.check(0, "none.json")

    def slow(self) -> CounterCheck:
        """Somebody holds the lock, and holds it still when the look gives up."""
        self.holder = self.file.alone()
        self.holder.__enter__()
        return self.check(0, timeout=SHORT_SECONDS)

    def check(self, least: float, name: str = "visits.json", timeout: float = 10.0) -> CounterCheck:
        return CounterCheck(when=When.OFFLINE, file=self.root / name, least=least, timeout=timeout)


EXECUTOR_WORLDS = (CounterWorld,)
CHECK_WORLDS = (CounterCheckWorld,)
