"""Runs a short command that only reads: by argv, without a shell, in bounded time and memory.

What changes the world goes through `spool`, which survives us. What the answer means is the caller's.
"""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import IO

from backends.surroundings import Surroundings

MOST_OUTPUT_BYTES = 1024 * 1024  # of standard output that are kept, unless somebody wants more
MOST_WORDS_BYTES = 4 * 1024  # of the end of standard error that are kept
TERM_TO_KILL_SECONDS = 5.0  # in which a process group may end by itself
AFTERWARDS_SECONDS = 0.2  # for output still in the pipe; a child left behind may hold it open for ever


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended and what it said."""

    rc: int | None  # None: it was out of time and is stopped
    out: bytes  # standard output, at most one byte more than was to be kept: it shows that it was cut
    last: str  # the last line, of standard error if anything stands there; safe to show, without secrets


async def run(
    argv: Sequence[str], timeout: float, surroundings: Surroundings, most: int = MOST_OUTPUT_BYTES
) -> Said:
    """`most`: bytes of standard output that are kept. Raises OSError when the command cannot be started."""
    async with _listening(most + 1) as (out, out_end), _listening(0) as (err, err_end):
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=DEVNULL,
            stdout=out_end,
            stderr=err_end,
            cwd=surroundings.base,
            env=dict(surroundings.environment),
            start_new_session=True,
        )
        out_end.close()
        err_end.close()
        rc = await _end(process, timeout)
        await asyncio.wait([out.ended, err.ended], timeout=AFTERWARDS_SECONDS)
        words, answer = (surroundings.secrets.struck_bytes(bytes(each.last)) for each in (err, out))
        return Said(rc, bytes(out.first), last_line(words) or last_line(answer))


async def _end(process: Process, timeout: float) -> int | None:
    try:
        async with asyncio.timeout(timeout):
            return await process.wait()
    except TimeoutError:
        signal_group(process, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TERM_TO_KILL_SECONDS):
                await process.wait()
        return None
    finally:  # also when nobody wants the answer any more
        signal_group(process, signal.SIGKILL)


def signal_group(process: Process, number: int) -> None:
    """Only while its first process is not reaped: afterwards the number may be a stranger's."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)


def last_line(output: bytes, limit: int = 200) -> str:
    """The last line with anything on it, printable and not longer than `limit` characters."""
    for line in reversed(output.decode("utf-8", "replace").splitlines()):
        if words := printable(line, limit).strip():
            return words
    return ""


def printable(text: str, limit: int = 200) -> str:
    """Control characters, also those that turn writing round, become blanks; the rest is cut off."""
    text = "".join(character if character.isprintable() else " " for character in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


class _Listener(asyncio.Protocol):
    """Keeps the first and the last of what comes through a pipe, and forgets what is between."""

    def __init__(self, most: int) -> None:
        self.first = bytearray()
        self.last = bytearray()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._most = most

    def data_received(self, data: bytes) -> None:
        self.first += data[: self._most - len(self.first)]
        self.last = (self.last + data)[-MOST_WORDS_BYTES:]

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


@contextlib.asynccontextmanager
async def _listening(most: int) -> AsyncIterator[tuple[_Listener, IO[bytes]]]:
    """A listener, and the end of the pipe to hand to the command and close.

    asyncio's own pipes would make `wait` wait for every process that holds them.
    """
    ours, theirs = (os.fdopen(end, mode, 0) for end, mode in zip(os.pipe(), ("rb", "wb"), strict=True))
    with theirs:
        transport, listener = await asyncio.get_running_loop().connect_read_pipe(
            lambda: _Listener(most), ours
        )
        try:
            yield listener, theirs
        finally:
            transport.close()
