"""Part: PostgreSQL hangs, or is killed and comes back later, under load, while people go on asking.

Whoever asks meanwhile is told in time that it was not accepted, and nothing of it ever runs.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable

from tests.chaos.checker import violations
from tests.chaos.histories import Answer
from tests.chaos.options import Options, Result
from tests.postgres import PostgresServer
from tests.replicas import crowd
from tests.replicas.crowd import Crowd, all_quiet
from tests.replicas.histories import histories
from tests.replicas.world import Replicas

TIMES, SHORT = 50, 4
WORKING, ASKING = 8, 8  # targets: of the crowd, and those that are only asked for during an outage
OUTAGE = (3.0, 10.0)  # seconds
BETWEEN = (3.0, 6.0)  # seconds
IN_TIME = 2.5  # seconds
TRUE_THEN = {Answer.NOT_ACCEPTED, Answer.NONE}  # NONE: "it is not known yet", said by that name


async def run(options: Options) -> list[Result]:
    began = time.perf_counter()
    randomness = random.Random(f"{options.seed} postgres down")
    times = TIMES if options.long else SHORT
    targets = crowd.targets(WORKING + ASKING)
    async with crowd.crowded(targets, randomness.randrange(2**32)) as (world, server):
        people = Crowd(world, randomness)
        outages, asked = await _through_outages(world, server, people, times, lambda: options.over(began))
        await all_quiet(world)
        seen = await histories(world)
        found = [f"{one.invariant}: {one.words}" for one in violations(seen)] + world.ended_by_themselves()
    slowest = max(asked)
    told = Counter(one.answer for one in seen.told if one.answer in TRUE_THEN)
    again = f"--only postgres-down --seed {options.seed}" + (" --long" if options.long else "")
    options.say(f"postgres down: {outages} outages, slowest answer {slowest:.2f} s, {len(found)} violations")
    return [
        Result(
            "told that it is not accepted while PostgreSQL is down",
            f"≤ {IN_TIME} s, 0 violations",
            f"{len(asked)} asked in {outages} outages, {told[Answer.NOT_ACCEPTED]} not accepted, slowest "
            f"{slowest:.2f} s, {people.done} runs, {len(found)} violations",
            slowest <= IN_TIME and not found,
            options.seed,
            time.perf_counter() - began,
            [f"{again}: {words}" for words in found],
        )
    ]


async def _through_outages(
    world: Replicas, server: PostgresServer, people: Crowd, times: int, over: Callable[[], bool]
) -> tuple[int, list[float]]:
    """How many outages there were, and the seconds until each request of one was answered."""
    names = [target.name for target in world.targets]
    stop, outages, asked = asyncio.Event(), 0, list[float]()
    async with people.watching():
        working = [asyncio.create_task(people.keep_going(name, stop.is_set)) for name in names[:WORKING]]
        while outages < times and not over():
            await asyncio.sleep(people.randomness.uniform(*BETWEEN))
            lasts, hangs = people.randomness.uniform(*OUTAGE), people.randomness.random() < 0.5
            server.freeze() if hangs else server.kill()
            asking = [asyncio.create_task(_timed(world, name, people.randomness)) for name in names[WORKING:]]
            await asyncio.sleep(lasts)
            server.thaw() if hangs else server.start()
            asked += await asyncio.gather(*asking)
            outages += 1
        stop.set()
        await asyncio.gather(*working)
    return outages, asked


async def _timed(world: Replicas, name: str, randomness: random.Random) -> float:
    await asyncio.sleep(randomness.uniform(0.0, 0.4))
    began = time.monotonic()
    await world.says(f"asker-{name}", name, f"{name} to v41")
    return time.monotonic() - began
