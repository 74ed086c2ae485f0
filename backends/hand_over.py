"""Hands over the copy of a snapshot and its manifest: to a folder, or by a program of the configuration.

Both are a command under our supervisor, so whoever takes over finds it again. The manifest is written beside
its attempts first, and is cleared away with them.
"""

import asyncio
import os
import pwd
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from backends import into_folder, snapshot_check
from backends.programs import supervisor
from backends.programs.spool import CommandOperation, filled
from backends.surroundings import Surroundings
from bot.configuration.settings import HandOver
from bot.contract import Ended, Fate, Found, Handle, Taken, Unreachable, Work
from bot.errors import PermanentError

NOT_KNOWN = "It is not known what was given away until then."


class HandingOver(CommandOperation):
    def __init__(
        self, to: HandOver | None, copy: str, manifest: Mapping[str, Any], surroundings: Surroundings
    ) -> None:
        """`to` None: the configuration says it no more, so only what was begun can be followed.

        `copy`: where it stands, as its backend says; empty: that does not say it.
        """
        self._to = to or HandOver()
        super().__init__(_argv(self._to), self._to.timeout, surroundings)
        self._copy = copy
        self._manifest = manifest

    async def start(self, work: Work, after: Handle | None = None) -> Handle | Taken | Ended:
        """Raises as the command does, PermanentError where nobody knows where the copy stands."""
        if not self._argv:
            raise PermanentError("The configuration says no more where the copy is to go.")
        if not self._copy or (self._to.folder is not None and not Path(self._copy).is_absolute()):
            raise PermanentError("Its backend does not say where the copy stands.")
        try:
            await asyncio.to_thread(self._lay_manifest, work)
        except OSError as error:
            raise Unreachable(f"The spool cannot be written: {error.strerror}.") from error
        return await super().start(work, after)

    def _lay_manifest(self, work: Work) -> None:
        folder = self._folder(work)
        folder.mkdir(parents=True, exist_ok=True)
        os.replace(
            supervisor.write_draft(str(folder), into_folder.MANIFEST, self._manifest), self._file(work)
        )

    async def find(self, work: Work) -> Found:
        """Looks into the folder, too, where nobody has said how it ended."""
        found = await super().find(work)
        if found.fate is Fate.UNKNOWN and await asyncio.to_thread(self._is_there, work):
            return Found(Fate.DONE, "handed over")
        return found

    def _is_there(self, work: Work) -> bool:
        if self._to.folder is None:
            return False
        with suppress(OSError):
            return into_folder.is_there(Path(self._to.folder, work.run_id), self._file(work))
        return False

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

    def _told(self, found: Found) -> Found:
        """A card shows it, so it says not where the copy stands. A program may have done half of it."""
        words = found.words
        for place, name in ((self._copy, "the copy"), (self._to.folder, "the folder")):
            words = words.replace(place, name) if place else words
        if found.fate is Fate.FAILED and self._to.argv is not None:
            words = f"{NOT_KNOWN} {words}"
        return super()._told(replace(found, words=words))


def _argv(to: HandOver) -> tuple[str, ...]:
    if to.folder is None:
        return to.argv or ()
    ours = (sys.executable, "-I", "-m", into_folder.__name__, "{copy}", "{manifest}", to.folder, "{run}")
    return (*ours, to.owner) if to.owner else ours


def why_not(to: HandOver, surroundings: Surroundings) -> str | None:
    """Returns why a copy could not be handed over now; None: nothing is seen that stands against it.

    A channel may see it, so it names no folder.
    """
    if to.argv is not None:
        word, path = to.argv[0], surroundings.environment.get("PATH")
        program = str(surroundings.base / word) if "/" in word else word
        return None if shutil.which(program, path=path) else f"There is no program {word} that could be run."
    if to.folder is None or not Path(to.folder).is_dir() or not os.access(to.folder, os.W_OK | os.X_OK):
        return "The folder of the hand-over is not there, or not ours to write into."
    return into_folder.why_others_could_write(Path(to.folder)) or _why_not_its_owner(to.owner)


def _why_not_its_owner(owner: str | None) -> str | None:
    if owner is None:
        return None
    try:
        account = pwd.getpwnam(owner).pw_uid
    except KeyError:
        return f"There is no account {owner} on this machine."
    if os.geteuid() not in {0, account}:
        return f"Only root may give files to {owner}. Let a program hand them over: `to: [PROGRAM, …]`."
    return None
