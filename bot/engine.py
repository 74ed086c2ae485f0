"""Drives one run: load, decide, write the intent, act, write the outcome, until it waits or has ended.

Driving again is always safe: what was begun is looked for, never repeated. The engine has no rule
about states (`machine`) and none about people (`policy`); it may not drive without a claim. What it may
not or cannot drive, it ends visibly (`machine.broken_off`): no run is silent.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bot import codec, events, machine, planning, policy
from bot.clock import Clock
from bot.configuration import Configuration, Target, policy_digest, procedure_digest
from bot.contract import (
    Fate,
    Found,
    Handle,
    Operation,
    OutcomeUnknown,
    Progress,
    Taken,
    Work,
    answered,
)
from bot.errors import ClaimLost, PermanentError, StaleRun, TemporaryError, UserError
from bot.events import Event, Fact
from bot.looking import PatientCheck, look_once, look_until_sure
from bot.model import (
    Do,
    Finding,
    Goal,
    Leg,
    Loss,
    Phase,
    Plan,
    Run,
    Step,
    StepRecord,
    Verdict,
    When,
    op_id,
)
from bot.planner import Executors, Planner
from bot.policy import Entitled
from bot.signatures import why_not_as_planned, why_not_signed

ASKED_AT_MOST = 6  # times that an unreachable backend is asked what became of a step
ASKED_EVERY = 5.0  # seconds
BEGUN_AT_MOST = 3  # times in a row that a step which never arrives at its backend is begun
ANSWERED_WITHIN = 60.0  # seconds, for a question about a step; the step's own time when that is shorter
LOOKED_AT_WITHIN = 2.0  # seconds, for whether the target itself is up: a plan does not wait longer


class Records(Protocol):
    """What the engine needs of the store."""

    @property
    def installation(self) -> str: ...
    async def append(self, run: Run, *events: Event, epoch: int | None = None) -> Run: ...
    async def load(self, run_id: str) -> Run: ...
    async def events(self, run_id: str) -> tuple[Event, ...]: ...
    async def progress(self, run_id: str, epoch: int, progress: dict[str, Any]) -> None: ...


class Directory(Protocol):
    """Who stands where, read from Slack and the configuration now."""

    async def entitled(self, target: Target) -> Entitled: ...


class World(Executors, Protocol):
    """The configured backends of this worker's zone."""

    def maintenance(self, target: str, do: Do) -> Operation: ...
    def checks(self, targets: Sequence[str]) -> tuple[PatientCheck, ...]: ...


class Claim(Protocol):
    @property
    def run(self) -> Run: ...
    @property
    def epoch(self) -> int: ...


@dataclass(frozen=True)
class Engine:
    """What every driving works with. `sleep` takes seconds."""

    configuration: Configuration
    records: Records
    world: World
    planner: Planner
    directory: Directory
    keys: Sequence[Ed25519PublicKey]  # of the fronts whose decisions are carried out
    clock: Clock
    sleep: Callable[[float], Awaitable[None]]

    async def drive(self, claim: Claim, alive: Callable[[], bool] = lambda: True) -> Run:
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

    async def give_up(self, claim: Claim, problem: Exception) -> Run:
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
        if reason := self._doubt or self._why_not_with_these_settings(run):
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

    def _why_not_with_these_settings(self, run: Run) -> str | None:
        """Whoever started a run did so with certain settings; nobody else's may end it."""
        if run.started_at is None:
            return None
        configuration = self._engine.configuration
        target = configuration.targets.get(run.target)
        if target is not None and procedure_digest(configuration, target) == _plan(run).procedure_digest:
            return None
        return (
            f"The configuration of `{run.target}` changed while {run.id} was under way. "
            "Put it back and press “Look again”, or end it."
        )

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
        try:
            plan, awaited = await self._planned(run)
            target_down = await self._is_down(plan)
        except (UserError, PermanentError) as refusal:
            return await self._write(run, events.Refused(_sentence(refusal)))
        except (TemporaryError, OutcomeUnknown) as refusal:
            why = f"`{run.target}` could not be read: {_sentence(refusal)}. Nothing was started; ask again."
            return await self._write(run, events.Refused(f"{why}{self._failover(run.target)}"))
        return await self._write(run, events.Planned(plan, codec.plan_digest(plan), awaited, target_down))

    async def _is_down(self, plan: Plan) -> bool:
        """No check sees anything at all: down, not merely bad. A rollback is no failover."""
        checks = self._world.checks([plan.target])
        try:
            async with asyncio.timeout(LOOKED_AT_WITHIN):
                findings = await look_once(checks, self._clock)
        except TimeoutError:
            return False
        return bool(findings) and all(finding.value is None for finding in findings)

    def _failover(self, name: str) -> str:
        """A rollback is no failover: a target that is down has another way."""
        target = self._engine.configuration.targets.get(name)
        return f" Declared failover: {target.failover}" if target and target.failover else ""

    async def _planned(self, run: Run) -> tuple[Plan, tuple[str, ...]]:
        target = self._engine.configuration.targets.get(run.target)
        if target is None:
            raise UserError(f"`{run.target}` is not in the configuration any more.")
        plan = await self._engine.planner.plan(target, run.goal)
        if plan.blockers:
            raise UserError(" ".join(plan.blockers))
        entitled = await self._engine.directory.entitled(target)
        reason = policy.why_nobody_else(run.requester, target.name, entitled, plan.approvals_needed)
        if reason:
            raise UserError(reason)
        return plan, policy.awaited(run.requester, entitled, run.ask_first)

    async def _preflight(self, run: Run) -> Run:
        reason, loss = await self._why_not_start(run)
        if machine.overdue(run, self._clock()):
            return await self._write(run, events.Expired())
        if reason is not None:
            return await self._write(run, events.Voided(reason))
        return await self._write(run, events.Started(loss))

    async def _review(self, run: Run) -> Run:
        """The same look as before the start; nothing is restored unless it fits."""
        reason, loss = await self._why_not_start(run)
        if reason is None:
            return await self._write(run, events.Reviewed(loss))
        if loss is not None:
            return await self._write(run, events.LossOutgrown(reason, loss))
        return await self._write(run, events.Halted(reason))

    async def _why_not_start(self, run: Run) -> tuple[str | None, Loss | None]:
        """The reason, and the loss as it is now; no loss: the reason is another, and it was not asked."""
        try:
            return await self._why_not_as_approved(run)
        except (UserError, PermanentError, TemporaryError, OutcomeUnknown) as problem:
            return _sentence(problem), None

    async def _why_not_as_approved(self, run: Run) -> tuple[str | None, Loss | None]:
        plan, configuration = _plan(run), self._engine.configuration
        target = configuration.targets.get(run.target)
        if target is None:
            return f"`{run.target}` is not in the configuration any more", None
        if self._other_plan is not None:
            return self._other_plan, None
        changed = {
            "policy": policy_digest(configuration, target) != plan.policy_digest,
            "procedure": procedure_digest(configuration, target) != plan.procedure_digest,
        }
        for what, has_changed in changed.items():
            if has_changed:
                return f"the {what} of `{run.target}` changed after the plan was made", None
        if reason := policy.why_not_start(run, await self._engine.directory.entitled(target)):
            return reason, None
        return await self._why_not_from_here(plan)

    async def _why_not_from_here(self, plan: Plan) -> tuple[str | None, Loss | None]:
        losses = []
        for leg in plan.legs:
            way = await self._engine.planner.way(leg.target, Goal(point=leg.point.id))
            if reason := planning.moved(leg, way.current):
                return reason, None
            if way.blockers:
                return " ".join(way.blockers), None
            losses.append((leg.target, self._loss(leg, way.loss)))
        loss = planning.joint(losses)
        return planning.outgrown(plan, loss), loss

    def _loss(self, leg: Leg, measured: Loss | None) -> Loss:
        return planning.loss_of(self._engine.configuration.targets[leg.target], measured)

    # Reading

    async def _observe(self, run: Run, step: Step) -> Run:
        if step.do is Do.MEASURE:
            return await self._measure(run, step)
        findings = await look_once(self._checks(run), self._clock)
        return await self._write(run, events.BaselineTaken(step.n, findings))

    async def _measure(self, run: Run, step: Step) -> Run:
        plan = _plan(run)
        losses = []
        for leg in plan.legs:
            try:
                measure = self._world.executor(leg.target).measure(leg.point, self._clock())
                measured = await answered(measure, step.timeout)
            except (PermanentError, TemporaryError, OutcomeUnknown):
                measured = None  # counts as unknown below, unless the target declares its loss
            losses.append((leg.target, self._loss(leg, measured)))
        loss = planning.joint(losses)
        if why := planning.outgrown(plan, loss):
            return await self._write(run, events.LossOutgrown(why, loss, step.n))
        return await self._write(run, events.LossMeasured(step.n, loss))

    def _checks(self, run: Run) -> tuple[PatientCheck, ...]:
        return self._world.checks([leg.target for leg in _plan(run).legs])

    async def _look_around(self, run: Run, step: Step) -> Run:
        when = When.OFFLINE if step.phase is Phase.VERIFY else When.ONLINE
        before = {finding.name: finding for finding in run.before}
        findings = list(
            await look_until_sure(self._checks(run), when, before, self._clock, self._engine.sleep)
        )
        if when is When.OFFLINE:
            findings = [*await self._arrived(run), *findings]
        return await self._write(run, _judged(step, findings))

    async def _arrived(self, run: Run) -> list[Finding]:
        """What each backend itself says about having arrived."""
        findings: list[Finding] = []
        for record in run.steps:
            if record.step.do is Do.RESTORE:
                executor = self._world.executor(record.step.target)
                try:
                    verify = executor.verify(self._work(run, record.step))
                    findings += await answered(verify, record.step.timeout)
                except (PermanentError, TemporaryError, OutcomeUnknown) as problem:
                    name = f"{record.step.target} arrived"
                    findings.append(
                        Finding(name, When.OFFLINE, Verdict.INCONCLUSIVE, words=_sentence(problem))
                    )
        return findings

    # Effects

    def _operation(self, step: Step) -> Operation:
        if step.do in {Do.RESTORE, Do.UNDO_POINT}:
            return self._world.executor(step.target)
        return self._world.maintenance(step.target, step.do)

    def _work(self, run: Run, step: Step) -> Work:
        """Under the op id of its intent; only what has none yet gets one."""
        record = _record(run, step)
        restores = step.do in {Do.RESTORE, Do.UNDO_POINT}
        leg = _plan(run).leg(step.target) if restores else None
        return Work(
            op_id=record.op or op_id(self._records.installation, run.id, step.n, record.attempt),
            run_id=run.id,
            digest=run.digest,
            point=leg.point.id if leg else "",
            expected=leg.current.token if leg else "",
            timeout=step.timeout,
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
        work, operation = self._work(run, step), self._operation(step)
        self._hold_the_lease(run)
        try:
            handle = await answered(operation.start(work), step.timeout)
        except OutcomeUnknown:
            return await self._find(run, _record(run, step))
        except (PermanentError, TemporaryError) as refusal:
            return await self._write_outcome(run, machine.failure(step, _sentence(refusal), untouched=True))
        if isinstance(handle, Taken):
            return await self._find(run, _record(run, step))
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
            return await self._write_outcome(run, events.StepLost(step.n, _sentence(doubt)))
        except (PermanentError, TemporaryError) as refusal:
            return await self._write_outcome(run, machine.failure(step, _sentence(refusal)))
        words = "cannot be undone" if point is None else f"undo point {point.label or point.id}"
        saved = events.StepSucceeded(step.n, words, point.id if point else None)
        return await self._write_outcome(run, saved)

    async def _find(self, run: Run, record: StepRecord) -> Run:
        step = record.step
        if step.do is Do.UNDO_POINT:
            return await self._save(run, step)
        work, operation = self._work(run, step), self._operation(step)
        found = await self._ask(operation, work)
        if found.fate is Fate.IN_FLIGHT:
            return await self._follow(run, step, work, found.handle or record.handle or {})
        return await self._settle(run, step, found)

    async def _settle(self, run: Run, step: Step, found: Found) -> Run:
        """What was found decides, unless it still goes on."""
        match found.fate:
            case Fate.DONE:
                return await self._write_outcome(run, events.StepSucceeded(step.n, found.words))
            case Fate.ABSENT if self._fenced(step) and self._begun[step.n] >= BEGUN_AT_MOST:
                words = f"begun {BEGUN_AT_MOST} times, it never arrived at the backend"
                return await self._write_outcome(run, machine.failure(step, words, untouched=True))
            case Fate.ABSENT if self._fenced(step):
                return await self._write(run, events.StepAbsent(step.n, found.words))
            case Fate.FAILED | Fate.OVERTAKEN:
                return await self._write_outcome(run, machine.failure(step, found.words))
            case _:
                words = found.words or "the backend cannot tell"
                return await self._write_outcome(run, events.StepLost(step.n, words, found.asked))

    async def _ask(self, operation: Operation, work: Work) -> Found:
        """What became of it, asked a few times before saying that nobody knows."""
        words = ""
        for attempt in range(1, ASKED_AT_MOST + 1):
            if attempt > 1:
                await self._engine.sleep(ASKED_EVERY)
            try:
                return replace(await answered(operation.find(work), _patience(work)), asked=attempt)
            except (TemporaryError, OutcomeUnknown) as problem:
                words = _sentence(problem)
            except PermanentError as problem:
                return Found(Fate.UNKNOWN, _sentence(problem), asked=attempt)
        return Found(Fate.UNKNOWN, words, asked=ASKED_AT_MOST)

    def _fenced(self, step: Step) -> bool:
        """Whether "absent" can be trusted: only where the op id is taken at the backend."""
        return step.do is not Do.RESTORE or self._world.executor(step.target).capabilities.fenced

    async def _follow(self, run: Run, step: Step, work: Work, handle: Handle) -> Run:
        """Asks until it has ended, or until the step's time is over."""
        operation = self._operation(step)
        until = self._clock() + timedelta(seconds=step.timeout)
        asked_to_cancel = False
        while True:
            progress = await self._poll(operation, work, handle)
            if isinstance(progress, Found):
                return await self._settle(run, step, progress)
            if progress is not None and progress.ended is not None:
                return await self._write_outcome(run, _end_of(step, progress.ended, progress.words))
            if _record(run, step).handle is None:
                run = await self._write_outcome(run, events.StepAccepted(step.n, dict(handle)))
            if self._clock() >= until:
                return await self._out_of_time(run, step, work, operation)
            if progress is not None:
                await self._records.progress(run.id, self._epoch, _shown(progress))
            await self._engine.sleep(progress.retry_after if progress else 1.0)
            run = await self.load(run.id)
            if self._doubt:
                return run
            if run.stop_requested and not asked_to_cancel and self._may_cancel(step):
                asked_to_cancel = True
                self._hold_the_lease(run)
                with suppress(TemporaryError, PermanentError, OutcomeUnknown):
                    await answered(operation.cancel(work, handle), _patience(work))  # else it is waited for

    async def _poll(self, operation: Operation, work: Work, handle: Handle) -> Progress | Found | None:
        """None: no answer this time, and the step's own time limit bounds how often. Found: it is over."""
        try:
            return await answered(operation.poll(work, handle), _patience(work))
        except TemporaryError:
            return None
        except (OutcomeUnknown, PermanentError):
            found = await self._ask(operation, work)
            return None if found.fate is Fate.IN_FLIGHT else found

    async def _out_of_time(self, run: Run, step: Step, work: Work, operation: Operation) -> Run:
        """It may have ended in this very moment: asked once more before people are."""
        found = await self._ask(operation, work)
        if found.fate is Fate.IN_FLIGHT:
            found = Found(Fate.UNKNOWN, f"no end after {step.timeout:.0f} s", asked=found.asked)
        return await self._settle(run, step, found)

    def _may_cancel(self, step: Step) -> bool:
        """Only where a cancelled restore leaves the target as it was."""
        return step.do is Do.RESTORE and self._world.executor(step.target).capabilities.cancel


def _patience(work: Work) -> float:
    return min(ANSWERED_WITHIN, work.timeout)


def _end_of(step: Step, went_well: bool, words: str) -> Fact:
    return events.StepSucceeded(step.n, words) if went_well else machine.failure(step, words)


def _why_given_up(problem: Exception) -> str:
    """Of an error of ours only the kind: its text may hold anything, and stands in the log."""
    while isinstance(problem, ExceptionGroup):
        problem = problem.exceptions[0]
    told = isinstance(problem, (UserError, PermanentError, TemporaryError, OutcomeUnknown))
    said = _sentence(problem) if told else f"an error of its own, {type(problem).__name__}"
    return f"The bot could not go on: {said.rstrip('.')}. Look again, or end it."


def _judged(step: Step, findings: Sequence[Finding]) -> events.Checked:
    verdicts = {finding.verdict for finding in findings}
    bad = "; ".join(f"{f.name}: {f.words or f.value}" for f in findings if f.verdict is not Verdict.PASSED)
    if Verdict.FAILED in verdicts:
        return events.ChecksFailed(step.n, tuple(findings), bad)
    if Verdict.INCONCLUSIVE in verdicts:
        return events.ChecksInconclusive(step.n, tuple(findings), bad)
    return events.ChecksPassed(step.n, tuple(findings))


def _plan(run: Run) -> Plan:
    assert run.plan is not None  # every state from `awaiting_approval` on has one, by the table
    return run.plan


def _record(run: Run, step: Step) -> StepRecord:
    return next(record for record in run.steps if record.step.n == step.n)


def _shown(progress: Progress) -> dict[str, Any]:
    return {
        "done": progress.done,
        "total": progress.total,
        "unit": progress.unit,
        "words": progress.words,
    }


def _sentence(problem: Exception) -> str:
    return str(problem) or type(problem).__name__
