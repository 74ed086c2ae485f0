"""Workers and fronts that die or stand still: others go on within the lease, and nothing happens twice.

A lease is many seconds of real time. So one story is told once, and each test looks at one thing in it. Each
zone has its own worker and its own heir, so that all of it happens at once.
"""

import asyncio
import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import select

from bot import codec
from bot.event_kinds import EventKind as E
from bot.model import State
from handlers.worker import LEASE
from storage.tables import runs
from tests.postgres import Databases
from tests.replicas.backend import Target
from tests.replicas.world import Replicas

TARGETS = (
    Target("stood"),  # its worker is stopped, and goes on when another has taken over
    Target("found", zone="north"),  # its worker is killed; the backend can be asked
    Target("blind", zone="north", found=False),  # its worker is killed; only that one's spool would know
    Target("handed", zone="south"),  # its worker is told to end
)
SWEPT_WITHIN = 10.0  # seconds; a sweep takes five, the rest is for a busy machine
LEFT = "left to the worker in whose spool it was begun"
WOKE = 3.0  # seconds in which somebody who was stopped does what it still wants to do; much less than a lease


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of the run of a target."""

    taken_after: float  # seconds until another worker drove it
    state: State
    events: tuple[E, ...]
    begun: int  # how often the backend was told to restore
    cards: int
    card: str


@dataclass(frozen=True, slots=True)
class Story:
    of: dict[str, Ended]  # by target
    asleep: tuple[E, ...]  # the events of `stood` when its first worker went on
    awake: tuple[E, ...]  # a while later, when its restore had ended
    left: bool  # `blind` was left to its worker, which was killed
    held: tuple[E, ...]  # the events of `blind` as long as that might come back


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, server: Databases) -> Story:
    """Told by whichever of pytest's processes comes first; the others wait for it."""
    here = tmp_path_factory.getbasetemp()
    everybody = here.parent if "PYTEST_XDIST_WORKER" in os.environ else here
    told = everybody / "takeover.json"
    with (everybody / "takeover.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            found = asyncio.run(_lived_through(tmp_path_factory.mktemp("takeover"), server))
            told.write_text(json.dumps(codec.dump(Story, found)))
    kept: Story = codec.load(Story, json.loads(told.read_text()))
    return kept


async def _lived_through(folder: Path, server: Databases) -> Story:
    with server.fresh() as url:
        world = Replicas(folder, url, TARGETS)
        await world.open()
        try:
            return await _told(world)
        finally:
            await world.close()


async def _told(world: Replicas) -> Story:
    leaving_soon = world.worker("leaving", "south", ROLLBACK_DRAIN_SECONDS="1")
    workers = (world.worker("stopped"), world.worker("killed", "north"), leaving_soon)
    await asyncio.gather(world.front("publishing"), *workers)
    handed = world.is_restoring("handed", asker="ben")  # nobody may have more than three open requests
    restoring = [world.is_restoring(target) for target in ("stood", "found", "blind")]
    await asyncio.gather(world.front("next"), handed, *restoring)
    await world.eventually(lambda: _is_followed(world, "blind"), "what was begun to be written down")
    before = {target.name: await _epoch(world, target.name) for target in TARGETS}

    world.workers["stopped"].freeze()
    await asyncio.gather(world.workers["killed"].kill(), world.kill_front("publishing"))
    since = dict.fromkeys(before, monotonic())
    world.backend.go_on("found")
    heirs = (world.worker("heir"), world.worker("northern", "north"), world.worker("southern", "south"))
    await asyncio.gather(*heirs)
    since["handed"] = monotonic()
    leaving = asyncio.create_task(world.workers["leaving"].terminate())
    taken = await asyncio.gather(*(_taken_over(world, target, epoch) for target, epoch in before.items()))
    assert await leaving == 0
    left = await _is_left(world)
    held = await _events(world, "blind")
    await world.stays_away("killed")

    await world.eventually(lambda: _is_followed(world, "stood"), "the heir to follow the restore")
    asleep = await _events(world, "stood")
    # The heir stands still meanwhile: the end of the restore is there to be written, by nobody else.
    world.workers["heir"].freeze()
    world.workers["stopped"].thaw()
    world.backend.release()
    await asyncio.sleep(WOKE)
    awake = await _events(world, "stood")
    world.workers["heir"].thaw()
    after = {target: at - since[target] for target, at in zip(before, taken, strict=True)}
    ended = {target: await _ended(world, target, after[target]) for target in before}
    return Story(ended, asleep, awake, left, held)


async def _ended(world: Replicas, target: str, taken_after: float) -> Ended:
    run = await world.reaches(target, "succeeded", "stuck", "paused", "failed")
    card = await world.shows(target, "is back at v41" if run.state is State.SUCCEEDED else run.id)
    events, begun = await _events(world, target), world.backend.begun(target)
    return Ended(taken_after, run.state, events, len(begun), len(world.cards(target)), card)


async def _taken_over(world: Replicas, target: str, before: int) -> float:
    """When it was. Whoever drives a run anew counts its epoch up."""

    async def by_another() -> bool:
        return await _epoch(world, target) > before

    await world.eventually(by_another, f"another worker for {target}")
    return monotonic()


async def _is_left(world: Replicas) -> bool:
    """Whether the heir says so: it does a moment after it has taken the run over."""

    async def is_said() -> bool:
        return LEFT in world.workers["northern"].said()

    try:
        return await world.eventually(is_said, "the heir to leave the run to its worker", WOKE)
    except AssertionError:
        return False


async def _epoch(world: Replicas, target: str) -> int:
    async with world.store.database.read() as connection:
        found = await connection.execute(select(runs.c.epoch).where(runs.c.target == target))
        return int(found.scalar_one())


async def _is_followed(world: Replicas, target: str) -> bool:
    """Whoever drives it has written all that there is to write until the restore ends."""
    return E.STEP_ACCEPTED in await _events(world, target)


async def _events(world: Replicas, target: str) -> tuple[E, ...]:
    run = await world.run(target)
    assert run is not None
    return tuple(event.kind for event in await world.store.events(run.id))


def test_the_run_of_a_killed_worker_is_taken_over_within_the_lease(story: Story) -> None:
    assert story.of["found"].taken_after < LEASE.total_seconds() + SWEPT_WITHIN


def test_what_the_killed_worker_had_begun_is_found_at_the_backend_not_repeated(story: Story) -> None:
    assert story.of["found"].state is State.SUCCEEDED
    assert story.of["found"].begun == 1


def test_what_only_the_killed_worker_could_tell_is_left_to_it_as_long_as_it_may_come_back(
    story: Story,
) -> None:
    assert story.left
    assert story.held[-1] is E.STEP_ACCEPTED


def test_what_only_the_killed_worker_could_have_told_is_not_known_and_never_begun_again(story: Story) -> None:
    assert story.of["blind"].state is State.STUCK
    assert story.of["blind"].begun == 1


def test_the_run_of_a_worker_that_stands_still_is_taken_over_within_the_lease(story: Story) -> None:
    assert story.of["stood"].taken_after < LEASE.total_seconds() + SWEPT_WITHIN


def test_a_worker_that_stood_still_writes_no_further_event(story: Story) -> None:
    assert story.awake == story.asleep


def test_a_worker_that_stood_still_causes_no_second_effect(story: Story) -> None:
    assert story.of["stood"].state is State.SUCCEEDED
    assert story.of["stood"].begun == 1
    assert story.of["stood"].events.count(E.RESTORED) == 1


def test_a_worker_that_is_told_to_end_hands_its_run_over_at_once(story: Story) -> None:
    assert story.of["handed"].taken_after < LEASE.total_seconds() - 1
    assert story.of["handed"].state is State.SUCCEEDED
    assert story.of["handed"].begun == 1


@pytest.mark.parametrize("target", ["found", "stood", "handed"])
def test_the_other_front_goes_on_with_the_same_card(story: Story, target: str) -> None:
    assert "is back at v41" in story.of[target].card
    assert story.of[target].cards == 1
