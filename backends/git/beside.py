"""A copy of a commit beside the repository: plain files in a folder of ours, for whoever looks into them.

It stands among the bot's notes in its state folder, where only the bot may read it. It has its name once it
is whole, until it is dropped. Nothing is checked out or run for it; what is written is in `tree`.

Its op id is taken in that folder, which `place` names: what another worker has made is not seen from here.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Final, TypeAlias

from backends.git.tree import CommitTree
from backends.in_thread import InThread, Underway
from backends.marker import OP_ID, Marker, Markers, MarkerStage, Slot, fate_of, file_errors
from backends.programs.supervisor import sync_folder
from backends.room import refuse_without_room
from backends.snapshot_check import FILES, files_of
from backends.threads import Threads
from bot.clock import Clock
from bot.contents import Contents, Rows
from bot.contract import COPY, Busy, Ended, Fate, Found, Handle, PointUnavailable, Progress, Taken, Work
from bot.errors import PermanentError
from bot.model import (
    Beside,
    Finding,
    Left,
    Verdict,
    When,
)

FilesOf: TypeAlias = Callable[[CommitTree], AbstractContextManager[IO[bytes]]]  # of a commit

COPIES: Final = "copies"  # in a marker: the id of the copy
DROPS: Final = "drops"
ELSEWHERE: Final = "It was begun by another worker, whose copies this one cannot see."
AT_IT: Final = "The copy is still being made."
DROPPED: Final = "The copy was dropped."


def copy_folder(beside: Path, copy: str) -> Path:
    """Returns the folder of a copy. Raises PointUnavailable for what is not called like one."""
    if not OP_ID.fullmatch(copy):
        raise PointUnavailable(f"`{copy}` is no copy of ours.")
    return beside / f"{copy}.copy"


def unfinished_of(copy: Path) -> Path:
    return copy.with_name(f"{copy.name}.new")


class CommitCopies:
    def __init__(self, markers: Markers, place: str | None, clock: Clock) -> None:
        """`place`: which of several workers' state folders this is; None: the only one."""
        self._markers = markers
        self._place = place
        self._clock = clock
        self._threads = Threads()
        self._underway = Underway(self.find, self._threads, clock)

    async def start(self, work: Work, tree: CommitTree, contents: FilesOf) -> Handle | Taken:
        """Returns once it has begun; it goes on in a thread."""
        begun = await self._threads.run(self._begin, work, tree, contents)
        return {"op_id": work.op_id} if begun else Taken.TAKEN

    async def drop(self, work: Work) -> Taken | Ended:
        return await self._threads.run(self._drop, work)

    async def find(self, work: Work) -> Found:
        found = await self._threads.run(self._find, work)
        return Found(Fate.UNKNOWN, ELSEWHERE) if found.fate is Fate.ABSENT and self._is_away(work) else found

    async def bar(self, work: Work) -> Found:
        return await self._threads.run(self._bar, work)

    async def poll(self, work: Work) -> Progress | Ended:
        return await self._underway.poll(work)

    async def cancel(self, work: Work) -> Left | None:
        """Only what goes on in this process can be stopped."""
        return await self._underway.cancel(work)

    def why_not_there(self, work: Work) -> Finding | None:
        """Returns what is seen where there is no copy; None: there is one, to be compared with its commit."""
        if os.path.lexists(self._folder(work)):
            return None
        if self._is_away(work):
            return _seen(Verdict.INCONCLUSIVE, work, ELSEWHERE)
        return _seen(Verdict.FAILED, work, "There is no copy.")

    async def describe(self, work: Work) -> Contents:
        return await self._threads.run(self._describe, work)

    def _describe(self, work: Work) -> Contents:
        """Raises PointUnavailable where there is no copy here."""
        folder = self._folder(work)
        if self._is_away(work) or not folder.is_dir():
            raise PointUnavailable("There is no copy here.")
        with file_errors():
            files = files_of(folder)
        return Contents({FILES: Rows(files.count, files.hexdigest)}, "")

    async def compare(self, work: Work, tree: CommitTree) -> Finding:
        return await self._threads.run(self._compare, work, tree)

    def _compare(self, work: Work, tree: CommitTree) -> Finding:
        root = os.fsencode(self._folder(work))
        try:
            if difference := tree.difference(root):
                return _seen(Verdict.FAILED, work, difference)
            as_text = tree.kept_as_text(root)
        except OSError as error:
            return _seen(Verdict.FAILED, work, f"It cannot be read: {error.strerror}.")
        words = "The files of the commit."
        if as_text:
            words = f"{words} Links that may lead out of it are plain files: {as_text}."
        return _seen(Verdict.PASSED, work, words)

    def _folder(self, work: Work) -> Path:
        return copy_folder(self._markers.folder, work.op_id)

    def _is_away(self, work: Work) -> bool:
        return work.place not in (None, self._place)

    def _take(self, op_id: str) -> Slot | None:
        self._markers.folder.parent.mkdir(parents=True, exist_ok=True)
        return self._markers.take(op_id)

    @file_errors()
    def _begin(self, work: Work, tree: CommitTree, contents: FilesOf) -> bool:
        """Returns whether it was not taken before. From here on the slot is closed by the thread."""
        slot = self._take(work.op_id)
        if slot is None:
            return False
        with ExitStack() as unless_begun:
            unless_begun.enter_context(slot)
            if fate_of(work, slot.read(), self._fate).fate is not Fate.ABSENT:
                return False
            refuse_without_room(self._markers.folder, tree.needs_bytes)
            facts = {COPIES: work.op_id}
            taken = Marker(work.digest, work.point, work.expected, MarkerStage.TAKEN, facts)
            slot.write(taken)
            going = CommitCopying(tree, contents, self._folder(work), taken, slot)
            self._underway.begin(work.op_id, going)
            unless_begun.pop_all()
        return True

    @file_errors()
    def _find(self, work: Work) -> Found:
        return self._markers.find(work, self._fate)

    @file_errors()
    def _bar(self, work: Work) -> Found:
        self._markers.folder.parent.mkdir(parents=True, exist_ok=True)
        return self._markers.bar(work, self._fate)

    @file_errors()
    def _drop(self, work: Work) -> Taken | Ended:
        copy = work.prepared or ""
        folder = copy_folder(self._markers.folder, copy)
        slot = self._take(work.op_id)
        if slot is None:
            return Taken.TAKEN
        with slot:
            if fate_of(work, slot.read(), self._fate).fate is not Fate.ABSENT:
                return Taken.TAKEN
            making = self._take(copy)
            if making is None:
                raise Busy(AT_IT)
            with making:
                facts = {DROPS: copy}
                dropping = Marker(work.digest, work.point, work.expected, MarkerStage.CLOSING, facts)
                slot.write(dropping)
                _bar_for_good(making, work)
                _remove_whole(folder)
                slot.write(replace(dropping, stage=MarkerStage.DONE))
        return Ended(True, Left.BEFORE, f"{copy} is dropped.")

    def _fate(self, marker: Marker) -> Found:
        if marker.stage is MarkerStage.FAILED:
            return Found(Fate.FAILED, marker.words, left=Left.BEFORE)
        if DROPS in marker.facts:
            return self._fate_of_dropping(marker, str(marker.facts[DROPS]))
        copy = str(marker.facts[COPIES])
        folder = copy_folder(self._markers.folder, copy)
        if marker.stage is not MarkerStage.TAKEN and folder.exists():
            made = Beside(copy, {COPY: str(folder.absolute())})
            return Found(Fate.DONE, "The copy is there.", left=Left.BEFORE, made=made)
        if marker.stage is MarkerStage.DONE:
            return Found(Fate.FAILED, "The copy is gone.", left=Left.BEFORE)
        return Found(Fate.ABSENT, "The copy was never finished.")

    def _fate_of_dropping(self, marker: Marker, copy: str) -> Found:
        """The folder itself says whether it went, until that was noted."""
        folder = copy_folder(self._markers.folder, copy)
        if marker.stage is MarkerStage.DONE or not (folder.exists() or unfinished_of(folder).exists()):
            return Found(Fate.DONE, f"{copy} is dropped.", left=Left.BEFORE)
        return Found(Fate.ABSENT, f"{copy} is still there.")


class CommitCopying(InThread):
    """A copy that is being made. Whoever comes after a killed one begins anew."""

    called = "git-beside"
    words = "Copying."

    def __init__(self, tree: CommitTree, contents: FilesOf, copy: Path, taken: Marker, slot: Slot) -> None:
        super().__init__(taken, slot, "bytes", tree.size)
        self._tree = tree
        self._contents = contents
        self._copy = copy

    def _attempt(self) -> Exception | None:
        """Notes one that comes to nothing: others want to know why, and nobody is to begin it again."""
        error = super()._attempt()
        if error is not None and not self._copy.exists():
            with suppress(OSError):  # the disk is full, say: then it is not noted
                self._write(MarkerStage.FAILED, str(error))
        return error

    def _carry_out(self) -> None:
        unfinished = unfinished_of(self._copy)
        _remove(unfinished)  # of somebody who was killed
        try:
            unfinished.mkdir(mode=0o700)
            with self._contents(self._tree) as answer:
                self._tree.write(os.fsencode(unfinished), answer, self._went_on)
            self._write(MarkerStage.CLOSING)  # from here on what stands there under its name is the copy
            os.rename(unfinished, self._copy)
            sync_folder(self._copy.parent)
        finally:
            _remove(unfinished)
        self._write(MarkerStage.DONE)

    def _went_on(self, size: int) -> None:
        if self._stopping.is_set():
            raise PermanentError(f"Stopped after {self.done:,} of {self.total:,} bytes.")
        self.done += size


def _bar_for_good(making: Slot, work: Work) -> None:
    """Nobody makes the copy again once it was dropped, whoever comes late."""
    marker = making.read() or Marker(work.digest, "", "", MarkerStage.TAKEN)
    if marker.signed:  # else it is not ours, and must not be taken for ours
        making.write(replace(marker, stage=MarkerStage.FAILED, words=DROPPED))


def _remove_whole(copy: Path) -> None:
    """A copy is whole where it has its name, so that goes first."""
    unfinished = unfinished_of(copy)
    _remove(unfinished)
    with suppress(FileNotFoundError):
        os.rename(copy, unfinished)
        sync_folder(copy.parent)
    _remove(unfinished)
    sync_folder(copy.parent)


def _remove(folder: Path) -> None:
    """Follows no link. What stands in its place and is no folder goes as well: all of it is ours."""
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    else:
        folder.unlink(missing_ok=True)


def _seen(verdict: Verdict, work: Work, words: str) -> Finding:
    return Finding("copy", When.OFFLINE, verdict, value=work.point, words=words, arrived=True)
