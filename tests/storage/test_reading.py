"""What pages and metrics read."""

from bot.event_kinds import EventKind as E
from storage.reading import counts, proofs
from storage.runs import Store
from tests.bot.stories import later
from tests.people import ANA, BEN
from tests.storage.told import approved, ask, tell


async def test_runs_are_counted_by_target_and_state(store: Store) -> None:
    await approved(store, await ask(store, "a"))
    await tell(store, await ask(store, "b"), E.CANCELLED, ANA)
    await ask(store, "b")
    found = await counts(store.database)
    assert found.runs == {("a", "approved"): 1, ("b", "cancelled"): 1, ("b", "requested"): 1}
    assert (found.open_runs, found.behind) == (2, 3)


async def test_nobody_waits_in_an_empty_book(store: Store) -> None:
    found = await counts(store.database)
    assert (found.runs, found.open_runs, found.waiting_since, found.behind) == ({}, 0, None, 0)


async def test_the_proof_of_a_run_is_all_that_the_log_holds_about_it(store: Store) -> None:
    run = await ask(store, "a")
    await ask(store, "b")
    await store.note("press_refused", later(5), BEN.id, {"why": "…"}, run_id=run.id)
    await tell(store, run, E.CANCELLED, ANA)
    found = await proofs(store.database, run.id)
    assert [(proof.n, proof.kind, proof.by, proof.seq) for proof in found] == [
        (1, "requested", ANA.id, 1),
        (3, "press_refused", BEN.id, None),
        (4, "cancelled", ANA.id, 2),
    ]
    assert found[1].body["why"] == "…"
