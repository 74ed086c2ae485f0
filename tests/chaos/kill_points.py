"""Part: every named moment of every story once, on each database."""

import time
from collections.abc import Iterator, Mapping, Sequence

from tests.chaos.cases import Case, Verdict
from tests.chaos.options import Options, Result
from tests.chaos.playing import Players, players, that_fit
from tests.chaos.upgrades import EVERY_STORY

GATE = 180  # distinct moments


async def run(options: Options) -> list[Result]:
    return [await _on(kind, options) for kind in options.databases]


async def _on(kind: str, options: Options) -> Result:
    began, killed = time.perf_counter(), set[str]()
    async with players(kind) as playing:
        trails, problems = await census(playing, options.seed)
        found = points(trails, options.seed)
        numbers = {case: n for n, case in enumerate(found.values()) if options.case in {None, n}}
        names = {case: name for name, case in found.items()}

        def each(verdict: Verdict) -> None:
            if verdict.kills:
                killed.add(names[verdict.case])
            how = f"--only kill-points --database {kind}"
            problems.extend(told(verdict, how, numbers[verdict.case], names[verdict.case]))

        await playing.play(that_fit(numbers, options), each)
    seconds = time.perf_counter() - began
    measured = f"{len(killed)} of {len(found)}, {len(problems)} violations"
    options.say(f"kill points on {kind} in {seconds:.0f} s: {measured}")
    return Result(
        f"distinct kill points on {kind}",
        f"≥ {GATE}, 0 lost, 0 doubled",
        measured,
        len(killed) >= GATE and not problems,
        options.seed,
        seconds,
        problems,
    )


def points(trails: Mapping[str, Sequence[str]], seed: int) -> dict[str, Case]:
    """Every distinct moment, with the case that ends at it for the first time."""
    found: dict[str, Case] = {}
    for story in EVERY_STORY:  # in their order, whichever census was ready first
        for at, name in enumerate(trails[story], start=1):
            found.setdefault(name, Case(story, (at,), seed))
    return found


async def census(playing: Players, seed: int) -> tuple[Mapping[str, Sequence[str]], list[str]]:
    """The moments of each story when nobody is killed, and what goes wrong even so."""
    found: dict[str, Sequence[str]] = {}
    problems: list[str] = []

    def each(verdict: Verdict) -> None:
        found[verdict.case.story] = verdict.trails[0]
        problems.extend(
            f"{problem} [{verdict.case.story}, nobody was killed]" for problem in verdict.problems
        )

    await playing.play([Case(story, (), seed) for story in EVERY_STORY], each)
    return found, problems


def told(verdict: Verdict, how: str, number: int, name: str) -> Iterator[str]:
    """Each problem, with what repeats it alone."""
    for problem in verdict.problems:
        yield f"{problem} [{verdict.case.story}: {name}; {how} --seed {verdict.case.seed} --case {number}]"
