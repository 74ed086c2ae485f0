"""Replicas, people and a backend: what a test does with them and sees of them.

Everything goes in through Slack's doors. Runs are read from the database as any other process may read them.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from bot.canonical_json import iso
from bot.clock import SteadyClock, utc_now
from bot.model import State
from bot.run import Run
from handlers.keys import signer_at
from storage.database import open_database, upgrade
from storage.processes import SPOOL
from storage.runs import open_store
from storage.tables import leases
from tests.bot.stories import T0
from tests.people import ANA, BEN, CY, MEMBERS
from tests.replicas.backend import CREDENTIAL, PASSWORD, Backend, Target
from tests.replicas.doors import Doors
from tests.replicas.programs import Replica
from workspace.slack.acts import SlashReply
from workspace.slack.forms import ClickReply
from workspace.slack.nouns import Message
from workspace.slack.server import ACK_SECONDS, PretendSlack
from workspace.slack.signed import SignedHttp
from workspace.slack.state import Workspace

T = TypeVar("T")
PATIENCE = 40.0  # seconds; more than a lease and a sweep
READ_AFTER = 1.05  # seconds that a card has to stand before a click on it counts
LOOKED_EVERY = 0.02  # seconds


@dataclass
class Replicas:
    """`database`: its URL. `seed`: of Slack's ids."""

    folder: Path
    database: str
    targets: Sequence[Target]
    people: Mapping[str, str] = field(default_factory=lambda: dict(MEMBERS))
    groups: Mapping[str, Sequence[str]] = field(
        default_factory=lambda: {"responders": (ANA.id, BEN.id), "managers": (BEN.id, CY.id)}
    )
    seed: int = 1
    module: str = "handlers.cli"
    workspace: Workspace = field(init=False)
    fronts: dict[str, Replica] = field(default_factory=dict)
    workers: dict[str, Replica] = field(default_factory=dict)

    # Building

    async def open(self) -> None:
        self.workspace = Workspace(seed=self.seed)
        self.backend = Backend(self.folder / "backend")
        self.backend.build(self.targets)
        for name, user in self.people.items():
            self.workspace.add_user(user, name)
        for target in self.targets:
            self.workspace.add_channel(
                self.channel(target.name), f"inc-{target.name}", members=list(self.people.values())
            )
        self.slack = await PretendSlack.start(self.workspace)
        self.session = aiohttp.ClientSession()
        self.doors = Doors(utc_now)
        self.slack.delivery.transport = self.doors
        (self.folder / "rollback.yaml").write_text(json.dumps(self._configuration()))
        signer_at(self.folder / "front.key")
        database = open_database(self.database)
        await upgrade(database)  # by the operator, before the first replica
        self.store = await open_store(database, None, SteadyClock()())

    def _configuration(self) -> dict[str, Any]:
        """JSON is YAML."""
        return {
            "version": 1,
            "groups": {name: {"members": list(members)} for name, members in self.groups.items()},
            "targets": {target.name: self.backend.configured(target) for target in self.targets},
        }

    async def close(self) -> None:
        self.backend.release()
        for replica in (*self.fronts.values(), *self.workers.values()):
            if replica.runs:
                await replica.kill()
        await self.store.database.close()
        await self.session.close()
        await self.slack.stop()

    # Replicas

    def _of_every_role(self, name: str) -> dict[str, str]:
        return {
            "SLACK_API_URL": self.slack.api_url,
            "ROLLBACK_DATABASE_URL": self.database,
            "ROLLBACK_CONFIG": str(self.folder / "rollback.yaml"),
            "ROLLBACK_STATE_DIR": str(self.folder / f"state-{name}"),
            "ROLLBACK_HTTP": "127.0.0.1:0",
        }

    async def front(self, name: str, mode: str = "http") -> Replica:
        """A new one, or one that was ended, started."""
        opens = {"SLACK_SIGNING_SECRET": self.slack.signing_secret}
        if mode == "socket":
            opens = {"SLACK_APP_TOKEN": self.slack.app_token}
        environment = {
            **self._of_every_role(name),
            **opens,
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "ROLLBACK_SIGNING_KEY_FILE": str(self.folder / "front.key"),
        }
        front = self._replica(self.fronts, name, ("serve", "--role", "front"), environment)
        await front.start()
        self.doors.ways[name] = self.slack.sockets if mode == "socket" else self._signed_http(front)
        return front

    def _signed_http(self, front: Replica) -> SignedHttp:
        url, secret = f"{front.url}/slack/events", self.slack.signing_secret
        return SignedHttp(self.session, url, secret, self.workspace.clock, ACK_SECONDS)

    async def whole(self, name: str) -> Replica:
        """Both roles in one process, which a database that is a file asks for."""
        environment = {
            **self._of_every_role(name),
            "SLACK_SIGNING_SECRET": self.slack.signing_secret,
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "ROLLBACK_SIGNING_KEY_FILE": str(self.folder / "front.key"),
            CREDENTIAL: PASSWORD,
        }
        bot = self._replica(self.fronts, name, ("serve",), environment)
        await bot.start()
        self.doors.ways[name] = self._signed_http(bot)
        return bot

    async def worker(self, name: str, zone: str = "main", **other: str) -> Replica:
        """`other`: what its environment has besides."""
        environment = {
            **self._of_every_role(name),
            "ROLLBACK_WORKER_KEY_FILE": str(self.folder / f"worker-{zone}.key"),
            "SLACK_READ_TOKEN": self.slack.read_token,
            "ROLLBACK_FRONT_KEYS_FILE": str(self.folder / "front.pub"),
            CREDENTIAL: PASSWORD,
            **other,
        }
        arguments = ("serve", "--role", "worker", "--zone", zone)
        worker = self._replica(self.workers, name, arguments, environment)
        await worker.start()
        return worker

    async def stays_away(self, worker: str) -> None:
        """A worker that has ended was seen last so long ago that nobody waits for it any more."""
        gone = update(leases).where(leases.c.name == f"{SPOOL}{self.spool(worker)}").values(until=iso(T0))
        await self.store.database.write(lambda connection: connection.execute(gone))

    def spool(self, worker: str) -> str:
        """The name of its spool."""
        name = self.folder / f"state-{worker}" / "spool" / "name"
        return str(json.loads(name.read_text())["name"])

    def _replica(
        self,
        those: dict[str, Replica],
        name: str,
        arguments: tuple[str, ...],
        environment: Mapping[str, str],
    ) -> Replica:
        return those.setdefault(
            name, Replica(name, arguments, environment, self.folder / f"{name}.log", self.module)
        )

    def ended_by_themselves(self) -> list[str]:
        """Of replicas that should be running: a sentence for each that is not."""
        those = (*self.fronts.values(), *self.workers.values())
        return [f"{one.name} has ended: {one.said()}" for one in those if not one.runs]

    async def kill_front(self, name: str) -> None:
        self.doors.ways.pop(name, None)
        await self.fronts[name].kill()

    # What people do

    @staticmethod
    def channel(target: str) -> str:
        return "C0" + "".join(c for c in target.upper() if c.isalnum())

    async def says(self, who: str, target: str, text: str) -> SlashReply:
        return await self.slack.slash(self.people[who], self.channel(target), text)

    async def clicks(self, who: str, target: str, action: str) -> ClickReply:
        """Presses the button on the newest card of `target`."""
        return await self.slack.click(self.people[who], self.card(target), action)

    async def asks(self, target: str, point: str = "v41", who: str = "ana") -> Run:
        """A request whose card stands long enough to have been read."""
        reply = await self.says(who, target, f"{target} to {point}")
        assert reply.acked, reply
        run = await self.eventually(lambda: self._posted(target), f"a card for {target}")
        await asyncio.sleep(READ_AFTER)
        return run

    async def approves(self, target: str, who: str = "cy", asker: str = "ana") -> Run:
        """Asked for and approved."""
        run = await self.asks(target, who=asker)
        assert (await self.clicks(who, target, "approve")).acked
        return run

    async def is_restoring(self, target: str, asker: str = "ana") -> Run:
        """A run whose restore hangs at the backend."""
        self.backend.hang(target)
        run = await self.approves(target, asker=asker)
        await self.until(lambda: self.backend.begun(target), f"the restore of {target}")
        return run

    # What is seen

    def cards(self, target: str) -> list[Message]:
        """Every card in its channel, oldest first."""
        messages = self.workspace.messages(self.channel(target))
        return [m for m in messages if m.metadata and not m.thread_ts and not m.deleted]

    def card(self, target: str) -> Message:
        cards = self.cards(target)
        assert cards, f"there is no card for {target}"
        return cards[-1]

    async def _posted(self, target: str) -> Run | None:
        """The newest run of it, when people can approve it and the store knows that its card stands there."""
        run = await self.run(target)
        if run is None or run.state is not State.AWAITING_APPROVAL or run.approval.posted_at is None:
            return None
        return run

    async def shows(self, target: str, words: str) -> str:
        """The card's text, when it shows `words`."""

        def shown() -> str | None:
            text = self.cards(target)[-1].plain() if self.cards(target) else ""
            return text if words in text else None

        return await self.until(shown, f"{words!r} on the card of {target}")

    async def run(self, target: str) -> Run | None:
        """The newest of this target; None: nobody has asked yet."""
        found = await self.store.summaries(target=target, limit=1)
        return await self.store.load(found[0].id) if found else None

    async def reaches(self, target: str, *states: str) -> Run:
        async def there() -> Run | None:
            run = await self.run(target)
            return run if run is not None and run.state.value in states else None

        return await self.eventually(there, f"{target} to be {' or '.join(states)}")

    async def until(self, found: Callable[[], T | None], what: str, within: float = PATIENCE) -> T:
        async def look() -> T | None:
            return found()

        return await self.eventually(look, what, within)

    async def eventually(
        self, found: Callable[[], Awaitable[T | None]], what: str, within: float = PATIENCE
    ) -> T:
        """What `found` gives, as soon as that is something. A database that is down is waited for."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        while True:
            with contextlib.suppress(DBAPIError):
                if result := await found():
                    return result
            assert loop.time() < deadline, f"waited {within:.0f} s for {what}{self._state()}"
            await asyncio.sleep(LOOKED_EVERY)

    def _state(self) -> str:
        """What the replicas said last, for a test that waited in vain."""
        those = (*self.fronts.values(), *self.workers.values())
        return "".join(f"\n--- {one.name}: {one.said()[-1_500:]}" for one in those)
