"""The same world with the bot as a process of its own, so that it can be killed."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping

from bot.clock import SteadyClock
from storage.database import open_database, sqlite_url
from storage.runs import Store, open_store
from tests.handlers.world import PATIENCE, World


class KilledWorld(World):
    process: Process
    reading: Store
    program = "handlers.cli"  # the module that is run
    options: tuple[str, ...] = ()  # of `serve`
    surroundings: Mapping[str, str] = {}  # beside the usual environment

    def environment(self) -> dict[str, str]:
        return {"ROLLBACK_DRAIN_SECONDS": "1", **super().environment(), **self.surroundings}

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self.program,
            "serve",
            *self.options,
            env={**os.environ, **self.environment()},
            stdout=PIPE,
        )
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)
        assert line.startswith(b"listening on http://"), line
        database = open_database(sqlite_url(self.folder / "state" / "rollback.db"))
        self.reading = await open_store(database, None, SteadyClock()())

    @property
    def store(self) -> Store:
        return self.reading

    async def kill(self) -> None:
        """No warning, no last word."""
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()
        await self.reading.database.close()

    async def comes_back(self) -> None:
        await self.start()

    async def read_for_a_second(self) -> None:
        """Until the card has stood long enough to be believed to be read."""

        async def long_enough() -> bool:
            posted = (await self.run()).approval.posted_at
            return posted is not None and (SteadyClock()() - posted).total_seconds() > 1

        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not await long_enough():
            assert asyncio.get_running_loop().time() < deadline, "the card was never posted"
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        (self.backend.folder / "hang").unlink(missing_ok=True)
        with contextlib.suppress(ProcessLookupError):
            self.process.terminate()
        await self.process.wait()
        await self.reading.database.close()
        await self.slack.stop()
