import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from storage.database import open_database, sqlite_url, upgrade
from tests.postgres import Databases, databases, make_empty

# A machine that is busy, or draws its first letter, is slow: that fails no test.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts first what shares a world: a process that runs out of tests takes over the last ones of another.

    It would have to build that world a second time, and worlds of real processes are the dearest there are.
    """
    items.sort(key=lambda item: not _shares_a_world(item))


def _shares_a_world(item: pytest.Item) -> bool:
    loop = item.get_closest_marker("asyncio")
    return item.path.parent.name == "replicas" or (
        loop is not None and loop.kwargs.get("loop_scope") == "module"
    )


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at the newest revision: copied, it saves each test the upgrade."""
    path = tmp_path_factory.mktemp("template") / "rollback.db"
    _make(sqlite_url(path))
    return path


@pytest.fixture(scope="session")
def server() -> Iterator[Databases]:
    """Where PostgreSQL's databases are made. One a process: it is up in half a second."""
    with databases() as made:
        yield made


@pytest.fixture(scope="session")
def _postgres(server: Databases) -> Iterator[str]:
    with server.fresh() as url:
        _make(url)
        yield url


@pytest.fixture
def postgres(_postgres: str) -> Iterator[str]:
    """The URL of an empty database at the newest revision, for one test at a time."""
    yield _postgres
    make_empty(_postgres)


def _make(url: str) -> None:
    async def make() -> None:
        database = open_database(url)
        await upgrade(database)
        await database.close()

    asyncio.run(make())
