"""Many runs at once: two hundred that two people agreed on in one moment, until the last has succeeded.

Each has six effects of 20 ms: maintenance on, undo point, three restores, maintenance off. Beside it, in the
same run: the same sleeps with nothing stored, and as many durable transactions as the store was asked for,
one after another. The runs are planned and posted before the clock starts; so are the processes.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.databases import Place, postgresql, sqlite
from benchmarks.figure import Figure, quantile
from benchmarks.installation import new_folder
from benchmarks.process import cpu_seconds
from benchmarks.programs import Program, running
from benchmarks.sleeping import STEP, STEPS

RUNS = 200
WRITES = 12  # of a run: approved, claimed, ten times an event or more, released
DONE_WITHIN = 3.0  # seconds
LOOK_EVERY = 0.02  # seconds
GIVEN_UP_AFTER = 60.0  # seconds
LEFT = "select count(*) from runs where not final"
SUCCEEDED = "select count(*) from runs where state = 'succeeded'"


@dataclass(frozen=True, slots=True)
class Round:
    seconds: float
    workers_cpu: float
    database_cpu: float


async def measure(quick: bool) -> list[Figure]:
    rounds = 1 if quick else 3
    sleeps = await _sleeps()
    figures = []
    with new_folder() as folder:
        async with sqlite(folder) as place:
            figures.append(await _on(place, folder, 0, rounds, sleeps))
    for workers in (1, 2):
        with new_folder() as folder:
            async with postgresql(folder) as place:
                figures.append(await _on(place, folder, workers, rounds, sleeps))
    return figures


async def _sleeps() -> float:
    """What the world takes for it."""

    async def run() -> None:
        for _ in range(STEPS):
            await asyncio.sleep(STEP)

    began = time.perf_counter()
    await asyncio.gather(*(run() for _ in range(RUNS)))
    return time.perf_counter() - began


async def _on(place: Place, folder: Path, workers: int, rounds: int, sleeps: float) -> Figure:
    """`workers` 0: who hears the approvals also drives."""
    commits = await asyncio.to_thread(place.commits, RUNS * WRITES)
    async with _drivers(place, folder, workers) as (front, drivers):
        done = [await _round(place, front, drivers) for _ in range(rounds)]
    name = "SQLite" if not workers else f"PostgreSQL, {workers} worker{'s' if workers > 1 else ''}"
    return _figure(name, done, sleeps, commits)


@contextlib.asynccontextmanager
async def _drivers(place: Place, folder: Path, workers: int) -> AsyncIterator[tuple[Program, list[Program]]]:
    order = {"database": place.url, "folder": str(folder), "runs": RUNS}
    async with contextlib.AsyncExitStack() as stack:
        programs = []
        for _ in range(1 + workers):
            programs.append(await stack.enter_async_context(running("benchmarks.driving")))
            await programs[-1].ask(order)
        drivers = programs[1:] or programs
        for program in drivers:
            await program.ask({"do": "drive"})
        yield programs[0], drivers


async def _round(place: Place, front: Program, drivers: Sequence[Program]) -> Round:
    await front.ask({"do": "open"})
    before = place.read(SUCCEEDED)[0][0]
    workers_cpu = sum(cpu_seconds(program.pid) for program in drivers)
    database_cpu = place.cpu()
    began = time.monotonic()
    await front.ask({"do": "approve"})
    while place.read(LEFT)[0][0]:
        if time.monotonic() > began + GIVEN_UP_AFTER:
            raise TimeoutError(f"{place.read(LEFT)[0][0]} runs have not ended")
        await asyncio.sleep(LOOK_EVERY)
    seconds = time.monotonic() - began
    if place.read(SUCCEEDED)[0][0] - before != RUNS:
        raise RuntimeError("not every run has succeeded")
    return Round(
        seconds,
        sum(cpu_seconds(program.pid) for program in drivers) - workers_cpu,
        place.cpu() - database_cpu,
    )


def _figure(name: str, rounds: Sequence[Round], sleeps: float, commits: float) -> Figure:
    middle = quantile([one.seconds for one in rounds], 0.5)
    worker = quantile([one.workers_cpu for one in rounds], 0.5)
    database = quantile([one.database_cpu for one in rounds], 0.5)
    return Figure(
        f"{RUNS} runs of {STEPS} steps, {name}",
        f"{middle:.2f} s, {RUNS / middle:.0f} runs/s; CPU {worker:.2f} s + {database:.2f} s of the database; "
        f"its sleeps alone {sleeps:.2f} s, its {RUNS * WRITES} transactions alone {commits:.2f} s",
        f"≤ {DONE_WITHIN:.0f} s",
        middle <= DONE_WITHIN,
        {
            "seconds": [round(one.seconds, 3) for one in rounds],
            "workers_cpu": [round(one.workers_cpu, 2) for one in rounds],
            "database_cpu": [round(one.database_cpu, 2) for one in rounds],
            "sleeps_alone": round(sleeps, 3),
            "commits_alone": round(commits, 3),
        },
    )
