"""What somebody reads whose world.py declares no worlds."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "declared", ["EXECUTOR_WORLDS = (1,)", "EXECUTOR_WORLDS = 1", "CHECK_WORLDS = ('Shop',)"]
)
def test_what_is_no_class_is_refused_in_one_sentence(declared: str, tmp_path: Path) -> None:
    (tmp_path / "world.py").write_text(f"{declared}\n")
    (tmp_path / "pytest.ini").touch()
    tried = [sys.executable, "-m", "pytest", "-q", "-p", "backends.conformance", "-p", "no:cacheprovider"]
    done = subprocess.run([*tried, tmp_path], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    name = declared.partition(" ")[0]
    assert f"{name} of {tmp_path / 'world.py'} must be a tuple of classes, as in (ShopWorld,)." in done.stdout
    assert "Traceback" not in done.stdout
    assert "Error:" not in done.stdout
