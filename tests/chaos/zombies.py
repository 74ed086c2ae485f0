"""Part: a worker is stopped for longer than its lease and then goes on, while another has its runs.

It must write nothing more, and the backend must refuse what it begins.
"""

import asyncio
import random
import time
from collections.abc import Callable

from handlers.worker import LEASE
from tests.chaos.checker import violations
from tests.chaos.options import Options, Result
from tests.replicas import crowd
from tests.replicas.crowd import WORKERS, Crowd, all_quiet
from tests.replicas.histories import histories
from tests.replicas.world import Replicas

TIMES, SHORT = 50, 2
TARGETS = 12
LONGER = (1.0, 8.0)  # seconds beyond the lease
BETWEEN = (0.5, 4.0)  # seconds in which both workers live
RESTORES = (0.0, 25.0)  # seconds that one takes: some end while their worker stands still, some after


async def run(options: Options) -> list[Result]:
    began = time.perf_counter()
    randomness = random.Random(f"{options.seed} zombies")
    times = TIMES if options.long else SHORT
    targets = crowd.targets(TARGETS)
    async with crowd.crowded(targets, randomness.randrange(2**32)) as (world, _):
        people = Crowd(world, randomness)
        for target in targets:
            world.backend.takes(target.name, round(randomness.uniform(*RESTORES), 1))
        stops = await _haunted(world, people, times, lambda: options.over(began))
        await all_quiet(world)
        found = [f"{one.invariant}: {one.words}" for one in violations(await histories(world))]
        found += world.ended_by_themselves()
        lost = sum(world.workers[name].log.read_text().count("claim lost") for name in WORKERS)
    again = f"--only zombies --seed {options.seed}" + (" --long" if options.long else "")
    measured = f"{stops}, {lost} claims found lost, {people.done} runs, {len(found)} violations"
    options.say(f"zombies: {measured}")
    return [
        Result(
            "workers stopped beyond the lease",
            f"{times}, 0 violations",
            measured,
            stops >= times and not found,
            options.seed,
            time.perf_counter() - began,
            [f"{again}: {words}" for words in found],
        )
    ]


async def _haunted(world: Replicas, people: Crowd, times: int, over: Callable[[], bool]) -> int:
    """How many times a worker stood still and went on, under load; fewer than `times` when it was over."""
    stop, stops = asyncio.Event(), 0
    async with people.watching():
        working = [
            asyncio.create_task(people.keep_going(target.name, stop.is_set)) for target in world.targets
        ]
        while stops < times and not over():
            victim = people.randomness.choice(WORKERS)
            await asyncio.sleep(people.randomness.uniform(*BETWEEN))
            world.workers[victim].freeze()
            await asyncio.sleep(LEASE.total_seconds() + people.randomness.uniform(*LONGER))
            world.workers[victim].thaw()
            stops += 1
        stop.set()
        await asyncio.gather(*working)
    return stops
