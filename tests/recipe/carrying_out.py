"""What carries the recipes out: a copy of our tree, programs that run in it, and the backend `counter`.

The backend is written where the recipe says, into our tree or as a package of somebody else's. Its source
stands beside this file and is checked like all of ours. Only the places that it names differ.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).parent / "counter"
WORLD = Path(__file__).parent / "counter_world.py"  # under this name it is not collected here
SMALL = """\
version: 1
defaults: {approval: {from: [U1]}}
targets:
  visits:
    kind: dataset
    executor: {type: counter, file: visits.json}
    checks: [{type: counter, file: visits.json}]
"""

IN_OUR_TREE = {"tests.recipe.counter": "backends.counter"}
# A package of somebody else's imports rollback_bot, and nothing else of ours.
ELSEWHERE = {
    "tests.recipe.counter": "rollback_counter",
    "backends.choosing": "rollback_bot.contract",
    "backends.conformance.harness": "rollback_bot.conformance",
    "backends.ended": "rollback_bot.contract",
    "backends.references": "rollback_bot.contract",
    "bot.clock": "rollback_bot.contract",
    "bot.configuration.definitions": "rollback_bot.definition",
    "bot.configuration.settings": "rollback_bot.definition",
    "bot.configuration.values": "rollback_bot.definition",
    "bot.contract": "rollback_bot.contract",
    "bot.looking": "rollback_bot.contract",
    "bot.model": "rollback_bot.contract",
}


def write_backend(package: Path, world: Path, places: Mapping[str, str]) -> None:
    """Writes the folder of the package, and the file of its test world."""
    package.mkdir()
    world.parent.mkdir()
    world.write_text(_moved(WORLD.read_text(), places))
    for path in SOURCE.glob("*.*"):
        (package / path.name).write_text(_moved(path.read_text(), places))


def _moved(text: str, places: Mapping[str, str]) -> str:
    for old, new in places.items():
        text = text.replace(f"from {old}", f"from {new}").replace(f'"{old}', f'"{new}')
    return text


def copy_of_the_tree(to: Path) -> Path:
    """Copies all that a commit of this working folder would hold."""
    if not (ROOT / ".git").exists():
        pytest.skip("there is no repository that says which files are its own")
    listed = run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], ROOT).split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():  # a file that is deleted is still listed until it is committed
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            (to / name).write_bytes((ROOT / name).read_bytes())
    return to


def python(tree: Path, *words: str) -> str:
    """Runs a module of this environment: the copy comes before the checkout that is installed for it."""
    environment = {"PYTHONPATH": str(tree), "ROLLBACK_CONFIG": str(tree / "rollback.yaml")}
    return run([sys.executable, "-m", *words], tree, environment)


def files(folder: Path) -> dict[str, bytes]:
    """Reads everything below the folder, without what running Python leaves there."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def run(argv: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """Returns what it prints. A program that fails fails the test, with what it says."""
    given = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [str(word) for word in argv],
        cwd=folder,
        env={**given, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout
