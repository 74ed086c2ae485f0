"""`serve`: puts together what a role needs, starts it in order, and drains it on SIGTERM."""

import asyncio
import gc
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from aiohttp import ClientSession, ClientTimeout, web
from sqlalchemy.exc import DBAPIError

from backends.discreet import NOUNS
from backends.installed import definitions, missing_extras
from bot import codec
from bot.clock import Clock, SteadyClock
from bot.configuration import MAIN_ZONE, Configuration, load
from bot.errors import ConfigurationError, TemporaryError, words_of
from handlers.context import Parts, Wake, running
from handlers.front import Front, open_front
from handlers.heartbeat import process_name
from handlers.keys import signer_at
from handlers.role import Role
from handlers.settings import ProcessSettings
from handlers.slack.client import SLACK_ANSWERS_WITHIN_SECONDS
from handlers.slack.sending import WINDOWS, Windows
from handlers.standstill import ends_when_it_stands_still
from handlers.told import tells_events
from handlers.web.app import web_app
from handlers.web.idle_connections import HEARD, drop_silent
from handlers.web.inbox import Inbox
from handlers.web.metrics import new_metrics
from handlers.web.readiness import Readiness
from handlers.web.route_state import FrontState, ProcessState
from handlers.worker import DRAINED_WITHIN_SECONDS, Worker, open_worker
from storage.claims import Claims
from storage.database import (
    Database,
    DiskFailed,
    LockFile,
    open_database,
    settle,
    upgrade,
    why_not_current,
    why_not_upgrade,
)
from storage.integrity import Unsound, why_not_sound
from storage.restored import RestoredStore, restored
from storage.runs import open_store
from storage.sealing import seal, take_seal_off
from storage.shared_clock import SharedClock

if TYPE_CHECKING:
    from storage.jobs import Jobs

log = structlog.get_logger()

CLOCK_READ_EVERY_SECONDS = 30.0
CONFIRMED_EVERY_SECONDS = 1.0


@dataclass(slots=True)
class Service:
    """Holds what runs, and stops it in order. A part that this role has not got is None."""

    front: Front | None
    worker: Worker | None
    runner: web.AppRunner
    url: str
    resources: AsyncExitStack  # everything that was opened, to be closed in reverse
    anew: asyncio.Event  # set when all of it has to be opened again
    broken: asyncio.Event  # set when what was stored cannot be believed any more

    async def stop(self, follow: float = DRAINED_WITHIN_SECONDS) -> None:
        """Hears nothing new, lets the work under way end, shows how far it came.

        `follow`: seconds for which a run is followed while something of it runs in our spool.
        """
        if self.worker is not None:
            self.worker.drains_within = follow
        if self.front is not None:
            await self.front.hear_no_more()
        await self.runner.cleanup()
        await self.resources.aclose()


async def serve(
    settings: ProcessSettings, role: Role = Role.ALL, zone: str = MAIN_ZONE, windows: Windows = WINDOWS
) -> None:
    """Until SIGTERM or SIGINT. Raises ConfigurationError, Locked, NotAccepted, DiskFailed.

    `windows`: Slack's budgets.
    """
    stop, again = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _reread, settings, role, zone, again)
    with ends_when_it_stands_still(settings.standstill_seconds):
        await _until_stopped(settings, role, zone, windows, stop, again)


async def _until_stopped(
    settings: ProcessSettings,
    role: Role,
    zone: str,
    windows: Windows,
    stop: asyncio.Event,
    again: asyncio.Event,
) -> None:
    while not stop.is_set():
        starting = asyncio.ensure_future(start(settings, role=role, zone=zone, windows=windows))
        await _first_of(starting, stop)
        if not starting.done():  # told to stop while Slack did not answer yet
            starting.cancel()
            return
        service = starting.result()
        gc.freeze()  # what was opened stays as well: else people wait while it is searched for garbage
        print(f"listening on {service.url}", flush=True)
        await _first_of(stop, again, service.anew, service.broken)
        log.info("draining")
        # Who starts again at once finds what runs in its spool, and should not be deaf for longer than that.
        await service.stop(settings.drain_seconds if stop.is_set() else DRAINED_WITHIN_SECONDS)
        if service.broken.is_set():
            raise DiskFailed
        again.clear()


def _reread(settings: ProcessSettings, role: Role, zone: str, again: asyncio.Event) -> None:
    """SIGHUP: a configuration without problems is taken by starting again, one with problems is not."""
    try:
        _configured(settings, role, zone)
    except ConfigurationError as problem:
        log.error("configuration kept as it was", problems=problem.problems)
    else:
        again.set()


def _configured(settings: ProcessSettings, role: Role, zone: str) -> Configuration:
    """Raises ConfigurationError, also when a library that a target of this worker needs is not installed."""
    configuration = load(settings.config, definitions())
    mine = [target for target in configuration.targets.values() if target.zone == zone]
    if role.drives and (missing := missing_extras(mine, definitions())):
        raise ConfigurationError(missing)
    return configuration


async def _first_of(*waited: asyncio.Event | asyncio.Future[Service]) -> None:
    tasks = [asyncio.ensure_future(w.wait()) if isinstance(w, asyncio.Event) else w for w in waited]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task, one in zip(tasks, waited, strict=True):
        if isinstance(one, asyncio.Event):
            task.cancel()


async def start(
    settings: ProcessSettings,
    clock: Clock | None = None,
    *,
    role: Role = Role.ALL,
    zone: str = MAIN_ZONE,
    windows: Windows = WINDOWS,
) -> Service:
    """Ready when it returns; the caller stops it. Raises as `serve` does. `clock` None: the real one."""
    if reason := settings.why_not_serve(role):
        raise ConfigurationError((reason,))
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with AsyncExitStack() as resources:
        service = await _start(settings, clock, role, zone, windows, resources)
        service.resources = resources.pop_all()
    return service


async def _start(
    settings: ProcessSettings,
    clock: Clock | None,
    role: Role,
    zone: str,
    windows: Windows,
    resources: AsyncExitStack,
) -> Service:
    configuration = await asyncio.to_thread(_configured, settings, role, zone)
    await asyncio.to_thread(codec.make_ready, NOUNS if role.drives else ())
    database = await _open_database(settings, resources)
    shared = SharedClock(database)
    parts = await _parts(settings, configuration, database, role, zone, clock, shared, resources)
    front = await open_front(parts, windows) if role.hears else None
    directory = front.context.directory if front else None
    worker = await open_worker(parts, zone, directory, resources) if role.drives else None
    readiness = _readiness(parts, shared, front, worker)
    runner, url = await _listen(parts, readiness, front)
    resources.push_async_callback(runner.cleanup)
    anew = asyncio.Event()
    for opened in (front, worker):
        if opened is not None:
            await resources.enter_async_context(opened.at_work(anew))
    await resources.enter_async_context(running(anew, *_loops(parts, shared, runner, anew)))
    if parts.store.why_read_only is None:  # else it never is ready: it only reads
        await readiness.wait()
    return Service(front, worker, runner, url, resources, anew, database.broken)


async def _open_database(settings: ProcessSettings, resources: AsyncExitStack) -> Database:
    """An SQLite file is ours alone, looked through and brought up to date; a server is its operator's."""
    database = open_database(settings.database)
    alone = database.kind == "sqlite"
    if alone:
        lock = LockFile(settings.lock)
        lock.acquire()
        resources.callback(lock.release)
        try:
            await _look_through(database)
        except Exception:
            await database.close()
            raise
        resources.push_async_callback(_seal, database)
    resources.push_async_callback(database.close)
    if alone:
        if reason := await why_not_upgrade(database, settings.may_end_runs):
            raise ConfigurationError((reason,))
        await upgrade(database)
    elif reason := await why_not_current(database):
        raise ConfigurationError((reason,))
    return database


async def _look_through(database: Database) -> None:
    """Before anything is changed. Raises Unsound, DiskFailed."""
    if reason := await why_not_sound(database):
        raise Unsound(reason)
    await settle(database)
    await take_seal_off(database)


async def _seal(database: Database) -> None:
    """After it is closed. A file whose disk has failed is looked through at the next start."""
    if not database.broken.is_set():
        await seal(database.url)


async def _jobs(
    settings: ProcessSettings,
    configuration: Configuration,
    database: Database,
    role: Role,
    resources: AsyncExitStack,
) -> "Jobs | None":
    """The queue between processes; None: there is one process."""
    if database.kind == "sqlite":
        return None
    from storage.jobs import Jobs  # needs the extra `postgres`

    targets = configuration.targets
    jobs = Jobs(settings.database, lambda name: targets[name].zone if name in targets else MAIN_ZONE)
    if role.drives:
        await resources.enter_async_context(jobs)
    return jobs


async def _parts(
    settings: ProcessSettings,
    configuration: Configuration,
    database: Database,
    role: Role,
    zone: str,
    clock: Clock | None,
    shared: SharedClock,
    resources: AsyncExitStack,
) -> Parts:
    """Returns the parts that both roles need. The store of a database that was put back only reads."""
    await shared.read()
    signer = signer_at(settings.front_key) if role.hears else None
    jobs = await _jobs(settings, configuration, database, role, resources)
    told = tells_events(zone if role.drives else "", process_name())
    store = await open_store(database, signer, (clock or SteadyClock(wall=shared))(), jobs, told)
    clock = clock or SteadyClock(await store.newest_time(), shared)
    if await restored(database) is not None:
        store = RestoredStore(database, store.installation, signer)
    elif jobs is None:
        await Claims(store).release_all()
    await store.note_if_new("configuration", clock(), {"digest": configuration.digest})
    session = ClientSession(timeout=ClientTimeout(total=SLACK_ANSWERS_WITHIN_SECONDS))
    resources.push_async_callback(session.close)
    return Parts(settings, configuration, store, jobs, signer, session, clock, Wake(), Wake())


def _readiness(parts: Parts, shared: SharedClock, front: Front | None, worker: Worker | None) -> Readiness:
    sender, socket = (front.context.sender, front.socket) if front else (None, None)
    swept_at = (lambda: worker.swept_at) if worker else None
    return Readiness(parts.store, parts.clock, shared, swept_at, sender, socket)


async def _listen(parts: Parts, readiness: Readiness, front: Front | None) -> tuple[web.AppRunner, str]:
    settings = parts.settings
    metrics = front.context.metrics if front else new_metrics()
    state = None
    if front is not None:
        secret = settings.signing_secret.get_secret_value() if settings.signing_secret else None
        state = FrontState(front.context, front.door, secret, Inbox(front.context.changes, parts.clock))
    app = web_app(ProcessState(parts.store, metrics, parts.clock, readiness), state)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    host, port = settings.address
    site = web.TCPSite(runner, host, port)
    try:
        await site.start()
    except OSError as problem:
        await runner.cleanup()
        taken = (
            f"{settings.http} cannot be listened on: {problem.strerror}. Set ROLLBACK_HTTP to a free address."
        )
        raise ConfigurationError((taken,)) from None
    bound = runner.addresses[0]
    return runner, f"http://{bound[0]}:{bound[1]}"


def _loops(
    parts: Parts, shared: SharedClock, runner: web.AppRunner, anew: asyncio.Event
) -> list[Coroutine[Any, Any, None]]:
    """Returns the loops that every role has."""
    assert runner.server is not None  # it was set up
    loops = [drop_silent(runner.server, runner.app[HEARD])]
    if parts.jobs is not None:
        loops.append(_read_clock(shared))
    if parts.store.why_read_only is not None:
        loops.append(_until_confirmed(parts.store.database, anew))
    return loops


async def _until_confirmed(database: Database, anew: asyncio.Event) -> None:
    """A database that was put back is only read, until its operator has looked at what it does not know."""
    while await restored(database) is not None:  # noqa: ASYNC110 - another process confirms
        await asyncio.sleep(CONFIRMED_EVERY_SECONDS)
    anew.set()


async def _read_clock(shared: SharedClock) -> None:
    while True:
        await asyncio.sleep(CLOCK_READ_EVERY_SECONDS)
        try:
            await shared.read()
        except (DBAPIError, TemporaryError, TimeoutError) as problem:
            log.warning("clock not compared", error=words_of(problem))
