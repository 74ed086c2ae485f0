"""A replica: one process of the bot with the environment of its role and nothing else."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

READY = "listening on "
STARTED_WITHIN = 60.0  # seconds; it takes about one
ENDED_WITHIN = 40.0  # seconds; a drain may take 30
ROOT = Path(__file__).parents[2]
# It dies with the process that started it, whatever becomes of that one.
LEASHED = ("setpriv", "--pdeathsig", "KILL")


class DidNotStart(Exception):
    """It ended before it was ready; these are its last words."""


@dataclass(slots=True)
class Replica:
    name: str
    arguments: tuple[str, ...]  # of `rollback-bot`
    environment: Mapping[str, str]
    log: Path
    module: str = "handlers.cli"
    process: asyncio.subprocess.Process | None = None  # None: it does not run
    url: str = ""  # http://HOST:PORT of the one that runs

    async def start(self) -> None:
        """Returns when it is ready."""
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *LEASHED,
                *(sys.executable, "-m", self.module, *self.arguments),
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], **self.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), STARTED_WITHIN)
        if not line.decode().startswith(READY):
            await self.process.wait()
            raise DidNotStart(f"{self.name}: {line.decode()}{self.said()}")
        self.url = line.decode().removeprefix(READY).strip()

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-3_000:]

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def kill(self) -> None:
        """No warning, no last word."""
        self.tell(signal.SIGKILL)
        await self._ended()

    async def terminate(self) -> int:
        """As a service manager does. The exit code."""
        self.tell(signal.SIGTERM)
        return await asyncio.wait_for(self._ended(), ENDED_WITHIN)

    def freeze(self) -> None:
        """Time goes on, it does not."""
        self.tell(signal.SIGSTOP)

    def thaw(self) -> None:
        self.tell(signal.SIGCONT)

    def tell(self, number: signal.Signals) -> None:
        assert self.process is not None  # it was started
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)

    async def _ended(self) -> int:
        assert self.process is not None
        code = await self.process.wait()
        self.url = ""
        return code
