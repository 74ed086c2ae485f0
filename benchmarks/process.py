"""The process itself: how soon it is ready, how much memory it holds, what it costs while nothing happens.

The very first start also makes the database; it is told apart from the later ones: what a restart costs.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

from benchmarks.figure import Figure, quantile
from benchmarks.installation import Installation, new_folder, pretend_slack

LIBRARIES = (
    "slack_bolt.async_app, slack_sdk.socket_mode.aiohttp, sqlalchemy.ext.asyncio, aiohttp.web, pydantic"
)
STARTS = 7
READY_WITHIN = 1.5  # seconds
RSS_AT_MOST = 120  # MiB
IDLE_FOR = 20.0  # seconds
IDLE_AT_MOST = 0.01  # of a core


async def measure(quick: bool) -> list[Figure]:
    starts = 3 if quick else STARTS
    idle_for = 5.0 if quick else IDLE_FOR
    imports = [await _import_libraries() for _ in range(starts)]
    ready: list[float] = []
    with new_folder() as folder:
        async with pretend_slack(["UASK000", "UYES000"], ["C000"]) as slack:
            installation = Installation(folder, ["shop"], ["UYES000"])
            async with installation.served(slack) as bot:
                first = bot.ready_after
            for _ in range(starts):
                async with installation.served(slack) as bot:
                    ready.append(bot.ready_after)
            async with installation.served(slack) as bot:
                rss = rss_mib(bot.program.pid)
                before = cpu_seconds(bot.program.pid)
                await asyncio.sleep(idle_for)
                idle = (cpu_seconds(bot.program.pid) - before) / idle_for
    median = quantile(ready, 0.5)
    return [
        Figure(
            "serve until ready",
            f"{median:.2f} s, first of all {first:.2f} s; imports alone {quantile(imports, 0.5):.2f} s",
            f"≤ {READY_WITHIN} s",
            median <= READY_WITHIN,
            {
                "seconds": [round(one, 3) for one in ready],
                "first": round(first, 3),
                "imports": [round(one, 3) for one in imports],
            },
        ),
        Figure(
            "memory when ready",
            f"{rss:.0f} MiB",
            f"≤ {RSS_AT_MOST} MiB",
            rss <= RSS_AT_MOST,
            {"mib": rss},
        ),
        Figure(
            "idle",
            f"{idle:.2%} of a core",
            f"≤ {IDLE_AT_MOST:.0%} of a core",
            idle <= IDLE_AT_MOST,
            {"share": idle, "seconds": idle_for},
        ),
    ]


async def _import_libraries() -> float:
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", f"import {LIBRARIES}")
    await process.wait()
    return time.perf_counter() - began


def rss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)


def cpu_seconds(pid: int) -> float:
    """User and system time, all threads."""
    return _ticks(pid, 11) / os.sysconf("SC_CLK_TCK")


def cpu_seconds_of_ended_children(pid: int) -> float:
    return _ticks(pid, 13) / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int, first: int) -> int:
    """Two neighbours of proc(5)'s stat, counted from behind the name."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[first]) + int(fields[first + 1])
