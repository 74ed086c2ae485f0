import asyncio
from pathlib import Path

import pytest

from storage.database import open_database, sqlite_url, upgrade


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at the newest revision: copied, it saves each test the upgrade."""
    path = tmp_path_factory.mktemp("template") / "rollback.db"

    async def make() -> None:
        database = open_database(sqlite_url(path))
        await upgrade(database)
        await database.close()

    asyncio.run(make())
    return path
