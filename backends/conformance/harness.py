"""What the contract tests need: a small real backend. `World` for an executor, `CheckWorld` for a check.

To bring them under the contract, write the world in a file named world.py and declare it there, in
EXECUTOR_WORLDS or CHECK_WORLDS. The world of an executor is a real backend in a folder of its own, and
everything about it is on the disk: other processes open the same one with `World(root)`.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

from bot.contract import Ended, Executor, Operation, Taken, Work
from bot.looking import PatientCheck
from bot.model import Beside, Do, RestorePoint, Way

PATIENCE_SECONDS = 30.0  # for anything that a real process does
SHORT_SECONDS = 0.3  # that a look may take in a world that is too slow
INSTALLATION = "k7f3a91c"


class Moment(StrEnum):
    """Says where an executor kills its own process with SIGKILL."""

    TAKEN = "taken"  # the op id is taken at the backend, customers see the state before
    CHANGED = "changed"  # customers see the restore point, nobody was told


class World(Protocol):
    """A backend with at least three restore points and a bad state live.

    `executor` may be asked for as often as one likes; each answer is a new one, as another process has it.
    """

    def __init__(self, root: Path) -> None:
        """Opens what `make` made; changes nothing."""

    @classmethod
    def make(cls, root: Path) -> Self:
        """Builds it in `root`, which does not exist yet; nothing outside is ever touched."""

    def executor(self, dies: Moment | None = None) -> Executor:
        """Returns an executor; one with `dies` kills its process at that moment of its first restore."""

    def live(self) -> str:
        """Returns what customers get, all of it (or a hash): read from the world, never from the executor."""

    def holds(self, point: str) -> str:
        """Returns what `live` must say when the restore point with this id has been restored."""

    def effects(self) -> int:
        """How often a restore changed the world, as the world itself has counted since `make`."""

    def drifts(self) -> None:
        """Somebody else changes the identity of what is live. Not counted as an effect."""

    def loses(self, point: str) -> None:
        """The restore point with this id goes away."""

    def lies(self) -> None:
        """After a restore: something other than the restore point goes live, and nobody says so."""

    def close(self) -> None: ...


class Plight(StrEnum):
    """Names what may be the matter with a backend."""

    AWAY = "away"  # it is not there, or cannot be reached
    BUSY = "busy"  # it works on something else, and will not for ever
    SILENT = "silent"  # it takes a question and does not answer


@runtime_checkable
class TroubledWorld(Protocol):
    """A world that can be brought into trouble, and out of it again."""

    plights: frozenset[Plight]  # those that it knows

    def troubled(self, plight: Plight) -> AbstractContextManager[Executor]:
        """Inside, the executor that it yields meets that trouble. It waits for nobody longer than it must."""


@runtime_checkable
class SlowWorld(Protocol):
    """A backend whose restores can be cancelled needs a world that can be slow."""

    def slow(self) -> Executor:
        """Returns one whose restore goes on for longer than any test, unless it is cancelled."""


@runtime_checkable
class ElsewhereWorld(Protocol):
    """A backend whose op ids are taken at a place of the worker's own needs another machine."""

    def elsewhere(self) -> Executor:
        """Returns one as another machine has it: it sees the backend, and nothing of our place."""


@runtime_checkable
class ReplaceableWorld(Protocol):
    """A backend that is at a place: another thing can stand there one day, under the same name."""

    def replaced(self) -> None:
        """Somebody puts an equal thing there: the same restore points, the same state live."""


class CheckWorld(Protocol):
    """Something to look at, and one check for each state in which it may be."""

    @classmethod
    def made(cls, root: Path) -> AbstractAsyncContextManager[Self]:
        """Builds it in `root`, an empty folder, and takes it down again."""

    def passing(self) -> PatientCheck: ...

    def failing(self) -> PatientCheck: ...

    def unreachable(self) -> PatientCheck:
        """Looks at what is not there."""

    def slow(self) -> PatientCheck:
        """Looks at what does not answer, and gives up after SHORT_SECONDS."""


def work_for(way: Way, *, n: int = 3, run: str = "RB-42", digest: str = "d" * 64) -> Work:
    """The step that would carry out a plan made of this answer."""
    return Work(
        op_id=f"{INSTALLATION}.{run}.{n}",
        run_id=run,
        digest=digest,
        do=Do.RESTORE,
        point=way.point.id,
        expected=way.current.token,
        timeout=PATIENCE_SECONDS,
        fingerprint=way.point.fingerprint,
    )


def saving(work: Work) -> Work:
    """The step before it: the state that it goes back from is kept."""
    return replace(work, op_id=f"{work.op_id.rpartition('.')[0]}.2", do=Do.SAVE)


def preparing(work: Work) -> Work:
    """The step before it: a copy of the restore point is made beside what is live."""
    return replace(work, op_id=f"{work.op_id.rpartition('.')[0]}.1", do=Do.PREPARE)


def dropping(work: Work, *, undo: RestorePoint | None = None, prepared: str | None = None) -> Work:
    """A step after it: what was saved, or copied, goes again."""
    return replace(
        work,
        op_id=f"{work.op_id.rpartition('.')[0]}.9",
        do=Do.DROP,
        point="",
        expected="",
        fingerprint="",
        undo=undo.id if undo else None,
        undo_content=undo.fingerprint if undo else "",
        prepared=prepared,
    )


async def ended(operation: Operation, work: Work) -> Ended:
    """Asks until it has ended, as the engine does."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            answer = await operation.poll(work)
            if isinstance(answer, Ended):
                return answer
            await asyncio.sleep(min(answer.retry_after, 0.05))


async def carried_out(operation: Operation, work: Work) -> Ended | Taken:
    """Start, then ask until it has ended."""
    begun = await operation.start(work)
    if isinstance(begun, Ended | Taken):
        return begun
    return await ended(operation, replace(work, handle=begun))


async def kept(executor: Executor, work: Work) -> RestorePoint | None:
    """Saves the state that `work` goes back from, or finds what was saved under the same op id."""
    end = await carried_out(executor, saving(work))
    made = (await executor.find(saving(work))).made if isinstance(end, Taken) else end.made
    assert not isinstance(made, Beside)  # that is what PREPARE makes
    return made


class Stranger:
    """Another process that carries out the same work on the same world: the same op id, the same plan."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    async def ready(self) -> None:
        assert await self._line() == "ready"

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    async def answer(self) -> str:
        """`done`, `failed`, `taken`, `lost`, or the name of the error that it met."""
        return await self._line()

    async def code(self) -> int:
        return await asyncio.to_thread(self._process.wait, PATIENCE_SECONDS)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

    async def _line(self) -> str:
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            return (await asyncio.to_thread(self._process.stdout.readline)).strip()


@asynccontextmanager
async def strangers(
    world: World, root: Path, *works: Work, dies: Moment | None = None
) -> AsyncIterator[list[Stranger]]:
    """One process for each work, all of them ready to start at the same moment."""
    orders = {
        "world": f"{type(world).__module__}:{type(world).__qualname__}",
        "root": str(root),
        "dies": dies,
    }
    started = [
        Stranger(
            subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "backends.conformance.stranger",
                    json.dumps({**orders, "work": asdict(work)}),
                ],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        for work in works
    ]
    try:
        for one in started:
            await one.ready()
        yield started
    finally:
        for one in started:
            one.end()
