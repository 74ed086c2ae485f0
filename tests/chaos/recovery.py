"""Part: killed with ten thousand open runs, some of them under way, how soon does it serve and go on?

One process and an SQLite file: at its start it knows that whoever drove before it is dead.
"""

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.clock import utc_now
from bot.model import State
from handlers.keys import signer_at
from storage.database import sqlite_url
from tests.chaos.options import Options, Result
from tests.chaos.takeover import epochs, is_hanging
from tests.replicas import crowd
from tests.replicas.crowd import Crowd
from tests.replicas.world import Replicas
from tests.storage.past import write_waiting

WAITING = 10_000
TIMES, SHORT = 10, 2
UNDER_WAY = 10
SERVING_WITHIN, RESUMED_WITHIN = 5.0, 10.0  # seconds
BOT = "bot"


async def run(options: Options) -> list[Result]:
    began = time.perf_counter()
    randomness = random.Random(f"{options.seed} recovery")
    times = TIMES if options.long else SHORT
    targets = crowd.targets(UNDER_WAY)
    with tempfile.TemporaryDirectory(prefix="rollback-recovery-") as folder:
        (Path(folder) / f"state-{BOT}").mkdir()
        url = sqlite_url(Path(folder) / f"state-{BOT}" / "rollback.db")
        members, groups = crowd.people(targets), crowd.groups(targets, approvers=1)
        world = Replicas(Path(folder), url, targets, members, groups, randomness.randrange(2**32))
        await world.open()
        try:
            await write_waiting(url, signer_at(Path(folder) / "front.key"), WAITING, utc_now())
            await world.whole(BOT)
            people = Crowd(world, randomness)
            measured = list[Recovery]()
            async with people.watching():
                while len(measured) < times and not options.over(began):
                    measured.append(await _once(world, people, len(measured)))
            found = [*_repeated(world), *world.ended_by_themselves()]
        finally:
            await world.close()
    serving, resumed = max(one.serving for one in measured), max(one.resumed for one in measured)
    again = f"--only recovery --seed {options.seed}" + (" --long" if options.long else "")
    slowest = f"serving after {serving:.1f} s, {UNDER_WAY} runs resumed after {resumed:.1f} s"
    options.say(f"recovery: {slowest}")
    return [
        Result(
            f"recovery with {WAITING} open runs",
            f"serving ≤ {SERVING_WITHIN:.0f} s, runs resumed ≤ {RESUMED_WITHIN:.0f} s",
            f"{len(measured)} kills: {slowest}",
            serving <= SERVING_WITHIN and resumed <= RESUMED_WITHIN and not found,
            options.seed,
            time.perf_counter() - began,
            [f"{again}: {words}" for words in found],
        )
    ]


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds from the start to `listening on`, and until every run under way was driven again."""

    serving: float
    resumed: float


async def _once(world: Replicas, people: Crowd, number: int) -> Recovery:
    names = [target.name for target in world.targets]
    for name in names:
        world.backend.hang(name)
    ids = await asyncio.gather(*(people.begin(name, number) for name in names))
    await asyncio.gather(*(is_hanging(world, name, number + 1) for name in names))
    before = await epochs(world, ids)
    await world.kill_front(BOT)
    started_at = time.monotonic()
    await world.whole(BOT)
    serving = time.monotonic() - started_at
    await world.eventually(lambda: _all_newer(world, before), "every run to be driven again")
    resumed = time.monotonic() - started_at
    world.backend.release()
    for name, run_id in zip(names, ids, strict=True):
        assert await people.ends(name, run_id) is State.SUCCEEDED
    return Recovery(serving, resumed)


async def _all_newer(world: Replicas, before: Mapping[str, int]) -> bool:
    now = await epochs(world, list(before))
    return all(now[run_id] > epoch for run_id, epoch in before.items())


def _repeated(world: Replicas) -> list[str]:
    """What was done more than once. The checker is for fewer runs than these."""
    times = Counter(op for target in world.targets for op in world.backend.begun(target.name))
    return [f"{op} was begun {count} times" for op, count in times.items() if count > 1]
