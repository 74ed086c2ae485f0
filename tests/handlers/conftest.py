from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from tests.handlers.world import STANDARD, World

Open = Callable[..., Awaitable[World]]


@pytest.fixture
async def open_world(tmp_path: Path, template: Path) -> AsyncIterator[Open]:
    worlds: list[World] = []

    async def make(configuration: str = STANDARD, **options: str) -> World:
        world = World(tmp_path, **options)  # type: ignore[arg-type]
        worlds.append(world)
        await world.open(configuration, template)
        return world

    yield make
    for world in worlds:
        await world.close()


@pytest.fixture
async def world(open_world: Open) -> World:
    return await open_world()
