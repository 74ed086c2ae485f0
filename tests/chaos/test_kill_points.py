"""The quick selection: a part of the kill points and a few pairs. `make chaos` walks all of them."""

from collections.abc import Sequence
from itertools import islice

import pytest

from tests.chaos.cases import Case, Verdict
from tests.chaos.kill_points import GATE, census, points
from tests.chaos.pairs import pairs
from tests.chaos.playing import Players, players

SEED = 20261122
EVERY = {"sqlite": 24, "postgres": 80}
PAIRS = {"sqlite": 10, "postgres": 3}


@pytest.fixture(params=["sqlite", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def problems(playing: Players, cases: Sequence[Case]) -> list[str]:
    found: list[str] = []

    def each(verdict: Verdict) -> None:
        found.extend(f"{problem} {verdict.case}" for problem in verdict.problems)

    await playing.play(cases, each)
    return found


async def test_whatever_moment_it_is_killed_at_nothing_is_lost_and_nothing_done_twice(kind: str) -> None:
    async with players(kind) as playing:
        trails, unprovoked = await census(playing, SEED)
        every = list(points(trails, SEED).values())
        assert len(every) >= GATE
        chosen = every[:: EVERY[kind]]
        lengths = {story: len(trail) for story, trail in trails.items()}
        chosen += islice(pairs(lengths, SEED), PAIRS[kind])
        found = unprovoked + await problems(playing, chosen)
        assert not found, "\n".join(found)
