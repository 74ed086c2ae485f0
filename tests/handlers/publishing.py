"""The publisher alone before the pretend Slack, in a time that only moves when it is turned.

Runs are told as they would be stored; nobody drives them. Benchmarks measure with it, too.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy import update

from backends.installed import definitions
from bot.configuration import load
from bot.event_kinds import EventKind as E
from bot.run import Run
from handlers.context import Context, Wake
from handlers.keys import signer_at
from handlers.slack.channels import Channels
from handlers.slack.directory import SlackDirectory
from handlers.slack.publisher import Publisher, always
from handlers.slack.sending import Sender
from handlers.web.links import links_from
from storage.cards import CardStore
from storage.changes import ChangeStore
from storage.database import open_database, sqlite_url
from storage.duties import DutyStore
from storage.looks import LookStore
from storage.runs import Store, open_store
from storage.schedules import ScheduleStore
from storage.tables import cards, runs
from storage.transaction import Opening, Transaction
from tests.bot.stories import T0, happened, later, plan_data, requested
from tests.handlers.world import STANDARD
from tests.people import ANA, CHANNEL
from tests.storage.told import ask, plan_for, tell
from workspace.slack.nouns import Message
from workspace.slack.server import PretendSlack
from workspace.slack.state import Workspace

PATIENCE = timedelta(minutes=10)  # of the turned time


@dataclass
class Turned:
    now: datetime = T0 + timedelta(seconds=10)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Publishing:
    publisher: Publisher
    context: Context
    slack: PretendSlack
    clock: Turned

    @property
    def store(self) -> Store:
        return self.context.store

    async def asked(self, count: int, awaited: Sequence[str] = (), of: str = "shop") -> list[Run]:
        """So many runs that wait for an approval, each with its card. `of`: how their targets are called."""
        ids = []
        for n in range(count):
            run = await ask(self.store, f"{of}-{n}")
            await tell(self.store, run, E.PLANNED, **plan_data(plan_for(run), awaited=awaited))
            ids.append(run.id)
        self.clock.turn(5)
        await self.until_shown()
        return [await self.store.load(run_id) for run_id in ids]

    async def waiting(self, count: int) -> None:
        """So many runs that wait for an approval and are shown, without having been: told in one go."""

        async def work(change: Transaction) -> None:
            for n in range(count):
                asked = requested(ANA, target=f"waiting-{n}")
                run = await change.open(Opening(asked, (f"waiting-{n}",), CHANNEL))
                planned = happened(E.PLANNED, later(1), "", plan_data(plan_for(run), awaited=[]))
                await change.append(run, (planned,))
            await change.connection.execute(update(cards).values(gone="never posted"))
            await change.connection.execute(update(runs).values(shown_seq=runs.c.seq))

        await self.store.change(work)

    async def until_shown(self, step: float = 0.5) -> float:
        """Rounds until nothing is behind; in turned seconds how long that took."""
        begun = self.clock()
        while await self.store.to_show() or await self.context.cards.unposted():
            assert self.clock() - begun < PATIENCE, "the cards never caught up"
            await self.publisher.round()
            self.clock.turn(step)
        return (self.clock() - begun).total_seconds()

    async def seconds_until_cards_say(
        self, words: str, runs: Sequence[Run], step: float = 0.5
    ) -> list[float]:
        """For each run when its card said so, in turned seconds from now, the quickest first."""
        begun, shown = self.clock(), list[float]()
        while len(shown) < len(runs):
            assert self.clock() - begun < PATIENCE, f"{len(shown)} of {len(runs)} are shown"
            await self.publisher.round()
            now = (self.clock() - begun).total_seconds()
            shown += [now] * (sum(words in card.plain() for card in self.cards()) - len(shown))
            self.clock.turn(step)
        return shown

    def cards(self) -> list[Message]:
        return [m for m in self.slack.workspace.messages(CHANNEL) if m.metadata]

    def refused_for_the_budget(self) -> int:
        return sum(call.error == "ratelimited" for call in self.slack.workspace.calls)

    async def cpu_of_rounds(self, count: int) -> float:
        """Seconds of CPU that so many rounds take, the pretend Slack's included."""
        begun = time.process_time()
        for _ in range(count):
            await self.publisher.round()
            self.clock.turn(1)
        return time.process_time() - begun


@asynccontextmanager
async def publishing(
    folder: Path, template: Path, may_publish: Callable[[], Awaitable[bool]] = always
) -> AsyncIterator[Publishing]:
    """`template`: an empty database at the newest revision; it is copied."""
    clock = Turned()
    workspace = Workspace(seed=1, clock=lambda: clock().timestamp())
    for user in (ANA.id, "U01BEN", "U01CY"):
        workspace.add_user(user, user.lower())
    workspace.add_channel(CHANNEL, "inc-1", members=[ANA.id])
    slack = await PretendSlack.start(workspace)
    slack.budget.enabled = True
    (folder / "rollback.yaml").write_text(STANDARD.format(ctl="/bin/true"))
    (folder / "rollback.db").write_bytes(template.read_bytes())
    database = open_database(sqlite_url(folder / "rollback.db"))
    session = ClientSession(timeout=ClientTimeout(total=3))
    client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url, session=session, retry_handlers=[])
    configuration = load(folder / "rollback.yaml", definitions())
    signer = signer_at(folder / "front.key")
    store = await open_store(database, signer, clock())
    context = Context(
        configuration=configuration,
        store=store,
        cards=CardStore(database),
        looks=LookStore(database),
        duties=DutyStore(store),
        schedules=ScheduleStore(store),
        changes=ChangeStore(store),
        directory=SlackDirectory(configuration, client, workspace.app.team_id, clock),
        channels=Channels(configuration, client, clock),
        sender=Sender(client, clock),
        links=links_from(folder / "front.key"),
        clock=clock,
        work=Wake(),
        publish=Wake(),
    )
    try:
        yield Publishing(Publisher(context, may_publish), context, slack, clock)
    finally:
        await session.close()
        await database.close()
        await slack.stop()
