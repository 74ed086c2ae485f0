"""Two fronts and two workers on one database: who may do what, and that two of a kind do not do it twice."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select, update

from bot.clock import utc_now
from bot.event_kinds import EventKind as E
from bot.machine import in_flight
from bot.run import Run
from bot.signatures import Signer
from storage.runs import Store
from storage.tables import run_events
from tests.bot.stories import happened
from tests.people import MEMBERS
from tests.postgres import Databases
from tests.replicas.backend import CREDENTIAL, PASSWORD, Target
from tests.replicas.doors import through
from tests.replicas.world import Replicas

pytestmark = pytest.mark.asyncio(loop_scope="module")

TARGETS = (
    Target("plain"),
    Target("careful", maintained=True),
    Target("raced"),
    Target("vetoed"),
    Target("pair", quorum=2, approvers=("managers", "owners")),
    Target("forged"),
    Target("unsigned"),
    Target("altered"),
    Target("faraway", zone="far"),
    Target("moved", zone="apart", by_path=True),
    Target("keyed", zone="keyed"),
    Target("rolled", found=False),  # only the spool of the worker that began it can tell
)
SECRETS_OF_SLACK = ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory, server: Databases) -> AsyncIterator[Replicas]:
    with server.fresh() as url:
        world = Replicas(tmp_path_factory.mktemp("together"), url, TARGETS)
        world.groups = {**world.groups, "owners": (MEMBERS["dora"],)}
        await world.open()
        try:
            await asyncio.gather(
                world.front("one", mode="socket"),
                world.front("two"),
                world.worker("here", ROLLBACK_DRAIN_SECONDS="1"),
                world.worker("there", ROLLBACK_DRAIN_SECONDS="1"),
            )
            yield world
        finally:
            await world.close()


# Each with what is its own ---------------------------------------------------------------------


async def test_asked_at_one_front_and_approved_at_the_other_it_is_restored_and_verified(
    world: Replicas,
) -> None:
    with through("one"):
        run = await world.asks("plain")
    with through("two"):
        await world.clicks("ben", "plain", "approve")
    await world.reaches("plain", "succeeded")
    assert world.backend.restored("plain") == ["v41"]
    assert len(world.cards("plain")) == 1
    await world.shows("plain", f"{run.code}")


async def test_every_effect_of_a_maintained_target_happens_once(world: Replicas) -> None:
    await world.approves("careful")
    await world.reaches("careful", "succeeded")
    effects = [effect.do for effect in world.backend.effects("careful")]
    assert effects == ["maintenance_on", "restore", "maintenance_off"]


async def test_a_front_has_no_credentials_of_targets_and_a_worker_no_secret_of_slack(world: Replicas) -> None:
    for front in world.fronts.values():
        assert CREDENTIAL not in front.environment
        assert PASSWORD not in _environment_of(front.process)
    for worker in world.workers.values():
        assert not set(SECRETS_OF_SLACK) & worker.environment.keys()
        assert world.slack.signing_secret not in _environment_of(worker.process)
        assert world.slack.app_token not in _environment_of(worker.process)


async def test_the_token_of_a_worker_says_nothing_in_slack(world: Replicas) -> None:
    token = world.workers["here"].environment["SLACK_READ_TOKEN"]
    asked = {"channel": world.channel("plain"), "text": "restored"}
    authorized = {"Authorization": f"Bearer {token}"}
    url = f"{world.slack.api_url}chat.postMessage"
    async with world.session.post(url, json=asked, headers=authorized) as answer:
        assert (await answer.json())["error"] == "missing_scope"
    assert world.slack.bot_token not in _environment_of(world.workers["here"].process)


def _environment_of(process: asyncio.subprocess.Process | None) -> str:
    """As the kernel knows it."""
    assert process is not None
    return Path(f"/proc/{process.pid}/environ").read_text()


async def test_a_run_of_another_zone_is_left_alone_until_its_own_worker_comes(
    world: Replicas,
) -> None:
    assert (await world.says("ana", "faraway", "faraway to v41")).acked
    await asyncio.sleep(2 * 1.0)  # long enough for the workers here to plan it, if they were to
    run = await world.run("faraway")
    assert run is not None
    assert run.state.value == "requested"
    await world.worker("far", zone="far")
    await world.reaches("faraway", "awaiting_approval")
    await world.clicks("ana", "faraway", "cancel")


async def test_a_run_is_left_to_the_worker_that_has_the_programs_that_were_approved(world: Replicas) -> None:
    older = await world.worker("older", "apart", PATH=_with_ctl(world, "older", ""))
    run = await world.asks("moved")
    newer = await world.worker("newer", "apart", PATH=_with_ctl(world, "newer", "# of the next release\n"))
    older.freeze()
    await world.clicks("cy", "moved", "approve")
    await world.until(
        lambda: "left to a worker that has" in newer.said() or None, "the newer one to leave it"
    )
    older.thaw()
    assert (await world.reaches("moved", "succeeded", "void")).state.value == "succeeded"
    assert run.id in newer.said()


def _with_ctl(world: Replicas, name: str, added: str) -> str:
    """Returns a PATH on which the backend's program is found first, as a file of its own."""
    folder = world.folder / f"bin-{name}"
    folder.mkdir()
    program = folder / world.backend.ctl.name
    program.write_text(world.backend.ctl.read_text() + added)
    program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


async def test_a_request_is_refused_while_the_workers_of_its_zone_hold_two_keys(world: Replicas) -> None:
    await world.worker("first", "keyed")
    await world.worker("second", "keyed", ROLLBACK_WORKER_KEY_FILE=str(world.folder / "another.key"))
    assert (await world.says("ana", "keyed", "keyed to v41")).acked
    await world.reaches("keyed", "refused")
    await world.shows("keyed", "hold different keys")


# At once ---------------------------------------------------------------------------------------


async def test_two_approvals_at_once_at_two_fronts_restore_once(world: Replicas) -> None:
    await world.asks("raced")
    await asyncio.gather(
        _clicks(world, "one", "ben", "raced", "approve"),
        _clicks(world, "two", "cy", "raced", "approve"),
    )
    await world.reaches("raced", "succeeded")
    assert world.backend.restored("raced") == ["v41"]


async def test_of_an_approval_and_a_veto_at_once_at_two_fronts_one_counts(world: Replicas) -> None:
    await world.asks("vetoed")
    await asyncio.gather(
        _clicks(world, "one", "ben", "vetoed", "approve"), _clicks(world, "two", "cy", "vetoed", "veto")
    )
    run = await world.reaches("vetoed", "succeeded", "vetoed")
    assert len(world.backend.restored("vetoed")) == (run.state.value == "succeeded")


async def test_the_same_person_twice_at_two_fronts_is_one_of_two(world: Replicas) -> None:
    await world.asks("pair")
    await asyncio.gather(
        _clicks(world, "one", "ben", "pair", "approve"), _clicks(world, "two", "ben", "pair", "approve")
    )
    run = await world.reaches("pair", "awaiting_approval")
    assert [approval.person for approval in run.approval.given] == [MEMBERS["ben"]]
    assert world.backend.restored("pair") == []
    await world.clicks("ana", "pair", "cancel")  # nobody may have more than three open requests


async def _clicks(world: Replicas, front: str, who: str, target: str, action: str) -> None:
    with through(front):
        await world.clicks(who, target, action)


# Rows by somebody who can write to the database ------------------------------------------------


async def test_an_approval_with_a_forged_signature_restores_nothing_and_the_card_says_why(
    world: Replicas,
) -> None:
    run = await world.asks("forged")
    await _written_by_hand(world, run, Signer(Ed25519PrivateKey.generate()))
    await world.reaches("forged", "void")
    await world.shows("forged", "carries no valid signature")
    assert world.backend.effects("forged") == ()


async def test_an_approval_without_a_signature_restores_nothing(world: Replicas) -> None:
    run = await world.asks("unsigned")
    await _written_by_hand(world, run, None)
    await world.reaches("unsigned", "void")
    assert world.backend.effects("unsigned") == ()


async def _written_by_hand(world: Replicas, run: Run, signer: Signer | None) -> None:
    """Everything that an approval changes, as the bot itself would write it, but for its key."""
    store = Store(world.store.database, world.store.installation, signer)
    now = utc_now()
    marks = {"marks": [MEMBERS["ben"]]}
    await store.append(run, happened(E.APPROVED, now, MEMBERS["ben"], marks), happened(E.QUORUM_REACHED, now))


async def test_a_request_whose_stored_words_were_changed_restores_nothing(world: Replicas) -> None:
    run = await world.asks("altered")
    async with world.store.database.read() as connection:
        place = (run_events.c.run_id == run.id, run_events.c.seq == 1)
        said = (await connection.execute(select(run_events.c.data).where(*place))).scalar_one()
    altered = {**said, "reason": "somebody else's reason"}
    await world.store.database.write(
        lambda connection: connection.execute(update(run_events).where(*place).values(data=altered))
    )
    await world.clicks("ben", "altered", "approve")
    await world.reaches("altered", "void")
    assert world.backend.effects("altered") == ()


# One after the other ---------------------------------------------------------------------------


async def test_a_rolling_restart_in_the_middle_of_a_restore_asks_nobody(world: Replicas) -> None:
    run = await world.is_restoring("rolled")
    begun = in_flight(await world.store.load(run.id))
    assert begun is not None
    first, second = sorted(("here", "there"), key=lambda name: world.spool(name) != begun.place)
    assert world.spool(first) == begun.place
    assert await world.workers[first].terminate() == 0
    assert "followed while draining" in world.workers[first].said()
    assert "at_most_seconds=1.0" in world.workers[first].said()
    await world.eventually(lambda: _is_left(world, second, run.id), "the other worker to see the run")
    await world.worker(first)
    assert await world.workers[second].terminate() == 0
    await world.worker(second)
    world.backend.go_on("rolled")
    ended = await world.reaches("rolled", "succeeded", "stuck", "paused", "failed")
    assert (ended.state.value, world.backend.begun("rolled")) == ("succeeded", [begun.op])
    assert world.backend.restored("rolled") == ["v41"]


async def _is_left(world: Replicas, worker: str, run_id: str) -> bool:
    """Whether it has left the run alone, or has written something into it after all."""
    *_, newest = await world.store.events(run_id)
    said = world.workers[worker].said()
    return newest.kind is not E.STEP_ACCEPTED or any(
        "left to the worker in whose spool" in line and run_id in line for line in said.splitlines()
    )
