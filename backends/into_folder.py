"""Puts the copy of a snapshot into a folder, with its manifest and the script that checks it.

    python -m backends.into_folder COPY MANIFEST FOLDER RUN [OWNER]

FOLDER/RUN appears at once, when all of it is there and was compared with the manifest. Run twice, it finds
what it has put there and says so. It ends with 1 and a sentence where it could not, and leaves nothing then.
No sentence says where anything stands: a card shows them.
"""

import json
import os
import pwd
import shutil
import signal
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from backends import snapshot_check
from backends.programs.supervisor import sync_folder

MANIFEST = "manifest.json"
SCRIPT = Path(snapshot_check.__file__)
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class NotPut(Exception):
    """One sentence: why it is not there."""


def put(copy: Path, manifest: Path, folder: Path, run: str, owner: str = "") -> str:
    """Returns what was done, in words. Raises NotPut, OSError."""
    if reason := why_others_could_write(folder):
        raise NotPut(reason)
    placed, name = folder / run, _called(copy, manifest)
    if os.path.lexists(placed):
        return _was_put(placed, name, manifest)
    account, draft = _account(owner), folder / f".{run}.draft"
    shutil.rmtree(draft, ignore_errors=True)  # of one that was killed
    draft.mkdir(mode=0o700)
    try:
        _copied(copy, draft / name)
        for file in (manifest, SCRIPT):
            _copied(file, draft / file.name)
        _refuse_another(draft, name)
        for path in _all_of(draft):
            _settled(path, account)
        os.rename(draft, placed)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    sync_folder(folder)
    return f"handed over to {owner}" if owner else "handed over"


def why_others_could_write(folder: Path) -> str | None:
    """Returns why a copy in this folder would not be its owner's alone; None: it would be. Raises OSError.

    Who can rename what is in it, or the folder itself, can read the copy while it is written, and put another
    one in its place.
    """
    real = Path(os.path.realpath(folder))
    for place in (real, *real.parents):
        found = place.stat()
        is_sticky = place != real and found.st_mode & stat.S_ISVTX
        if found.st_uid not in {0, os.geteuid()} or (found.st_mode & OTHERS_WRITE and not is_sticky):
            return "Others can write into the folder of the hand-over, or one above it: let only us and root."
    return None


def _called(copy: Path, manifest: Path) -> str:
    """Returns `orders.db`, or `orders` of a folder: people know nothing of how a backend calls its copy."""
    target = str(json.loads(manifest.read_bytes())["target"])
    name = target if copy.is_dir() else f"{target}{copy.suffix}"
    if name in {MANIFEST, SCRIPT.name}:
        raise NotPut(f"A copy that is called {name} cannot stand beside its manifest.")
    return name


def _was_put(placed: Path, name: str, manifest: Path) -> str:
    """Somebody's own folder of this name is left alone."""
    if not placed.is_symlink() and is_there(placed, manifest):
        _refuse_another(placed, name)
        return "handed over before"
    raise NotPut(f"{placed.name} is there already and holds something else: move it away.")


def is_there(placed: Path, manifest: Path) -> bool:
    """Whether the folder came from a hand-over with this very manifest. Raises OSError."""
    there = placed / MANIFEST
    return there.is_file() and there.read_bytes() == manifest.read_bytes()


def _copied(source: Path, there: Path) -> None:
    try:
        if source.is_dir():
            shutil.copytree(source, there, symlinks=True)
        else:
            shutil.copyfile(source, there)
    except shutil.Error as problem:
        raise NotPut(f"{len(problem.args[0])} of the files could not be copied.") from problem


def _refuse_another(folder: Path, name: str) -> None:
    code, words = snapshot_check.main([str(folder / MANIFEST), str(folder / name)])
    if code:
        raise NotPut(f"It is not shown to be the copy. {words}.")


def _account(owner: str) -> tuple[int, int] | None:
    """Returns user and group; None: the files stay those of the account that the bot runs under."""
    if not owner:
        return None
    try:
        known = pwd.getpwnam(owner)
    except KeyError:
        raise NotPut(f"There is no account {owner} on this machine.") from None
    return known.pw_uid, known.pw_gid


def _settled(path: Path, account: tuple[int, int] | None) -> None:
    """Lets only its owner read it, and waits for the disk. The owner comes last: then it is ours no more."""
    if not path.is_symlink():
        is_run = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            os.fchmod(opened, 0o700 if is_run else 0o600)
            os.fsync(opened)
        finally:
            os.close(opened)
    if account is None:
        return
    try:
        os.lchown(path, *account)
    except PermissionError:
        raise NotPut("Only root may give files to another account: run a program instead of it.") from None


def _all_of(folder: Path) -> Iterator[Path]:
    """Yields what is in a folder before the folder itself."""
    for at, folders, files in os.walk(folder, topdown=False):
        links = (name for name in folders if Path(at, name).is_symlink())
        yield from (Path(at, name) for name in (*files, *links))
        yield Path(at)


def _stopped(*_: object) -> None:
    raise NotPut("It was stopped.")


def main(arguments: Sequence[str]) -> int:
    if len(arguments) not in {4, 5}:
        print("Give COPY MANIFEST FOLDER RUN [OWNER].", file=sys.stderr)
        return 2
    copy, manifest, folder = map(Path, arguments[:3])
    try:
        print(put(copy, manifest, folder, *arguments[3:]))
    except NotPut as problem:
        print(problem, file=sys.stderr)
        return 1
    except OSError as problem:
        print(f"It could not be written: {problem.strerror or type(problem).__name__}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stopped)
    sys.exit(main(sys.argv[1:]))
