"""Jobs between processes: sent with the decision or not at all, one too many does no harm."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy import text

from bot import machine
from bot.event_kinds import EventKind as E
from storage.claims import Claim, Claims
from storage.database import Database, open_database
from storage.jobs import Jobs
from storage.looks import LookStore
from storage.postgres import listen
from storage.runs import Store, open_store
from storage.transaction import Opening, Transaction
from tests.bot.stories import T0, happened, later, plan_data, requested
from tests.people import ANA, BEN, CHANNEL
from tests.storage.conftest import FRONT
from tests.storage.told import approved, ask, plan_for, rows, tell

LEASE = timedelta(seconds=15)
DIED = "update procrastinate_jobs set status = 'doing'"  # by a worker that is not in its table any more
CUT = "select pg_terminate_backend(pid) from pg_stat_activity where query = 'listen rollback_changed'"
PATIENCE = 20.0  # seconds that a busy machine may take


def zone_of(target: str) -> str:
    return "far" if target == "far" else "main"


@dataclass
class Heard:
    """What a worker of one zone was given to do."""

    what: list[str | int] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, one: str | int) -> None:
        self.say(one)

    def say(self, one: str | int) -> None:
        self.what.append(one)
        self.changed.set()

    async def until(self, count: int) -> list[str | int]:
        async with asyncio.timeout(PATIENCE):
            while len(self.what) < count:
                self.changed.clear()
                await self.changed.wait()
        return self.what


@pytest.fixture
async def database(postgres: str) -> AsyncIterator[Database]:
    database = open_database(postgres)
    yield database
    await database.close()


@pytest.fixture
async def jobs(postgres: str) -> AsyncIterator[Jobs]:
    async with Jobs(postgres, zone_of) as jobs:
        yield jobs


@pytest.fixture
async def store(database: Database, jobs: Jobs) -> Store:
    return await open_store(database, FRONT, T0, jobs)


Work = Callable[[str], Awaitable[Heard]]


@pytest.fixture
async def works(jobs: Jobs) -> AsyncIterator[Work]:
    """Starts the worker of a zone."""
    running: list[asyncio.Task[None]] = []

    async def start(zone: str) -> Heard:
        heard = Heard()
        running.append(asyncio.create_task(jobs.run([zone], heard, heard, concurrency=4)))
        return heard

    yield start
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def waiting(store: Store) -> list[tuple[str, str, object]]:
    found = await rows(
        store, "select task_name, queue_name, args from procrastinate_jobs where status = 'todo' order by id"
    )
    return [(row["task_name"], row["queue_name"], row["args"]) for row in found]


async def test_a_request_sends_its_run_to_the_zone_of_its_target(store: Store) -> None:
    await ask(store)
    await ask(store, "far")
    assert await waiting(store) == [
        ("drive", "main", {"run_id": "RB-1"}),
        ("drive", "far", {"run_id": "RB-2"}),
    ]


async def test_the_last_approval_sends_the_run_and_the_words_before_do_not(store: Store) -> None:
    run = await ask(store)
    claim = await Claims(store).claim(run.id, T0, LEASE)
    assert claim is not None
    planned = happened(E.PLANNED, later(1), "", plan_data(plan_for(run)))
    run = await tell(store, await store.append(run, planned, epoch=claim.epoch), E.POSTED)
    run = await tell(store, run, E.APPROVED, BEN)
    assert len(await waiting(store)) == 1  # the request's own
    await tell(store, run, E.QUORUM_REACHED)
    assert len(await waiting(store)) == 2


async def test_a_driver_sends_nothing_to_itself(store: Store) -> None:
    run = await approved(store)
    sent = len(await waiting(store))
    claim = await Claims(store).claim(run.id, T0, LEASE)
    assert claim is not None
    run = await store.append(claim.run, happened(E.STARTED, later(9), "", {"loss": None}), epoch=claim.epoch)
    assert machine.wants_driving(run)
    assert len(await waiting(store)) == sent


async def test_what_was_taken_back_sends_nothing(store: Store) -> None:
    async def half(change: Transaction) -> None:
        await change.open(Opening(requested(ANA, target="orders"), ("orders",), CHANNEL))
        raise ValueError("halfway")

    with pytest.raises(ValueError, match="halfway"):
        await store.change(half)
    assert await waiting(store) == []


async def test_a_question_is_sent_to_the_zone_of_its_target(store: Store, jobs: Jobs) -> None:
    asked = await LookStore(store.database, jobs).want("far", None, T0)
    assert await waiting(store) == [("look", "far", {"look_id": asked})]


async def test_a_worker_is_told_at_once(store: Store, works: Work) -> None:
    heard = await works("main")
    await ask(store)
    assert await heard.until(1) == ["RB-1"]


async def test_a_worker_answers_for_its_own_zone_only(store: Store, works: Work, jobs: Jobs) -> None:
    heard = await works("far")
    await ask(store)
    asked = await LookStore(store.database, jobs).want("far", None, T0)
    assert await heard.until(1) == [asked]
    assert [job[0] for job in await waiting(store)] == ["drive"]


async def test_a_job_that_is_done_leaves_nothing(store: Store, works: Work) -> None:
    heard = await works("main")
    await ask(store)
    await heard.until(1)
    await _until(lambda: _empty(store))


async def test_a_job_that_fails_is_not_tried_again(store: Store, jobs: Jobs) -> None:
    heard = Heard()

    async def fail(run_id: str) -> None:
        await heard(run_id)
        raise RuntimeError("the target is on fire")

    running = asyncio.create_task(jobs.run(["main"], fail, heard, concurrency=1))
    await ask(store)
    await heard.until(1)
    await _until(lambda: _empty(store))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert heard.what == ["RB-1"]


async def test_one_too_many_finds_a_live_claim(store: Store, database: Database, jobs: Jobs) -> None:
    await ask(store)
    for _ in range(2):
        await database.write(lambda connection: jobs.drive(connection, "RB-1", "orders"))
    claims: list[Claim | None] = []
    heard = Heard()

    async def drive(run_id: str) -> None:
        claims.append(await Claims(store).claim(run_id, T0, LEASE))
        await heard(run_id)

    running = asyncio.create_task(jobs.run(["main"], drive, heard, concurrency=3))
    await heard.until(3)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert sum(claim is not None for claim in claims) == 1


async def test_what_a_worker_took_and_died_with_is_forgotten(store: Store, jobs: Jobs) -> None:
    await ask(store)
    await store.database.write(lambda connection: connection.execute(text(DIED)))
    assert await jobs.forget_stalled() == 1
    assert await _empty(store)
    assert await jobs.forget_stalled() == 0


async def test_who_listens_hears_of_every_run_that_changed(store: Store, postgres: str) -> None:
    heard = Heard()
    listening = asyncio.create_task(listen(postgres, heard.say))
    await heard.until(1)
    run = await ask(store)
    await tell(store, run, E.CANCELLED, ANA)
    assert await heard.until(3) == ["", "RB-1", "RB-1"]
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_who_listens_hears_of_answers(store: Store, postgres: str) -> None:
    heard, looks = Heard(), LookStore(store.database)
    asked = await looks.want("orders", None, T0)
    listening = asyncio.create_task(listen(postgres, heard.say))
    await heard.until(1)
    await looks.answer(asked, {"points": []}, later(1))
    assert await heard.until(2) == ["", f"look {asked}"]
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_whose_connection_is_cut_listens_again(store: Store, postgres: str) -> None:
    heard = Heard()
    listening = asyncio.create_task(listen(postgres, heard.say))
    await heard.until(1)
    await store.database.write(lambda connection: connection.execute(text(CUT)))
    assert await heard.until(2) == ["", ""]
    await ask(store)
    assert await heard.until(3) == ["", "", "RB-1"]
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def _empty(store: Store) -> bool:
    return await rows(store, "select id from procrastinate_jobs") == []


async def _until(so: Callable[[], Awaitable[bool]]) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not await so():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)
