"""A backend behind a command line tool of its own (ctl.py), and the tool's file of everything that it did."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Self

from backends.command.calls import ProgramCall
from backends.command.check import CommandCheck
from backends.command.executor import Command
from backends.conformance.harness import PATIENCE_SECONDS, SHORT_SECONDS, Moment, Plight
from backends.programs import supervisor
from backends.references import Resolver
from backends.surroundings import Surroundings
from bot.contract import Handle, Taken, Work
from bot.model import When
from tests.backends.away import moved_away
from tests.backends.command import ctl

SETTLES_SECONDS = 0.05
NEVER = "a file that nobody makes"
# Reading is what the contract does a thousand times: it must be quick.
FIND = ProgramCall(
    ("sh", "-c", """cat "restored/$1" 2>/dev/null || echo '{"state": "absent"}'""", "find", "{op}")
)


class CommandWorld:
    plights = frozenset({Plight.AWAY, Plight.SILENT})

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def make(cls, root: Path) -> Self:
        (root / "restored").mkdir(parents=True)
        (root / "copies").mkdir()
        world = cls(root)
        world.offers(
            {"id": "v42", "label": "new prices", "created_at": "2026-11-22T10:00:00Z", "author": "ana"},
            {"id": "v41", "label": "checkout", "created_at": "2026-11-21T10:00:00Z", "author": "ben"},
            {"id": "v40", "created_at": "2026-11-20T10:00:00Z"},
        )
        world.goes_live("v42")
        world.wishes()
        return world

    def executor(self, dies: Moment | None = None) -> Command:
        calls = {
            **self.calls(),
            "find": FIND,
            "measure": self.call("measure", "{point}"),
            "prepare": self.call("prepare", "{point}", "{op}"),
            "drop": self.call("drop", "{handle}"),
        }
        if dies is None:
            return Command(**calls, resolver=self.resolver(), settles=SETTLES_SECONDS)
        return DyingCommand(self, dies, calls)

    @contextmanager
    def troubled(self, plight: Plight) -> Iterator[Command]:
        """What its `points` reads is gone, or is a pipe into which nobody writes."""
        points = self.root / "points.json"
        with moved_away(points):
            if plight is Plight.SILENT:
                os.mkfifo(points)
            yield self.executor()

    def slow(self) -> Command:
        self.wishes(wait_for=NEVER)
        return self.executor()

    def elsewhere(self) -> Command:
        """It has no `find`, so that it cannot ask the tool either."""
        return Command(**self.calls(), resolver=self.resolver("elsewhere"), settles=SETTLES_SECONDS)

    def calls(self) -> dict[str, Any]:
        """The least that an executor needs."""
        return {
            "points": ProgramCall(("cat", "points.json")),
            "current": ProgramCall(("cat", "current.json")),
            "restore": self.call("restore", "{point}", "--op", "{op}"),
        }

    def call(self, *argv: str, timeout: float = 20.0) -> ProgramCall:
        return ProgramCall((sys.executable, "-I", "-S", ctl.__file__, str(self.root), *argv), timeout)

    def resolver(self, spool: str = "spool") -> Resolver:
        """Another spool is another machine."""
        place = f"{spool} of one worker"
        return Resolver(Surroundings(self.root, self.root / spool, {"PATH": os.defpath}, place), {})

    def offers(self, *points: dict[str, Any]) -> None:
        self._write("points.json", list(points))

    def goes_live(self, point: str, **more: Any) -> None:
        self._write("current.json", {"id": point, **more})

    def knows(self, op_id: str, state: str) -> None:
        self._write(f"restored/{op_id}", {"state": state})

    def wishes(self, **wishes: Any) -> None:
        self._write("wishes.json", wishes)

    def done(self) -> list[dict[str, str]]:
        done = self.root / "effects.jsonl"
        return [json.loads(line) for line in done.read_text().splitlines()] if done.exists() else []

    def live(self) -> str:
        return str(json.loads((self.root / "current.json").read_text())["id"])

    def holds(self, point: str) -> str:
        return point

    def effects(self) -> int:
        return len(self.done())

    def drifts(self) -> None:
        self.goes_live("v43")

    def loses(self, point: str) -> None:
        points = json.loads((self.root / "points.json").read_text())
        self.offers(*(one for one in points if one["id"] != point))

    def lies(self) -> None:
        self.goes_live("v42")

    def close(self) -> None:
        """Whatever is still at work here ends, and only that."""
        for record in self.root.glob("spool*/*/*/*.json"):
            if record.name in (supervisor.TAKEN, supervisor.CHILD):
                kill(json.loads(record.read_text()))

    def _write(self, file: str, content: Any) -> None:
        (self.root / file).write_text(json.dumps(content))


class DyingCommand(Command):
    """The whole machine dies: the command and its supervisor with the process that asked for them.

    (That they outlive it when it dies alone is shown in test_spool.py.)
    """

    def __init__(self, world: CommandWorld, dies: Moment, calls: dict[str, Any]) -> None:
        super().__init__(**calls, resolver=world.resolver(), settles=SETTLES_SECONDS)
        self._world = world
        self._dies = dies

    async def start(self, work: Work) -> Handle | Taken:
        self._world.wishes(**{"wait_for" if self._dies is Moment.TAKEN else "linger": NEVER})
        await super().start(work)
        if self._dies is Moment.CHANGED:
            await until(lambda: self._world.live() == work.point)
        await cut_off(self._world.root / "spool" / work.op_id / "1")
        self._world.wishes()
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("nobody survives SIGKILL")


async def cut_off(attempt: Path) -> None:
    """The supervisor first: it must not live to tell how the command ended."""
    await until(lambda: (attempt / supervisor.CHILD).exists())
    await end(attempt, supervisor.TAKEN)
    await end(attempt, supervisor.CHILD)


async def end(attempt: Path, record: str) -> None:
    process = supervisor.read(str(attempt), record)
    kill(process)
    await until(lambda: supervisor.identity(process["pid"]) != process)


def kill(process: dict[str, Any]) -> None:
    """Only if it is still the one that was recorded."""
    if process["pid"] != os.getpid() and supervisor.identity(process["pid"]) == process:
        os.kill(process["pid"], signal.SIGKILL)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - other processes set no event here
            await asyncio.sleep(0.005)


class ProgramWorld:
    """A program of somebody's that looks for itself."""

    def __init__(self, root: Path) -> None:
        self.surroundings = Surroundings(root, root / "spool", {"PATH": os.defpath})

    @classmethod
    @asynccontextmanager
    async def made(cls, root: Path) -> AsyncIterator["ProgramWorld"]:
        yield cls(root)

    def passing(self) -> CommandCheck:
        return self.check("print('all well')")

    def failing(self) -> CommandCheck:
        return self.check("import sys; sys.exit('the till is empty')")

    def unreachable(self) -> CommandCheck:
        return CommandCheck(when=When.OFFLINE, argv=("no-such-test",), surroundings=self.surroundings)

    def slow(self) -> CommandCheck:
        return self.check("import time; time.sleep(60)", SHORT_SECONDS)

    def check(self, program: str, timeout: float = 10.0) -> CommandCheck:
        argv = (sys.executable, "-I", "-S", "-c", program)
        return CommandCheck(when=When.OFFLINE, argv=argv, surroundings=self.surroundings, timeout=timeout)


EXECUTOR_WORLDS = (CommandWorld,)
CHECK_WORLDS = (ProgramWorld,)
