"""`serve`: puts together what a role needs, starts it in order, and drains it on SIGTERM."""

import asyncio
import gc
import os
import secrets
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog
from aiohttp import ClientSession, ClientTimeout, web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy.exc import DBAPIError

from backends.opening import resolver_for
from backends.world import ConfiguredWorld
from bot.clock import Clock, SteadyClock
from bot.configuration import MAIN_ZONE, Configuration, load
from bot.engine import Directory, Engine
from bot.errors import ConfigurationError, TemporaryError
from bot.planner import Planner
from bot.signatures import Signer
from handlers.context import Wake
from handlers.door.guard import self_test
from handlers.front import SLACK_ANSWERS_WITHIN, Front, client_for, open_front, who_am_i
from handlers.keys import public_keys, signer_at
from handlers.settings import Role, Settings
from handlers.slack.directory import SlackDirectory
from handlers.slack.publisher_lease import PublisherLease
from handlers.slack.sending import WINDOWS, Windows
from handlers.web.app import web_app
from handlers.web.idle_connections import HEARD, drop_silent
from handlers.web.metrics import new_metrics
from handlers.web.readiness import Readiness
from handlers.web.route_state import FrontState, ProcessState
from handlers.worker import SWEEP_EVERY, Worker
from storage.claims import Claims
from storage.database import (
    Database,
    DiskFailed,
    LockFile,
    open_database,
    settle,
    upgrade,
    why_not_current,
)
from storage.integrity import Unsound, seal, take_seal_off, why_not_sound
from storage.leases import Leases
from storage.looks import LookStore
from storage.restored import RestoredStore, restored
from storage.runs import Store, open_store
from storage.shared_clock import SharedClock

if TYPE_CHECKING:
    from storage.jobs import Jobs

log = structlog.get_logger()

GROWN_SWEEP_EVERY = 5.0  # seconds; jobs bring what is new at once, so the sweep is for what they lost
CLOCK_READ_EVERY = 30.0  # seconds
STALLED_EVERY = 60.0  # seconds
CONFIRMED_EVERY = 1.0  # seconds
JOBS_AT_ONCE = 10  # a job only wakes the worker
DRAINED_WITHIN = 5.0  # seconds for the work under way; what takes longer is found again at the next start


@dataclass(slots=True)
class Service:
    """What runs, and how it is stopped in order. What this role has not got is None."""

    front: Front | None
    worker: Worker | None
    runner: web.AppRunner
    url: str
    resources: AsyncExitStack  # everything that was opened, to be closed in reverse
    anew: asyncio.Event  # set when all of it has to be opened again
    broken: asyncio.Event  # set when what was stored cannot be believed any more

    async def stop(self) -> None:
        """Hears nothing new, lets the work under way end, shows how far it came."""
        if self.front is not None:
            await self.front.hear_no_more()
        await self.runner.cleanup()
        if self.worker is not None:
            await self.worker.stop(DRAINED_WITHIN)
        await self.resources.aclose()


async def serve(
    settings: Settings, role: Role = Role.ALL, zone: str = MAIN_ZONE, windows: Windows = WINDOWS
) -> None:
    """Until SIGTERM or SIGINT. Raises ConfigurationError, Locked, NotAccepted, DiskFailed.

    `windows`: Slack's budgets.
    """
    stop, again = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    loop.add_signal_handler(signal.SIGHUP, _reread, settings, again)
    while not stop.is_set():
        starting = asyncio.ensure_future(start(settings, role=role, zone=zone, windows=windows))
        await _first_of(starting, stop)
        if not starting.done():  # told to stop while Slack did not answer yet
            starting.cancel()
            return
        service = starting.result()
        print(f"listening on {service.url}", flush=True)
        await _first_of(stop, again, service.anew, service.broken)
        log.info("draining")
        await service.stop()
        if service.broken.is_set():
            raise DiskFailed
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


async def start(
    settings: Settings,
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
    settings: Settings,
    clock: Clock | None,
    role: Role,
    zone: str,
    windows: Windows,
    resources: AsyncExitStack,
) -> Service:
    configuration = load(settings.config)
    database = await _open(settings, resources)
    wall = SharedClock(database)
    await wall.read()
    signer = signer_at(settings.front_key) if role.hears else None
    jobs = await _jobs(settings, configuration, database, role, resources)
    store = await open_store(database, signer, (clock or SteadyClock(wall=wall))(), jobs)
    clock = clock or SteadyClock(await store.newest_time(), wall)
    put_back = await restored(database) is not None
    if put_back:
        store = RestoredStore(database, store.installation, signer)
    elif jobs is None:
        await Claims(store).release_all()
    await store.note_if_new("configuration", clock(), {"digest": configuration.digest})
    session = ClientSession(timeout=ClientTimeout(total=SLACK_ANSWERS_WITHIN))
    resources.push_async_callback(session.close)
    front = worker = None
    if role.hears:
        if reason := self_test(clock().timestamp()):
            raise ConfigurationError((f"The guard's self-test failed: {reason}. Do not expose this bot.",))
        turn = PublisherLease(Leases(database), clock, _name_of_this_process(), alone=jobs is None)
        resources.push_async_callback(turn.give_up)
        may_publish = _never if put_back else turn.is_mine
        front = await open_front(configuration, settings, store, jobs, session, clock, may_publish, windows)
        resources.push_async_callback(front.stop)
    if role.drives:
        keys = _keys(settings, signer)
        directory = await _directory(configuration, settings, front, session, clock)
        nudges = (front.context.work, front.context.publish) if front else (Wake(), Wake())
        worker = _worker(configuration, settings, store, directory, keys, clock, nudges, zone)
    sender, socket = (front.context.sender, front.socket) if front else (None, None)
    readiness = Readiness(store, clock, wall, worker, sender, socket)
    runner, url = await _listen(settings, store, clock, readiness, front)
    resources.push_async_callback(runner.cleanup)
    if front is not None and front.socket is not None:
        await front.socket.open()
    anew = asyncio.Event()
    loops = _loops(settings, wall, front, worker, jobs, zone)
    assert runner.server is not None  # it was set up
    loops.append(asyncio.create_task(drop_silent(runner.server, runner.app[HEARD])))
    if put_back:
        loops.append(asyncio.create_task(_until_confirmed(database, anew)))
    for loop in loops:
        loop.add_done_callback(partial(_ended_by_itself, anew))
    resources.push_async_callback(_end, loops)
    if not put_back:  # else it never is: it only reads
        await readiness.wait()
    return Service(front, worker, runner, url, resources, anew, database.broken)


async def _open(settings: Settings, resources: AsyncExitStack) -> Database:
    """An SQLite file is ours alone, looked through and brought up to date; a server is its operator's."""
    database = open_database(settings.database)
    alone = database.kind == "sqlite"
    if alone:
        lock = LockFile(settings.lock)
        lock.acquire()
        gc.freeze()  # what was imported stays: else it is searched for garbage at every few thousand rows
        resources.callback(lock.release)
        try:
            await _look_through(database)
        except Exception:
            await database.close()
            raise
        resources.push_async_callback(_seal, database)
    resources.push_async_callback(database.close)
    if alone:
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
    settings: Settings,
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


def _name_of_this_process() -> str:
    """For leases: nobody else's, also after a restart under the same pid."""
    return f"{os.uname().nodename[:32]}:{os.getpid()}:{secrets.token_hex(4)}"


def _keys(settings: Settings, signer: Signer | None) -> tuple[Ed25519PublicKey, ...]:
    """Of the fronts whose decisions are carried out here."""
    own = (signer.public,) if signer is not None else ()
    if settings.front_keys is None:
        return own
    try:
        return (*own, *public_keys(settings.front_keys))
    except (OSError, ValueError) as problem:
        raise ConfigurationError(
            (f"ROLLBACK_FRONT_KEYS_FILE: {settings.front_keys} holds no public key: {problem}.",)
        ) from None


async def _directory(
    configuration: Configuration,
    settings: Settings,
    front: Front | None,
    session: ClientSession,
    clock: Clock,
) -> Directory:
    if front is not None:
        return front.context.directory
    assert settings.read_token is not None  # `why_not_serve` has looked
    client = client_for(settings, settings.read_token.get_secret_value(), session)
    me = await who_am_i(client)
    return SlackDirectory(configuration, client, me["team_id"], clock)


def _worker(
    configuration: Configuration,
    settings: Settings,
    store: Store,
    directory: Directory,
    keys: Sequence[Ed25519PublicKey],
    clock: Clock,
    nudges: tuple[Wake, Wake],
    zone: str,
) -> Worker:
    world = ConfiguredWorld(configuration, resolver_for(configuration, settings.state))
    planner = Planner(configuration, store, world, clock)
    engine = Engine(configuration, store, world, planner, directory, keys, clock, asyncio.sleep)
    looks, claims = LookStore(store.database), Claims(store)
    every = SWEEP_EVERY if store.database.kind == "sqlite" else GROWN_SWEEP_EVERY
    work, publish = nudges
    return Worker(
        configuration,
        engine,
        planner,
        claims,
        looks,
        clock,
        work,
        publish,
        zone=zone,
        sweep_every=every,
    )


async def _listen(
    settings: Settings, store: Store, clock: Clock, readiness: Readiness, front: Front | None
) -> tuple[web.AppRunner, str]:
    metrics = front.context.metrics if front else new_metrics()
    parts = None
    if front is not None:
        secret = settings.signing_secret.get_secret_value() if settings.signing_secret else None
        parts = FrontState(front.context, front.door, secret)
    app = web_app(ProcessState(store, metrics, clock, readiness), parts)
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
    settings: Settings,
    wall: SharedClock,
    front: Front | None,
    worker: Worker | None,
    jobs: "Jobs | None",
    zone: str,
) -> list[asyncio.Task[None]]:
    loops = []
    if worker is not None:
        loops.append(worker.run())
    if jobs is not None:
        from storage.postgres import listen  # needs the extra `postgres`

        loops.append(_read_clock(wall))
        if front is not None:
            publish = front.context.publish
            loops.append(listen(settings.database, lambda _: publish()))
        if worker is not None:
            loops.append(jobs.run([zone], worker.take_run, worker.take_look, JOBS_AT_ONCE))
            loops.append(_forget_stalled(jobs))
    return [asyncio.create_task(loop) for loop in loops]


async def _never() -> bool:
    return False


async def _until_confirmed(database: Database, anew: asyncio.Event) -> None:
    """A database that was put back is only read, until its operator has looked at what it does not know."""
    while await restored(database) is not None:  # noqa: ASYNC110 - another process confirms
        await asyncio.sleep(CONFIRMED_EVERY)
    anew.set()


def _ended_by_itself(anew: asyncio.Event, loop: asyncio.Task[None]) -> None:
    """None of them should: rather than go on without it, everything is opened again."""
    if not loop.cancelled() and (problem := loop.exception()) is not None:
        log.error("a loop ended", error=type(problem).__name__, exc_info=problem)
        anew.set()


async def _end(loops: Sequence[asyncio.Task[None]]) -> None:
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)


async def _read_clock(wall: SharedClock) -> None:
    while True:
        await asyncio.sleep(CLOCK_READ_EVERY)
        try:
            await wall.read()
        except (
            DBAPIError,
            TemporaryError,
            TimeoutError,
        ) as problem:  # readiness says so
            log.warning("clock not compared", error=str(problem))


async def _forget_stalled(jobs: "Jobs") -> None:
    while True:
        await asyncio.sleep(STALLED_EVERY)
        try:
            await jobs.forget_stalled()
        except (DBAPIError, TemporaryError, TimeoutError) as problem:
            log.warning("stalled jobs", error=str(problem))
