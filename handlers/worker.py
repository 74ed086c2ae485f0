"""The worker: drives runs under a claim and answers looks. The only caller of targets.

Only the worker in whose spool something runs can follow it. So it keeps such a run while it drains, for
as long as it may, and others leave it to its worker for a while when it has gone.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy.exc import DBAPIError

from backends.installed import definitions
from backends.opening import resolver_for
from backends.world import ConfiguredWorld
from bot import codec
from bot.clock import Clock
from bot.configuration import MAIN_ZONE, Configuration
from bot.contract import OutcomeUnknown
from bot.engine import Engine
from bot.errors import ClaimLost, PermanentError, TemporaryError, UserError, words_of
from bot.machine import in_flight
from bot.model import Goal, Left, Plan, State
from bot.planner import Planner
from bot.preflight import Directory
from bot.processes import SEEN_WITHIN, can_start, workers_of
from bot.run import Run
from bot.suggesting import Offer, why_none_suggested
from handlers.context import Parts, Wake, running
from handlers.heartbeat import Heartbeat, pins_of, this_process
from handlers.housekeeping import Housekeeping
from handlers.keys import believed_keys
from handlers.slack.client import client_for, who_am_i
from handlers.slack.directory import SlackDirectory
from handlers.told import Outage
from handlers.watching import DATABASE, Watching
from storage.claims import Claim, Claims
from storage.looks import Look, LookStore
from storage.processes import ProcessStore

if TYPE_CHECKING:
    from storage.jobs import Jobs

log = structlog.get_logger()

LEASE = timedelta(seconds=14)  # with the sweep, a run of a dead worker is taken over within 15
RENEWED_EVERY_SECONDS = 4.0
SWEEP_EVERY_SECONDS = 1.0
GROWN_SWEEP_EVERY_SECONDS = 5.0  # jobs bring what is new at once, so the sweep is for what they lost
JOBS_AT_ONCE = 10  # a job only wakes the worker
STALLED_EVERY_SECONDS = 60.0
DRAINED_WITHIN_SECONDS = 5.0  # but for what runs in our spool; what takes longer is found again
DRAINING_LOOKED_EVERY_SECONDS = 1.0  # whether that still runs
DRIVING_TRIED_AT_MOST_TIMES = 3  # in a row, when it fails without a reason that it knows itself
BETWEEN_SWEEPS_SECONDS = 0.05  # at least
LOOK_AT_MOST_SECONDS = 60.0


class Worker:
    def __init__(
        self,
        configuration: Configuration,
        engine: Engine,
        planner: Planner,
        claims: Claims,
        looks: LookStore,
        watching: Watching,
        clock: Clock,
        work: Wake,
        publish: Wake,
        *,
        zone: str = MAIN_ZONE,
        sweep_every: float = SWEEP_EVERY_SECONDS,
        jobs: "Jobs | None" = None,
        heartbeat: Heartbeat | None = None,
        place: str | None = None,
        housekeeping: Housekeeping | None = None,
    ) -> None:
        """`sweep_every` in seconds. `jobs` None: it finds its work by the sweep and by being woken alone.

        `heartbeat` None: no other worker shares the database. `place`: the name of its spool; None: it has
        none, as where nothing is detached. `housekeeping` None: nothing is cleared away.
        """
        self._configuration = configuration
        self._engine = engine
        self._planner = planner
        self._claims = claims
        self._looks = looks
        self._watching = watching
        self._clock = clock
        self._work = work
        self._publish = publish
        self._zone = zone
        self._jobs = jobs
        self._heartbeat = heartbeat
        self._place = place
        self._housekeeping = housekeeping
        self._elsewhere = frozenset(t.name for t in configuration.targets.values() if t.zone != zone)
        self._sweep_every = sweep_every
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._driven: dict[str, Claim] = {}  # the claims that it drives under, by run
        self._left: set[str] = set()  # runs that were left to the worker of their spool, and logged
        self.drains_within = DRAINED_WITHIN_SECONDS  # what runs in our spool; more when we are to end
        self._failed: dict[str, tuple[int, int]] = {}  # run to its seq and how often driving it failed there
        self._stopping = False
        self._database_away = Outage("the database", clock)
        self.swept_at = clock()  # for /readyz

    @asynccontextmanager
    async def at_work(self, anew: asyncio.Event) -> AsyncIterator[None]:
        """Drives and answers until it is left, then drains. `anew` is set when one of its loops breaks."""
        loops, taking = [self.run(), self._watching.run()], []
        if self._housekeeping is not None:
            loops.append(self._housekeeping.run())
        if self._jobs is not None:
            taking.append(self._jobs.run([self._zone], self.take_run, self.take_look, JOBS_AT_ONCE))
            loops.append(_forget_stalled(self._jobs))
        beating = self._heartbeat.beating(anew) if self._heartbeat else nullcontext()
        async with beating, running(anew, *loops):
            try:
                async with running(anew, *taking):  # a job that is taken while we drain would be lost
                    yield
            finally:
                await self.stop(self.drains_within)

    async def run(self) -> None:
        """Until cancelled or stopped: at every sweep, and at once when woken, takes what has to be done."""
        while not self._stopping:
            await self._work.wait(await self._sweep())

    async def stop(self, at_most: float) -> None:
        """Takes nothing new and lets what runs come to its end; what takes longer is given back.

        A run is followed for `at_most` seconds while something of it runs in our spool, else for a few.
        """
        self._stopping = True
        self._work()
        now = asyncio.get_running_loop().time
        begun, until = now(), now() + at_most
        seen: dict[str, float] = {}  # when something of a run was seen last to run in our spool
        while self._tasks and now() < until:
            for name in [name for name in self._tasks if await self._runs_in_our_spool(name)]:
                if name not in seen:
                    log.info("followed while draining", run=name, at_most_seconds=at_most)
                seen[name] = now()
            late = now() - DRAINED_WITHIN_SECONDS
            await self._cancel([name for name in self._tasks if seen.get(name, begun) <= late])
            await self._wait_for_tasks(min(until - now(), DRAINING_LOOKED_EVERY_SECONDS))
        await self._cancel(list(self._tasks))

    async def _wait_for_tasks(self, seconds: float) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=max(0.0, seconds))

    async def _cancel(self, names: Sequence[str]) -> None:
        left = [self._tasks[name] for name in names if name in self._tasks]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _runs_in_our_spool(self, name: str) -> bool:
        """Whether a step of the run of this name was begun in our spool, and has not ended yet."""
        claim = self._driven.get(name)
        if claim is None or self._place is None:
            return False
        try:
            begun = in_flight((await self._claims.reloaded(claim)).run)
        except DATABASE:
            return True  # nobody else can take it either, until it is back
        return begun is not None and begun.place == self._place

    async def _sweep(self) -> float:
        """Takes what has to be done. Returns the seconds until the next sweep: not later than the lease of
        somebody who may be dead is over."""
        try:
            due = await self._claims.due(self._clock(), self._elsewhere)
            for run_id in due.runs:
                self._take(run_id, self._drive(run_id))
            for look in await self._looks.unanswered(self._elsewhere):
                self._take(f"look {look.id}", self._answer(look))
            self.swept_at = self._clock()
        except DATABASE as problem:
            self._database_away.seen(problem)
            return self._sweep_every
        except Exception as problem:
            log.error("sweep", error=type(problem).__name__, exc_info=problem)
            return self._sweep_every
        self._database_away.over()
        if due.next_lease_over is None:
            return self._sweep_every
        left = (due.next_lease_over - self._clock()).total_seconds()
        return min(self._sweep_every, max(BETWEEN_SWEEPS_SECONDS, left))

    async def take_run(self, run_id: str) -> None:
        """Begins to drive it, unless that is so already. Being asked once too often does nothing."""
        self._take(run_id, self._drive(run_id))

    async def take_look(self, look_id: int) -> None:
        look = await self._looks.get(look_id)
        if look is not None and look.answered_at is None:
            self._take(f"look {look.id}", self._answer(look))

    def _take(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        if name in self._tasks or self._stopping:
            work.close()
            return
        task = asyncio.create_task(work, name=name)
        self._tasks[name] = task
        task.add_done_callback(lambda _: self._tasks.pop(name, None))

    async def _drive(self, run_id: str) -> None:
        try:
            if self._heartbeat is not None and await self._is_for_another(run_id, self._heartbeat):
                return
            run = await self._carried_on(run_id)
        except DATABASE as problem:
            log.warning("drive", run=run_id, error=words_of(problem))  # the sweep finds it again
            return
        if run is None:
            return
        if run.state is State.AWAITING_APPROVAL:
            await self._watching.note_what_it_found(run)
        elif run.state.final and run.work.live is not Left.BEFORE:
            await self._watching.note_what_it_brought(run)

    async def _is_for_another(self, run_id: str, heartbeat: Heartbeat) -> bool:
        """Whether only another worker of the zone has the programs that were approved. It finds the run."""
        since = self._clock() - SEEN_WITHIN
        mates = [mate for mate in workers_of(self._zone, heartbeat.others) if mate.seen_at >= since]
        if all(mate.pins == heartbeat.me.pins for mate in mates):
            return False
        run = await self._claims.waiting_to_start(run_id)
        if run is None or can_start(heartbeat.me.pins, run.approval.plan):
            return False
        able = [mate.name for mate in mates if can_start(mate.pins, run.approval.plan)]
        if able:
            log.info("left to a worker that has the approved programs", run=run_id, worker=able[0])
        return bool(able)

    async def _carried_on(self, run_id: str) -> Run | None:
        """Returns the run as it waits or has ended; None: somebody else drives it, nobody could, or it had
        ended before and left something to do."""
        claim = await self._claims.claim(run_id, self._clock(), LEASE)
        if claim is None:
            return None
        was_over = claim.run.state.final
        self._driven[run_id] = claim
        heart = _Heart(self._claims, claim, self._clock)
        beating = asyncio.create_task(heart.beat())
        try:
            if await self._is_left_to_its_worker(claim):
                await self._claims.give_back(claim)
                return None
            run = await self._engine.drive(claim, heart.alive)
            while not await self._claims.release(claim, run.seq):  # it moved meanwhile: go round again
                claim = await self._claims.reloaded(claim)
                run = await self._engine.drive(claim, heart.alive)
        except ClaimLost:
            log.warning("claim lost", run=run_id)
        except asyncio.CancelledError:
            await asyncio.shield(self._claims.give_back(claim))  # the next worker need not wait for the lease
            log.info("given back", run=run_id, spool=self._place)
            raise
        except DATABASE as problem:
            log.warning("drive", run=run_id, error=words_of(problem))
            # Nothing is wrong with the run: it is found again when its lease is over.
        except Exception as problem:
            log.error("drive", run=run_id, error=type(problem).__name__, exc_info=problem)
            await self._failed_once_more(claim, problem)
        else:
            self._failed.pop(run_id, None)
            return None if was_over else run
        finally:
            beating.cancel()
            del self._driven[run_id]
            self._publish()
        return None

    async def _is_left_to_its_worker(self, claim: Claim) -> bool:
        """Whether only the worker that has begun a step can tell what became of it, and it may come back."""
        run, begun = claim.run, in_flight(claim.run)
        place = begun.place if begun else None
        if begun is None or place is None or place == self._place or self._heartbeat is None:
            return False
        left = await self._heartbeat.is_left_to_its_worker(place)
        left = left and not await self._engine.sees(claim, begun)
        if not left:
            self._left.discard(run.id)
        elif run.id not in self._left:
            self._left.add(run.id)
            log.info("left to the worker in whose spool it was begun", run=run.id, spool=place)
        return left

    async def _failed_once_more(self, claim: Claim, problem: Exception) -> None:
        """A fault of ours or of the configuration: tried a few times, then said on the card."""
        claim = await self._claims.reloaded(claim)
        run = claim.run
        seq, times = self._failed.get(run.id, (run.seq, 0))
        times = times + 1 if seq == run.seq else 1
        self._failed[run.id] = run.seq, times
        if times >= DRIVING_TRIED_AT_MOST_TIMES:
            await self._engine.give_up(claim, problem)
            del self._failed[run.id]
            await self._claims.give_back(claim)

    # Looks

    async def _answer(self, look: Look) -> None:
        try:
            async with asyncio.timeout(LOOK_AT_MOST_SECONDS):
                answer = await self._look(look)
        except (UserError, PermanentError) as reason:
            answer = {"reason": words_of(reason)}
        except (TemporaryError, OutcomeUnknown, TimeoutError) as reason:
            words = "it does not answer" if isinstance(reason, TimeoutError) else words_of(reason).rstrip(".")
            answer = {"reason": f"`{look.target}` cannot be read now: {words}. Try again in a moment."}
        except Exception as problem:
            log.error("look", target=look.target, error=type(problem).__name__, exc_info=problem)
            answer = {"reason": f"`{look.target}` could not be read. The log of the bot says why."}
        await self._looks.answer(look.id, answer, self._clock())
        self._publish()

    async def _look(self, look: Look) -> dict[str, Any]:
        target = self._configuration.targets[look.target]
        points = await self._watching.points(look.target)
        offered = await self._planner.offer(look.target, points)
        answer: dict[str, Any] = {"offer": codec.dump(Offer, offered)}
        if look.goal is None:
            return answer
        goal = _goal(look, offered)
        if goal is None:
            return {**answer, "reason": why_none_suggested(look.target, points)}
        try:
            plan = await self._planner.plan(target, goal)
        except (UserError, PermanentError) as reason:
            return {**answer, "reason": words_of(reason)}
        return {**answer, "plan": codec.dump(Plan, plan)}


def _goal(look: Look, offered: Offer) -> Goal | None:
    """Returns what was chosen, else what is suggested; None: nothing is."""
    if any((look.goal or {}).get(kind) for kind in ("point", "before", "undo_of")):
        goal: Goal = codec.load(Goal, look.goal)
        return goal
    if offered.suggested is None:
        return None
    return Goal(point=offered.suggested, offline_first=bool((look.goal or {}).get("offline_first")))


class _Heart:
    """Keeps a claim while a slow step runs, and knows on the monotonic clock when it is over."""

    def __init__(self, claims: Claims, claim: Claim, clock: Clock) -> None:
        self._claims = claims
        self._claim = claim
        self._clock = clock
        self._until = asyncio.get_running_loop().time() + LEASE.total_seconds()

    def alive(self) -> bool:
        return asyncio.get_running_loop().time() < self._until

    async def beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(RENEWED_EVERY_SECONDS)
            asked = loop.time()
            try:
                held = await self._claims.renew(self._claim, self._clock() + LEASE)
            except DATABASE as problem:
                log.warning("claim not renewed", run=self._claim.run.id, error=words_of(problem))
                continue  # the lease goes on, and `alive` knows how long
            if not held:
                self._until = 0.0
                return
            self._until = asked + LEASE.total_seconds()


# Opening ---------------------------------------------------------------------------------------------


async def open_worker(
    parts: Parts, zone: str, directory: Directory | None, resources: AsyncExitStack
) -> Worker:
    """Returns a worker that does nothing yet, see `at_work`. Raises ConfigurationError.

    `directory` None: it asks Slack who stands where with a token of its own. `resources` close its backends.
    """
    configuration, store, clock = parts.configuration, parts.store, parts.clock
    keys = believed_keys(parts.settings.front_keys, parts.signer)
    directory = directory or await _directory(parts)
    resolver = resolver_for(configuration, parts.settings.state, parts.settings.worker_key)
    world = ConfiguredWorld(configuration, definitions(), resolver)
    resources.push_async_callback(_close, world)
    planner = Planner(configuration, store, world, clock)
    claims, place, heartbeat = Claims(store), resolver.surroundings.place, None
    if parts.jobs is not None:
        me = this_process("worker", zone, resolver.surroundings.key.id, clock, place or "")
        heartbeat = Heartbeat(ProcessStore(store.database), clock, me, pins_of(zone, configuration, world))
    return Worker(
        configuration,
        Engine(configuration, store, world, planner, directory, keys, clock, asyncio.sleep),
        planner,
        claims,
        LookStore(store.database),
        Watching(configuration, zone, planner, store, clock),
        clock,
        parts.work,
        parts.publish,
        zone=zone,
        sweep_every=SWEEP_EVERY_SECONDS if parts.jobs is None else GROWN_SWEEP_EVERY_SECONDS,
        jobs=parts.jobs,
        heartbeat=heartbeat,
        place=place,
        housekeeping=Housekeeping(resolver.surroundings.spool, store.installation, claims, clock),
    )


async def _close(world: ConfiguredWorld) -> None:
    for words in await world.close():
        log.warning("backend not closed", error=words)


async def _directory(parts: Parts) -> Directory:
    assert parts.settings.read_token is not None  # `why_not_serve` has looked
    token = parts.settings.read_token.get_secret_value()
    client = client_for(parts.settings.api_url, token, parts.session)
    me = await who_am_i(client)
    return SlackDirectory(parts.configuration, client, me["team_id"], parts.clock)


async def _forget_stalled(jobs: "Jobs") -> None:
    while True:
        await asyncio.sleep(STALLED_EVERY_SECONDS)
        try:
            await jobs.forget_stalled()
        except (DBAPIError, TemporaryError, TimeoutError) as problem:
            log.warning("stalled jobs", error=words_of(problem))
