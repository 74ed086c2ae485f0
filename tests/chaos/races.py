"""Part: two people press different things at two fronts in the same moment, thousands of times.

A wave is one request for each of many targets; then every pair of people presses at once. Who was first
decides, and both answers are true.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.model import State
from tests.chaos.checker import violations
from tests.chaos.options import Options, Result
from tests.replicas import crowd
from tests.replicas.backend import VERSIONS
from tests.replicas.crowd import FRONTS, Crowd, all_quiet
from tests.replicas.doors import through
from tests.replicas.histories import histories

RACES, SHORT = 10_000, 100
AT_ONCE, SHORT_AT_ONCE = 200, 25  # targets
MOST_RACES = 1_000  # of one world
PRESSED_AGAIN_AT_MOST_TIMES = 30


S = State


@dataclass(frozen=True, slots=True)
class Race:
    """Who presses what, at once. `ends`: what may come of it; awaiting: it takes more than that."""

    name: str
    quorum: int
    presses: tuple[tuple[str, str], ...]
    ends: frozenset[State]


def _race(name: str, quorum: int, *presses: tuple[str, str], ends: set[State]) -> Race:
    return Race(name, quorum, presses, frozenset(ends))


ONE, TWO, ASKER = "first", "second", "asker"
KINDS = (
    _race("two approve, one is enough", 1, (ONE, "approve"), (TWO, "approve"), ends={S.SUCCEEDED}),
    _race("two approve, both are needed", 2, (ONE, "approve"), (TWO, "approve"), ends={S.SUCCEEDED}),
    _race("one approves twice of two", 2, (ONE, "approve"), (ONE, "approve"), ends={S.AWAITING_APPROVAL}),
    _race("the requester approves too", 1, (ASKER, "approve"), (ONE, "approve"), ends={S.SUCCEEDED}),
    _race("approve and reject", 1, (ONE, "approve"), (TWO, "veto"), ends={S.SUCCEEDED, S.VETOED}),
    _race("approve and cancel", 1, (ONE, "approve"), (ASKER, "cancel"), ends={S.SUCCEEDED, S.CANCELLED}),
    _race("the first of two and reject", 2, (ONE, "approve"), (TWO, "veto"), ends={S.VETOED}),
)


async def run(options: Options) -> list[Result]:
    began = time.perf_counter()
    wanted, at_once = (RACES, AT_ONCE) if options.long else (SHORT, SHORT_AT_ONCE)
    worlds = [(n, min(MOST_RACES, wanted - n)) for n in range(0, wanted, MOST_RACES)]
    raced, problems = Counter[str](), list[str]()
    for number, races in worlds:
        if options.case in {None, number} and not options.over(began):
            again = f"--only races --seed {options.seed} --case {number}" + (
                " --long" if options.long else ""
            )
            waves = Waves(number, races // at_once, at_once, lambda: options.over(began))
            found = await _world(waves, options, raced)
            problems += [f"{again}: {words}" for words in found]
            options.say(f"races {number}: {raced.total()} so far, {len(problems)} violations")
    return [
        Result(
            "approval races on two fronts and two workers",
            f"{wanted}, 0 violations",
            f"{raced.total()} of {len(raced)} kinds, {len(problems)} violations",
            raced.total() >= wanted and not problems,
            options.seed,
            time.perf_counter() - began,
            problems,
        )
    ]


@dataclass(frozen=True, slots=True)
class Waves:
    """Of one world. Fewer than `count` when it is over."""

    world: int
    count: int
    at_once: int
    over: Callable[[], bool]


async def _world(waves: Waves, options: Options, raced: Counter[str]) -> list[str]:
    randomness = random.Random(f"{options.seed} races {waves.world}")
    kinds = [KINDS[n % len(KINDS)] for n in range(waves.at_once)]
    targets = [
        replace(target, quorum=kind.quorum)
        for target, kind in zip(crowd.targets(waves.at_once), kinds, strict=True)
    ]
    async with crowd.crowded(targets, randomness.randrange(2**32), approvers=2) as (world, _):
        people = Crowd(world, randomness)
        problems = list[str]()
        async with people.watching():
            for wave in range(waves.count):
                if waves.over():
                    break
                live = [world.backend.current(target.name) for target in targets]
                found = await asyncio.gather(
                    *(
                        _one(people, target.name, kind, _elsewhere(current, wave))
                        for target, kind, current in zip(targets, kinds, live, strict=True)
                    )
                )
                problems += [words for words in found if words]
                raced.update(kind.name for kind in kinds)
        await all_quiet(world)
        problems += [f"{one.invariant}: {one.words}" for one in violations(await histories(world))]
        return problems + world.ended_by_themselves()


def _elsewhere(current: str, wave: int) -> str:
    """A version that is not live: going to that one would be refused, and nothing raced for."""
    others = [version for version in VERSIONS if version != current]
    return others[wave % len(others)]


async def _one(people: Crowd, target: str, race: Race, point: str) -> str | None:
    """What should not have come of it; None: nothing."""
    run_id = await people.ask(target, point)
    await _press_at_once(people, target, run_id, race)
    if race.ends == {S.AWAITING_APPROVAL}:
        _, state = people.seen[target]
        await people.press_until_it_moves(target, run_id, f"{ASKER}-{target}", "cancel")
        return None if state is S.AWAITING_APPROVAL else f"{run_id} {race.name}: {state}"
    for _ in range(PRESSED_AGAIN_AT_MOST_TIMES):
        if await people.moves(target, run_id):
            break
        await _press_at_once(people, target, run_id, race)  # who was told "not accepted" presses again
    ended = await people.ends(target, run_id)
    return None if ended in race.ends else f"{run_id} {race.name}: {ended}"


async def _press_at_once(people: Crowd, target: str, run_id: str, race: Race) -> None:
    fronts = list(FRONTS)
    people.randomness.shuffle(fronts)
    await asyncio.gather(
        *(
            _pressed(people, target, run_id, front, *press)
            for front, press in zip(fronts, race.presses, strict=True)
        )
    )


async def _pressed(people: Crowd, target: str, run_id: str, front: str, who: str, action: str) -> None:
    with through(front):
        await people.press(target, run_id, f"{who}-{target}", action)
