"""Runs as they are stored: one transaction for everything that belongs together, and one driver at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from bot import machine
from bot.errors import ClaimLost, StaleRun
from bot.event_kinds import EventKind as E
from bot.events import Approved
from bot.machine import NotAllowed
from bot.model import Do, Goal, Purpose, State
from bot.run import Run
from bot.signatures import why_not_signed
from storage.claims import Claims
from storage.database import Database, open_database
from storage.runs import Store, open_store
from storage.tables import runs
from storage.transaction import Repeated, TargetTaken, Transaction
from tests.bot.stories import T0, Story, happened, later, planned
from tests.people import ANA, BEN, CHANNEL, person
from tests.storage.conftest import FRONT
from tests.storage.told import STORIES, approved, ask, driven, kept, rows, tell

LEASE = timedelta(seconds=15)
ANY = happened(E.CANCELLED, T0, ANA.id)


# Opening ---------------------------------------------------------------------------------------


async def test_runs_are_numbered_one_after_another(store: Store) -> None:
    assert [(await ask(store, target)).id for target in ("a", "b", "c")] == ["RB-1", "RB-2", "RB-3"]


async def test_a_new_run_is_what_is_loaded(store: Store) -> None:
    run = await ask(store)
    assert await store.load("RB-1") == run
    assert (run.request.requester, run.request.at, run.seq) == (ANA, T0, 1)


async def test_a_new_run_owes_a_card(store: Store) -> None:
    await ask(store)
    assert await rows(store, "select kind, recipient, ts from cards") == [
        {"kind": "card", "recipient": CHANNEL, "ts": None}
    ]


async def test_a_run_that_is_not_there_is_a_key_error(store: Store) -> None:
    with pytest.raises(KeyError):
        await store.load("RB-1")


# Appending -------------------------------------------------------------------------------------


async def test_who_comes_second_is_told_that_the_run_moved(store: Store) -> None:
    run = await ask(store)
    await tell(store, run, E.CANCELLED, ANA)
    with pytest.raises(StaleRun):
        await tell(store, run, E.EXPIRED)
    assert [event.kind for event in await store.events("RB-1")] == [E.REQUESTED, E.CANCELLED]


async def test_what_has_no_row_in_the_table_is_not_stored(store: Store) -> None:
    run = await ask(store)
    with pytest.raises(NotAllowed):
        await tell(store, run, E.APPROVED, BEN)
    assert len(await store.events("RB-1")) == 1


async def test_several_events_are_stored_together_or_not_at_all(store: Store) -> None:
    run = await ask(store)
    with pytest.raises(NotAllowed):
        await store.append(run, ANY, happened(E.APPROVED, T0, BEN.id))
    assert (await store.load("RB-1")).state is State.REQUESTED


async def test_a_driver_with_the_epoch_of_its_claim_may_write(store: Store, claims: Claims) -> None:
    await ask(store)
    claim = await claims.claim("RB-1", T0, LEASE)
    assert claim is not None
    run = await store.append(claim.run, happened(E.REFUSED, T0), epoch=claim.epoch)
    assert run.state is State.REFUSED


async def test_a_driver_that_was_taken_over_may_not_write(store: Store, claims: Claims) -> None:
    await ask(store)
    old = await claims.claim("RB-1", T0, LEASE)
    new = await claims.claim("RB-1", T0 + LEASE + timedelta(seconds=1), LEASE)
    assert old is not None
    assert new is not None
    with pytest.raises(ClaimLost):
        await store.append(old.run, happened(E.REFUSED, T0), epoch=old.epoch)
    assert await store.load("RB-1") == new.run


async def test_a_driver_that_was_taken_over_is_told_so_even_when_the_run_moved(
    store: Store, claims: Claims
) -> None:
    await ask(store)
    old = await claims.claim("RB-1", T0, LEASE)
    new = await claims.claim("RB-1", T0 + LEASE + timedelta(seconds=1), LEASE)
    assert old is not None
    assert new is not None
    await store.append(new.run, happened(E.REFUSED, T0), epoch=new.epoch)
    with pytest.raises(ClaimLost):
        await store.append(old.run, happened(E.REFUSED, T0), epoch=old.epoch)


async def test_a_driver_that_somebody_was_quicker_than_loads_again(store: Store, claims: Claims) -> None:
    run = await ask(store)
    claim = await claims.claim("RB-1", T0, LEASE)
    assert claim is not None
    await tell(store, run, E.CANCELLED, ANA)
    with pytest.raises(StaleRun):
        await store.append(claim.run, happened(E.REFUSED, T0), epoch=claim.epoch)


async def test_people_need_no_epoch(store: Store, claims: Claims) -> None:
    run = await ask(store)
    await claims.claim("RB-1", T0, LEASE)
    assert (await tell(store, run, E.CANCELLED, ANA)).state is State.CANCELLED


async def test_times_are_kept_to_the_millisecond_in_memory_too(store: Store) -> None:
    run = await ask(store)
    told = await store.append(run, replace(ANY, at=T0 + timedelta(microseconds=1_999)))
    assert told.changed_at == T0 + timedelta(milliseconds=1)
    assert await store.load("RB-1") == told


async def test_what_people_say_is_signed_and_what_the_bot_says_is_not(store: Store) -> None:
    await approved(store)
    run, events = await store.load("RB-1"), await store.events("RB-1")
    assert why_not_signed(store.installation, run, events, [FRONT.public]) is None
    assert {event.kind for event in events if not event.signature} == {
        E.PLANNED,
        E.POSTED,
        E.QUORUM_REACHED,
    }


async def test_what_people_say_names_the_plan_that_it_is_about(store: Store) -> None:
    run = await approved(store)
    said = next(event for event in await store.events("RB-1") if event.kind is E.APPROVED)
    assert said.fact == Approved(marks=tuple(sorted(BEN.marks)), digest=run.approval.digest)


# The projection --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STORIES)
async def test_what_is_stored_is_the_story(store: Store, name: str) -> None:
    story = STORIES[name]()
    await ask(store)
    await kept(store, "RB-1", story)
    stored = await store.load("RB-1")
    assert replace(stored, id="RB-42") == story.run


@pytest.mark.parametrize("name", STORIES)
async def test_the_row_of_a_run_is_its_fold(store: Store, name: str) -> None:
    await ask(store)
    await kept(store, "RB-1", STORIES[name]())
    run = await store.load("RB-1")
    (row,) = await rows(store, "select state, phase, final, seq, due_at, wants_driving from runs")
    due = machine.due_at(run)
    assert row == {
        "state": run.state.value,
        "phase": run.phase.value if run.phase else None,
        "final": run.state.final,
        "seq": run.seq,
        "due_at": due and due.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "wants_driving": machine.wants_driving(run),
    }


@pytest.mark.parametrize("name", STORIES)
async def test_a_target_is_free_again_when_its_run_has_ended(store: Store, name: str) -> None:
    await ask(store)
    story = STORIES[name]()
    await kept(store, "RB-1", story)
    held = None if story.run.state.final else "RB-1"
    assert await store.open_run_of("orders") == held


# Locks -----------------------------------------------------------------------------------------


async def test_a_second_request_names_the_first(store: Store) -> None:
    await ask(store)
    with pytest.raises(TargetTaken, match="`orders` has an open request already: RB-1") as refused:
        await ask(store, by=BEN)
    assert refused.value.run_id == "RB-1"


async def test_a_refused_request_leaves_nothing_behind(store: Store) -> None:
    await ask(store)
    with pytest.raises(TargetTaken):
        await ask(store, "search", locks=("search", "orders"))
    assert await store.open_runs() == {"orders": "RB-1"}
    assert [run.id for run in await store.summaries()] == ["RB-1"]
    assert len(await rows(store, "select n from evidence")) == 1


async def test_a_run_locks_every_target_that_it_changes(store: Store) -> None:
    run = await ask(store, locks=("orders", "search"))
    assert await store.open_runs() == {"orders": "RB-1", "search": "RB-1"}
    await tell(store, run, E.CANCELLED, ANA)
    assert await store.open_runs() == {}


async def test_of_two_requests_at_once_one_is_taken(store: Store, beside: Store) -> None:
    answers = await asyncio.gather(*(ask(one) for one in [store, beside] * 5), return_exceptions=True)
    taken = [answer for answer in answers if isinstance(answer, Run)]
    assert [run.id for run in taken] == ["RB-1"]
    assert sum(isinstance(answer, TargetTaken) for answer in answers) == 9


async def test_requests_at_once_for_many_targets_get_many_numbers(store: Store, beside: Store) -> None:
    opened = await asyncio.gather(*(ask([store, beside][i % 2], f"t{i}") for i in range(20)))
    assert sorted(int(run.id.removeprefix("RB-")) for run in opened) == list(range(1, 21))


# Two at once -----------------------------------------------------------------------------------


async def test_of_two_decisions_at_once_one_counts(store: Store, beside: Store) -> None:
    run = await ask(store)
    answers = await asyncio.gather(
        tell(store, run, E.CANCELLED, ANA), tell(beside, run, E.CANCELLED, BEN), return_exceptions=True
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["Run", "StaleRun"]


async def test_who_loads_again_after_a_stale_run_loses_nothing(store: Store, beside: Store) -> None:
    run = await driven(store, up_to=Do.RESTORE)

    async def stop(one: Store) -> None:
        mine = run
        while True:
            try:
                await one.append(mine, happened(E.STOP_REQUESTED, later(100), BEN.id))
                return
            except StaleRun:
                mine = await one.load(run.id)

    await asyncio.gather(*(stop(one) for one in [store, beside] * 5))
    told = await store.events(run.id)
    assert [event.seq for event in told] == list(range(1, run.seq + 11))
    assert sum(event.kind is E.STOP_REQUESTED for event in told) == 10


# Deliveries ------------------------------------------------------------------------------------


async def once(store: Store, key: str | None, work: Callable[[Transaction], Awaitable[None]]) -> None:
    async def whole(change: Transaction) -> None:
        await change.once(key, T0)
        await work(change)

    await store.change(whole)


async def nothing(change: Transaction) -> None:
    """Nothing comes of it."""


async def test_a_delivery_has_its_effect_once(store: Store) -> None:
    await once(store, "click 1", nothing)
    with pytest.raises(Repeated):
        await once(store, "click 1", nothing)
    await once(store, "click 2", nothing)


async def test_a_delivery_without_an_effect_may_come_again(store: Store) -> None:
    async def refused(change: Transaction) -> None:
        raise TargetTaken("orders", "RB-1")

    with pytest.raises(TargetTaken):
        await once(store, "click 1", refused)
    await once(store, "click 1", nothing)


async def test_what_has_no_key_is_never_repeated(store: Store) -> None:
    await once(store, None, nothing)
    await once(store, None, nothing)


async def test_of_fifty_deliveries_of_the_same_one_has_its_effect(store: Store, beside: Store) -> None:
    def note(change: Transaction) -> Awaitable[None]:
        change.note("heard", T0, ANA.id, {})
        return nothing(change)

    answers = await asyncio.gather(
        *(once([store, beside][i % 2], "click 1", note) for i in range(50)), return_exceptions=True
    )
    assert sum(answer is None for answer in answers) == 1
    assert len(await rows(store, "select n from evidence where kind = 'heard'")) == 1


# Holds -----------------------------------------------------------------------------------------


async def test_the_version_that_was_left_is_held(store: Store) -> None:
    run = await driven(store)
    (hold,) = await store.holds(["orders"])
    assert (hold.target, hold.point, hold.run, hold.placed_at) == ("orders", "v42", "RB-1", run.end.at)


async def test_holds_of_other_targets_are_their_own(store: Store) -> None:
    await driven(store)
    assert await store.holds(["search"]) == ()


@pytest.mark.parametrize("name", ["failed", "vetoed", "void", "cancelled", "stuck"])
async def test_what_did_not_succeed_holds_nothing(store: Store, name: str) -> None:
    await ask(store)
    await kept(store, "RB-1", STORIES[name]())
    assert await store.holds(["orders"]) == ()


async def test_an_undo_lifts_what_the_undone_run_held_and_holds_nothing(store: Store) -> None:
    await driven(store)
    undo = await ask(store, purpose=Purpose.UNDO.value, undo_of="RB-1", goal={"undo_of": "RB-1"})
    await driven(store, undo)
    assert await store.holds(["orders"]) == ()


async def test_a_version_that_is_left_again_is_held_by_the_newer_run(store: Store) -> None:
    await driven(store)
    await driven(store, await ask(store))
    assert [hold.run for hold in await store.holds(["orders"])] == ["RB-2"]


# Progress --------------------------------------------------------------------------------------


async def test_progress_stands_beside_the_run_until_its_next_event(store: Store, claims: Claims) -> None:
    run = await ask(store)
    claim = await claims.claim("RB-1", T0, LEASE)
    assert claim is not None
    await store.progress("RB-1", claim.epoch, {"done": 1.0})
    assert await store.progress_of("RB-1") == {"done": 1.0}
    assert await store.load("RB-1") == run
    await tell(store, run, E.CANCELLED, ANA)
    assert await store.progress_of("RB-1") is None


async def test_progress_of_a_driver_that_was_taken_over_is_not_kept(store: Store) -> None:
    await ask(store)
    await store.progress("RB-1", 7, {"done": 1.0})
    assert await store.progress_of("RB-1") is None


# What the clock ends, and what cards show ------------------------------------------------------


async def test_a_run_is_due_from_the_very_moment_on(store: Store) -> None:
    run = await approved(store)
    assert run.approval.start_by is not None
    assert await store.due(run.approval.start_by - timedelta(milliseconds=1)) == []
    assert await store.due(run.approval.start_by) == ["RB-1"]


async def test_what_has_ended_is_never_due(store: Store) -> None:
    run = await ask(store)
    await tell(store, run, E.CANCELLED, ANA)
    assert await store.due(T0 + timedelta(days=400)) == []


async def test_a_card_is_behind_until_it_shows_the_newest_event(store: Store) -> None:
    run = await ask(store)
    assert await store.to_show() == ["RB-1"]
    await store.shown("RB-1", run.seq)
    assert await store.to_show() == []
    await tell(store, run, E.CANCELLED, ANA)
    assert await store.to_show() == ["RB-1"]


async def test_a_card_that_was_drawn_before_a_newer_one_does_not_count(store: Store) -> None:
    run = await tell(store, await ask(store), E.CANCELLED, ANA)
    await store.shown("RB-1", run.seq)
    await store.shown("RB-1", 1)
    assert await store.to_show() == []


async def test_decisions_are_shown_before_chatter(store: Store) -> None:
    await driven(store, await ask(store, "a"), up_to=Do.RESTORE)
    await approved(store, await ask(store, "b"))
    await ask(store, "c")
    assert (await store.to_show())[0] == "RB-2"


# Lists -----------------------------------------------------------------------------------------


async def test_lists_are_newest_first(store: Store) -> None:
    for target in ("a", "b", "a"):
        await tell(store, await ask(store, target), E.CANCELLED, ANA)
    assert [one.id for one in await store.summaries()] == ["RB-3", "RB-2", "RB-1"]
    assert [one.id for one in await store.summaries(target="a")] == ["RB-3", "RB-1"]
    assert [one.id for one in await store.summaries(limit=1)] == ["RB-3"]


async def test_a_line_of_a_list_says_what_the_run_says(store: Store) -> None:
    run = await driven(store, up_to=Do.RESTORE)
    (line,) = await store.summaries(only_open=True)
    assert (line.target, line.purpose, line.state, line.phase) == (
        "orders",
        Purpose.ROLLBACK,
        State.RUNNING,
        "restore",
    )
    assert (line.requester, line.channel, line.requested_at, line.changed_at) == (
        ANA.id,
        CHANNEL,
        T0,
        run.changed_at,
    )


async def test_open_runs_are_those_that_have_not_ended(store: Store) -> None:
    await tell(store, await ask(store, "a"), E.CANCELLED, ANA)
    await ask(store, "b")
    assert [one.id for one in await store.summaries(only_open=True)] == ["RB-2"]


async def test_running_runs_can_be_asked_for(store: Store) -> None:
    await driven(store, await ask(store, "a"), up_to=Do.RESTORE)
    await ask(store, "b")
    assert await store.ids_in(State.RUNNING) == ["RB-1"]


async def test_open_requests_are_counted_by_human_and_not_by_account(store: Store) -> None:
    home = replace(ANA, id="U09ANA")
    await ask(store, "a")
    await ask(store, "b", by=home)
    await ask(store, "c", by=person("ben"))
    await tell(store, await ask(store, "d"), E.CANCELLED, ANA)
    assert await store.open_requests_of(ANA.human) == 2


async def test_outages_are_those_of_runs_that_reached_their_point(store: Store) -> None:
    run = await driven(store)
    await kept(store, (await ask(store)).id, STORIES["failed"]())
    assert run.work.maintenance_since is not None
    assert run.work.maintenance_until is not None
    expected = (run.work.maintenance_until - run.work.maintenance_since).total_seconds()
    assert await store.outages("orders") == [expected]
    assert await store.outages("search") == []


async def test_without_maintenance_the_outage_is_the_whole_run(store: Store) -> None:
    run = await ask(store)
    story = Story(planned(Do.BASELINE, Do.RESTORE, Do.CHECK)).succeeded()
    await kept(store, run.id, story)
    assert story.run.work.started_at is not None
    assert story.run.end.at is not None
    expected = (story.run.end.at - story.run.work.started_at).total_seconds()
    assert await store.outages("orders") == [expected]


async def test_a_run_that_waited_for_people_does_not_teach_the_expected_outage(store: Store) -> None:
    run = await ask(store)
    waited = Story().up_to(Do.CHECK).tell(E.CHECKS_FAILED, n=6, why="totals").tell(E.RETRIED, BEN).succeeded()
    await kept(store, run.id, waited)
    assert (await store.load(run.id)).state is State.SUCCEEDED
    assert await store.outages("orders") == []


async def test_the_result_of_a_run_is_superseded_by_the_next_one_in_the_same_moment(store: Store) -> None:
    first = await driven(store)
    second = await ask(store)
    await kept(store, second.id, Story().up_to(Do.RESTORE))
    assert (await store.load(first.id)).end.superseded_by is None
    await tell(
        store, await store.load(second.id), E.STEP_STARTED, n=5, op="op", do="restore", target="orders"
    )
    moved = await tell(store, await store.load(second.id), E.STEP_SUCCEEDED, n=5)
    gone = await store.load(first.id)
    assert (gone.end.superseded_by, gone.end.superseded_at) == (second.id, moved.changed_at)
    assert gone.state is State.SUCCEEDED


async def test_a_run_that_changed_nothing_neither_supersedes_nor_hides_the_one_before(store: Store) -> None:
    first = await driven(store)
    await kept(store, (await ask(store)).id, Story().approved().tell(E.VOIDED, why="moved"))
    unclear = await ask(store)
    await kept(store, unclear.id, STORIES["failed"]())
    assert (await store.load(first.id)).end.superseded_by is None
    last = await driven(store)
    assert (await store.load(first.id)).end.superseded_by == last.id
    assert (await store.load(unclear.id)).end.superseded_by == last.id


# The installation ------------------------------------------------------------------------------


async def test_an_installation_keeps_its_name(store: Store, database: Database) -> None:
    again = await open_store(database, FRONT, later(60))
    assert again.installation == store.installation
    assert len(store.installation) == 8


async def test_two_who_open_an_installation_first_agree_on_its_name(database: Database, url: str) -> None:
    beside = open_database(url)
    both = await asyncio.gather(*(open_store(one, FRONT, T0) for one in [database, beside] * 3))
    await beside.close()
    assert len({store.installation for store in both}) == 1
    assert len(await rows(both[0], "select id from installation")) == 1


async def test_the_newest_time_is_that_of_the_newest_entry(store: Store) -> None:
    assert await store.newest_time() is None
    await ask(store)
    await store.note("press_refused", later(60), ANA.id, {})
    assert await store.newest_time() == later(60)


async def test_a_store_without_a_key_signs_nothing(database: Database) -> None:
    store = await open_store(database, None, T0)
    await ask(store)
    assert [event.signature for event in await store.events("RB-1")] == [""]


async def test_a_row_that_lags_behind_is_never_written_over(store: Store) -> None:
    """Somebody changed the projection by hand: the next event is refused instead of guessed."""
    run = await ask(store)
    await store.database.write(lambda connection: connection.execute(update(runs).values(seq=7)))
    with pytest.raises(StaleRun):
        await tell(store, run, E.CANCELLED, ANA)


async def test_a_goal_is_kept_as_it_was_asked_for(store: Store) -> None:
    run = await ask(store, goal={"before": "2026-11-22T02:00:00Z"})
    assert run.request.goal == Goal(before=T0 - timedelta(hours=1, minutes=2))
