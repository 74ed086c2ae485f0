"""Drives one run: load, decide, write the intent, act, write the outcome, until it waits or has ended.

Driving again is always safe: what was begun is looked for, never repeated. The engine has no rule
about states (`machine`) and none about people (`policy`); it may not drive without a claim. What it may
not or cannot drive, it ends visibly (`machine.broken_off`): no run is silent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bot import codec, events, machine
from bot.clock import Clock, Sleep
from bot.configuration import Configuration
from bot.contract import OutcomeUnknown, StillReading, UnknownPoint
from bot.effects import Effects, Operations
from bot.envelope import Event
from bot.errors import ClaimLost, PermanentError, StaleRun, TemporaryError, UserError, words_of
from bot.facts import Fact
from bot.looking import (
    ChecksOfCopy,
    PatientCheck,
    arrived,
    contents_of,
    described,
    environment_of,
    is_down,
    judged,
    look_once,
    look_until_sure,
    not_looked_at,
    of_copy,
)
from bot.loss import outgrown
from bot.model import Do, Finding, Phase, Step, Verdict, When
from bot.planner import Now, Planner
from bot.preflight import (
    Directory,
    failover,
    look_before_start,
    plan_for,
    who_could_approve,
    why_not_with_these_settings,
)
from bot.run import Run, StepRecord
from bot.signatures import why_not_as_planned, why_not_signed

TRIED_AGAIN_EVERY_SECONDS = 5.0  # a plan or a start, while something passing stands against it


class Records(Protocol):
    """Is what the engine needs of the store."""

    @property
    def installation(self) -> str: ...
    async def append(self, run: Run, *events: Event, epoch: int | None = None) -> Run: ...
    async def load(self, run_id: str) -> Run: ...
    async def events(self, run_id: str) -> tuple[Event, ...]: ...
    async def progress(self, run_id: str, epoch: int, progress: dict[str, Any]) -> None: ...
    async def progress_of(self, run_id: str) -> dict[str, Any] | None: ...


class Backends(Operations, Protocol):
    """The configured backends of this worker's zone."""

    def checks(self, targets: Sequence[str]) -> tuple[PatientCheck, ...]: ...
    def checks_of_copy(self, target: str, environment: Mapping[str, str]) -> ChecksOfCopy: ...


class ClaimedRun(Protocol):
    @property
    def run(self) -> Run: ...
    @property
    def epoch(self) -> int: ...
    @property
    def history(self) -> Sequence[Event]: ...


@dataclass(frozen=True)
class Engine:
    """Holds what every driving works with. `sleep` takes seconds."""

    configuration: Configuration
    records: Records
    world: Backends
    planner: Planner
    directory: Directory
    keys: Sequence[Ed25519PublicKey]  # of the fronts whose decisions are carried out
    clock: Clock
    sleep: Sleep

    async def drive(self, claim: ClaimedRun, alive: Callable[[], bool] = lambda: True) -> Run:
        """The run when it waits for people or has ended. `alive`: whether the lease still holds."""
        drive = _Drive(self, claim.epoch, alive)
        run = drive.heard(claim.run, claim.history)
        while True:
            try:
                match drive.next_action(run):
                    case machine.Wait():
                        return run
                    case action:
                        run = await drive.take(run, action)
            except (StaleRun, machine.NotAllowed):
                moved = await drive.load(run.id)
                if moved.seq == run.seq:
                    raise  # nobody moved it, so deciding again would decide the same
                run = moved

    async def sees(self, claim: ClaimedRun, begun: StepRecord) -> bool:
        """Whether this worker can see what became of a step that another one has begun. Changes nothing."""
        if why_not_with_these_settings(claim.run, self.configuration):
            return False  # perhaps that one has its target, and the settings of then
        return await _Drive(self, claim.epoch, lambda: True).sees(claim.run, begun)

    async def give_up(self, claim: ClaimedRun, problem: Exception) -> Run:
        """Ends visibly what could not be driven time after time. Raises ClaimLost, and StaleRun for ever."""
        run = await self.records.load(claim.run.id)
        while machine.wants_driving(run):
            event = machine.broken_off(run, _why_given_up(problem), self.clock())
            try:
                return await self.records.append(run, event, epoch=claim.epoch)
            except StaleRun:
                moved = await self.records.load(run.id)
                if moved.seq == run.seq:
                    raise
                run = moved
        return run


class _Drive:
    """One carrying-out under one claim."""

    def __init__(self, engine: Engine, epoch: int, alive: Callable[[], bool]) -> None:
        self._engine = engine
        self._epoch = epoch
        self._alive = alive
        self._records = engine.records
        self._world = engine.world
        self._clock = engine.clock
        self._heard = 0  # the seq up to which people's words were looked at
        self._other_plan: str | None = None  # why the stored plan is not the one that people saw
        self.doubt: str | None = None  # why this run must not be driven
        self._effects = Effects(
            engine.records.installation, engine.world, engine.planner, engine.clock, engine.sleep, self
        )

    async def load(self, run_id: str) -> Run:
        """Returns it as it is stored now. New words of people are looked at before they count."""
        history = await self._records.events(run_id)
        return self.heard(machine.fold(run_id, history), history)

    def heard(self, run: Run, history: Sequence[Event]) -> Run:
        """Returns the run, once its history was looked at: `doubt` says what is wrong with it."""
        here, keys = self._records.installation, self._engine.keys
        self.doubt = self.doubt or why_not_signed(here, run, history, keys, after=self._heard)
        self._other_plan = why_not_as_planned(history)
        self._heard = run.seq
        return run

    async def sees(self, run: Run, begun: StepRecord) -> bool:
        return await self._effects.sees(run, begun)

    def next_action(self, run: Run) -> machine.Action:
        """The machine knows no time: who comes back to a run after a standstill looks again first."""
        return machine.Review() if machine.stood_still(run, self._clock()) else machine.next_action(run)

    async def take(self, run: Run, action: machine.Action) -> Run:
        if reason := self.doubt or self._why_not_with_these_settings(run, action):
            return await self._append_alone(run, machine.broken_off(run, reason, self._clock()))
        match action:
            case machine.MakePlan():
                return await self._make_plan(run)
            case machine.Preflight():
                return await self._preflight(run)
            case machine.Review():
                return await self._review(run)
            case machine.Write(fact):
                return await self.write(run, fact)
            case machine.Observe(step):
                return await self._observe(run, step)
            case machine.LookAround(step):
                return await self._look_around(run, step)
            case machine.StartStep(step):
                return await self._effects.start(
                    await self._append_alone(run, self._effects.intent(run, step)), step
                )
            case machine.FindStep(record):
                return await self._effects.find(run, record)
            case machine.Drop(step):
                return await self._drop(run, step)
            case machine.Wait():
                return run

    def _why_not_with_these_settings(self, run: Run, action: machine.Action) -> str | None:
        """Returns why an action cannot be done with today's settings; None: it can.

        What a run has left behind is looked at and dropped under the settings of then or of now.
        """
        if run.state.final and isinstance(action, machine.Drop | machine.FindStep | machine.LookAround):
            return None
        return why_not_with_these_settings(run, self._engine.configuration)

    async def _drop(self, run: Run, step: Step) -> Run:
        """Unless something still needs it: then the next look is later."""
        if kept := await self._engine.planner.why_keep(run, step):
            until = self._clock() + timedelta(seconds=kept.seconds)
            return await self.write(run, events.DropPutOff(step.n, until, kept.why))
        run = await self._append_alone(run, self._effects.intent(run, step))
        return await self._effects.start(run, step)

    async def _append_alone(self, run: Run, event: Event) -> Run:
        return await self._records.append(run, event, epoch=self._epoch)

    async def write(self, run: Run, fact: Fact) -> Run:
        run, begun = await self._append(run, fact)
        return run if begun is None else await self._effects.start(run, begun)

    async def write_outcome(self, run: Run, fact: Fact) -> Run:
        """The world has moved, so this is written whatever people did meanwhile."""
        while True:
            try:
                run, begun = await self._append(run, fact)
            except StaleRun:
                run = await self.load(run.id)
            else:
                return run if begun is None else await self._effects.start(run, begun)

    async def progress(self, run: Run, progress: dict[str, Any]) -> None:
        await self._records.progress(run.id, self._epoch, progress)

    async def shown(self, run: Run) -> dict[str, Any] | None:
        return await self._records.progress_of(run.id)

    def hold_the_lease(self, run: Run) -> None:
        """Raises ClaimLost, on the monotonic clock: who has stood still may have been taken over."""
        if not self._alive():
            raise ClaimLost(run.id)

    async def _append(self, run: Run, fact: Fact) -> tuple[Run, Step | None]:
        """The event and all that follows from it at once, up to the next intent: one wait for the disk.

        The step of that intent, which has to be started now; None: there is none.
        """
        told = [Event(fact, self._clock(), seq=run.seq + 1)]
        ahead = machine.apply(run, told[0])
        begun: Step | None = None
        while begun is None and self.doubt is None:
            match machine.next_action(ahead):
                case machine.Write(due):
                    told.append(Event(due, self._clock(), seq=ahead.seq + 1))
                case machine.Observe(step) if step.do is Do.BASELINE and not self._checks(ahead):
                    nothing_read = events.BaselineTaken(step.n, ())
                    told.append(Event(nothing_read, self._clock(), seq=ahead.seq + 1))
                case machine.StartStep(step) if self._effects.can_begin(run, step):
                    begun = step
                    told.append(replace(self._effects.intent(ahead, step), seq=ahead.seq + 1))
                case _:
                    break
            ahead = machine.apply(ahead, told[-1])
        return await self._records.append(run, *told, epoch=self._epoch), begun

    # Planning and preflight

    async def _make_plan(self, run: Run) -> Run:
        tools = self._engine
        try:
            plan, awaited = await plan_for(run, tools.planner, tools.directory)
            target_down = await is_down(self._world.checks([plan.target]), self._clock)
        except StillReading as reading:
            return await self._held_up(run, words_of(reading))
        except (UserError, PermanentError) as refusal:
            slip = isinstance(refusal, UnknownPoint) and run.request.goal.point is not None
            return await self.write(run, events.Refused(words_of(refusal), private=slip))
        except (TemporaryError, OutcomeUnknown) as refusal:
            if run.is_drill or run.is_backup:  # nobody stands beside it and waits
                return await self._held_up(run, words_of(refusal))
            name, words = run.request.target, words_of(refusal).rstrip(".")
            why = f"`{name}` could not be read: {words}. Nothing was started; ask again."
            return await self.write(run, events.Refused(f"{why}{failover(name, tools.configuration)}"))
        return await self.write(run, events.Planned(plan, codec.plan_digest(plan), awaited, target_down))

    async def _preflight(self, run: Run) -> Run:
        """Passing trouble is waited out as long as the approval lets it start; what differs ends it."""
        now = await self._look_before_start(run)
        if machine.overdue(run, self._clock()):
            return await self.write(run, events.Expired())
        if now.why_not is None:
            return await self.write(run, events.Started(now.loss))
        if not now.passing or self._last_try(run):
            return await self.write(run, events.Voided(now.why_not, now.seen))
        return await self._held_up(run, now.why_not)

    async def _held_up(self, run: Run, why: str) -> Run:
        """Says once what it waits for, waits, and returns the run as people have moved it meanwhile."""
        if why != run.why:
            await self.write(run, events.HeldUp(why))
        await self._engine.sleep(TRIED_AGAIN_EVERY_SECONDS)
        return await self.load(run.id)

    def _last_try(self, run: Run) -> bool:
        """Whether there is no time left to try once more."""
        by = machine.start_by(run)
        return by is None or self._clock() + timedelta(seconds=TRIED_AGAIN_EVERY_SECONDS) >= by

    async def _review(self, run: Run) -> Run:
        """The same look as before the start; nothing is restored unless it fits."""
        now = await self._look_before_start(run)
        if now.why_not is None:
            return await self.write(run, events.Reviewed(now.loss))
        if run.work.prepared_at is not None and not run.work.touched:  # only a copy stands beside it
            if now.passing and not self._last_try(run):
                return await self._held_up(run, now.why_not)
            return await self.write(run, events.Voided(now.why_not, now.seen))
        if now.loss is not None:
            return await self.write(run, events.LossOutgrown(now.why_not, now.loss))
        return await self.write(run, events.Halted(now.why_not))

    async def _look_before_start(self, run: Run) -> Now:
        tools = self._engine
        return await look_before_start(run, self._other_plan, tools.planner, tools.directory)

    # Reading

    async def _observe(self, run: Run, step: Step) -> Run:
        if step.do is Do.MEASURE:
            return await self._measure(run, step)
        findings = await look_once(self._checks(run), self._clock)
        return await self.write(run, events.BaselineTaken(step.n, findings))

    async def _measure(self, run: Run, step: Step) -> Run:
        plan = run.approval.plan
        loss = await self._engine.planner.measured(plan, step.timeout)
        if why := outgrown(plan, loss, self._clock()):
            return await self.write(run, events.LossOutgrown(why, loss, step.n))
        return await self.write(run, events.LossMeasured(step.n, loss))

    def _checks(self, run: Run) -> tuple[PatientCheck, ...]:
        return self._world.checks([leg.target for leg in run.approval.plan.legs])

    async def _look_around(self, run: Run, step: Step) -> Run:
        if run.looks_only:
            return await self._look_at_way(run, step)
        if run.is_drill:
            return await self._look_at_copy(run, step)
        if run.is_snapshot:
            return await self._look_at_snapshot(run, step)
        if run.is_backup:
            return await self._look_at_backup(run, step)
        when = When.OFFLINE if step.phase is Phase.VERIFY else When.ONLINE
        before = {finding.name: finding for finding in run.work.before}
        seen = await look_until_sure(self._checks(run), when, before, self._clock, self._engine.sleep)
        said = await self._arrived(run) if when is When.OFFLINE else {}
        astray = tuple(target for target, findings in said.items() if any(map(_is_elsewhere, findings)))
        findings = [finding for found in said.values() for finding in found]
        return await self.write(run, replace(judged(step, [*findings, *seen]), astray=astray))

    async def _look_at_copy(self, run: Run, step: Step) -> Run:
        """Only at what was copied: a check that cannot do that is named, and looks at nothing."""
        executor = self._world.executor(step.target)
        copying = next(r.step for r in run.work.steps if r.step.do is Do.PREPARE)
        work = self._effects.work(run, copying)
        before = await arrived(executor, step.target, work)
        checks = self._world.checks_of_copy(step.target, await environment_of(executor, work))
        seen = await look_until_sure(checks.able, When.OFFLINE, {}, self._clock, self._engine.sleep)
        found = of_copy(before, seen, await arrived(executor, step.target, work))
        return await self.write(run, replace(judged(step, found), left_out=checks.left_out))

    async def _look_at_way(self, run: Run, step: Step) -> Run:
        """Looks whether a rollback could begin, and who could approve it, for a drill that makes no copy."""
        found = await self._engine.planner.look_at_way(run.approval.plan)
        people = await who_could_approve(run.approval.plan, self._engine.planner, self._engine.directory)
        return await self.write(run, judged(step, [*found, people]))

    async def _look_at_backup(self, run: Run, step: Step) -> Run:
        """Looks into a copy of the backup if there is one, else only whether the backup is there."""
        if any(record.step.do is Do.PREPARE for record in run.work.steps):
            return await self._look_at_copy(run, step)
        saved = run.work.undo_points[step.target], run.work.undo_contents.get(step.target, "")
        found = await self._engine.planner.look_at_saved(step.target, *saved)
        return await self.write(run, judged(step, [found]))

    async def _look_at_snapshot(self, run: Run, step: Step) -> Run:
        """Looks whether it is the state of then. Whether that was well is for checks: they have no part."""
        try:
            executor = self._world.executor(step.target)
        except PermanentError as problem:  # it is not configured any more
            return await self.write(run, not_looked_at(run, step, words_of(problem)))
        copying = next(r.step for r in run.work.steps if r.step.do is Do.PREPARE)
        work = self._effects.work(run, copying)
        found = await arrived(executor, step.target, work)
        held = await described(executor, work, contents_of(run))
        return await self.write(run, judged(step, [*found, *held]))

    async def _arrived(self, run: Run) -> dict[str, tuple[Finding, ...]]:
        """Returns what each backend itself says about having arrived, by target."""
        return {
            r.step.target: await arrived(
                self._world.executor(r.step.target), r.step.target, self._effects.work(run, r.step)
            )
            for r in run.work.restores
        }


def _is_elsewhere(finding: Finding) -> bool:
    return finding.arrived and finding.verdict is Verdict.FAILED


def _why_given_up(problem: Exception) -> str:
    """Returns the reason for people. Of an unexpected error only its class: its text may hold a secret."""
    while isinstance(problem, ExceptionGroup):
        problem = problem.exceptions[0]
    told = isinstance(problem, (UserError, PermanentError, TemporaryError, OutcomeUnknown))
    said = words_of(problem) if told else f"an error of its own, {type(problem).__name__}"
    return f"The bot could not go on: {said.rstrip('.')}. Look again, or end it."
