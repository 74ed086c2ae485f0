import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bot.signatures import Signer
from storage.database import Database, open_database, sqlite_url
from storage.runs import Store, open_store
from tests.bot.stories import T0

FRONT = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


@pytest.fixture
def path(tmp_path: Path, template: Path) -> Path:
    """A real file, for this test alone."""
    path = tmp_path / "rollback.db"
    shutil.copy(template, path)
    return path


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    database = open_database(sqlite_url(path))
    yield database
    await database.close()


@pytest.fixture
async def store(database: Database) -> Store:
    return await open_store(database, FRONT, T0)


@pytest.fixture
async def beside(path: Path, store: Store) -> AsyncIterator[Store]:
    """A second store on the same file, as another process has one."""
    database = open_database(sqlite_url(path))
    yield await open_store(database, FRONT, T0)
    await database.close()
