"""Many people and many targets at once: each target is asked for, approved and taken back, again and again.

They do what patient people do: whoever hears nothing, or that it was not accepted, tries again.
"""

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.exc import DBAPIError

from bot.model import State
from storage.tables import cards, runs
from tests.postgres import PostgresServer, postgres_server
from tests.replicas.backend import VERSIONS, Target
from tests.replicas.world import READ_AFTER, Replicas
from workspace.slack.nouns import Message
from workspace.slack.refusal import Impossible

FRONTS, WORKERS = ("front-1", "front-2"), ("worker-1", "worker-2")
ROLES = {"asker": "0A", "first": "0B", "second": "0C"}
TRIED_AGAIN_AFTER = 0.5  # seconds
PRESSED_AGAIN_AFTER = 2.0  # seconds, when nothing followed a click
LOOKED_EVERY = 0.1  # seconds
QUIET_WITHIN, SHOWN_EVERY = 60.0, 1.2  # seconds: altogether, and for each card that is behind
A_LONG_TIME = 180.0  # seconds without anything happening to a run
HELD = frozenset({State.PAUSED, State.STUCK})  # people must decide


def names(count: int) -> list[str]:
    return [f"t{n:03}" for n in range(count)]


def people_of(target: str) -> Mapping[str, str]:
    """Each target has its own, because Slack and the bot count for each person."""
    number = target[1:].upper()
    return {f"{role}-{target}": f"U{letter}{number}" for role, letter in ROLES.items()}


def targets(count: int, quorum: int = 1, found: bool = True) -> list[Target]:
    return [
        Target(
            name,
            found=found,
            quorum=quorum,
            approvers=(f"managers-{name}",),
            requesters=(f"responders-{name}",),
        )
        for name in names(count)
    ]


def people(those: Sequence[Target]) -> dict[str, str]:
    return {name: user for target in those for name, user in people_of(target.name).items()}


def groups(those: Sequence[Target], approvers: int) -> dict[str, Sequence[str]]:
    """`approvers` of each target, at most two: each of them has a copy of every card."""
    found: dict[str, Sequence[str]] = {}
    for target in those:
        asker, *others = people_of(target.name).values()
        found[f"responders-{target.name}"] = (asker,)
        found[f"managers-{target.name}"] = others[:approvers]
    return found


@dataclass
class Crowd:
    world: Replicas
    randomness: random.Random
    seen: dict[str, tuple[str, State]] = field(default_factory=dict)  # newest run and its state, by target
    held: list[str] = field(default_factory=list)  # runs that wait for people to decide
    done: int = 0

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """What is stored is seen until this is left. When nobody can look, what waits for it ends at once."""
        async with asyncio.TaskGroup() as group:
            watch = group.create_task(self._watch())
            yield
            watch.cancel()

    async def _watch(self) -> None:
        """Until cancelled: what is stored of the newest run of each target."""
        settled = 0  # up to this number all have ended
        while True:
            rows = await self._since(settled)
            self.seen |= {row.target: (row.run_id, State(row.state)) for row in rows}
            for row in rows:
                if not State(row.state).final:
                    break
                settled = row.number
            await asyncio.sleep(LOOKED_EVERY)

    async def _since(self, number: int) -> Sequence[Row[Any]]:
        """None while the database is down."""
        newer = select(runs.c.number, runs.c.target, runs.c.run_id, runs.c.state).where(
            runs.c.number > number
        )
        try:
            async with self.world.store.database.read() as connection:
                return (await connection.execute(newer.order_by(runs.c.number))).all()
        except (DBAPIError, OSError):
            return []

    @property
    def ended(self) -> int:
        """Runs that nothing more will happen to by itself."""
        return self.done + len(self.held)

    async def keep_going(self, target: str, over: Callable[[], bool]) -> None:
        """Runs of one target, one after another, until it is over or one is held."""
        n = 0
        while not over() and await self.one(target, n):
            n += 1

    async def one(self, target: str, n: int) -> bool:
        """Whether the next run can follow: False when this one waits for people to decide."""
        await asyncio.sleep(self.randomness.random())
        run_id = await self.begin(target, n)
        if await self.ends(target, run_id) in HELD:
            self.held.append(run_id)
            return False
        self.done += 1
        return True

    async def begin(self, target: str, n: int) -> str:
        """The id of the n-th run, asked for and approved."""
        run_id = await self.ask(target, VERSIONS[(n + 1) % len(VERSIONS)])
        await self.press_until_it_moves(target, run_id, f"first-{target}", "approve")
        return run_id

    async def ask(self, target: str, point: str) -> str:
        """The id of the run, when its card can be approved and has been read."""
        before, _ = self.seen.get(target, ("", None))
        while True:
            await self.world.says(f"asker-{target}", target, f"{target} to {point}")
            await asyncio.sleep(TRIED_AGAIN_AFTER)
            run_id, _ = self.seen.get(target, ("", None))
            if run_id != before:
                break
        await self._until_there_is_a_card(target, run_id)
        return run_id

    async def _until_there_is_a_card(self, target: str, run_id: str) -> None:
        async def there() -> bool:
            _, state = self.seen[target]
            return state.final or self._card(target, run_id) is not None

        await self.world.eventually(there, f"a card of {run_id}", A_LONG_TIME)
        await asyncio.sleep(READ_AFTER)

    def _card(self, target: str, run_id: str) -> Message | None:
        """On which the run can be approved."""
        for message in reversed(self.world.cards(target)):
            metadata = message.metadata or {}
            if metadata["event_payload"]["run_id"] == run_id:
                return message if any(button[1] == "approve" for button in message.buttons()) else None
        return None

    async def press_until_it_moves(self, target: str, run_id: str, who: str, action: str) -> None:
        while self.seen[target] == (run_id, State.AWAITING_APPROVAL):
            await self.press(target, run_id, who, action)
            await self.moves(target, run_id)

    async def moves(self, target: str, run_id: str) -> bool:
        """Whether it no longer awaits approval within the time after which people press again."""
        for _ in range(round(PRESSED_AGAIN_AFTER / LOOKED_EVERY)):
            if self.seen[target] != (run_id, State.AWAITING_APPROVAL):
                return True
            await asyncio.sleep(LOOKED_EVERY)
        return False

    async def press(self, target: str, run_id: str, who: str, action: str) -> bool:
        """Whether it was acknowledged. A button that has just gone cannot be pressed."""
        card = self._card(target, run_id)
        if card is None:
            return False
        try:
            return (await self.world.slack.click(self.world.people[who], card, action)).acked
        except Impossible:
            return False

    async def ends(self, target: str, run_id: str) -> State:
        """Final, or held for people."""

        async def over() -> State | None:
            _, state = self.seen[target]
            return state if state.final or state in HELD else None

        return await self.world.eventually(over, f"the end of {run_id}", A_LONG_TIME)


@asynccontextmanager
async def crowded(
    those: Sequence[Target], seed: int, approvers: int = 1
) -> AsyncIterator[tuple[Replicas, PostgresServer]]:
    """Two fronts, two workers, a crowd for these targets and a PostgreSQL; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="rollback-crowd-") as folder, postgres_server() as server:
        url = server.url_for("postgres")
        members, grouped = people(those), groups(those, approvers)
        world = Replicas(Path(folder), url, those, members, grouped, seed, module="tests.replicas.program")
        await world.open()
        try:
            await asyncio.gather(*map(world.front, FRONTS), *map(world.worker, WORKERS))
            yield world, server
        finally:
            await world.close()


async def all_quiet(world: Replicas) -> None:
    """Until nothing wants driving and every card shows what is stored, within what is promised for that."""
    behind = runs.c.wants_driving | (runs.c.shown_seq < runs.c.seq)
    stale = select(func.count()).select_from(cards.join(runs, cards.c.run_id == runs.c.run_id)).where(behind)

    async def quiet() -> bool:
        async with world.store.database.read() as connection:
            return (await connection.execute(select(runs.c.run_id).where(behind).limit(1))).first() is None

    async with world.store.database.read() as connection:
        count = (await connection.execute(stale)).scalar_one()
    await world.eventually(quiet, f"quiet, with {count} cards to show", QUIET_WITHIN + count * SHOWN_EVERY)
