"""The bot under the demo: the program of production in a process of its own, started again when it dies."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from bot.errors import UserError
from storage.database import sqlite_url
from workspace import processes
from workspace.processes import Process

REST_SECONDS = 2.0  # between its death and its next start: long enough to be seen
READY = "listening on "
LONGEST_START_SECONDS = 30.0


class BotProcess:
    def __init__(self, folder: Path, configuration: Path, slack: Mapping[str, str]) -> None:
        """`folder` is its state; `slack` its tokens and where Slack is, as environment variables."""
        self.database = folder / "bot.db"
        self.log = folder / "bot.log"
        self.killed = 0  # how often we killed it
        self._folder = folder
        self._environment = _without_ours(os.environ) | {
            **slack,
            "ROLLBACK_CONFIG": str(configuration),
            "ROLLBACK_STATE_DIR": str(folder),
            "ROLLBACK_DATABASE_URL": sqlite_url(self.database),
            "ROLLBACK_HTTP": "127.0.0.1:0",
        }
        self._process: Process | None = None  # None: it does not run
        self._up = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None  # None: nobody keeps it running

    @property
    def is_up(self) -> bool:
        return self._up.is_set()

    @property
    def gave_up(self) -> bool:
        """It died before it took commands: starting it again would not help."""
        return self._keeper is not None and self._keeper.done()

    async def start(self) -> None:
        """Returns when it takes commands. Raises UserError with its last words when it cannot be started."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._keeper = asyncio.create_task(self._keep())
        await self.until_up()

    async def until_up(self) -> None:
        assert self._keeper is not None  # it was started
        waiting = asyncio.ensure_future(self._up.wait())
        try:
            await asyncio.wait(
                (waiting, self._keeper), timeout=LONGEST_START_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            waiting.cancel()
        if not self.is_up:
            raise UserError(f"The bot does not start. Its last words, from {self.log}:\n{self.last_words()}")

    def kill(self) -> None:
        """SIGKILL, in the middle of whatever it does. It is started again after a rest."""
        if self._process is not None:
            self.killed += 1
            self._process.kill()

    async def stop(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        if self._process is not None:
            await self._process.end()
            self._process = None
        self._up.clear()

    async def answers(self, *words: str) -> tuple[int, str]:
        """Returns what the command line answers beside it: the exit code, and all that it prints."""
        argv = (sys.executable, "-m", "handlers.cli", *words)
        return await processes.answer_of(*argv, environment=self._environment)

    def last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:]) if self.log.exists() else ""

    async def _keep(self) -> None:
        """Ends only when it was cancelled, or the bot died before it was ever up."""
        while True:
            with self.log.open("ab") as log:
                argv = ("-m", "handlers.cli", "serve")
                self._process = await processes.start(argv, environment=self._environment, errors=log)
            await self._follow(self._process)
            was_up = self.is_up
            self._up.clear()
            if not was_up:
                return
            await asyncio.sleep(REST_SECONDS)

    async def _follow(self, process: Process) -> None:
        while line := await process.line():
            if line.startswith(READY):
                self._up.set()


def _without_ours(environment: Mapping[str, str]) -> dict[str, str]:
    """No variable of a real installation reaches the demo's bot."""
    return {
        name: value for name, value in environment.items() if not name.startswith(("SLACK_", "ROLLBACK_"))
    }
