"""The child processes of the demo: on a leash, in sessions of their own, ended with all that they started."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

LEASH = Path(__file__).with_name("die_with_parent.py")
PROGRAM_ENDS_WITHIN_SECONDS = 5.0  # after it was asked to


@dataclass(frozen=True, slots=True)
class Process:
    inner: asyncio.subprocess.Process

    @property
    def pid(self) -> int:
        return self.inner.pid

    async def line(self) -> str:
        """The next line that it prints; empty when it has ended."""
        assert self.inner.stdout is not None  # `start` always makes the pipe
        return (await self.inner.stdout.readline()).decode()

    def kill(self) -> None:
        """SIGKILL, to itself alone: what it had detached goes on, as after a real crash."""
        with contextlib.suppress(ProcessLookupError):
            self.inner.kill()

    async def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.inner.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.inner.wait(), PROGRAM_ENDS_WITHIN_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # its session: nothing stays behind
        await self.inner.wait()


async def answer_of(*argv: str, environment: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Returns the exit code of a short program, and all that it prints. `environment` None: ours."""
    done = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
    )
    out, _ = await done.communicate()
    assert done.returncode is not None  # it has ended
    return done.returncode, out.decode(errors="replace").strip()


async def start(
    argv: Sequence[str], *, environment: Mapping[str, str] | None = None, errors: IO[bytes] | None = None
) -> Process:
    """A Python program by its arguments. `environment` None: ours; `errors` None: our standard error."""
    inner = await asyncio.create_subprocess_exec(
        *(sys.executable, str(LEASH), str(os.getpid()), sys.executable, *argv),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=errors,
        env=environment,
        start_new_session=True,  # Ctrl-C in the terminal is for the demo, which ends its children itself
    )
    return Process(inner)
