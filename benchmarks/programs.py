"""The processes of a measurement: each is asked in JSON lines, and none outlives the one that started it."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from typing import IO, Any

from workspace.processes import LEASH

LINE_AT_MOST = 64 * 1024 * 1024  # bytes; ten thousand answers come as one line
ENDS_WITHIN = 10.0  # seconds after SIGTERM


class Program:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, question: Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None  # `running` always makes the pipes
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        await self._process.stdin.drain()
        return json.loads(await self.line())

    async def line(self) -> str:
        """The next line that it prints. Raises RuntimeError when it has ended."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"a program of the measurement ended with {await self._process.wait()}")
        return line.decode().rstrip("\n")

    async def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), ENDS_WITHIN)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@contextlib.asynccontextmanager
async def running(
    module: str,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    errors: IO[bytes] | None = None,
) -> AsyncIterator[Program]:
    """`python -m MODULE`, ended afterwards. No environment of a real installation reaches it.

    `environment` is added to ours; `errors` None: our own standard error.
    """
    argv = (str(LEASH), str(os.getpid()), sys.executable, "-m", module, *arguments)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("SLACK_", "ROLLBACK_"))}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=errors,
        env={**inherited, **(environment or {})},
        limit=LINE_AT_MOST,
    )
    program = Program(process)
    try:
        yield program
    finally:
        await program.end()
