"""Runs asked for, approved and driven, without a Slack: one process of the `runs` figures.

First order: {"database", "folder", "runs"}. Then {"do": "open"}: a planned and posted run for each target;
{"do": "approve"}: all of them; {"do": "drive"}: whatever wants driving, from now on. On PostgreSQL the queue
says what that is, as in `serve`.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any

from benchmarks.orders import answer, orders
from benchmarks.sleeping import (
    APPROVES,
    ASKS,
    POINT,
    SleepingWorld,
    TwoPeople,
    configured,
)
from bot import codec, presses
from bot.clock import Clock, SteadyClock
from bot.configuration import MAIN_ZONE, Configuration, Target
from bot.engine import Engine
from bot.event_kinds import EventKind
from bot.model import Goal, Person, Purpose, State
from bot.planner import Planner
from bot.presses import Click
from bot.procedures import targets_of
from bot.run import Run
from bot.signatures import Signer
from handlers.context import Wake
from handlers.keys import signer_at
from handlers.watching import Watching
from handlers.worker import GROWN_SWEEP_EVERY_SECONDS, JOBS_AT_ONCE, SWEEP_EVERY_SECONDS, Worker
from storage.claims import Claims
from storage.database import Database, open_database
from storage.jobs import Jobs
from storage.looks import LookStore
from storage.runs import Store, open_store
from storage.transaction import Opening
from tests.bot.stories import happened

CHANNEL = "C000"
LOOK_EVERY = 0.05  # seconds
PLANNED_WITHIN = 60.0  # seconds


async def main() -> None:
    asked = orders()
    order = await anext(asked)
    folder = Path(order["folder"])
    database = open_database(order["database"])
    async with _queue(database) as jobs:
        clock, signer = SteadyClock(), signer_at(folder / "front.key")
        store = await open_store(database, signer, clock(), jobs)
        driving = Driving(configured(folder, int(order["runs"])), store, signer, clock, jobs)
        answer({})
        async for order in asked:
            answer(await driving.does(order["do"]))
        await driving.stop()
    await database.close()


@contextlib.asynccontextmanager
async def _queue(database: Database) -> AsyncIterator[Jobs | None]:
    if database.kind == "sqlite":
        yield None
    else:
        async with Jobs(database.url, lambda target: MAIN_ZONE) as jobs:
            yield jobs


class Driving:
    def __init__(
        self, configuration: Configuration, store: Store, signer: Signer, clock: Clock, jobs: Jobs | None
    ) -> None:
        self._configuration = configuration
        self._targets = [target for target in configuration.targets.values() if target.procedure]
        self._store = store
        self._clock = clock
        self._jobs = jobs
        self._wake = Wake()
        world, looks = SleepingWorld(), LookStore(store.database)
        keys = (signer.public,)
        planner, claims = Planner(configuration, store, world, clock), Claims(store)
        engine = Engine(configuration, store, world, planner, TwoPeople(), keys, clock, asyncio.sleep)
        every = SWEEP_EVERY_SECONDS if jobs is None else GROWN_SWEEP_EVERY_SECONDS
        self._worker = Worker(
            configuration,
            engine,
            planner,
            claims,
            looks,
            Watching(configuration, MAIN_ZONE, planner, store, clock),
            clock,
            self._wake,
            Wake(),
            sweep_every=every,
        )
        self._loops: list[asyncio.Task[None]] = []
        self._runs: list[Run] = []

    async def does(self, order: str) -> object:
        match order:
            case "open":
                opened = [await self._open(target) for target in self._targets]
                self._wake()
                await self._planned()
                self._runs = await asyncio.gather(*(self._post(run.id) for run in opened))
            case "approve":
                await asyncio.gather(*(self._approve(run) for run in self._runs))
                self._wake()
            case "drive":
                self._loops = [asyncio.create_task(loop) for loop in self._driving()]
            case _:
                raise ValueError(f"no such order: {order}")
        return {}

    async def _open(self, target: Target) -> Run:
        event = happened(EventKind.REQUESTED, self._clock(), ASKS.id, _wish(target.name))
        opening = Opening(event, targets_of(self._configuration, target), CHANNEL)
        return await self._store.change(lambda change: change.open(opening))

    async def _planned(self) -> None:
        """By the workers; nothing else waits for people."""
        until = asyncio.get_running_loop().time() + PLANNED_WITHIN
        while (planned := len(await self._store.ids_in(State.AWAITING_APPROVAL))) < len(self._targets):
            if asyncio.get_running_loop().time() > until:
                raise TimeoutError(f"only {planned} runs were planned")
            await asyncio.sleep(LOOK_EVERY)

    async def _post(self, run_id: str) -> Run:
        """As the publisher does when the card stands."""
        run = await self._store.load(run_id)
        return await self._store.append(run, happened(EventKind.POSTED, self._clock()))

    async def _approve(self, run: Run) -> None:
        now = self._clock()
        await self._store.append(run, *presses.events_for(presses.APPROVE, run, APPROVES, Click(), now))

    def _driving(self) -> Iterator[Coroutine[Any, Any, None]]:
        yield self._worker.run()
        if self._jobs is not None:
            yield self._jobs.run([MAIN_ZONE], self._worker.take_run, self._worker.take_look, JOBS_AT_ONCE)

    async def stop(self) -> None:
        await self._worker.stop(0.0)
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)


def _wish(target: str) -> dict[str, Any]:
    return {
        "target": target,
        "purpose": Purpose.ROLLBACK.value,
        "goal": codec.dump(Goal, Goal(point=POINT.id)),
        "requester": codec.dump(Person, ASKS),
        "channel": CHANNEL,
        "reason": "measured",
    }


if __name__ == "__main__":
    asyncio.run(main())
