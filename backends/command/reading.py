"""Runs a program that only looks, and keeps its answer up to a size that the caller names.

`programs.process` keeps what a check may say; a list of restore points is longer. What an answer means is
the caller's.
"""

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL
from collections.abc import Sequence
from typing import Final

from backends.programs.process import (
    AFTERWARDS_SECONDS,
    MOST_WORDS_BYTES,
    TERM_TO_KILL_SECONDS,
    Said,
    last_line,
)
from backends.surroundings import Surroundings

OUT: Final = 1  # the descriptor of standard output; the other one is standard error


async def answer_of(argv: Sequence[str], timeout: float, surroundings: Surroundings, most: int) -> Said:
    """Keeps `most` bytes and one more, which shows that it was cut. Raises OSError when it cannot be run."""
    transport, heard = await asyncio.get_running_loop().subprocess_exec(
        lambda: _Heard(most + 1),
        *argv,
        stdin=DEVNULL,
        cwd=surroundings.base,
        env=dict(surroundings.environment),
        start_new_session=True,
    )
    try:
        rc = await _end(transport, heard, timeout)
        await asyncio.wait([heard.all], timeout=AFTERWARDS_SECONDS)
    finally:  # also when nobody wants the answer any more
        _signal_group(transport, signal.SIGKILL)
        transport.close()
    words, last = (surroundings.secrets.struck_bytes(bytes(each)) for each in (heard.words, heard.last))
    return Said(rc, bytes(heard.out), last_line(words) or last_line(last))


async def _end(transport: asyncio.SubprocessTransport, heard: "_Heard", timeout: float) -> int | None:
    """Returns its exit status; None: it was out of time and is stopped."""
    await asyncio.wait([heard.exited], timeout=timeout)
    if heard.exited.done():
        return transport.get_returncode()
    _signal_group(transport, signal.SIGTERM)
    await asyncio.wait([heard.exited], timeout=TERM_TO_KILL_SECONDS)
    return None


def _signal_group(transport: asyncio.SubprocessTransport, number: int) -> None:
    """Only while its first process is not reaped: afterwards the number may be a stranger's."""
    if transport.get_returncode() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(transport.get_pid(), number)


class _Heard(asyncio.SubprocessProtocol):
    """Keeps the first of standard output, and the last of both. A child left behind may hold them open."""

    def __init__(self, most: int) -> None:
        loop = asyncio.get_running_loop()
        self.out = bytearray()
        self.last = bytearray()  # of standard output
        self.words = bytearray()  # the last of standard error
        self.exited: asyncio.Future[None] = loop.create_future()
        self.all: asyncio.Future[None] = loop.create_future()
        self._most = most

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == OUT:
            self.out += data[: self._most - len(self.out)]
            self.last = (self.last + data)[-MOST_WORDS_BYTES:]
        else:
            self.words = (self.words + data)[-MOST_WORDS_BYTES:]

    def process_exited(self) -> None:
        if not self.exited.done():
            self.exited.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called once both pipes are closed."""
        if not self.all.done():
            self.all.set_result(None)
