"""Makes tests of a world.py: one class for each world that it declares."""

from collections.abc import Iterable

import pytest

from backends.conformance.checks import CheckContract
from backends.conformance.executors import ExecutorContract

CONTRACTS = {"EXECUTOR_WORLDS": ExecutorContract, "CHECK_WORLDS": CheckContract}  # by what declares them


class WorldFile(pytest.Module):
    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        for declared, contract in CONTRACTS.items():
            for world in self._worlds(declared):
                tried: pytest.Class = pytest.Class.from_parent(self, name=world.__name__)
                tried.obj = type(world.__name__, (contract,), {"world_type": world})
                tried.add_marker("asyncio")  # whatever mode the project of this world has chosen
                yield tried

    def _worlds(self, declared: str) -> tuple[type, ...]:
        worlds: object = getattr(self.obj, declared, ())
        if isinstance(worlds, tuple | list) and all(isinstance(world, type) for world in worlds):
            return tuple(worlds)
        raise self.CollectError(f"{declared} of {self.path} must be a tuple of classes, as in (ShopWorld,).")
