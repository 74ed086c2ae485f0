"""Who may drive a run: one driver at a time, and a dead one is taken over."""

import asyncio
from datetime import timedelta

import pytest

from bot import machine
from bot.errors import ClaimLost
from bot.event_kinds import EventKind as E
from storage.claims import Claims, Due
from storage.runs import Store
from tests.bot.stories import T0, later
from tests.people import ANA
from tests.storage.told import STORIES, ask, kept, tell

LEASE = timedelta(seconds=15)


async def test_one_claim_at_a_time(store: Store, beside: Store, claims: Claims) -> None:
    await ask(store)
    found = await asyncio.gather(*(one.claim("RB-1", T0, LEASE) for one in [claims, Claims(beside)] * 5))
    assert sum(claim is not None for claim in found) == 1


async def test_a_claim_brings_the_run_and_a_new_epoch(store: Store, claims: Claims) -> None:
    run = await ask(store)
    claim = await claims.claim("RB-1", T0, LEASE)
    assert claim is not None
    assert (claim.run, claim.epoch) == (run, 1)


async def test_a_claim_may_be_taken_over_only_when_its_lease_is_over(store: Store, claims: Claims) -> None:
    await ask(store)
    await claims.claim("RB-1", T0, LEASE)
    assert await claims.claim("RB-1", T0 + LEASE, LEASE) is None
    second = await claims.claim("RB-1", T0 + LEASE + timedelta(milliseconds=1), LEASE)
    assert second is not None
    assert second.epoch == 2


@pytest.mark.parametrize("milliseconds", [-1.0, -0.4, 0.0, 0.4, 1.0])
async def test_at_every_moment_a_run_is_either_found_or_its_lease_is_waited_for(
    store: Store, claims: Claims, milliseconds: float
) -> None:
    await ask(store)
    await claims.claim("RB-1", T0, LEASE)
    due = await claims.due(T0 + LEASE + timedelta(milliseconds=milliseconds))
    assert due in {Due(("RB-1",), None), Due((), T0 + LEASE)}


async def test_a_claim_that_is_renewed_is_not_taken_over(store: Store, claims: Claims) -> None:
    await ask(store)
    claim = await claims.claim("RB-1", T0, LEASE)
    assert claim is not None
    assert await claims.renew(claim, T0 + 2 * LEASE)
    assert await claims.claim("RB-1", T0 + LEASE + timedelta(seconds=1), LEASE) is None


async def test_a_claim_that_was_taken_over_is_not_renewed(store: Store, claims: Claims) -> None:
    await ask(store)
    old = await claims.claim("RB-1", T0, LEASE)
    await claims.claim("RB-1", T0 + 2 * LEASE, LEASE)
    assert old is not None
    assert not await claims.renew(old, T0 + 9 * LEASE)


async def test_what_waits_for_people_cannot_be_claimed(store: Store, claims: Claims) -> None:
    await ask(store)
    await kept(store, "RB-1", STORIES["awaiting approval"]())
    assert await claims.claim("RB-1", T0, LEASE) is None


async def test_a_claim_that_is_given_back_can_be_taken_at_once(store: Store, claims: Claims) -> None:
    run = await ask(store)
    claim = await claims.claim("RB-1", T0, LEASE)
    assert claim is not None
    assert await claims.release(claim, run.seq)
    assert await claims.claim("RB-1", T0, LEASE) is not None


async def test_a_claim_is_not_given_back_when_the_run_moved_meanwhile(store: Store, claims: Claims) -> None:
    run = await ask(store)
    claim = await claims.claim("RB-1", T0, LEASE)
    assert claim is not None
    await tell(store, run, E.CANCELLED, ANA)
    assert not await claims.release(claim, run.seq)
    assert await claims.release(claim, run.seq + 1)


async def test_a_claim_that_was_taken_over_cannot_be_given_back(store: Store, claims: Claims) -> None:
    run = await ask(store)
    old = await claims.claim("RB-1", T0, LEASE)
    await claims.claim("RB-1", T0 + 2 * LEASE, LEASE)
    assert old is not None
    with pytest.raises(ClaimLost):
        await claims.release(old, run.seq)


async def test_a_claim_that_was_given_back_is_not_renewed_by_a_late_heartbeat(
    store: Store, claims: Claims
) -> None:
    run = await ask(store)
    claim = await claims.claim("RB-1", T0, LEASE)
    assert claim is not None
    await claims.release(claim, run.seq)
    assert not await claims.renew(claim, T0 + LEASE)
    assert (await claims.due(T0)).runs == ("RB-1",)


async def test_who_starts_alone_knows_that_all_other_claims_are_dead(store: Store, claims: Claims) -> None:
    for target in ("a", "b"):
        run = await ask(store, target)
        await claims.claim(run.id, T0, LEASE)
    assert (await claims.due(T0)).runs == ()
    await claims.release_all()
    assert sorted((await claims.due(T0)).runs) == ["RB-1", "RB-2"]


async def test_only_who_wants_driving_is_driven(store: Store, claims: Claims) -> None:
    for n, name in enumerate(STORIES, start=1):
        await ask(store, f"t{n}")
        await kept(store, f"RB-{n}", STORIES[name]())
    wanting = [name for name in STORIES if machine.wants_driving(STORIES[name]().run)]
    ids = (await claims.due(later(99))).runs
    found = [list(STORIES)[int(run_id.removeprefix("RB-")) - 1] for run_id in ids]
    assert sorted(found) == sorted(wanting)
