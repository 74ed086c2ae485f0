"""What people and drivers do to a stored run, in one line each."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import text

from bot import machine, presses
from bot.event_kinds import EventKind as E
from bot.model import Do, Person, Plan
from bot.presses import Click, Press
from bot.run import Run
from storage.runs import Store
from storage.transaction import Opening
from tests.bot.stories import ORDERS, T0, Story, happened, later, plan_data, requested, went_well
from tests.people import ANA, BEN, CHANNEL, CY

STORIES: dict[str, Callable[[], Story]] = {
    "requested": Story,
    "refused": lambda: Story().tell(E.REFUSED, why="no"),
    "awaiting approval": lambda: Story().posted(),
    "approved": lambda: Story().approved(),
    "running": lambda: Story().up_to(Do.RESTORE),
    "paused": lambda: Story().fail(Do.RESTORE),
    "stuck": lambda: Story().lose(Do.RESTORE),
    "succeeded": lambda: Story().succeeded(),
    "failed": lambda: Story().fail(Do.RESTORE).tell(E.ENDED, BEN),
    "leaving maintenance": lambda: Story().fail(Do.RESTORE).tell(E.ENDED, BEN).tell(E.LEAVE_AGREED, CY),
    "vetoed": lambda: Story().posted().tell(E.VETOED, BEN),
    "expired": lambda: Story().posted().tell(E.EXPIRED),
    "void": lambda: Story().approved().tell(E.VOIDED, why="moved"),
    "cancelled": lambda: Story().posted().tell(E.CANCELLED, ANA),
}


async def ask(
    store: Store, target: str = "orders", by: Person = ANA, locks: Sequence[str] = (), **data: Any
) -> Run:
    opening = Opening(requested(by, target=target, **data), tuple(locks or (target,)), CHANNEL)
    return await store.change(lambda change: change.open(opening))


def plan_for(run: Run) -> Plan:
    """The orders' plan, for whichever target was asked for."""
    leg = replace(ORDERS.legs[0], target=run.request.target)
    steps = tuple(replace(step, target=run.request.target) for step in ORDERS.steps)
    return replace(ORDERS, target=run.request.target, legs=(leg,), steps=steps)


async def tell(store: Store, run: Run, kind: E, by: Person | None = None, **data: Any) -> Run:
    """One second after the newest event."""
    said = {"marks": sorted(by.marks)} if by else {}
    at = later((run.changed_at or T0).timestamp() - T0.timestamp() + 1)
    return await store.append(run, happened(kind, at, by.id if by else "", {**said, **data}))


async def press(store: Store, run: Run, who: Person, wanted: Press, click: Click, at: datetime) -> Run:
    """Appends what a permitted press records."""
    return await store.append(run, *presses.events_for(wanted, run, who, click, at))


async def approved(store: Store, run: Run | None = None) -> Run:
    run = run or await ask(store)
    run = await tell(store, run, E.PLANNED, **plan_data(plan_for(run)))
    run = await tell(store, run, E.POSTED)
    run = await tell(store, run, E.APPROVED, BEN)
    return await tell(store, run, E.QUORUM_REACHED)


async def driven(store: Store, run: Run | None = None, *, up_to: Do | None = None) -> Run:
    """Started, and then everything goes well: to the end, or until `up_to` is the next thing to do."""
    run = await tell(store, await approved(store, run), E.STARTED, loss=None)
    while not isinstance(action := machine.next_action(run), machine.Wait):
        match action:
            case machine.StartStep(step) | machine.Observe(step) | machine.LookAround(step) if (
                step.do is up_to
            ):
                return run
        for kind, data in went_well(action):
            run = await tell(store, run, kind, **data)
    return run


async def kept(store: Store, run_id: str, told: Story) -> None:
    """Appends a whole story after its first event."""
    run = await store.load(run_id)
    for event in told.events[1:]:
        run = await store.append(run, event)


async def rows(store: Store, query: str) -> list[dict[str, Any]]:
    async with store.database.read() as connection:
        return [dict(row._mapping) for row in await connection.execute(text(query))]
