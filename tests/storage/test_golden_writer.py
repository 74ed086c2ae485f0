"""What today's code stores is written by a command, lacks nothing, and has the keys of the newest files."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot import machine
from bot.event_kinds import EventKind
from bot.model import PLAN_FORMAT
from storage.database import HEAD
from tests.machine import ROOT
from tests.storage import golden, golden_writer
from tests.storage.golden_story import STORIES
from tests.storage.golden_writer import NotWritten

NAMES = tuple(f"{golden.NEWEST}{ending}" for ending in STORIES)
ADVICE = (
    f"What this code stores differs from {golden.NEWEST}. A golden file of an earlier version is never "
    "edited; write new ones with `python -m tests.storage.golden_writer NAME tests/storage/golden`, and call "
    "them the newest in tests/storage/golden.py."
)


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a folder with what today's code has written, in a process of its own."""
    folder = tmp_path_factory.mktemp("today")
    argv = [sys.executable, "-m", "tests.storage.golden_writer", golden.NEWEST, str(folder)]
    subprocess.run(argv, cwd=ROOT, check=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    return folder


def rows(table: str, folder: Path) -> list[dict[str, Any]]:
    return [row for name in NAMES for row in golden.written(name, folder)[table]]


def test_an_event_of_every_kind_is_written(today: Path) -> None:
    assert {row["kind"] for row in rows("run_events", today)} == {kind.value for kind in EventKind}


def test_a_run_is_left_in_every_place_of_the_table(today: Path) -> None:
    places = {(state.value, phase and phase.value) for state, phase in machine.TABLE}
    assert {(row["state"], row.get("phase")) for row in rows("runs", today)} == places


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_has_the_kinds_and_keys_of_the_newest_files(today: Path, name: str) -> None:
    written, held = forms(name, today), forms(name, golden.FILES)
    other = [*(f"written: {form}" for form in written - held), *(f"held: {form}" for form in held - written)]
    assert not other, "\n".join([ADVICE, *sorted(other)])


def forms(name: str, folder: Path) -> set[str]:
    """Returns each table, kind and set of keys, down to the innermost, that some row has."""
    return {form(line["table"], line["row"]) for line in golden.lines(name, folder)}


def form(table: str, row: dict[str, Any]) -> str:
    about = dict(row)
    if table == "evidence":
        about["body"] = {**json.loads(row["body"]), "data": None}  # an event's data is told once, by its row
    return f"{table} {row.get('kind', '')}: {' '.join(sorted(set(keys(about))))}"


def keys(value: Any, within: str = "") -> Iterator[str]:
    match value:
        case dict():
            for key, inner in value.items():
                yield f"{within}{key}"
                yield from keys(inner, f"{within}{key}.")
        case list():
            for inner in value:
                yield from keys(inner, within)


def test_the_newest_files_hold_plans_of_todays_format() -> None:
    plans = [row["data"]["plan"] for row in rows("run_events", golden.FILES) if row["kind"] == "planned"]
    assert {plan["format"] for plan in plans} == {PLAN_FORMAT}, ADVICE


async def test_stories_that_leave_something_out_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match=r"vetoed; .*a run that is left stuck, verify"):
        await golden_writer.write(golden.NEWEST, tmp_path, {"": STORIES["-put-back"]})
    assert list(tmp_path.iterdir()) == []


async def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    there = golden.file(NAMES[-1], tmp_path)
    there.write_text("old", encoding="utf-8")
    with pytest.raises(NotWritten, match="never edited"):
        await golden_writer.write(golden.NEWEST, tmp_path)
    assert there.read_text(encoding="utf-8") == "old"


async def test_a_name_without_the_revision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match=f"begin with {HEAD}"):
        await golden_writer.write("facts", tmp_path)
