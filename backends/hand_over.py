"""Hands over the copy of a snapshot and its manifest: to a folder, or by a program of the configuration.

Both are a command under our supervisor, so whoever takes over finds it again. The manifest is written beside
its attempts first, and is cleared away with them.
"""

import os
import pwd
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backends import into_folder, snapshot_check
from backends.programs import supervisor
from backends.programs.spool import CommandOperation, filled
from backends.surroundings import Surroundings
from bot.configuration.settings import HandOver
from bot.contract import Ended, Handle, Taken, Unreachable, Work
from bot.errors import PermanentError


class HandingOver(CommandOperation):
    def __init__(
        self, to: HandOver, copy: str, manifest: Mapping[str, Any], surroundings: Surroundings
    ) -> None:
        """`copy`: where it stands, as its backend says; empty: that does not say it."""
        super().__init__(_argv(to), to.timeout, surroundings)
        self._copy = copy
        self._manifest = manifest

    async def start(self, work: Work, after: Handle | None = None) -> Handle | Taken | Ended:
        """Raises as the command does, PermanentError where nobody knows where the copy stands."""
        if not self._copy:
            raise PermanentError(
                "Its backend does not say where the copy stands, so it cannot be handed over."
            )
        try:
            folder = self._folder(work)
            folder.mkdir(parents=True, exist_ok=True)
            os.replace(
                supervisor.write_draft(str(folder), into_folder.MANIFEST, self._manifest), self._file(work)
            )
        except OSError as error:
            raise Unreachable(f"The spool cannot be written: {error}.") from error
        return await super().start(work, after)

    def _file(self, work: Work) -> Path:
        return self._folder(work) / into_folder.MANIFEST

    def _filled(self, work: Work) -> tuple[str, ...]:
        places = {
            "{copy}": self._copy,
            "{manifest}": str(self._file(work)),
            "{check}": snapshot_check.__file__,
            "{run}": work.run_id,
        }
        return filled([places.get(argument, argument) for argument in self._argv])


def _argv(to: HandOver) -> tuple[str, ...]:
    if to.argv is not None:
        return to.argv
    assert to.folder is not None  # the rules of the configuration ask for one of the two
    ours = (sys.executable, "-I", "-m", into_folder.__name__, "{copy}", "{manifest}", to.folder, "{run}")
    return (*ours, to.owner) if to.owner else ours


def why_not(to: HandOver, surroundings: Surroundings) -> str | None:
    """Returns why a copy could not be handed over now; None: nothing is seen that stands against it."""
    if to.argv is not None:
        word, path = to.argv[0], surroundings.environment.get("PATH")
        program = str(surroundings.base / word) if "/" in word else word
        return None if shutil.which(program, path=path) else f"There is no program {word} that could be run."
    if to.folder is None or not os.access(to.folder, os.W_OK | os.X_OK) or not Path(to.folder).is_dir():
        return f"The folder {to.folder} is not there, or not ours to write into."
    if to.owner is None:
        return None
    try:
        account = pwd.getpwnam(to.owner).pw_uid
    except KeyError:
        return f"There is no account {to.owner} on this machine."
    if os.geteuid() not in {0, account}:
        return f"Only root may give files to {to.owner}. Let a program hand them over: `to: [PROGRAM, …]`."
    return None
