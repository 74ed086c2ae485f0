import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bot.signatures import Signer
from storage.claims import Claims
from storage.database import Database, open_database, sqlite_url
from storage.runs import Store, open_store
from tests.bot.stories import T0
from tests.storage import golden

FRONT = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


class GoldenFiles(dict[str, Path]):
    """SQLite files as earlier versions have left them, by name, each written when it is asked for first."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __missing__(self, name: str) -> Path:
        path = self._folder / f"{name}.db"
        golden.write(name, f"sqlite:///{path}")
        self[name] = path
        return path


@pytest.fixture(scope="session")
def golden_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Returns the files by name. A copy of one is quicker than writing it."""
    return GoldenFiles(tmp_path_factory.mktemp("golden"))


@pytest.fixture
def path(tmp_path: Path, template: Path) -> Path:
    """A real file, for this test alone."""
    path = tmp_path / "rollback.db"
    shutil.copy(template, path)
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    """Of a database at the newest revision, for this test alone, of each kind."""
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres"))
    return sqlite_url(request.getfixturevalue("path"))


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = open_database(url)
    yield database
    await database.close()


@pytest.fixture
async def file(path: Path) -> AsyncIterator[Database]:
    """For what only an SQLite file does."""
    database = open_database(sqlite_url(path))
    yield database
    await database.close()


@pytest.fixture
async def store(database: Database) -> Store:
    return await open_store(database, FRONT, T0)


@pytest.fixture
def claims(store: Store) -> Claims:
    return Claims(store)


@pytest.fixture
async def beside(url: str, store: Store) -> AsyncIterator[Store]:
    """A second store on the same database, as another process has one."""
    database = open_database(url)
    yield await open_store(database, FRONT, T0)
    await database.close()
