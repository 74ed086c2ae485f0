"""The front: hears Slack and readers of pages, shows what is stored, ends what the clock ends.

It touches no target and holds no credentials of one: who wants to know something of a target writes a
look, and a worker answers it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy.exc import DBAPIError

from bot import machine
from bot.envelope import Event
from bot.errors import ConfigurationError, StaleRun, TemporaryError, words_of
from handlers.backing_up import back_up_due, keep_schedules
from handlers.context import Context, Parts, Wake, running
from handlers.door.deliver import Door, Identity
from handlers.door.guard import self_test
from handlers.door.socket import Socket
from handlers.heartbeat import Heartbeat, no_pins, this_process
from handlers.keys import key_id
from handlers.slack.channels import Channels
from handlers.slack.client import client_for, who_am_i
from handlers.slack.directory import SlackDirectory
from handlers.slack.listeners import listen
from handlers.slack.practising import practise_due
from handlers.slack.publisher import Publisher
from handlers.slack.publisher_lease import PublisherLease
from handlers.slack.reminding import digest_due, keep_duties, remind_due, start_due
from handlers.slack.sending import WINDOWS, Sender, Windows
from handlers.web.links import links_from
from storage.cards import CardStore
from storage.changes import ChangeStore
from storage.duties import DutyStore
from storage.leases import Leases
from storage.looks import LookStore
from storage.processes import ProcessStore
from storage.schedules import ScheduleStore

log = structlog.get_logger()

EXPIRY_EVERY_SECONDS = 1.0
REMINDERS_EVERY_SECONDS = 30.0
BACKUPS_EVERY_SECONDS = 5.0
PRACTICE_EVERY_SECONDS = 600.0
HOUSEKEEPING_EVERY_SECONDS = 600
LOOKS_KEPT = timedelta(hours=2)
DELIVERIES_KEPT = timedelta(days=1)
CHANGES_KEPT = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Front:
    context: Context
    publisher: Publisher
    lease: PublisherLease
    door: Door
    socket: Socket | None  # None: Socket Mode is not open, Slack comes by HTTP
    shared: str | None  # the URL of the database that other processes change too; None: there are none
    heartbeat: Heartbeat | None  # None: this process is alone

    @asynccontextmanager
    async def at_work(self, anew: asyncio.Event) -> AsyncIterator[None]:
        """Hears, publishes and keeps house until it is left. `anew` is set when one of its loops breaks."""
        loops = [self.publisher.run(), _again_and_again(EXPIRY_EVERY_SECONDS, expire_due, self.context)]
        if self.context.store.why_read_only is None:
            await keep_duties(self.context)
            await keep_schedules(self.context)
            await back_up_due(self.context)
            await remind_due(self.context)  # what became due while nobody was there
            loops.append(_again_and_again(REMINDERS_EVERY_SECONDS, remind_due, self.context))
            loops.append(_again_and_again(REMINDERS_EVERY_SECONDS, start_due, self.context))
            loops.append(_again_and_again(REMINDERS_EVERY_SECONDS, digest_due, self.context))
            loops.append(_again_and_again(PRACTICE_EVERY_SECONDS, practise_due, self.context))
            loops.append(_again_and_again(BACKUPS_EVERY_SECONDS, back_up_due, self.context))
        if self.shared is not None:
            loops.append(_hear_of_others(self.shared, self.context.publish))
        scheduler = _ticks(self.context)
        beating = self.heartbeat.beating(anew) if self.heartbeat else nullcontext()
        try:
            async with beating, running(anew, *loops):
                try:
                    if self.socket is not None:
                        await self.socket.open()
                    yield
                finally:
                    scheduler.shutdown(wait=False)
                    await self._show_how_far_things_came()
        finally:
            await self.lease.give_up()

    async def hear_no_more(self) -> None:
        if self.socket is not None:
            await self.socket.close(2.0)

    async def _show_how_far_things_came(self) -> None:
        """Lets what was heard be answered first."""
        await self.context.background.drain(2.0)
        await self.publisher.stop(4.0)


async def open_front(parts: Parts, windows: Windows = WINDOWS) -> Front:
    """Returns a front that does nothing yet, see `at_work`. Raises ConfigurationError.

    `windows`: Slack's budgets.
    """
    settings, store, clock = parts.settings, parts.store, parts.clock
    if reason := self_test(clock().timestamp()):
        raise ConfigurationError((f"The guard's self-test failed: {reason}. Do not expose this bot.",))
    assert settings.bot_token is not None  # `why_not_serve` has looked
    client = client_for(settings.api_url, settings.bot_token.get_secret_value(), parts.session)
    identity, authorized = await _introduce(client)
    context = Context(
        configuration=parts.configuration,
        store=store,
        cards=CardStore(store.database),
        looks=LookStore(store.database, parts.jobs),
        duties=DutyStore(store),
        schedules=ScheduleStore(store),
        changes=ChangeStore(store),
        directory=SlackDirectory(parts.configuration, client, identity.team_id, clock),
        channels=Channels(parts.configuration, client, clock),
        sender=Sender(client, clock, windows),
        links=links_from(settings.front_key),
        clock=clock,
        work=parts.work,
        publish=parts.publish,
    )
    alone = parts.jobs is None
    assert parts.signer is not None  # who hears has one
    me = this_process("front", "", key_id(parts.signer.public), clock)
    lease = PublisherLease(Leases(store.database), clock, f"{me.name}:{me.id}", alone=alone)
    publisher = Publisher(context, lease.is_mine if store.why_read_only is None else _never)
    door = Door(bolt(client, authorized, context), identity, context.metrics)
    socket = None
    if settings.app_token is not None:
        socket = Socket(door, settings.app_token.get_secret_value(), client)
    return Front(
        context,
        publisher,
        lease,
        door,
        socket,
        None if alone else settings.database,
        None if alone else Heartbeat(ProcessStore(store.database), clock, me, no_pins),
    )


async def _never() -> bool:
    return False


async def _introduce(client: AsyncWebClient) -> tuple[Identity, AuthorizeResult]:
    me = await who_am_i(client)
    bot = await client.bots_info(bot=me["bot_id"])
    authorized = AuthorizeResult(
        enterprise_id=me.get("enterprise_id"),
        team_id=me["team_id"],
        bot_id=me["bot_id"],
        bot_user_id=me["user_id"],
        bot_token=client.token,
    )
    return Identity(me["team_id"], bot["bot"].get("app_id")), authorized


def bolt(client: AsyncWebClient, authorized: AuthorizeResult, context: Context) -> AsyncApp:
    """Bolt only routes: the door has verified, and who we are is known."""

    async def authorize() -> AuthorizeResult:
        return authorized

    errors_only = logging.getLogger("bolt")  # it warns at every start that our `authorize` wins
    errors_only.setLevel(logging.ERROR)
    app = AsyncApp(
        logger=errors_only,
        client=client,
        authorize=authorize,
        process_before_response=True,  # no polling for the ack; our listeners end within the 3 s
        request_verification_enabled=False,
        ssl_check_enabled=False,
        url_verification_enabled=False,
    )
    listen(app, context)
    return app


def _ticks(context: Context) -> AsyncIOScheduler:
    """Housekeeping, by the wall clock: a clock that is set back only makes it late."""

    async def forget() -> None:
        await context.looks.forget_before(context.clock() - LOOKS_KEPT)
        await context.store.forget_deliveries_before(context.clock() - DELIVERIES_KEPT)
        await context.changes.forget_before(context.clock() - CHANGES_KEPT)

    scheduler = AsyncIOScheduler(timezone="UTC")
    options = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    scheduler.add_job(forget, "interval", seconds=HOUSEKEEPING_EVERY_SECONDS, **options)
    scheduler.start()
    return scheduler


async def _hear_of_others(database: str, publish: Wake) -> None:
    from storage.postgres import listen as listen_to  # needs the extra `postgres`

    await listen_to(database, lambda _: publish())


async def _again_and_again(
    every_seconds: float, work: Callable[[Context], Awaitable[None]], context: Context
) -> None:
    """Repeats work by the monotonic clock: a wall clock that is set back must not keep a request open."""
    while True:
        await asyncio.sleep(every_seconds)
        try:
            await work(context)
        except (DBAPIError, TemporaryError, TimeoutError) as problem:
            log.warning(work.__name__.replace("_", " "), error=words_of(problem))


async def expire_due(context: Context) -> None:
    """Writes what is due by the clock: the database says what that is, and another front may be quicker."""
    for run_id in await context.store.due(context.clock()):
        await _write_due(context, run_id)


async def _write_due(context: Context, run_id: str) -> None:
    run, now = await context.store.load(run_id), context.clock()
    due = machine.due(run)
    if due is None or due[0] > now:
        return  # somebody moved it a moment before
    try:
        await context.store.append(run, Event(due[1], now))
    except StaleRun:
        return  # somebody decided a moment before
    context.publish()
