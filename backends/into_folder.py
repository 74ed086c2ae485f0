"""Puts the copy of a snapshot into a folder, with its manifest and the script that checks it.

    python -m backends.into_folder COPY MANIFEST FOLDER RUN [OWNER]

FOLDER/RUN appears at once, when all of it is there and was compared with the manifest. Run twice, it finds
what it has put there and says so. It ends with 1 and a sentence where it could not, and leaves nothing then.
"""

import json
import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from backends import snapshot_check
from backends.programs.supervisor import sync_folder

MANIFEST = "manifest.json"
SCRIPT = Path(snapshot_check.__file__)
DIFFERS = 1  # what the script ends with; where it cannot tell, it says so to the auditor as well


class NotPut(Exception):
    """One sentence: why it is not there."""


def put(copy: Path, manifest: Path, folder: Path, run: str, owner: str = "") -> str:
    """Returns what was done, in words. Raises NotPut, OSError."""
    placed, name = folder / run, _called(copy, manifest)
    if placed.exists():
        return _was_put(placed, name, manifest)
    account = _account(owner)
    draft = Path(tempfile.mkdtemp(prefix=f".{run}.", dir=folder))
    try:
        there = draft / name
        if copy.is_dir():
            shutil.copytree(copy, there, symlinks=True)
        else:
            shutil.copyfile(copy, there)
            there.chmod(0o600)
        for file in (manifest, SCRIPT):
            (draft / file.name).touch(mode=0o600)
            shutil.copyfile(file, draft / file.name)
        _refuse_another(draft, name)
        for path in _all_of(draft):
            if account is not None:
                _give(path, account)
            _sync(path)
        os.rename(draft, placed)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sync_folder(folder)
    return f"handed over to {owner}" if owner else "handed over"


def _called(copy: Path, manifest: Path) -> str:
    """Returns `orders.db`, or `orders` of a folder: people know nothing of how a backend calls its copy."""
    target = str(json.loads(manifest.read_bytes())["target"])
    return target if copy.is_dir() else f"{target}{copy.suffix}"


def _was_put(placed: Path, name: str, manifest: Path) -> str:
    """Somebody's own folder of this name is left alone."""
    if (placed / MANIFEST).is_file() and (placed / MANIFEST).read_bytes() == manifest.read_bytes():
        _refuse_another(placed, name)
        return "handed over before"
    raise NotPut(f"{placed} is there already and holds something else: move it away.")


def _refuse_another(folder: Path, name: str) -> None:
    code, words = snapshot_check.main([str(folder / MANIFEST), str(folder / name)])
    if code == DIFFERS:
        raise NotPut(f"What was handed over is not the copy. {words}.")


def _account(owner: str) -> tuple[int, int] | None:
    """Returns user and group; None: the files stay those of the account that the bot runs under."""
    if not owner:
        return None
    try:
        known = pwd.getpwnam(owner)
    except KeyError:
        raise NotPut(f"There is no account {owner} on this machine.") from None
    return known.pw_uid, known.pw_gid


def _give(path: Path, account: tuple[int, int]) -> None:
    try:
        os.lchown(path, *account)
    except PermissionError:
        raise NotPut("Only root may give files to another account: run a program instead of it.") from None


def _all_of(folder: Path) -> Iterator[Path]:
    """Yields what is in a folder before the folder itself."""
    for at, folders, files in os.walk(folder, topdown=False):
        yield from (
            Path(at, name) for name in (*files, *folders) if name in files or Path(at, name).is_symlink()
        )
        yield Path(at)


def _sync(path: Path) -> None:
    if path.is_symlink():
        return
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def main(arguments: Sequence[str]) -> int:
    if len(arguments) not in {4, 5}:
        print("Give COPY MANIFEST FOLDER RUN [OWNER].", file=sys.stderr)
        return 2
    copy, manifest, folder = map(Path, arguments[:3])
    try:
        print(put(copy, manifest, folder, *arguments[3:]))
    except (NotPut, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
