from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from storage.database import open_database, sqlite_url, upgrade
from tests.handlers.world import STANDARD, World

Open = Callable[..., Awaitable[World]]


@pytest.fixture(scope="session")
def upgraded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at the newest revision: copied, it saves each test the upgrade."""
    import asyncio

    path = tmp_path_factory.mktemp("template") / "rollback.db"

    async def make() -> None:
        database = open_database(sqlite_url(path))
        await upgrade(database)
        await database.close()

    asyncio.run(make())
    return path


@pytest.fixture
async def open_world(tmp_path: Path, upgraded: Path) -> AsyncIterator[Open]:
    worlds: list[World] = []

    async def make(configuration: str = STANDARD, **options: str) -> World:
        world = World(tmp_path, **options)  # type: ignore[arg-type]
        worlds.append(world)
        await world.open(configuration, upgraded)
        return world

    yield make
    for world in worlds:
        await world.close()


@pytest.fixture
async def world(open_world: Open) -> World:
    return await open_world()
