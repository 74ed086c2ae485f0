"""Asks the database and the targets on behalf of the shell. Changes nothing, and waits for no `serve`.

The database is opened beside a running `serve`, for short transactions and without its lock. Targets are
asked from here: this machine acts as a worker, so it needs their credentials, and no token of Slack.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from backends.installed import definitions
from backends.opening import resolver_for
from backends.world import ConfiguredWorld
from bot.clock import SteadyClock
from bot.configuration import Configuration, Target, load
from bot.duties import Duty
from bot.envelope import Event
from bot.errors import ConfigurationError, TemporaryError, UserError
from bot.model import Goal, Plan, Points
from bot.planner import Planner
from bot.run import Run
from bot.spans import Lived
from bot.spelling import did_you_mean
from bot.suggesting import Offer, why_none_suggested
from bot.views.reminder import DutyFacts
from handlers.cli.database import stored
from handlers.cli.output import aside
from handlers.due import facts_of
from handlers.settings import ProcessSettings
from storage.duties import DutyStore
from storage.projection import Summary
from storage.runs import Store

TARGET_ANSWERS_WITHIN_SECONDS = 60.0
EVERY_RUN = 2**31 - 1  # the largest limit that every database takes


@dataclass(frozen=True, slots=True)
class TargetReport:
    """A target, and what is known of it without asking it."""

    target: Target
    open_run: str | None
    live: Lived | None  # as it was seen last; None: nobody has looked
    held: tuple[str, ...]  # ids of points


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run, and what is said about it beside its own fold."""

    run: Run
    events: tuple[Event, ...]
    installation: str
    url: str | None  # None: no `public_url` is configured, so there are no links


async def targets(settings: ProcessSettings) -> list[TargetReport]:
    """Touches no target: says what was seen of each. Raises ConfigurationError."""
    configuration = load(settings.config, definitions())
    async with stored(settings) as store:
        open_runs, holds = await store.open_runs(), await store.holds(list(configuration.targets))
        return [
            TargetReport(
                target,
                open_runs.get(name),
                next(reversed(await store.lived(name)), None),
                tuple(hold.point for hold in holds if hold.target == name),
            )
            for name, target in configuration.targets.items()
        ]


@dataclass(frozen=True, slots=True)
class DrillReport:
    """Says what is due of a target, and what its drills have shown."""

    duty: Duty
    facts: DutyFacts


async def drills(settings: ProcessSettings) -> list[DrillReport]:
    """Returns the drills, what is due first in front. Touches no target. Raises ConfigurationError."""
    configuration = load(settings.config, definitions())
    async with stored(settings) as store:
        duties = await DutyStore(store).all()
        now = SteadyClock()()
        return [DrillReport(duty, await facts_of(store, configuration, duty, now)) for duty in duties]


async def points(settings: ProcessSettings, name: str) -> Offer:
    """Raises ConfigurationError, UserError, and what executors raise."""
    configuration = load(settings.config, definitions())
    target = known(configuration, name)
    async with stored(settings) as store, opened_world(configuration, settings) as world, _patience(target):
        planner = Planner(configuration, store, world, SteadyClock())
        return await planner.offer(target.name, await planner.points(target.name))


async def plan(settings: ProcessSettings, name: str, point: str | None) -> Plan:
    """Back to `point`, else to the one that is suggested. Raises as `points` does."""
    configuration = load(settings.config, definitions())
    target = known(configuration, name)
    async with stored(settings) as store, opened_world(configuration, settings) as world, _patience(target):
        planner = Planner(configuration, store, world, SteadyClock())
        if point is None:
            point = await suggested(target.name, await planner.points(target.name), planner)
        return await planner.plan(target, Goal(point=point))


async def runs(settings: ProcessSettings, target: str | None) -> tuple[Summary, ...]:
    """All of them, newest first."""
    async with stored(settings) as store:
        return await store.summaries(target=target, limit=EVERY_RUN)


async def run(settings: ProcessSettings, typed: str) -> RunReport:
    """Raises UserError when there is no such run."""
    async with stored(settings) as store:
        found = await run_called(store, typed)
        return RunReport(found, await store.events(found.id), store.installation, _url(settings, found.id))


async def run_called(store: Store, typed: str) -> Run:
    """Raises UserError when there is no such run."""
    run_id = f"RB-{int(typed)}" if typed.isascii() and typed.isdigit() else typed.upper()
    try:
        return await store.load(run_id)
    except KeyError:
        raise UserError(f"There is no run {run_id}. `rollback-bot runs` lists them all.") from None


def _url(settings: ProcessSettings, run_id: str) -> str | None:
    """A configuration that is broken just now hides no run."""
    try:
        public_url = load(settings.config, definitions()).public_url
    except ConfigurationError:
        return None
    return f"{public_url}/runs/{run_id}" if public_url else None


# Targets -------------------------------------------------------------------------------------------


def known(configuration: Configuration, name: str) -> Target:
    """Raises UserError, which asks for the nearest name and takes none by itself."""
    target = configuration.targets.get(name.casefold())
    if target is not None:
        return target
    question = did_you_mean(name, configuration.targets)
    raise UserError(f"There is no target `{name}`.{question} `rollback-bot targets` lists them.")


async def suggested(target: str, listed: Points, planner: Planner) -> str:
    """Returns the id of the point to take where none was named. Raises UserError when there is none."""
    point = (await planner.offer(target, listed)).suggested
    if point is None:
        raise UserError(why_none_suggested(target, listed))
    return point


@asynccontextmanager
async def opened_world(
    configuration: Configuration, settings: ProcessSettings
) -> AsyncIterator[ConfiguredWorld]:
    """The backends, for one command. What could not be closed ends with the process, and is said."""
    resolver = resolver_for(configuration, settings.state, settings.worker_key)
    world = ConfiguredWorld(configuration, definitions(), resolver)
    try:
        yield world
    finally:
        aside(*await world.close())


@asynccontextmanager
async def _patience(target: Target) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(TARGET_ANSWERS_WITHIN_SECONDS):
            yield
    except TimeoutError:
        waited = f"{TARGET_ANSWERS_WITHIN_SECONDS:.0f} s"
        raise TemporaryError(
            f"`{target.name}` did not answer within {waited}. Look whether its backend is up."
        ) from None
