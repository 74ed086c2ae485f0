"""What every backend must do, as tests: `pytest -p backends.conformance tests/backends/NAME/world.py`.

A file named world.py declares small real backends, and is collected with the contract for each of them:

    EXECUTOR_WORLDS = (GitWorld,)           # `harness.World`: tried by executors.py
    CHECK_WORLDS = (QueryWorld, TablesWorld)  # `harness.CheckWorld`: tried by checks.py
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

DECLARED = ("EXECUTOR_WORLDS", "CHECK_WORLDS")


def pytest_collect_file(file_path: Path, parent: "pytest.Collector") -> "pytest.Collector | None":
    """Takes a world.py that declares something; others of that name are not even imported."""
    if file_path.name != "world.py" or not any(name in file_path.read_text() for name in DECLARED):
        return None
    from backends.conformance.collecting import WorldFile  # needs pytest, which a stranger does not

    return WorldFile.from_parent(parent, path=file_path)
