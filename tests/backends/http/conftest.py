from collections.abc import AsyncIterator

import pytest

from tests.backends.http.world import shop


@pytest.fixture
async def site() -> AsyncIterator[str]:
    async with shop() as address:
        yield address
