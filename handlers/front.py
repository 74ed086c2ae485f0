"""The front: hears Slack and readers of pages, shows what is stored, ends what the clock ends.

It touches no target and holds no credentials of one: who wants to know something of a target writes a
look, and a worker answers it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from aiohttp import ClientSession
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from sqlalchemy.exc import DBAPIError

from bot.clock import Clock
from bot.configuration import Configuration
from bot.errors import ConfigurationError, StaleRun, TemporaryError
from bot.events import Event, Expired
from bot.machine import NotAllowed
from handlers.context import Context, Wake
from handlers.door.deliver import Door, Identity
from handlers.door.socket import Socket
from handlers.settings import Settings
from handlers.slack.channels import Channels
from handlers.slack.directory import SlackDirectory
from handlers.slack.listeners import listen
from handlers.slack.publisher import Publisher
from handlers.slack.sending import WINDOWS, Sender, Windows
from handlers.web.links import links_from
from storage.cards import CardStore
from storage.looks import LookStore
from storage.runs import Dispatch, Store

log = structlog.get_logger()

EXPIRY_EVERY = 1.0  # seconds
HOUSEKEEPING_EVERY = 600  # seconds
LOOKS_KEPT = timedelta(hours=2)
DELIVERIES_KEPT = timedelta(days=1)
SLACK_ANSWERS_WITHIN = 3  # seconds, while a trigger waits


@dataclass(slots=True)
class Front:
    context: Context
    publisher: Publisher
    door: Door
    socket: Socket | None  # None: Socket Mode is not open, Slack comes by HTTP
    scheduler: AsyncIOScheduler
    publishing: asyncio.Task[None]
    expiring: asyncio.Task[None]

    async def hear_no_more(self) -> None:
        if self.socket is not None:
            await self.socket.close(2.0)

    async def stop(self) -> None:
        """Lets what was heard be answered, and shows how far things came."""
        self.scheduler.shutdown(wait=False)
        await self.context.background.drain(2.0)
        await self.publisher.stop()
        await asyncio.wait([self.publishing], timeout=4.0)
        for loop in (self.publishing, self.expiring):
            loop.cancel()
        await asyncio.gather(self.publishing, self.expiring, return_exceptions=True)


async def open_front(
    configuration: Configuration,
    settings: Settings,
    store: Store,
    dispatch: Dispatch | None,
    session: ClientSession,
    clock: Clock,
    may_publish: Callable[[], Awaitable[bool]],
    windows: Windows = WINDOWS,
) -> Front:
    """Everything but its ears: `listen_on` and the web application open those. Raises ConfigurationError.

    `windows`: Slack's budgets.
    """
    assert settings.bot_token is not None  # `why_not_serve` has looked
    client = client_for(settings, settings.bot_token.get_secret_value(), session)
    identity, authorized = await _introduce(client)
    context = Context(
        configuration=configuration,
        store=store,
        cards=CardStore(store.database),
        looks=LookStore(store.database, dispatch),
        directory=SlackDirectory(configuration, client, identity.team_id, clock),
        channels=Channels(configuration, client, clock),
        sender=Sender(client, clock, windows),
        links=links_from(settings.front_key),
        clock=clock,
        work=Wake(),
        publish=Wake(),
    )
    publisher = Publisher(context, may_publish)
    door = Door(bolt(client, authorized, context), identity, context.metrics)
    socket = None
    if settings.app_token is not None:
        socket = Socket(door, settings.app_token.get_secret_value(), client)
    publishing, expiring = publisher.run(), _expire_again_and_again(context)
    return Front(
        context,
        publisher,
        door,
        socket,
        _ticks(context),
        asyncio.create_task(publishing),
        asyncio.create_task(expiring),
    )


def client_for(settings: Settings, token: str, session: ClientSession) -> AsyncWebClient:
    return AsyncWebClient(
        token=token,
        base_url=settings.api_url,
        session=session,
        timeout=SLACK_ANSWERS_WITHIN,
        retry_handlers=[],  # a resent chat.postMessage is a second card; `sending` decides what comes again
    )


async def who_am_i(client: AsyncWebClient) -> AsyncSlackResponse:
    """`auth.test`, asked until Slack answers. Raises ConfigurationError when it says no."""
    pause = 0.5
    while True:
        try:
            return await client.auth_test()
        except SlackApiError as problem:
            if problem.response.status_code < 500 and problem.response.get("error") != "ratelimited":
                refused = (
                    f"Slack refuses the token: {problem.response.get('error')}. "
                    "Copy it again from the app's page, under OAuth & Permissions."
                )
                raise ConfigurationError((refused,)) from None
        except (OSError, TimeoutError) as problem:
            log.warning("Slack does not answer yet", error=str(problem) or type(problem).__name__)
        await asyncio.sleep(pause)
        pause = min(pause * 2, 15.0)


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

    scheduler = AsyncIOScheduler(timezone="UTC")
    options = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    scheduler.add_job(forget, "interval", seconds=HOUSEKEEPING_EVERY, **options)
    scheduler.start()
    return scheduler


async def _expire_again_and_again(context: Context) -> None:
    """By the monotonic clock: a wall clock that is set back must not keep a request open."""
    while True:
        await asyncio.sleep(EXPIRY_EVERY)
        try:
            await expire_due(context)
        except (DBAPIError, TemporaryError, TimeoutError) as problem:
            log.warning("expiry", error=str(problem) or type(problem).__name__)


async def expire_due(context: Context) -> None:
    """Ends what people have let pass: the database says what that is, and another front may be quicker."""
    for run_id in await context.store.due(context.clock()):
        await _expire(context, run_id)


async def _expire(context: Context, run_id: str) -> None:
    run = await context.store.load(run_id)
    try:
        await context.store.append(run, Event(Expired(), context.clock()))
    except (StaleRun, NotAllowed):
        return  # somebody decided a moment before
    context.publish()
