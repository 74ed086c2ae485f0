"""Writes golden files with the code of today: `python -m tests.storage.golden_writer NAME FOLDER`.

NAME is the schema's revision and what is new about the files, such as `0003-facts`. Times come from a clock
that is set by hand; the installation's name and the keys of cards are drawn, as they always are.
"""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from bot import machine
from bot.event_kinds import EventKind
from storage.database import HEAD, Database, open_database, sqlite_url, upgrade
from storage.integrity import damage_of
from storage.runs import open_store
from tests.bot.stories import T0
from tests.storage import golden
from tests.storage.conftest import FRONT
from tests.storage.golden_stage import Stage
from tests.storage.golden_story import STORIES

Story = Callable[[Stage], Awaitable[None]]


class NotWritten(Exception):
    """The files would hold less than they have to, or stand in the place of others."""


async def write(name: str, folder: Path, stories: Mapping[str, Story] = STORIES) -> list[str]:
    """Writes a file for each story, and returns their names. Raises NotWritten, and has written none then."""
    names = [f"{name}{ending}" for ending in stories]
    if golden.revision_of(name) != HEAD:
        raise NotWritten(f"{name} has to begin with {HEAD}, the revision that this code writes")
    if there := [each for each in names if golden.file(each, folder).exists()]:
        raise NotWritten(f"there already, and never edited: {', '.join(there)}")
    with tempfile.TemporaryDirectory() as path:
        draft = Path(path)
        for each, story in zip(names, stories.values(), strict=True):
            await write_story(golden.file(each, draft), story)
        if missing := why_incomplete([golden.written(each, draft) for each in names]):
            raise NotWritten(missing)
        for each in names:
            shutil.copyfile(golden.file(each, draft), golden.file(each, folder))
    return names


def why_incomplete(written: Sequence[golden.Rows]) -> str | None:
    """Says which kinds of events and which places of the machine's table are in none of the files."""
    kinds = {row["kind"] for rows in written for row in rows["run_events"]}
    places = {(row["state"], row.get("phase")) for rows in written for row in rows["runs"]}
    missing = [kind.value for kind in EventKind if kind.value not in kinds]
    for state, phase in machine.TABLE:
        if (state.value, phase and phase.value) not in places:
            missing.append(f"a run that is left {state}, {phase or 'in no phase'}")
    return f"golden_story tells nothing of: {'; '.join(missing)}" if missing else None


async def write_story(file: Path, story: Story) -> None:
    """Writes one file, beside the database that it is taken from. Raises NotWritten."""
    path = file.with_suffix(".db")
    database = open_database(sqlite_url(path))
    try:
        await _play(database, story)
    finally:
        await database.close()
    lines = golden.dumped(f"sqlite:///{path}")
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


async def _play(database: Database, story: Story) -> None:
    await upgrade(database)
    store = await open_store(database, FRONT, T0)
    await story(Stage(database, store.installation))
    if damage := await damage_of(database, fully_up_to=None):
        raise NotWritten(f"what was written is damaged: {damage}")


if __name__ == "__main__":
    _, asked, into = sys.argv
    try:
        print(*asyncio.run(write(asked, Path(into))), sep="\n")
    except NotWritten as reason:
        sys.exit(str(reason))
