"""A backend behind a command line tool of its own, and the tool's file of everything that it did."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from bot.executors import supervisor
from bot.executors.command import Call, Command
from bot.executors.contract import Handle, Surroundings, Taken, Work
from tests.bot.executors.harness import PATIENCE, Moment

CTL = Path(__file__).with_name("ctl.py")
NEVER = "a file that nobody makes"


class CommandWorld:
    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def make(cls, root: Path) -> Self:
        root.mkdir()
        points = [
            {"id": f"v{n}", "label": f"the {n}nd", "created_at": f"2026-11-22T12:{n}:00Z", "author": "ana"}
            for n in (42, 41, 40)
        ]
        (root / "world.json").write_text(json.dumps({"points": points, "current": "v42", "restored": {}}))
        return cls(root)

    def executor(self, dies: Moment | None = None) -> Command:
        calls = {
            "points": self.call("points"),
            "current": self.call("current"),
            "restore": self.call("restore", "{point}", "--op", "{op}"),
            "find": self.call("find", "{op}"),
            "cancel": self.call("cancel", "{op}"),
            "measure": self.call("measure", "{point}"),
        }
        surroundings = Surroundings(self.root, self.root / "spool", {"PATH": os.defpath})
        if dies is None:
            return Command(**calls, surroundings=surroundings)
        return DyingCommand(self, dies, surroundings, calls)

    def call(self, *argv: str) -> Call:
        return Call((sys.executable, "-I", "-S", str(CTL), str(self.root), *argv))

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.root / "world.json").read_text())
        return state

    def becomes(self, **what: Any) -> None:
        (self.root / "world.json").write_text(json.dumps({**self.state(), **what}))

    def live(self) -> str:
        return str(self.state()["current"])

    def holds(self, point: str) -> str:
        return point

    def effects(self) -> int:
        done = self.root / "effects.jsonl"
        return len(done.read_text().splitlines()) if done.exists() else 0

    def drifts(self) -> None:
        newer = {"id": "v43", "created_at": "2026-11-22T12:43:00Z"}
        self.becomes(points=[newer, *self.state()["points"]], current="v43")

    def loses(self, point: str) -> None:
        self.becomes(points=[one for one in self.state()["points"] if one["id"] != point])

    def lies(self) -> None:
        self.becomes(current="v42")

    def close(self) -> None:
        """Every restore of these tests ends by itself, or was killed with the process that started it."""


class DyingCommand(Command):
    """The whole machine dies: the command and its supervisor with the process that asked for them.

    (That they outlive it when it dies alone is shown in test_spool.py.)
    """

    def __init__(
        self, world: CommandWorld, dies: Moment, surroundings: Surroundings, calls: dict[str, Call]
    ) -> None:
        super().__init__(**calls, surroundings=surroundings)
        self._world = world
        self._dies = dies

    async def start(self, work: Work) -> Handle | Taken:
        wish = "wait_for" if self._dies is Moment.TAKEN else "linger"
        self._world.becomes(**{wish: NEVER})
        await super().start(work)
        attempt = self._world.root / "spool" / work.op_id / "1"
        await _until(lambda: all((attempt / name).exists() for name in (supervisor.TAKEN, supervisor.CHILD)))
        await _until(lambda: self._dies is Moment.TAKEN or self._world.effects() == 1)
        await _until(lambda: self._dies is Moment.TAKEN or self._world.live() == work.point)
        for name in (supervisor.TAKEN, supervisor.CHILD):
            await _kill(supervisor.read(str(attempt), name))
        state = self._world.state()
        del state[wish]
        (self._world.root / "world.json").write_text(json.dumps(state))
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("nobody survives SIGKILL")


async def _kill(process: dict[str, Any]) -> None:
    os.kill(process["pid"], signal.SIGKILL)
    await _until(lambda: supervisor.identity(process["pid"]) is None)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - other processes set no event here
            await asyncio.sleep(0.005)
