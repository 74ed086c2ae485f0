"""A PostgreSQL that hangs, or that is killed, under a front and a worker."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import monotonic

import pytest
import pytest_asyncio

from tests.people import MEMBERS
from tests.postgres import PostgresServer, postgres_server
from tests.replicas.backend import Target
from tests.replicas.world import Replicas

pytestmark = pytest.mark.asyncio(loop_scope="module")

TARGETS = (Target("asked"), Target("again"), Target("approved"), Target("waiting"), Target("restoring"))
IN_TIME = 2.7  # seconds: 2.5, and the way to us
NOT_ACCEPTED = "NOT accepted, nothing will run"


@dataclass(frozen=True)
class Outage:
    world: Replicas
    server: PostgresServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Outage]:
    with postgres_server() as server:
        world = Replicas(tmp_path_factory.mktemp("outages"), server.url_for("postgres"), TARGETS)
        await world.open()
        try:
            await asyncio.gather(world.front("front"), world.worker("worker"))
            yield Outage(world, server)
        finally:
            server.thaw()
            await world.close()


async def test_a_request_while_the_database_hangs_is_told_so_in_time_and_never_runs(outage: Outage) -> None:
    outage.server.freeze()
    began = monotonic()
    reply = await outage.world.says("ana", "asked", "asked to v41")
    after = monotonic() - began
    outage.server.thaw()
    assert (reply.text or "").startswith(NOT_ACCEPTED)
    assert after < IN_TIME
    await outage.world.asks("again")  # the bot goes on by itself
    await outage.world.clicks("ana", "again", "cancel")
    await outage.world.reaches("again", "cancelled")
    assert await outage.world.run("asked") is None


async def test_an_approval_while_the_database_hangs_is_told_so_in_time_and_does_not_count(
    outage: Outage,
) -> None:
    world = outage.world
    await world.asks("approved")
    outage.server.freeze()
    began = monotonic()
    await world.clicks("ben", "approved", "approve")
    view = await world.until(lambda: world.workspace.views(MEMBERS["ben"]), "a modal that says why")
    after = monotonic() - began
    outage.server.thaw()
    assert NOT_ACCEPTED in view[-1].plain()
    assert after < IN_TIME
    run = await world.reaches("approved", "awaiting_approval")
    assert run.approval.given == ()
    assert world.backend.effects("approved") == ()


async def test_nothing_is_lost_when_the_database_is_killed_and_comes_back(outage: Outage) -> None:
    world = outage.world
    waiting = await world.asks("waiting")
    restoring = await world.is_restoring("restoring")
    outage.server.kill()
    world.backend.go_on("restoring")
    await asyncio.sleep(1.0)  # the restore ends while nobody can write that down
    outage.server.start()
    ended = await world.reaches("restoring", "succeeded")
    assert ended.id == restoring.id
    assert len(world.backend.begun("restoring")) == 1
    await world.clicks("ben", "waiting", "approve")
    ended = await world.reaches("waiting", "succeeded")
    assert ended.id == waiting.id
    await world.shows("restoring", "is back at v41")
