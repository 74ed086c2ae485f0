"""The manifest of a snapshot, as a file that comes with the script that checks it."""

import json
import shutil
from pathlib import Path
from typing import Any

from backends import snapshot_check
from bot.errors import UserError
from bot.manifest import manifest
from bot.model import State
from handlers.cli.database import stored
from handlers.cli.reading import run_called
from handlers.settings import ProcessSettings

MANIFEST = "manifest.json"


async def manifest_of(settings: ProcessSettings, typed: str) -> dict[str, Any]:
    """Raises UserError where the run is no snapshot that was taken."""
    async with stored(settings) as store:
        run = await run_called(store, typed)
        if not run.is_snapshot:
            raise UserError(f"{run.id} is no snapshot, so it has no manifest.")
        if run.state is not State.SUCCEEDED:
            raise UserError(
                f"{run.id} is {run.state.value.replace('_', ' ')}: no copy was made and verified."
            )
        return manifest(run, store.installation)


def write(folder: Path, of: dict[str, Any]) -> None:
    """Writes the manifest and the script into a folder, which is made. Raises UserError, OSError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    script = Path(snapshot_check.__file__)
    for name in (MANIFEST, script.name):
        if (folder / name).exists():
            raise UserError(f"{folder / name} is there already. Give another folder.")
    (folder / MANIFEST).write_text(f"{json.dumps(of, indent=2, ensure_ascii=False)}\n", encoding="utf-8")
    shutil.copyfile(script, folder / script.name)


def copy_in(folder: Path) -> Path:
    """Returns what stands beside the manifest. Raises UserError where that is not one thing."""
    beside = {MANIFEST, Path(snapshot_check.__file__).name}
    others = [entry for entry in sorted(folder.iterdir()) if entry.name not in beside]
    if len(others) != 1:
        raise UserError(f"{folder} does not hold one copy beside {MANIFEST}. Say which file or folder it is.")
    return others[0]
