"""One life of the bot: everything that `serve` puts together, in a forked process whose time is given to it.

Slack, the backends and the people are outside, at the other end of the wire. The process ends when the wire
does, or by SIGKILL at the moment that was chosen for it.
"""

import asyncio
import json
import os
import traceback
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.backups import wanted
from bot.clock import SteadyClock
from bot.configuration import MAIN_ZONE, Configuration
from bot.engine import ClaimedRun, Engine
from bot.planner import Planner
from bot.run import Run
from bot.signatures import Signer
from handlers.backing_up import back_up_due, keep_schedules
from handlers.context import Context, Wake
from handlers.door.deliver import Door, Identity
from handlers.front import bolt, expire_due
from handlers.slack.channels import Channels
from handlers.slack.directory import SlackDirectory
from handlers.slack.publisher import Publisher
from handlers.slack.reminding import keep_duties, remind_due
from handlers.slack.sending import Sender
from handlers.watching import Watching
from handlers.web.links import Links
from handlers.worker import Worker
from storage.cards import CardStore
from storage.changes import ChangeStore
from storage.claims import Claims
from storage.database import open_database
from storage.duties import DutyStore
from storage.looks import LookStore
from storage.runs import open_store
from storage.schedules import ScheduleStore
from tests.bot.stories import T0
from tests.chaos.backends import RemoteWorld
from tests.chaos.moments import DOING, Moments, Trail, watch
from tests.chaos.virtual_time import VirtualLoop
from tests.chaos.wire import Acknowledged, Answered, Call, Deliver, Idle, Later, PassTime, Wire
from workspace.slack.nouns import App

FRONT = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
APP = App()
EPOCH: ContextVar[int | None] = ContextVar("EPOCH", default=None)  # of the claim that this task drives under
DIED_OF_ITSELF = 70  # exit status


@dataclass(frozen=True, slots=True)
class Birth:
    """What a life begins with. `kill_at` None: it is not killed."""

    configuration: Configuration
    database: str  # URL
    log: Path
    now: float  # seconds since the story began
    alone: bool  # the only process: whoever held a claim is dead
    kill_at: int | None


def live(birth: Birth, wire: Wire, trail: Trail) -> None:
    """The whole of a forked process; never returns."""
    status = DIED_OF_ITSELF
    with birth.log.open("a") as log:
        try:
            structlog.configure(
                processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
                logger_factory=structlog.WriteLoggerFactory(log),
            )
            outside = Outside(wire)
            loop = VirtualLoop(birth.now, lambda sleep: wire.send(Idle(sleep, loop.time())))
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(_lived(birth, outside, loop, trail))
            status = 0
        except BaseException:  # noqa: BLE001 - it is the end of the process, and the outside reads why
            traceback.print_exc(file=log)
        finally:
            log.flush()
            os._exit(status)


class Outside:
    """Slack and the backends, as the bot reaches them."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._calls = 0

    def open(self, loop: VirtualLoop, moments: Moments, hear: Callable[[Deliver], None]) -> None:
        self._loop, self._moments, self._hear = loop, moments, hear
        loop.add_reader(self.wire.socket, self._read)

    def _read(self) -> None:
        self._take(self.wire.receive())
        while self.wire.has_more:
            self._take(self.wire.receive())

    def _take(self, message: object) -> None:
        match message:
            case PassTime(seconds):
                self._loop.pass_time(seconds)
            case Answered(id, Exception() as problem):
                self._waiting.pop(id).set_exception(problem)
            case Answered(id, value):
                self._waiting.pop(id).set_result(value)
            case Deliver() as delivery:
                self._hear(delivery)
            case None:
                os._exit(0)

    async def ask(self, place: str, what: str, given: Any) -> Any:
        """Three moments: before it is sent, while it is done out there, after the answer came."""
        name = _named(place, what, given)
        self._moments.reach(f"{name}:before")
        self._calls += 1
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._waiting[self._calls] = answer
        self.wire.send(Call(self._calls, place, what, given, EPOCH.get()))
        self._moments.reach(f"{name}:called")
        with self._loop.busy():
            try:
                value = await answer
            finally:
                self._moments.reach(f"{name}:after")
        if isinstance(value, Later):
            await asyncio.sleep(value.seconds)
            return value.value
        return value


def _named(place: str, what: str, given: Any) -> str:
    match place, what, given:
        case "slack", _, {"thread_ts": str()}:
            return f"{what} in a thread"
        case "slack", ("chat.postMessage" | "chat.update"), {"channel": str(channel)}:
            return f"{what} {'card' if channel.startswith('C') else 'copy'}"
        case "slack", _, {"user": str(user)}:
            return f"{what} {user}"
        case "slack", _, _:
            return what
        case _, "start" | "find" | "poll", (do, _):
            return f"{do} {place}: {what}"
        case _:
            return f"{place}: {what}"


class WiredSlack(AsyncWebClient):
    """Slack's client, with a wire instead of a network."""

    def __init__(self, outside: Outside) -> None:
        super().__init__(token="xoxb-chaos", retry_handlers=[])
        self._outside = outside

    async def api_call(self, api_method: str, **how: Any) -> AsyncSlackResponse:
        given = {**(how.get("params") or {}), **(how.get("data") or {}), **(how.get("json") or {})}
        given = {name: value for name, value in given.items() if value is not None}
        answer = await self._outside.ask("slack", api_method, given)
        response = AsyncSlackResponse(
            client=self,
            http_verb="POST",
            api_url=api_method,
            req_args=given,
            data=answer,
            headers={},
            status_code=200,
        )
        validated: AsyncSlackResponse = response.validate()  # type: ignore[no-untyped-call]
        return validated


class ToldEngine(Engine):
    """The engine, which lets the outside know under which epoch something is done."""

    async def drive(self, claim: ClaimedRun, alive: Callable[[], bool] = lambda: True) -> Run:
        EPOCH.set(claim.epoch)
        return await super().drive(claim, alive)


async def _lived(birth: Birth, outside: Outside, loop: VirtualLoop, trail: Trail) -> None:
    moments = Moments(trail, birth.kill_at)
    clock = SteadyClock(wall=lambda: _at(loop), monotonic=loop.time)
    database = watch(open_database(birth.database), moments, loop.busy)
    store = await open_store(database, FRONT, clock())
    client = WiredSlack(outside)
    context = Context(
        configuration=birth.configuration,
        store=store,
        cards=CardStore(database),
        looks=LookStore(database),
        duties=DutyStore(store),
        schedules=ScheduleStore(store),
        changes=ChangeStore(store),
        directory=SlackDirectory(birth.configuration, client, APP.team_id, clock),
        channels=Channels(birth.configuration, client, clock),
        sender=Sender(client, clock),
        links=Links(bytes(32)),
        clock=clock,
        work=Wake(),
        publish=Wake(),
    )
    me = AuthorizeResult(
        enterprise_id=None, team_id=APP.team_id, bot_token=client.token, bot_user_id=APP.bot_user
    )
    door = Door(bolt(client, me, context), Identity(APP.team_id, APP.id), context.metrics)
    outside.open(loop, moments, lambda delivery: _hear(door, delivery, outside, moments))
    claims = Claims(store)
    if birth.alone:
        await claims.release_all()
    world = RemoteWorld(outside.ask)
    planner = Planner(birth.configuration, store, world, clock)
    engine = ToldEngine(
        birth.configuration, store, world, planner, context.directory, (FRONT.public,), clock, asyncio.sleep
    )
    watching = Watching(birth.configuration, MAIN_ZONE, planner, store, clock)
    worker = Worker(
        birth.configuration,
        engine,
        planner,
        claims,
        context.looks,
        watching,
        clock,
        context.work,
        context.publish,
    )
    await keep_duties(context)
    await keep_schedules(context)
    async with asyncio.TaskGroup() as group:
        group.create_task(worker.run())
        group.create_task(Publisher(context).run())
        group.create_task(_tick(context))


def _at(loop: VirtualLoop) -> datetime:
    return T0 + timedelta(seconds=loop.time())


async def _tick(context: Context) -> None:
    while True:
        await asyncio.sleep(1)
        await expire_due(context)
        await remind_due(context)
        if wanted(context.configuration):
            await back_up_due(context)


_hearing: set[asyncio.Task[None]] = set()  # asyncio itself holds tasks only weakly


def _hear(door: Door, delivery: Deliver, outside: Outside, moments: Moments) -> None:
    task = asyncio.ensure_future(_answer(door, delivery, outside, moments))
    _hearing.add(task)
    task.add_done_callback(_hearing.discard)


async def _answer(door: Door, delivery: Deliver, outside: Outside, moments: Moments) -> None:
    DOING.set(delivery.doing)
    moments.reach("received:before")
    response = await door.deliver(delivery.payload)
    moments.reach("acknowledged:before")
    outside.wire.send(Acknowledged(delivery.delivery, response.status, _body(response.body)))
    moments.reach("acknowledged:after")


def _body(body: Any) -> Mapping[str, Any] | None:
    if not body:
        return None
    try:
        found = json.loads(body)
    except ValueError:
        return {"text": body}
    return found if isinstance(found, dict) else {"text": str(found)}
