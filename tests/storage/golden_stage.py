"""A database that the product's own code fills: people, drivers and an operator, on a clock set by hand.

Plans, steps and outcomes come from the engine over scripted backends, people's words from `presses`, and all
of it is stored by the store. Imitated is what needs Slack around it: opening a run (`handlers.slack.asking`,
which lets one person have three at once only), recording a press (`pressing`), the place of a card and what
follows when there is none (`publisher`), the end of what was let pass (`handlers.front`), and refusals that
are kept as evidence.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from backends.installed import definitions
from bot import machine, presses
from bot.backups import Schedule
from bot.configuration import load
from bot.engine import Engine
from bot.envelope import Event
from bot.event_kinds import EventKind
from bot.events import Posted, Requested
from bot.model import Do, Person, State
from bot.planner import Planner
from bot.policy import Entitled
from bot.presses import APPROVE, Click, Press
from bot.procedures import targets_of
from bot.run import Run
from handlers.backing_up import request
from handlers.slack.asking import Wish
from handlers.worker import LEASE
from storage import cards, restored
from storage.claims import Claim, Claims
from storage.database import Database
from storage.looks import LookStore
from storage.restored import RestoredStore
from storage.runs import Store
from storage.schedules import ScheduleStore
from storage.transaction import Opening, Transaction
from tests.bot.scripted import Backend, HandClock, Journal, Killed, Register, Scripted, World
from tests.people import ANA, BEN, CY, DORA, person
from tests.storage import golden
from tests.storage.conftest import FRONT

CONFIGURATION = load(golden.CONFIGURATION, definitions())
CHANNEL = "C01INC"
EVE = person("eve", email="eve@example.com", timezone="Europe/Berlin")
ENTITLED = Entitled((BEN, CY), requesters=frozenset({ANA.id, EVE.id}), owners=frozenset({DORA.id}))
OPERATOR = "operator"
PROGRESS = "progress"  # where a driver can be ended, beside the kinds of events
DELIVERIES_KEPT = 3  # more rows of them would say nothing more


class Watched(Store):
    """The store, with a second between two changes; it ends the driver as SIGKILL would."""

    def __init__(self, database: Database, installation: str, passes: Callable[[], None]) -> None:
        super().__init__(database, installation, FRONT)
        self._passes = passes
        self.ends_at: EventKind | str | None = None  # None: nobody is ended

    async def append(
        self, run: Run, *events: Event, epoch: int | None = None, within: float | None = None
    ) -> Run:
        moved = await super().append(run, *events, epoch=epoch, within=within)
        self._passes()
        self._ends(*(event.kind for event in events))
        return moved

    async def progress(self, run_id: str, epoch: int, progress: dict[str, Any]) -> None:
        await super().progress(run_id, epoch, progress)
        self._ends(PROGRESS)

    def _ends(self, *written: EventKind | str) -> None:
        if self.ends_at in written:
            self.ends_at = None
            raise Killed


class Stage:
    """One database, and a world whose backends do what the story says."""

    def __init__(self, database: Database, installation: str) -> None:
        self.clock = HandClock()
        self.database = database
        self.store = Watched(database, installation, self.passes)
        self.world = World(CONFIGURATION, Journal(), self.clock)
        self.register = Register(ENTITLED)
        self.cards = cards.CardStore(database)
        self.looks = LookStore(database)
        self._deliveries = 0

    def passes(self, seconds: float = 1.0) -> None:
        self.clock.now += timedelta(seconds=seconds)

    def backend(self, target: str) -> Backend:
        return self.world.backends[target]

    def switch(self, target: str, do: Do) -> Scripted:
        return self.world.maintenance(target, do)

    # People, and the clock

    async def begun(self, schedules: ScheduleStore, schedule: Schedule) -> Run:
        """Opens the backup that is due."""
        run = await schedules.begin(schedule, request(schedule, self.clock()), self.clock())
        assert run is not None, schedule  # nobody else begins it
        return run

    async def ask(
        self, wish: Wish, by: Person = ANA, *, ending: Callable[[str], Event] | None = None, audit: str = ""
    ) -> Run:
        """Opens a run. `ending` makes what ends the run that this one undoes, from the new run's id."""
        now, key = self.clock(), self._delivery()
        target = CONFIGURATION.targets[wish.target]
        locks = () if wish.is_beside else targets_of(CONFIGURATION, target)
        opening = Opening(_request(wish, by, now), locks, wish.channel)

        async def work(change: Transaction) -> Run:
            await change.once(key, now)
            next_id = await change.next_id()
            if ending is not None:
                undone = await self.store.load(str(wish.goal.undo_of))
                await change.append(undone, (ending(next_id),))
            run = await change.open(opening)
            if audit:
                await cards.want(change.connection, run.id, cards.CardKind.AUDIT, audit, now)
            if wish.thread:
                place = {"recipient": wish.channel, "thread_ts": wish.thread}
                await cards.want(change.connection, run.id, cards.CardKind.LINE, at=now, **place)
            return run

        run = await self.store.change(work)
        self.passes()
        return run

    async def post(self, run: Run) -> Run:
        """The card stands in the channel, long enough to be read."""
        now = self.clock()
        (card,) = (each for each in await self.cards.of_run(run.id) if each.kind is cards.CardKind.CARD)
        ts = f"{now.timestamp():.6f}"

        async def work(change: Transaction) -> Run:
            await cards.place(change.connection, card.key, CHANNEL, ts, "d" * 64, now)
            return await change.append(run, (Event(Posted(CHANNEL, ts), now),))

        moved = await self.store.change(work)
        await self.store.shown(moved.id, moved.seq)
        self.passes(2)
        return moved

    async def press(self, run: Run, who: Person, press: Press, why: str = "", answer: str = "") -> Run:
        return await self.clicks(run, who, press, Click(why=why, answer=answer, code=run.code[:4]))

    async def clicks(self, run: Run, who: Person, press: Press, click: Click) -> Run:
        now, key = self.clock(), self._delivery()
        reason = presses.why_not(press, run, who, ENTITLED, click, now)
        assert reason is None, reason

        async def work(change: Transaction) -> Run:
            await change.once(key, now)
            return await change.append(run, presses.events_for(press, run, who, click, now))

        moved = await self.store.change(work)
        self.passes()
        return moved

    def _delivery(self) -> str | None:
        self._deliveries += 1
        return f"Ev{self._deliveries:05d}" if self._deliveries <= DELIVERIES_KEPT else None

    async def due(self, run: Run) -> Run:
        """The clock has its turn."""
        turn = machine.due(run)
        assert turn is not None, f"{run.request.target} is {run.state} and waits for no time"
        self.clock.now = max(self.clock.now, turn[0])
        return await self.store.append(run, Event(turn[1], self.clock()))

    # Drivers

    async def drive(self, run: Run, until: EventKind | str | None = None, *, dead: bool = False) -> Run:
        """Drives it as far as it goes, or `until` this is written. `dead`: the driver keeps its lease."""
        claim = await self._claimed(run)
        self.store.ends_at = until
        with suppress(Killed):
            await self._engine().drive(claim)
        assert self.store.ends_at is None, f"{run.request.target} came to no {until}"
        if dead:
            self.passes(LEASE.total_seconds() + 1)
        else:
            await Claims(self.store).give_back(claim)
        return await self.store.load(run.id)

    async def give_up(self, run: Run) -> Run:
        """Driving it has failed time after time, for no reason that it knows itself."""
        claim = await self._claimed(run)
        moved = await self._engine().give_up(claim, ValueError("?"))
        await Claims(self.store).give_back(claim)
        return moved

    async def _claimed(self, run: Run) -> Claim:
        claim = await Claims(self.store).claim(run.id, self.clock(), LEASE)
        assert claim is not None, f"{run.request.target} is {run.state} and wants no driving"
        return claim

    def _engine(self) -> Engine:
        planner = Planner(CONFIGURATION, self.store, self.world, self.clock)
        keys = [FRONT.public]
        return Engine(
            CONFIGURATION,
            self.store,
            self.world,
            planner,
            self.register,
            keys,
            self.clock,
            self.clock.sleep,
        )

    # Longer pieces

    async def planned(self, wish: Wish, by: Person = ANA) -> Run:
        return await self.drive(await self.ask(wish, by))

    async def posted(self, wish: Wish, by: Person = ANA) -> Run:
        run = await self.planned(wish, by)
        assert run.state is State.AWAITING_APPROVAL, run.why
        return await self.post(run)

    async def approved(self, wish: Wish, by: Person = ANA) -> Run:
        run = await self.posted(wish, by)
        for who in (BEN, CY)[: run.approval.plan.approvals_needed]:
            run = await self.press(run, who, APPROVE)
        return run

    async def started(
        self, wish: Wish, until: EventKind | str | None = None, *, by: Person = ANA, dead: bool = False
    ) -> Run:
        return await self.drive(await self.approved(wish, by), until, dead=dead)

    async def both(self, run: Run, press: Press, answer: str = "", why: str = "nachgesehen") -> Run:
        """Two people say the same."""
        run = await self.press(run, ANA, press, why, answer)
        return await self.press(run, BEN, press, "ja", answer)

    # The operator

    async def put_back(self) -> None:
        """From a backup of this moment; somebody presses something before that is confirmed."""
        self.passes(600)
        told = await restored.mark_restored(self.database, self.clock(), OPERATOR)
        self.passes(60)
        body = {"asked": APPROVE.action_id, "why": restored.READ_ONLY}
        store = RestoredStore(self.database, told.installation, None)
        await store.note("read_only_refused", self.clock(), ANA.id, body)
        self.passes(60)

    async def confirm(self, highest: int) -> None:
        told = await restored.restored(self.database)
        assert told is not None
        await restored.confirm(self.database, highest, self.clock(), OPERATOR)
        self.store = Watched(self.database, told.installation, self.passes)
        self.passes(60)

    async def newest_of(self, target: str) -> Run:
        (newest,) = await self.store.summaries(target=target, limit=1)
        return await self.store.load(newest.id)


def _request(wish: Wish, by: Person, now: datetime) -> Event:
    one_mark = frozenset({f"person:{by.human}"})  # of a set of two the order is another in each process
    asked = Requested(
        target=wish.target,
        purpose=wish.purpose,
        goal=wish.goal,
        requester=replace(by, marks=one_mark),
        channel=wish.channel,
        reason=wish.reason,
        thread=wish.thread,
        ask_first=wish.ask_first,
        undo_of=wish.goal.undo_of,
        drill_of=wish.drill_of,
    )
    return Event(asked, now, by.id)
