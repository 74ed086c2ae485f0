"""A few thousand of each, with a seed of their own each time: a violation names it."""

import random
from pathlib import Path

import pytest

from tests.handlers.conftest import Open
from tests.handlers.web.browsing import ask
from tests.hostile import after, before, wire
from tests.hostile.result import Result


@pytest.fixture
def seed() -> int:
    return random.SystemRandom().randrange(10**6)


def held(result: Result) -> None:
    assert not result.violated, "\n".join(result.table())


def test_whatever_is_not_signed_is_turned_away(seed: int) -> None:
    result = before.run(3_000, seed)
    held(result)
    assert result.answers["signed 200"] > 100  # what is signed and can be read does come in


async def test_whatever_is_signed_moves_no_run_that_its_sender_may_not_move(
    tmp_path: Path, template: Path, seed: int
) -> None:
    result = await after.run(2_000, seed, tmp_path, template)
    held(result)
    assert result.answers["200"] > 300  # many reach their listeners


async def test_whatever_is_hardly_http_is_answered_or_closed(open_world: Open, seed: int) -> None:
    world = await open_world(mode="http")
    held(await wire.run(world, 600, seed))
    assert (await ask(world, "/readyz")).status == 200


@pytest.mark.parametrize("campaign", [before.make, wire.make])
def test_the_same_seed_makes_the_same_requests(campaign: object, seed: int) -> None:
    assert callable(campaign)
    once, again = random.Random(seed), random.Random(seed)
    assert [campaign(once) for _ in range(50)] == [campaign(again) for _ in range(50)]
