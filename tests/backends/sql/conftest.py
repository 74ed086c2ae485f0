import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends.sql.world import fill, fill_postgres
from tests.postgres import Databases


@pytest.fixture
def base(tmp_path: Path) -> Path:
    fill(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def shop(server: Databases) -> Iterator[str]:
    """The address of a database of PostgreSQL that tests only read, or leave as it was."""
    with server.fresh() as url:
        yield fill_postgres(url)


@pytest.fixture
def free_port() -> Iterator[int]:
    """Nobody listens there, and nobody else can take it meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
