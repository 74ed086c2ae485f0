from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.handlers.web.browsing import PUBLIC
from tests.handlers.world import World


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def rolled_back(tmp_path_factory: pytest.TempPathFactory, template: Path) -> AsyncIterator[World]:
    """A world by signed HTTP with a public address: RB-1 was refused to Ana, then carried out."""
    world = World(tmp_path_factory.mktemp("world"), mode="http")
    await world.open(PUBLIC, template)
    await world.asks()
    await world.clicks("ana", "Approve and start")
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")
    yield world
    await world.close()
