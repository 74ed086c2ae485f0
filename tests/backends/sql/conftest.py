from pathlib import Path

import pytest

from tests.backends.sql.world import fill


@pytest.fixture
def base(tmp_path: Path) -> Path:
    fill(tmp_path)
    return tmp_path
