"""Clears out of a spool what nobody will ask for any more: the folders of operations that have ended.

That an operation was there stays written down, in a line of its own: of what was cleared away `absent` is
never said. Which runs are over is for the caller.
"""

import os
import re
import shutil
from pathlib import Path
from typing import Final

from backends.programs import attempts, supervisor

CLEARED: Final = "cleared"  # the file of the spool that holds the op ids of what is gone
GOING: Final = ".going."  # before the name of a folder that is being removed: its files go one by one

_OP_ID = re.compile(r"(?P<installation>[^.]+)\.(?P<run>(?:RB|BK)-\d+)(?:\.\d+){1,2}")


def operations(spool: Path, installation: str) -> dict[str, list[str]]:
    """Returns the op ids of this installation that have a folder here, by the id of their run."""
    found: dict[str, list[str]] = {}
    for entry in spool.iterdir():
        named = _OP_ID.fullmatch(entry.name)
        if named and named["installation"] == installation and entry.is_dir() and not entry.is_symlink():
            found.setdefault(named["run"], []).append(entry.name)
    return found


def half_gone(spool: Path) -> tuple[str, ...]:
    """Returns the op ids whose removal has begun and did not come to its end."""
    return tuple(entry.name.removeprefix(GOING) for entry in spool.glob(f"{GOING}*"))


def is_complete(spool: Path, op_id: str) -> bool:
    """Whether something was begun, and each attempt says how it ended. Only such a folder may go."""
    folder = spool / op_id
    made = attempts.numbers(folder)
    return bool(made) and all(attempts.has_ended(folder / str(n)) for n in made)


def clear(spool: Path, op_id: str) -> None:
    """Removes one folder, also the rest of one that is half gone. Raises OSError.

    It leaves its place whole: a folder of which a part is missing could be taken for another story.
    """
    going = spool / f"{GOING}{op_id}"
    if not going.exists():
        if not was_cleared(spool, op_id):
            _note(spool / CLEARED, op_id)
        os.rename(spool / op_id, going)
        supervisor.sync_folder(spool)
    shutil.rmtree(going)


def was_cleared(spool: Path, op_id: str) -> bool:
    """Whether a folder of this operation was here and is removed. Raises OSError."""
    try:
        return op_id in (spool / CLEARED).read_text(encoding="utf-8").split()
    except (FileNotFoundError, NotADirectoryError):
        return False


def _note(file: Path, op_id: str) -> None:
    """On the disk before anything is removed. A line that a power cut has cut off stays one by itself."""
    with file.open("a", encoding="utf-8") as noted:
        noted.write(f"\n{op_id}\n")
        noted.flush()
        os.fsync(noted.fileno())
    supervisor.sync_folder(file.parent)
