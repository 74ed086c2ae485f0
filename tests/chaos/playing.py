"""Plays many cases in fork servers side by side, and makes the databases that they are played on."""

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import asdict
from itertools import takewhile

from tests.chaos.cases import Case, Verdict
from tests.chaos.options import Options
from tests.postgres import databases

LONGEST_LINE = 1 << 24  # bytes
PROCESSES = min(os.cpu_count() or 1, 4)
CASE_AT_MOST = 60.0  # seconds; a case takes a fraction of one


@contextmanager
def _place(kind: str) -> Iterator[str]:
    """Where the databases of this kind are made, as the fork servers are told: a server's URL, or empty."""
    if kind == "sqlite":
        yield ""
    else:
        with databases() as server:
            yield server.url_for("postgres")


def that_fit(cases: Iterable[Case], options: Options) -> Iterator[Case]:
    """As many as can be begun in the time that there is."""
    began = time.perf_counter()
    return takewhile(lambda _: not options.over(began), cases)


class Players:
    """Fork servers that play cases side by side."""

    def __init__(self, servers: Sequence[Process]) -> None:
        self._servers = servers

    async def play(self, cases: Iterable[Case], each: Callable[[Verdict], None]) -> None:
        """Tells each case's verdict, in the order in which they end."""
        waiting = iter(cases)

        async def work(server: Process) -> None:
            for case in waiting:
                verdict = await _played(server, case)
                if verdict is None:
                    words = f"I4: it was not over after {CASE_AT_MOST:.0f} s, or its fork server died"
                    each(Verdict(case, ((),), (words,), CASE_AT_MOST))
                    return
                each(verdict)

        async with asyncio.TaskGroup() as group:
            for server in self._servers:
                group.create_task(work(server))


@asynccontextmanager
async def players(kind: str, processes: int = PROCESSES) -> AsyncIterator[Players]:
    """On databases of this kind."""
    async with AsyncExitStack() as stack:
        place = stack.enter_context(_place(kind))
        servers = [await stack.enter_async_context(_server(place)) for _ in range(processes)]
        yield Players(servers)


@asynccontextmanager
async def _server(place: str) -> AsyncIterator[Process]:
    argv = [sys.executable, "-m", "tests.chaos.fork_server", place]
    server = await asyncio.create_subprocess_exec(*argv, stdin=PIPE, stdout=PIPE, limit=LONGEST_LINE)
    try:
        yield server
        assert server.stdin is not None
        server.stdin.close()
        await server.wait()
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()


async def _played(server: Process, case: Case) -> Verdict | None:
    """None: nothing was heard of it, and the server is gone."""
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(asdict(case)).encode() + b"\n")
    try:
        line = await asyncio.wait_for(server.stdout.readline(), CASE_AT_MOST)
        told = json.loads(line)
    except (TimeoutError, ValueError):
        if server.returncode is None:
            server.kill()
        return None
    trails = tuple(tuple(trail) for trail in told["trails"])
    return Verdict(case, trails, tuple(told["problems"]), told["seconds"])
