"""Part: how long a run waits when its worker is killed, until another one drives it."""

import asyncio
import random
import time
from collections.abc import Sequence
from statistics import median

from sqlalchemy import select

from handlers.worker import LEASE
from storage.tables import runs
from tests.chaos.checker import violations
from tests.chaos.options import Options, Result
from tests.replicas import crowd
from tests.replicas.crowd import WORKERS, Crowd, all_quiet
from tests.replicas.histories import histories
from tests.replicas.world import Replicas

TIMES, SHORT = 20, 2
RUNS = 6  # under way at each kill, about half of them driven by the one that is killed
WITHIN = 15.0  # seconds
LOOKED_EVERY = 0.02  # seconds


async def run(options: Options) -> list[Result]:
    began = time.perf_counter()
    randomness = random.Random(f"{options.seed} takeover")
    times = TIMES if options.long else SHORT
    targets = crowd.targets(RUNS)
    async with crowd.crowded(targets, randomness.randrange(2**32)) as (world, _):
        people = Crowd(world, randomness)
        waited, kills = list[float](), 0
        async with people.watching():
            while kills < times and not options.over(began):
                waited += await _once(world, people, kills)
                kills += 1
        await all_quiet(world)
        found = [f"{one.invariant}: {one.words}" for one in violations(await histories(world))]
        found += world.ended_by_themselves()
    again = f"--only takeover --seed {options.seed}" + (" --long" if options.long else "")
    slowest = max(waited, default=float("inf"))
    measured = f"{len(waited)} runs in {kills} kills: median {median(waited):.1f} s, slowest {slowest:.1f} s"
    options.say(f"takeover: {measured}")
    return [
        Result(
            "takeover of a killed worker's run",
            f"≤ {WITHIN:.0f} s",
            measured,
            slowest <= WITHIN and not found,
            options.seed,
            time.perf_counter() - began,
            [f"{again}: {words}" for words in found],
        )
    ]


async def _once(world: Replicas, people: Crowd, number: int) -> list[float]:
    """Seconds from the kill until another worker drove each run of the one that was killed."""
    names = [target.name for target in world.targets]
    for name in names:
        world.backend.hang(name)
    ids = await asyncio.gather(*(people.begin(name, number) for name in names))
    await asyncio.gather(*(is_hanging(world, name, number + 1) for name in names))
    await asyncio.sleep(people.randomness.uniform(0.0, 5.0))  # anywhere between two heartbeats
    before = await epochs(world, ids)
    victim = people.randomness.choice(WORKERS)
    await world.workers[victim].kill()
    killed_at = time.monotonic()
    waited: dict[str, float] = {}
    while time.monotonic() - killed_at < 2 * LEASE.total_seconds():
        for run_id, epoch in (await epochs(world, ids)).items():
            if epoch > before[run_id]:
                waited.setdefault(run_id, time.monotonic() - killed_at)
        await asyncio.sleep(LOOKED_EVERY)
    world.backend.release()
    await asyncio.gather(*(people.ends(name, run_id) for name, run_id in zip(names, ids, strict=True)))
    await world.worker(victim)
    return list(waited.values())


async def is_hanging(world: Replicas, name: str, times: int) -> None:
    await world.until(lambda: len(world.backend.begun(name)) >= times, f"the restore of {name}")


async def epochs(world: Replicas, ids: Sequence[str]) -> dict[str, int]:
    """Whoever drives a run anew counts its epoch up."""
    async with world.store.database.read() as connection:
        found = await connection.execute(select(runs.c.run_id, runs.c.epoch).where(runs.c.run_id.in_(ids)))
        return {row.run_id: row.epoch for row in found}
