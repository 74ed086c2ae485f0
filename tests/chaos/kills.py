"""Part: fronts, workers and PostgreSQL killed at random moments under load, with nobody told before.

A batch is one world: its own database, Slack and people. So nothing grows with the length of the whole.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.chaos.checker import violations
from tests.chaos.options import Options, Result
from tests.postgres import PostgresServer
from tests.replicas import crowd
from tests.replicas.crowd import FRONTS, WORKERS, Crowd, all_quiet
from tests.replicas.histories import histories
from tests.replicas.programs import DidNotStart
from tests.replicas.world import Replicas

RUNS, KILLS = 20_000, 1_000
SHORT_RUNS, SHORT_KILLS = 100, 15
MOST_RUNS = 1_000  # of a batch
AT_ONCE = 20  # targets; each is in one run at a time
PAUSE = (0.5, 2.0)  # seconds between two kills
DOWN = (0.0, 1.0)  # seconds until what was killed is started again
STARTED_AGAIN_AFTER = 0.5  # seconds
RESTORES = (0.0, 1.0)  # seconds that one takes
DATABASE = "postgres"


@dataclass(frozen=True, slots=True)
class Batch:
    number: int
    runs: int
    kills: int


@dataclass(frozen=True, slots=True)
class Outcome:
    runs: int
    held: int  # wait for people
    kills: Counter[str]
    problems: tuple[str, ...]


async def run(options: Options) -> list[Result]:
    began = time.perf_counter()
    wanted = Batch(0, RUNS, KILLS) if options.long else Batch(0, SHORT_RUNS, SHORT_KILLS)
    outcomes = [
        await _batch(batch, options, lambda: options.over(began))
        for batch in batches(wanted)
        if options.case in {None, batch.number} and not options.over(began)
    ]
    runs, held = sum(o.runs for o in outcomes), sum(o.held for o in outcomes)
    kills = sum((o.kills for o in outcomes), Counter[str]())
    problems = [problem for outcome in outcomes for problem in outcome.problems]
    told = ", ".join(f"{count} of {name}" for name, count in sorted(kills.items()))
    return [
        Result(
            "random kill -9 of fronts, workers and PostgreSQL under load",
            f"{wanted.kills} kills, {wanted.runs} runs, 0 violations",
            f"{kills.total()} kills ({told}), {runs} runs, {held} held, {len(problems)} violations",
            runs + held >= wanted.runs and kills.total() >= wanted.kills and not problems,
            options.seed,
            time.perf_counter() - began,
            problems,
        )
    ]


def batches(wanted: Batch) -> Iterator[Batch]:
    count = max(1, wanted.runs // MOST_RUNS)
    for number in range(count):
        yield Batch(number, wanted.runs // count, wanted.kills // count)


async def _batch(batch: Batch, options: Options, over: Callable[[], bool]) -> Outcome:
    randomness = random.Random(f"{options.seed} kills {batch.number}")
    again = f"--only kills --seed {options.seed} --case {batch.number}" + (" --long" if options.long else "")
    seed = randomness.randrange(2**32)
    async with crowd.crowded(crowd.targets(AT_ONCE), seed) as (world, server):
        for target in world.targets:
            world.backend.takes(target.name, round(randomness.uniform(*RESTORES), 2))
        people = Crowd(world, randomness)
        kills = await _under_fire(world, server, batch, over, people)
        await all_quiet(world)
        found = [f"{one.invariant}: {one.words}" for one in violations(await histories(world))]
        found += world.ended_by_themselves()
    problems = tuple(f"{again}: {words}" for words in found)
    options.say(f"kills {batch.number}: {people.done} runs, {dict(kills)}, {len(problems)} violations")
    return Outcome(people.done, len(people.held), kills, problems)


async def _under_fire(
    world: Replicas, server: PostgresServer, batch: Batch, over: Callable[[], bool], people: Crowd
) -> Counter[str]:
    """Until the batch is complete or all is over. What was killed runs again when it returns."""
    killed = Counter[str]()
    nobody_left = asyncio.Event()

    def enough() -> bool:
        complete = people.ended >= batch.runs and killed.total() >= batch.kills
        return complete or nobody_left.is_set() or over()

    async with people.watching():
        fire = asyncio.create_task(_fire(world, server, people, killed, batch, enough))
        try:
            await asyncio.gather(*(people.keep_going(target.name, enough) for target in world.targets))
            nobody_left.set()
            await fire
        finally:
            fire.cancel()
            await asyncio.gather(fire, return_exceptions=True)
    return killed


async def _fire(
    world: Replicas,
    server: PostgresServer,
    people: Crowd,
    killed: Counter[str],
    batch: Batch,
    enough: Callable[[], bool],
) -> None:
    """Kills, no faster than runs end: the last of them still meets one."""
    randomness = people.randomness
    rising: dict[str, asyncio.Task[None]] = {}
    while not enough():
        await asyncio.sleep(randomness.uniform(*PAUSE))
        if killed.total() * batch.runs > people.ended * batch.kills:
            continue
        victim, down = randomness.choice((*FRONTS, *WORKERS, DATABASE)), randomness.uniform(*DOWN)
        if victim in rising and not rising[victim].done():
            continue  # it is not back yet
        if victim == DATABASE:
            server.kill()
            await asyncio.sleep(down)
            server.start()
        else:
            rising[victim] = asyncio.create_task(_killed(world, victim, down))
        killed[victim] += 1
    await asyncio.gather(*rising.values())


async def _killed(world: Replicas, victim: str, down: float) -> None:
    """And started again, until it stays: the database may be down."""
    if victim in FRONTS:
        await world.kill_front(victim)
    else:
        await world.workers[victim].kill()
    await asyncio.sleep(down)
    start = world.front if victim in FRONTS else world.worker
    while True:
        try:
            await start(victim)
        except DidNotStart:
            await asyncio.sleep(STARTED_AGAIN_AFTER)
        else:
            return
