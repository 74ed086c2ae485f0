"""Part: two kills in a row, the second while the first is being made good, both chosen by the seed."""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from tests.chaos.cases import Case, Verdict
from tests.chaos.kill_points import census, told
from tests.chaos.options import Options, Result
from tests.chaos.playing import players, that_fit
from tests.chaos.upgrades import EVERY_STORY

GATE = 10_000
SHORT = 1_000
AFTERWARDS = 40  # moments that a second life may reach beyond those that the first had left


async def run(options: Options) -> list[Result]:
    wanted = GATE if options.long else SHORT
    kinds = options.databases
    return [await _on(kind, wanted // len(kinds), options) for kind in kinds]


async def _on(kind: str, wanted: int, options: Options) -> Result:
    began, played, twice = time.perf_counter(), list[Case](), list[Case]()
    async with players(kind) as playing:
        trails, problems = await census(playing, options.seed)
        lengths = {story: len(trail) for story, trail in trails.items()}
        first, last = _which(options, wanted)
        numbers: dict[Case, int] = {}

        def numbered() -> Iterator[Case]:
            for n, case in enumerate(islice(pairs(lengths, options.seed), first, last), first):
                numbers[case] = n
                yield case

        def each(verdict: Verdict) -> None:
            played.append(verdict.case)
            if verdict.kills > 1:
                twice.append(verdict.case)
            how = f"--only pairs --database {kind}"
            problems.extend(told(verdict, how, numbers[verdict.case], _names(verdict.trails)))

        await playing.play(that_fit(numbered(), options), each)
    seconds = time.perf_counter() - began
    measured = f"{len(played)}, {len(twice)} of them killed twice, {len(problems)} violations"
    options.say(f"two-kill sequences on {kind} in {seconds:.0f} s: {measured}")
    return Result(
        f"two-kill sequences on {kind}",
        f"{wanted}, 0 violations",
        measured,
        len(played) >= wanted and not problems,
        options.seed,
        seconds,
        problems,
    )


def _which(options: Options, wanted: int) -> tuple[int, int | None]:
    """The first of them, and the one before which it ends; None: when the time is over."""
    if options.case is not None:
        return options.case, options.case + 1
    return 0, wanted if options.minutes is None else None


def pairs(lengths: Mapping[str, int], seed: int) -> Iterator[Case]:
    """Different ones without end. `lengths`: how many moments each story has when nobody is killed."""
    chance, found = random.Random(seed), set[Case]()
    while True:
        story = chance.choice(EVERY_STORY)
        first = chance.randint(1, lengths[story])
        second = chance.randint(1, lengths[story] - first + AFTERWARDS)
        case = Case(story, (first, second), seed)
        if case not in found:
            found.add(case)
            yield case


def _names(trails: Sequence[Sequence[str]]) -> str:
    return ", then ".join(trail[-1] for trail in trails[:-1] if trail)
