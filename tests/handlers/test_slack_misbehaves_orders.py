"""Slack promises no order and may deliver twice: whichever comes first, a run ends well or does nothing."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from bot import machine, presses
from bot.envelope import Event
from bot.event_kinds import EventKind as E
from bot.model import Do, Person, State
from bot.policy import Entitled
from bot.presses import Click, Press
from bot.run import Run
from tests.bot.stories import ORDERS, T0, happened, plan_data, requested, went_well
from tests.handlers.world import PATIENCE, World
from tests.people import ANA, BEN, CY, DORA
from workspace.slack.refusal import Impossible

PEOPLE = Entitled(approvers=(BEN, CY), requesters=None, owners=frozenset({DORA.id}))


@dataclass(frozen=True, slots=True)
class Delivery:
    """A payload, known by its key; two with one key are the same payload twice."""

    key: str
    who: Person | None  # None: the worker, who comes whenever it likes
    press: Press | None = None  # None: the command that asks


ASKS, WORKS = Delivery("command", ANA), Delivery("worker", None)
APPROVES, VETOES = Delivery("ben", BEN, presses.APPROVE), Delivery("dora", DORA, presses.VETO)
EIGHT = (
    ASKS,
    ASKS,
    APPROVES,
    APPROVES,
    Delivery("cy", CY, presses.APPROVE),
    VETOES,
    Delivery("ana", ANA, presses.CANCEL),
    WORKS,
)


@dataclass(frozen=True, slots=True)
class Then:
    """What has become of some of the eight, in one order."""

    run: Run | None = None  # None: nobody has asked yet
    done: frozenset[str] = frozenset()  # keys of deliveries that had their effect
    restores: int = 0
    stopped_before: bool = False  # by a veto or a cancellation before anything was touched

    def after(self, delivery: Delivery) -> "Then":
        if delivery is WORKS:
            return self.driven(up_to_the_restore=True)
        if delivery.key in self.done:
            return self
        if delivery.press is None:
            assert self.run is None, "asked once, opened twice"
            return replace(self, run=_asked(), done=self.done | {delivery.key})
        return self.pressed(delivery)

    def pressed(self, delivery: Delivery) -> "Then":
        assert delivery.who is not None
        assert delivery.press is not None
        if self.run is None:
            return self  # there is no card that could be pressed
        now = T0 + timedelta(minutes=1)
        click = Click(why="because")
        if presses.why_not(delivery.press, self.run, delivery.who, PEOPLE, click, now):
            return self
        run = self.run
        for event in presses.events_for(delivery.press, run, delivery.who, click, now):
            run = machine.apply(run, replace(event, seq=run.seq + 1))
        stopped = run.state in {State.VETOED, State.CANCELLED}
        return replace(
            self,
            run=run,
            done=self.done | {delivery.key},
            stopped_before=self.stopped_before or (stopped and not self.run.work.touched),
        )

    def driven(self, *, up_to_the_restore: bool = False) -> "Then":
        """The worker does what is to be done, and all goes well; on request only until it has restored."""
        run, restores = self.run, self.restores
        while run is not None and run.state in {State.APPROVED, State.RUNNING}:
            action = machine.next_action(run)
            if isinstance(action, machine.Preflight):
                run = machine.apply(run, _event(run, E.STARTED, loss=None))
                continue
            if isinstance(action, machine.StartStep) and action.step.do is Do.RESTORE:
                restores += 1
            for kind, data in went_well(action):
                run = machine.apply(run, _event(run, kind, **data))
            if restores and up_to_the_restore:
                break
        return replace(self, run=run, restores=restores)


def _asked() -> Run:
    run = machine.begin("RB-1", requested(ANA))
    run = machine.apply(run, _event(run, E.PLANNED, **plan_data(ORDERS)))
    return machine.apply(run, _event(run, E.POSTED))


def _event(run: Run, kind: E, **data: object) -> Event:
    return happened(kind, (run.changed_at or T0) + timedelta(seconds=1), "", data, seq=run.seq + 1)


def outcomes(then: Then, left: tuple[Delivery, ...]) -> Iterator[Then]:
    """Of every order of what is left; what two orders begin with in common is done once."""
    if not left:
        yield then.driven()
    for n, delivery in enumerate(left):
        yield from outcomes(then.after(delivery), left[:n] + left[n + 1 :])


def test_all_orders_of_eight_deliveries_end_in_one_run_that_is_allowed() -> None:
    seen, ends = 0, set[tuple[State, int]]()
    for then in outcomes(Then(), EIGHT):
        seen += 1
        assert then.run is not None
        ends.add((then.run.state, then.restores))
        assert then.restores <= 1
        assert not (then.stopped_before and then.restores)
        assert not then.restores or "ben" in then.done or "cy" in then.done
    assert seen == 40_320
    assert ends == {
        (State.SUCCEEDED, 1),
        (State.VETOED, 0),
        (State.CANCELLED, 0),
        (State.PAUSED, 1),  # cancelled after the restore: no next step
        (State.AWAITING_APPROVAL, 0),
    }


@pytest.mark.parametrize("seed", range(6))
async def test_eight_payloads_at_once_in_any_order_end_in_one_allowed_run(world: World, seed: int) -> None:
    await world.asks()
    world.workspace.random.seed(seed)
    world.slack.faults.reorder(8)
    await world.until(lambda: world.direct("ben") and world.direct("cy"), "the copies")
    at_once = [
        world.clicks("ben", "Approve and start"),
        world.clicks("ben", "Approve and start", world.direct("ben")[-1]),
        world.clicks("cy", "Approve and start"),
        world.clicks("dora", "Reject"),
        world.clicks("ana", "Cancel"),
        world.clicks("guest", "Approve and start"),
        world.clicks("ana", "Approve and start"),
        world.says("ana", "shop to v40"),
    ]
    answers = await asyncio.gather(*at_once, return_exceptions=True)
    assert not [a for a in answers if isinstance(a, Exception) and not isinstance(a, Impossible)]
    async with asyncio.timeout(PATIENCE):
        while not (run := await world.run("RB-1")).state.final:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
    assert run.state in {"succeeded", "vetoed", "cancelled"}
    assert world.backend.restored == (["v41"] if run.state == "succeeded" else [])
