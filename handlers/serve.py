"""`serve`: puts everything together, starts it in order, and drains it on SIGTERM."""

import asyncio
import logging
import signal
from dataclasses import dataclass
from datetime import timedelta

import structlog
from aiohttp import ClientSession, ClientTimeout, web
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.clock import Clock, SteadyClock
from bot.configuration import Configuration, load
from bot.engine import Engine
from bot.errors import ConfigurationError, StaleRun
from bot.machine import NotAllowed
from bot.model import E, Event
from bot.signatures import Signer, signer_at
from bot.world import ConfiguredWorld
from handlers.context import Context, Nudge
from handlers.door.deliver import Door, Identity
from handlers.door.guard import self_test
from handlers.door.socket import Socket
from handlers.settings import Settings
from handlers.slack.channels import Channels
from handlers.slack.directory import SlackDirectory
from handlers.slack.listeners import listen
from handlers.slack.publisher import Publisher
from handlers.slack.sending import Sender
from handlers.surroundings import resolver_for
from handlers.web.app import web_app
from handlers.web.links import Links, links_from
from handlers.web.readiness import Readiness
from handlers.worker import Worker
from storage.cards import CardStore
from storage.database import Database, LockFile, open_database, upgrade
from storage.looks import LookStore
from storage.runs import Store, open_store

log = structlog.get_logger()

EXPIRY_EVERY = 1  # seconds
HOUSEKEEPING_EVERY = 600  # seconds
LOOKS_KEPT = timedelta(hours=2)
DELIVERIES_KEPT = timedelta(days=1)
SLACK_ANSWERS_WITHIN = 3  # seconds, while a trigger waits
DRAINED_WITHIN = 5.0  # seconds for the work under way; what takes longer is found again at the next start


class CannotServe(Exception):
    """One sentence with what to do next."""


@dataclass(slots=True)
class Service:
    """Everything that runs, so that it can be stopped in order."""

    lock: LockFile
    database: Database
    session: ClientSession
    context: Context
    worker: Worker
    publisher: Publisher
    runner: web.AppRunner
    socket: Socket | None
    scheduler: AsyncIOScheduler
    loops: list[asyncio.Task[None]]
    url: str

    async def stop(self) -> None:
        """Hears nothing new, lets the work under way end, shows how far it came."""
        if self.socket is not None:
            await self.socket.close(2.0)
        await self.runner.cleanup()
        self.scheduler.pause()
        await self.context.background.drain(2.0)
        await self.worker.stop(DRAINED_WITHIN)
        await self.publisher.stop()
        await asyncio.wait(self.loops, timeout=4.0)
        for loop in self.loops:
            loop.cancel()
        self.scheduler.shutdown(wait=False)
        await self.session.close()
        await self.database.close()
        self.lock.release()


async def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT. Raises ConfigurationError, CannotServe, storage.database.Locked."""
    stop, again = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _reread, settings, again)
    while not stop.is_set():
        starting = asyncio.ensure_future(start(settings))
        await _first_of(starting, stop)
        if not starting.done():  # told to stop while Slack did not answer yet
            starting.cancel()
            return
        service = starting.result()
        print(f"listening on {service.url}", flush=True)
        await _first_of(stop, again)
        log.info("draining")
        await service.stop()
        again.clear()


def _reread(settings: Settings, again: asyncio.Event) -> None:
    """SIGHUP: a configuration without problems is taken by starting again, one with problems is not."""
    try:
        load(settings.config)
    except ConfigurationError as problem:
        log.error("configuration kept as it was", problems=problem.problems)
    else:
        again.set()


async def _first_of(*waited: asyncio.Event | asyncio.Future[Service]) -> None:
    tasks = [asyncio.ensure_future(w.wait()) if isinstance(w, asyncio.Event) else w for w in waited]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task, one in zip(tasks, waited, strict=True):
        if isinstance(one, asyncio.Event):
            task.cancel()


async def start(settings: Settings, clock: Clock | None = None) -> Service:
    """Ready when it returns; the caller stops it. Raises as `serve` does. `clock` None: the real one."""
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = LockFile(settings.lock)
    lock.acquire()
    try:
        return await _start(settings, lock, clock)
    except BaseException:
        lock.release()
        raise


async def _start(settings: Settings, lock: LockFile, clock: Clock | None) -> Service:
    configuration = load(settings.config)
    if reason := settings.why_not_serve():
        raise CannotServe(reason)
    database = open_database(settings.database)
    await upgrade(database)
    signer = signer_at(settings.state / "front.key")
    store = await open_store(database, signer, (clock or SteadyClock())())
    clock = clock or SteadyClock(await store.newest_time())
    if reason := self_test(clock().timestamp()):
        raise CannotServe(f"The guard's self-test failed: {reason}. Do not expose this bot; report it.")
    await store.release_all()
    await store.note_if_new("configuration", clock(), {"digest": configuration.digest})
    session = ClientSession(timeout=ClientTimeout(total=SLACK_ANSWERS_WITHIN))
    client = _client(settings, session)
    identity, authorized = await _introduce(client)
    links = links_from(settings.state / "front.key")
    context = _context(configuration, store, client, identity.team_id, links, clock)
    worker = _worker(configuration, settings, context, signer)
    publisher = Publisher(context)
    door = Door(_bolt(client, authorized, context), identity, context.metrics)
    socket = None
    if settings.app_token is not None:
        socket = Socket(door, settings.app_token.get_secret_value(), client)
    readiness = Readiness(store, worker, socket, clock)
    runner, url = await _listen(settings, context, door, readiness)
    if socket is not None:
        await socket.open()
    loops = [asyncio.create_task(worker.run()), asyncio.create_task(publisher.run())]
    scheduler = _ticks(context)
    await readiness.wait()
    return Service(lock, database, session, context, worker, publisher, runner, socket, scheduler, loops, url)


def _client(settings: Settings, session: ClientSession) -> AsyncWebClient:
    assert settings.bot_token is not None  # `why_not_serve` has looked
    return AsyncWebClient(
        token=settings.bot_token.get_secret_value(),
        base_url=settings.api_url,
        session=session,
        timeout=SLACK_ANSWERS_WITHIN,
        retry_handlers=[],  # a resent chat.postMessage is a second card; `sending` decides what comes again
    )


async def _introduce(client: AsyncWebClient) -> tuple[Identity, AuthorizeResult]:
    """Who we are, asked until Slack answers. Raises CannotServe when it says no."""
    pause = 0.5
    while True:
        try:
            return await _identity(client, await client.auth_test())
        except SlackApiError as problem:
            if problem.response.status_code < 500 and problem.response.get("error") != "ratelimited":
                raise CannotServe(
                    f"Slack refuses the bot token: {problem.response.get('error')}. "
                    "Copy it again from the app's page, under OAuth & Permissions."
                ) from None
        except (OSError, TimeoutError) as problem:
            log.warning("Slack does not answer yet", error=str(problem) or type(problem).__name__)
        await asyncio.sleep(pause)
        pause = min(pause * 2, 15.0)


async def _identity(client: AsyncWebClient, me: AsyncSlackResponse) -> tuple[Identity, AuthorizeResult]:
    bot = await client.bots_info(bot=me["bot_id"])
    authorized = AuthorizeResult(
        enterprise_id=me.get("enterprise_id"),
        team_id=me["team_id"],
        bot_id=me["bot_id"],
        bot_user_id=me["user_id"],
        bot_token=client.token,
    )
    return Identity(me["team_id"], bot["bot"].get("app_id")), authorized


def _context(
    configuration: Configuration,
    store: Store,
    client: AsyncWebClient,
    team_id: str,
    links: Links,
    clock: Clock,
) -> Context:
    return Context(
        configuration=configuration,
        store=store,
        cards=CardStore(store.database),
        looks=LookStore(store.database),
        directory=SlackDirectory(configuration, client, team_id, clock),
        channels=Channels(configuration, client, clock),
        sender=Sender(client, clock),
        links=links,
        clock=clock,
        work=Nudge(),
        publish=Nudge(),
    )


def _worker(configuration: Configuration, settings: Settings, context: Context, signer: Signer) -> Worker:
    world = ConfiguredWorld(configuration, resolver_for(configuration, settings.state))
    engine = Engine(
        configuration,
        context.store,
        world,
        context.directory,
        (signer.public,),
        context.clock,
        asyncio.sleep,
    )
    return Worker(
        configuration,
        engine,
        world,
        context.store,
        context.looks,
        context.clock,
        context.work,
        context.publish,
    )


def _bolt(client: AsyncWebClient, authorized: AuthorizeResult, context: Context) -> AsyncApp:
    """Bolt only routes: the door has verified, and who we are is known."""

    async def authorize() -> AuthorizeResult:
        return authorized

    errors_only = logging.getLogger(
        "bolt"
    )  # it warns at every start that our `authorize` wins over the token
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


async def _listen(
    settings: Settings, context: Context, door: Door, readiness: Readiness
) -> tuple[web.AppRunner, str]:
    secret = settings.signing_secret.get_secret_value() if settings.signing_secret else None
    runner = web.AppRunner(web_app(context, door, secret, readiness), access_log=None)
    await runner.setup()
    host, port = settings.address
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError as problem:
        await runner.cleanup()
        raise CannotServe(
            f"{settings.http} cannot be listened on: {problem.strerror}. Set ROLLBACK_HTTP to a free address."
        ) from None
    bound = runner.addresses[0]
    return runner, f"http://{bound[0]}:{bound[1]}"


def _ticks(context: Context) -> AsyncIOScheduler:
    """The ticks hold no truth: each asks the database what is due."""

    async def expire() -> None:
        for run_id in await context.store.due(context.clock()):
            await _expire(context, run_id)

    async def forget() -> None:
        await context.looks.forget_before(context.clock() - LOOKS_KEPT)
        await context.store.forget_deliveries_before(context.clock() - DELIVERIES_KEPT)

    scheduler = AsyncIOScheduler(timezone="UTC")
    options = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    scheduler.add_job(expire, "interval", seconds=EXPIRY_EVERY, **options)
    scheduler.add_job(forget, "interval", seconds=HOUSEKEEPING_EVERY, **options)
    scheduler.start()
    return scheduler


async def _expire(context: Context, run_id: str) -> None:
    run = await context.store.load(run_id)
    try:
        await context.store.append(run, Event(E.EXPIRED, context.clock()))
    except (StaleRun, NotAllowed):
        return  # somebody decided a moment before
    context.publish()
