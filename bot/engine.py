"""Drives one run: load, decide, write the intent, act, write the outcome, until it waits or has ended.

Driving again is always safe: what was begun is looked for, never repeated. The engine has no rule
about states (`machine`) and none about people (`policy`); it may not drive without a claim. What it may
not or cannot drive, it ends visibly (`machine.broken_off`): no run is silent.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bot import asking, codec, events, machine
from bot.clock import Clock, Sleep
from bot.configuration import Configuration
from bot.contract import (
    Fate,
    Found,
    Handle,
    Operation,
    OutcomeUnknown,
    StillReading,
    Taken,
    UnknownPoint,
    Work,
    answered,
)
from bot.envelope import Event
from bot.errors import ClaimLost, PermanentError, StaleRun, TemporaryError, UserError, words_of
from bot.events import Fact
from bot.looking import PatientCheck, arrived, is_down, judged, look_once, look_until_sure
from bot.loss import outgrown
from bot.model import Do, Finding, Phase, Step, When
from bot.planner import Executors, Now, Planner
from bot.preflight import Directory, failover, look_before_start, plan_for, why_not_with_these_settings
from bot.run import Run, StepRecord, op_id
from bot.signatures import why_not_as_planned, why_not_signed

TRIED_AGAIN_EVERY_SECONDS = 5.0  # a plan or a start, while something passing stands against it
BEGUN_AT_MOST_TIMES = 3  # in a row, when a step never arrives at its backend


class Records(Protocol):
    """What the engine needs of the store."""

    @property
    def installation(self) -> str: ...
    async def append(self, run: Run, *events: Event, epoch: int | None = None) -> Run: ...
    async def load(self, run_id: str) -> Run: ...
    async def events(self, run_id: str) -> tuple[Event, ...]: ...
    async def progress(self, run_id: str, epoch: int, progress: dict[str, Any]) -> None: ...


class Backends(Executors, Protocol):
    """The configured backends of this worker's zone."""

    def maintenance(self, target: str, do: Do) -> Operation: ...
    def checks(self, targets: Sequence[str]) -> tuple[PatientCheck, ...]: ...


class ClaimedRun(Protocol):
    @property
    def run(self) -> Run: ...
    @property
    def epoch(self) -> int: ...


@dataclass(frozen=True)
class Engine:
    """What every driving works with. `sleep` takes seconds."""

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
        run = await drive.load(claim.run.id)
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
        self._begun: Counter[int] = Counter()  # by step
        self._records = engine.records
        self._world = engine.world
        self._clock = engine.clock
        self._heard = 0  # the seq up to which people's words were looked at
        self._other_plan: str | None = None  # why the stored plan is not the one that people saw
        self._doubt: str | None = None  # why this run must not be driven

    async def load(self, run_id: str) -> Run:
        """As it is stored now; what people have said since the last time is looked at before it counts."""
        history = await self._records.events(run_id)
        run = machine.fold(run_id, history)
        here, keys = self._records.installation, self._engine.keys
        self._doubt = self._doubt or why_not_signed(here, run, history, keys, after=self._heard)
        self._other_plan = why_not_as_planned(history)
        self._heard = run.seq
        return run

    def next_action(self, run: Run) -> machine.Action:
        """The machine knows no time: who comes back to a run after a standstill looks again first."""
        return machine.Review() if machine.stood_still(run, self._clock()) else machine.next_action(run)

    async def take(self, run: Run, action: machine.Action) -> Run:
        if reason := self._doubt or why_not_with_these_settings(run, self._engine.configuration):
            return await self._append_alone(run, machine.broken_off(run, reason, self._clock()))
        match action:
            case machine.MakePlan():
                return await self._make_plan(run)
            case machine.Preflight():
                return await self._preflight(run)
            case machine.Review():
                return await self._review(run)
            case machine.Write(fact):
                return await self._write(run, fact)
            case machine.Observe(step):
                return await self._observe(run, step)
            case machine.LookAround(step):
                return await self._look_around(run, step)
            case machine.StartStep(step):
                return await self._start(await self._append_alone(run, self._intent(run, step)), step)
            case machine.FindStep(record):
                return await self._find(run, record)
            case machine.Wait():
                return run

    async def _append_alone(self, run: Run, event: Event) -> Run:
        return await self._records.append(run, event, epoch=self._epoch)

    async def _write(self, run: Run, fact: Fact) -> Run:
        run, begun = await self._append(run, fact)
        return run if begun is None else await self._start(run, begun)

    async def _write_outcome(self, run: Run, fact: Fact) -> Run:
        """The world has moved, so this is written whatever people did meanwhile."""
        while True:
            try:
                run, begun = await self._append(run, fact)
            except StaleRun:
                run = await self.load(run.id)
            else:
                return run if begun is None else await self._start(run, begun)

    async def _append(self, run: Run, fact: Fact) -> tuple[Run, Step | None]:
        """The event and all that follows from it at once, up to the next intent: one wait for the disk.

        The step of that intent, which has to be started now; None: there is none.
        """
        told = [Event(fact, self._clock(), seq=run.seq + 1)]
        ahead = machine.apply(run, told[0])
        begun: Step | None = None
        while begun is None and self._doubt is None:
            match machine.next_action(ahead):
                case machine.Write(due):
                    told.append(Event(due, self._clock(), seq=ahead.seq + 1))
                case machine.StartStep(step) if self._can_begin(step):
                    begun = step
                    told.append(replace(self._intent(ahead, step), seq=ahead.seq + 1))
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
            return await self._write(run, events.Refused(words_of(refusal), private=slip))
        except (TemporaryError, OutcomeUnknown) as refusal:
            name, words = run.request.target, words_of(refusal).rstrip(".")
            why = f"`{name}` could not be read: {words}. Nothing was started; ask again."
            return await self._write(run, events.Refused(f"{why}{failover(name, tools.configuration)}"))
        return await self._write(run, events.Planned(plan, codec.plan_digest(plan), awaited, target_down))

    async def _preflight(self, run: Run) -> Run:
        """Passing trouble is waited out as long as the approval lets it start; what differs ends it."""
        now = await self._look_before_start(run)
        if machine.overdue(run, self._clock()):
            return await self._write(run, events.Expired())
        if now.why_not is None:
            return await self._write(run, events.Started(now.loss))
        if not now.passing or self._last_try(run):
            return await self._write(run, events.Voided(now.why_not, now.seen))
        return await self._held_up(run, now.why_not)

    async def _held_up(self, run: Run, why: str) -> Run:
        """Says once what it waits for, waits, and returns the run as people have moved it meanwhile."""
        if why != run.why:
            await self._write(run, events.HeldUp(why))
        await self._engine.sleep(TRIED_AGAIN_EVERY_SECONDS)
        return await self.load(run.id)

    def _last_try(self, run: Run) -> bool:
        """Whether there is no time left to try once more."""
        by = run.approval.start_by
        return by is None or self._clock() + timedelta(seconds=TRIED_AGAIN_EVERY_SECONDS) >= by

    async def _review(self, run: Run) -> Run:
        """The same look as before the start; nothing is restored unless it fits."""
        now = await self._look_before_start(run)
        if now.why_not is None:
            return await self._write(run, events.Reviewed(now.loss))
        if now.loss is not None:
            return await self._write(run, events.LossOutgrown(now.why_not, now.loss))
        return await self._write(run, events.Halted(now.why_not))

    async def _look_before_start(self, run: Run) -> Now:
        tools = self._engine
        return await look_before_start(run, self._other_plan, tools.planner, tools.directory)

    # Reading

    async def _observe(self, run: Run, step: Step) -> Run:
        if step.do is Do.MEASURE:
            return await self._measure(run, step)
        findings = await look_once(self._checks(run), self._clock)
        return await self._write(run, events.BaselineTaken(step.n, findings))

    async def _measure(self, run: Run, step: Step) -> Run:
        plan = run.approval.plan
        loss = await self._engine.planner.measured(plan, step.timeout)
        if why := outgrown(plan, loss, self._clock()):
            return await self._write(run, events.LossOutgrown(why, loss, step.n))
        return await self._write(run, events.LossMeasured(step.n, loss))

    def _checks(self, run: Run) -> tuple[PatientCheck, ...]:
        return self._world.checks([leg.target for leg in run.approval.plan.legs])

    async def _look_around(self, run: Run, step: Step) -> Run:
        when = When.OFFLINE if step.phase is Phase.VERIFY else When.ONLINE
        before = {finding.name: finding for finding in run.work.before}
        seen = await look_until_sure(self._checks(run), when, before, self._clock, self._engine.sleep)
        said = await self._arrived(run) if when is When.OFFLINE else []
        return await self._write(run, judged(step, [*said, *seen]))

    async def _arrived(self, run: Run) -> list[Finding]:
        """What each backend itself says about having arrived."""
        restored = [record.step for record in run.work.steps if record.step.do is Do.RESTORE]
        answers = [
            await arrived(self._world.executor(step.target), step.target, self._work(run, step))
            for step in restored
        ]
        return [finding for findings in answers for finding in findings]

    # Effects

    def _operation(self, step: Step) -> Operation:
        if step.do in {Do.RESTORE, Do.UNDO_POINT}:
            return self._world.executor(step.target)
        return self._world.maintenance(step.target, step.do)

    def _work(self, run: Run, step: Step) -> Work:
        """Under the op id of its intent; only what has none yet gets one."""
        record = run.work.record_of(step.n)
        restores = step.do in {Do.RESTORE, Do.UNDO_POINT}
        leg = run.approval.plan.leg(step.target) if restores else None
        return Work(
            op_id=record.op or op_id(self._records.installation, run.id, step.n, record.attempt),
            run_id=run.id,
            digest=run.approval.digest,
            point=leg.point.id if leg else "",
            expected=leg.current.token if leg else "",
            timeout=step.timeout,
            in_maintenance=run.work.in_maintenance,
            fingerprint=leg.point.fingerprint if leg else "",
            accepted=record.handle is not None,
            unsigned=not run.approval.plan.pins,
            place=record.place,
        )

    def _can_begin(self, step: Step) -> bool:
        """Whether its backend is configured as it should be. If not, the next round says why: what is to be
        written now, an outcome perhaps, must not be lost by that."""
        try:
            self._operation(step)
        except PermanentError:
            return False
        return True

    def _intent(self, run: Run, step: Step) -> Event:
        work = self._work(run, step)
        place = self._operation(step).place
        fact = events.StepStarted(step.n, work.op_id, place, step.do, step.target, work.point)
        return Event(fact, self._clock())

    async def _start(self, run: Run, step: Step) -> Run:
        """Acts, after the intent was written."""
        self._begun[step.n] += 1
        if step.do is Do.UNDO_POINT:
            return await self._save(run, step)
        work, operation, planner = self._work(run, step), self._operation(step), self._engine.planner
        try:
            if step.do is Do.RESTORE:
                await planner.refuse_other_place(run.approval.plan, step.target, begun=True)
            self._hold_the_lease(run)
            handle = await answered(operation.start(work), step.timeout)
        except OutcomeUnknown:
            return await self._find(run, run.work.record_of(step.n))
        except (PermanentError, TemporaryError) as refusal:
            return await self._write_outcome(run, machine.failure(step, words_of(refusal), untouched=True))
        if isinstance(handle, Taken):
            return await self._find(run, run.work.record_of(step.n))
        return await self._follow(run, step, work, handle)

    def _hold_the_lease(self, run: Run) -> None:
        """Just before each effect, on the monotonic clock: who has stood still may have been taken over."""
        if not self._alive():
            raise ClaimLost(run.id)

    async def _save(self, run: Run, step: Step) -> Run:
        """Takes the undo point; an executor does that once for an op id, so it may be asked again."""
        self._hold_the_lease(run)
        try:
            save = self._world.executor(step.target).undo_point(self._work(run, step))
            point = await answered(save, step.timeout)
        except OutcomeUnknown as doubt:
            return await self._write_outcome(run, events.StepLost(step.n, words_of(doubt)))
        except (PermanentError, TemporaryError) as refusal:
            return await self._write_outcome(run, machine.failure(step, words_of(refusal)))
        words = "cannot be undone" if point is None else f"undo point {point.label or point.id}"
        saved = events.StepSucceeded(step.n, words, point.id if point else None)
        return await self._write_outcome(run, saved)

    async def _find(self, run: Run, record: StepRecord) -> Run:
        step = record.step
        if step.do is Do.UNDO_POINT:
            return await self._save(run, step)
        work, operation = self._work(run, step), self._operation(step)
        found = await asking.find(operation, work, self._engine.sleep)
        if found.fate is Fate.IN_FLIGHT:
            return await self._follow(run, step, work, found.handle or record.handle or {})
        return await self._settle(run, step, found)

    async def _settle(self, run: Run, step: Step, found: Found) -> Run:
        """What was found decides, unless it still goes on."""
        match found.fate:
            case Fate.DONE:
                return await self._write_outcome(run, events.StepSucceeded(step.n, found.words))
            case Fate.ABSENT if self._fenced(step) and self._begun[step.n] >= BEGUN_AT_MOST_TIMES:
                words = f"begun {BEGUN_AT_MOST_TIMES} times, it never arrived at the backend"
                return await self._write_outcome(run, machine.failure(step, words, untouched=True))
            case Fate.ABSENT if self._fenced(step):
                return await self._write(run, events.StepAbsent(step.n, found.words))
            case Fate.FAILED | Fate.OVERTAKEN:
                return await self._write_outcome(run, machine.failure(step, found.words))
            case _:
                words = found.words or "the backend cannot tell"
                return await self._write_outcome(run, events.StepLost(step.n, words, found.asked))

    def _fenced(self, step: Step) -> bool:
        """Whether "absent" can be trusted: only where the op id is taken at the backend."""
        return step.do is not Do.RESTORE or self._world.executor(step.target).capabilities.fenced

    async def _follow(self, run: Run, step: Step, work: Work, handle: Handle) -> Run:
        """Asks until it has ended, or until the step's time is over."""
        operation = self._operation(step)
        until = self._clock() + timedelta(seconds=step.timeout)
        asked_to_cancel = False
        while True:
            progress = await asking.poll(operation, work, handle, self._engine.sleep)
            if isinstance(progress, Found):
                return await self._settle(run, step, progress)
            if progress is not None and progress.ended is not None:
                return await self._write_outcome(run, _end_of(step, progress.ended, progress.words))
            if run.work.record_of(step.n).handle is None:
                run = await self._write_outcome(run, events.StepAccepted(step.n, dict(handle)))
            if self._clock() >= until:
                found = await asking.find_out_of_time(operation, work, self._engine.sleep)
                return await self._settle(run, step, found)
            if progress is not None:
                await self._records.progress(run.id, self._epoch, asking.shown(progress))
            await self._engine.sleep(progress.retry_after if progress else 1.0)
            run = await self.load(run.id)
            if self._doubt:
                return run
            if run.work.stop_requested and not asked_to_cancel and self._may_cancel(step):
                asked_to_cancel = True
                self._hold_the_lease(run)
                with suppress(TemporaryError, PermanentError, OutcomeUnknown):
                    # Without an answer it is waited for.
                    await answered(operation.cancel(work, handle), asking.patience(work))

    def _may_cancel(self, step: Step) -> bool:
        """Only where a cancelled restore leaves the target as it was."""
        return step.do is Do.RESTORE and self._world.executor(step.target).capabilities.cancel


def _end_of(step: Step, went_well: bool, words: str) -> Fact:
    return events.StepSucceeded(step.n, words) if went_well else machine.failure(step, words)


def _why_given_up(problem: Exception) -> str:
    """Returns the reason for people. Of an unexpected error only its class: its text may hold a secret."""
    while isinstance(problem, ExceptionGroup):
        problem = problem.exceptions[0]
    told = isinstance(problem, (UserError, PermanentError, TemporaryError, OutcomeUnknown))
    said = words_of(problem) if told else f"an error of its own, {type(problem).__name__}"
    return f"The bot could not go on: {said.rstrip('.')}. Look again, or end it."
