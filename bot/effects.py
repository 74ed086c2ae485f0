"""Carries out one effect: begins it, looks for it, asks until it has ended, and tells the run how it did.

The intent is written before anything is sent; what was begun is looked for, never repeated. Which step comes
next is for the engine and the machine.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from bot import asking, events, machine
from bot.clock import Clock, Sleep
from bot.contract import (
    COPY,
    Ended,
    Fate,
    Found,
    Handle,
    Operation,
    OutcomeUnknown,
    PointUnavailable,
    Taken,
    Work,
    answered,
)
from bot.envelope import Event
from bot.errors import PermanentError, TemporaryError, words_of
from bot.facts import Fact
from bot.made import copies_of, copy_of
from bot.manifest import manifest
from bot.model import BESIDE, MAINTENANCE, Beside, Do, Fence, Left, Leg, RestorePoint, Step, Verdict
from bot.planner import Executors, Planner
from bot.run import Run, StepRecord, op_id

BEGUN_AT_MOST_TIMES = 3  # in a row, when a step never arrives at its backend
DROPPED_AT_MOST_TIMES = 7  # a day apart, where the backend says each time that it could not
WAITED_OUT_SECONDS = 60.0  # what stands against the beginning of a step and passes by itself, such as a lock
TRIED_AGAIN_EVERY_SECONDS = 5.0
BY_PROGRAM = MAINTENANCE | {Do.HAND_OVER}  # of the configuration, not by the target's backend
HAPPENED = frozenset({Fate.IN_FLIGHT, Fate.DONE, Fate.FAILED, Fate.OVERTAKEN})
KEPT_LONGER = timedelta(days=1)  # than the card says, by a backend that drops by itself: a run has no end yet


class Operations(Executors, Protocol):
    """The backends that effects are carried out on."""

    def maintenance(self, target: str, do: Do) -> Operation: ...
    def hand_over(self, target: str, copy: str, manifest: Mapping[str, Any]) -> Operation: ...


class Driver(Protocol):
    """Is whoever holds the claim, as far as an effect needs it."""

    @property
    def doubt(self) -> str | None:
        """Why the run must not be driven; None: it may."""

    async def load(self, run_id: str) -> Run: ...
    async def write(self, run: Run, fact: Fact) -> Run: ...

    async def write_outcome(self, run: Run, fact: Fact) -> Run:
        """Writes it whatever people did meanwhile: the world has moved."""

    async def progress(self, run: Run, progress: dict[str, Any]) -> None: ...

    async def shown(self, run: Run) -> dict[str, Any] | None:
        """Returns the progress of the step under way as it was stored last, maybe by another worker."""

    def hold_the_lease(self, run: Run) -> None:
        """Raises ClaimLost. Asked just before each effect."""


class Effects:
    def __init__(
        self,
        installation: str,
        world: Operations,
        planner: Planner,
        clock: Clock,
        sleep: Sleep,
        driver: Driver,
    ) -> None:
        self._installation = installation
        self._world = world
        self._planner = planner
        self._clock = clock
        self._sleep = sleep
        self._driver = driver

    def _operation(self, run: Run, step: Step) -> Operation:
        if step.do in MAINTENANCE:
            return self._world.maintenance(step.target, step.do)
        if step.do is Do.HAND_OVER:
            copy = run.work.copies_at.get(step.target, "")
            return self._world.hand_over(step.target, copy, manifest(run, self._installation))
        return self._world.executor(step.target)

    def _fence(self, step: Step) -> Fence:
        """Returns what its op id is worth. Programs of the configuration run under our own supervisor."""
        if step.do in BY_PROGRAM:
            return Fence.BARRED
        return self._world.executor(step.target).capabilities.fence

    def work(self, run: Run, step: Step) -> Work:
        """Under the op id of its intent; only what has none yet gets one."""
        record = run.work.record_of(step.n)
        leg = None if step.do in {*BY_PROGRAM, Do.DROP} else run.approval.plan.leg(step.target)
        point, content = _meant(run, step, leg)
        return Work(
            op_id=record.op or op_id(self._installation, run.id, step.n, record.attempt),
            run_id=run.id,
            digest=run.approval.digest,
            do=step.do,
            point=point,
            expected=leg.current.token if leg and (not run.is_beside or step.do is Do.SAVE) else "",
            timeout=step.timeout,
            in_maintenance=run.work.in_maintenance,
            fingerprint=content,
            handle=record.handle,
            undo=None if step.drops is Do.PREPARE else run.work.undo_points.get(step.target),
            undo_content=run.work.undo_contents.get(step.target, ""),
            prepared=_copy(run, step),
            keep_until=_keep_until(run, step),
            is_backup=run.is_backup,
            unsigned=not run.approval.plan.pins,
            place=record.place,
        )

    def can_begin(self, run: Run, step: Step) -> bool:
        """Whether its backend is configured as it should be. If not, the next round says why: what is to be
        written now, an outcome perhaps, must not be lost by that."""
        try:
            self._operation(run, step)
        except PermanentError:
            return False
        return True

    def intent(self, run: Run, step: Step) -> Event:
        work = self.work(run, step)
        place = self._operation(run, step).place
        fact = events.StepStarted(step.n, work.op_id, place, step.do, step.target, work.point)
        return Event(fact, self._clock())

    async def start(self, run: Run, step: Step) -> Run:
        """Acts, after the intent was written."""
        try:
            if step.do in {Do.PREPARE, Do.RESTORE, Do.HAND_OVER}:
                plan = run.approval.plan
                await self._planner.refuse_other_place(plan, step.target, begun=run.work.touched)
            if step.do is Do.HAND_OVER and run.work.verdict is not Verdict.PASSED:
                raise PermanentError("nobody could say whether it is the copy that was meant")
            begun = await self._begun(run, step)
        except OutcomeUnknown:
            return await self.find(run, run.work.record_of(step.n))
        except (PermanentError, TemporaryError) as refusal:
            return await self._refused(run, step, refusal)
        if isinstance(begun, Ended):
            return await self._end(run, step, begun)
        if isinstance(begun, Taken):
            return await self.find(run, run.work.record_of(step.n))
        run = await self._driver.write_outcome(run, events.StepAccepted(step.n, dict(begun)))
        return await self._follow(run, step)

    async def _begun(self, run: Run, step: Step) -> Handle | Taken | Ended:
        """Waits out what passes: nothing was sent yet. What is dropped has time, and is tried much later."""
        until = self._clock() + timedelta(seconds=0.0 if step.do is Do.DROP else WAITED_OUT_SECONDS)
        while True:
            self._driver.hold_the_lease(run)
            try:
                return await answered(self._operation(run, step).start(self.work(run, step)), step.timeout)
            except TemporaryError as refusal:
                if self._clock() >= until or await self._is_stopped(run, step):
                    raise
                await self._driver.progress(run, {"words": f"tried again: {words_of(refusal)}"})
                await self._sleep(TRIED_AGAIN_EVERY_SECONDS)

    async def _is_stopped(self, run: Run, step: Step) -> bool:
        """Whether people have stopped it meanwhile, or nobody may go on."""
        now = await self._driver.load(run.id)
        return self._driver.doubt is not None or _is_unwanted(now, step)

    async def _refused(self, run: Run, step: Step, refusal: PermanentError | TemporaryError) -> Run:
        """Nothing was sent now. What an earlier attempt has sent may still be under way."""
        why = f"the hand-over failed: {words_of(refusal)}" if step.do is Do.HAND_OVER else words_of(refusal)
        is_gone = isinstance(refusal, PointUnavailable)
        if run.is_backup and run.work.record_of(step.n).attempt < DROPPED_AT_MOST_TIMES:
            is_gone = False  # or its folder is away for a moment
        if step.do is Do.DROP and not is_gone:
            passes = isinstance(refusal, TemporaryError)
            kept = machine.KEPT_AGAIN_FOR if passes else machine.KEPT_AFTER_FAILURE
            fact = events.DropPutOff(step.n, self._clock() + kept, why, anew=run.is_backup and not passes)
            return await self._driver.write_outcome(run, fact)
        if run.work.record_of(step.n).begun > 1:
            return await self._never_arrived(run, step, why)
        return await self._driver.write_outcome(run, machine.failure(step, why, Left.BEFORE))

    async def find(self, run: Run, record: StepRecord) -> Run:
        step = record.step
        work, operation = self.work(run, step), self._operation(run, step)
        found = await asking.find(operation, work, self._sleep)
        if found.fate is Fate.ABSENT and self._fence(step) is Fence.ONCE:
            await self._driver.progress(run, {"words": asking.MAY_STILL_ARRIVE})
            await self._sleep(self._world.executor(step.target).capabilities.settles)
            found = await asking.find(operation, work, self._sleep)
        return await self._settle(run, step, found)

    async def sees(self, run: Run, record: StepRecord) -> bool:
        """Whether it is seen from here that a step happened, asked once. Nothing is written.

        A step of another worker may be seen at the backend. Its being absent there is not enough while that
        worker may know better.
        """
        work = self.work(run, record.step)
        with suppress(TemporaryError, PermanentError, OutcomeUnknown):
            found = await answered(self._operation(run, record.step).find(work), asking.patience(work))
            return found.fate in HAPPENED
        return False

    async def _settle(self, run: Run, step: Step, found: Found) -> Run:
        """Writes what follows from what was found."""
        match found.fate:
            case Fate.IN_FLIGHT:
                return await self._follow(await self._accepted(run, step, found.handle), step)
            case Fate.DONE:
                return await self._end(run, step, Ended(True, Left.POINT, found.words, found.made))
            case Fate.FAILED:
                return await self._end(run, step, Ended(False, found.left, found.words))
            case Fate.OVERTAKEN:
                return await self._end(run, step, Ended(False, Left.UNKNOWN, found.words))
            case Fate.ABSENT if self._fence(step) is not Fence.NONE:
                if run.work.record_of(step.n).begun < BEGUN_AT_MOST_TIMES:
                    return await self._driver.write(run, events.StepAbsent(step.n, found.words))
                words = f"begun {BEGUN_AT_MOST_TIMES} times, it never arrived at the backend"
                return await self._never_arrived(run, step, words)
            case _:
                words = found.words or "the backend cannot tell"
                if step.do is Do.HAND_OVER:
                    words = f"nobody knows whether the copy was handed over: {words}"
                if step.do in {Do.PREPARE, Do.HAND_OVER}:  # whatever became of it, the target is as before
                    return await self._driver.write_outcome(run, machine.failure(step, words, Left.BEFORE))
                return await self._driver.write_outcome(run, events.StepLost(step.n, words, found.asked))

    async def _accepted(self, run: Run, step: Step, handle: Handle | None) -> Run:
        """Stores what to ask with, where it was not stored before: whoever takes over finds it there."""
        if handle is None or run.work.record_of(step.n).handle is not None:
            return run
        return await self._driver.write_outcome(run, events.StepAccepted(step.n, dict(handle)))

    async def _never_arrived(self, run: Run, step: Step, why: str) -> Run:
        """Ends what is absent: as untouched only where nothing that was sent can land any more."""
        work, operation = self.work(run, step), self._operation(run, step)
        if self._fence(step) is not Fence.BARRED:
            words = f"{why}; what was sent may still arrive"
            return await self._driver.write_outcome(run, events.StepLost(step.n, words))
        self._driver.hold_the_lease(run)
        found = await asking.bar(operation, work, self._sleep)
        if found.fate is not Fate.ABSENT:
            return await self._settle(run, step, found)
        return await self._driver.write_outcome(run, machine.failure(step, why, Left.BEFORE))

    async def _end(self, run: Run, step: Step, ended: Ended) -> Run:
        if not ended.ok:
            if step.do is Do.DROP and run.work.record_of(step.n).attempt < DROPPED_AT_MOST_TIMES:
                until = self._clock() + machine.KEPT_AFTER_FAILURE
                again = events.DropPutOff(step.n, until, ended.words or "the backend did not say why", True)
                return await self._driver.write_outcome(run, again)
            if step.do in BESIDE:
                ended = replace(ended, left=Left.BEFORE)
            if step.do is Do.HAND_OVER:
                ended = replace(ended, words=f"the hand-over failed: {ended.words}")
            if ended.left is Left.BEFORE and run.work.record_of(step.n).begun == 0:  # people had it looked at
                return await self._driver.write(run, events.StepAbsent(step.n, ended.words, anew=True))
            if ended.left is Left.BEFORE and run.work.stop_requested:
                return await self._driver.write_outcome(run, events.StepTakenBack(step.n, ended.words))
            return await self._driver.write_outcome(run, machine.failure(step, ended.words, ended.left))
        if step.drops is Do.PREPARE and len(copies := copies_of(run, step.target)) > 1:
            why = f"{copies[0]} is dropped, and {len(copies) - 1} more of its attempts may stand"
            another = events.DropPutOff(step.n, self._clock(), why, anew=True, gone=copies[0])
            return await self._driver.write_outcome(run, another)
        made, words = ended.made, ended.words
        if isinstance(made, Beside):
            copy_at = made.environment.get(COPY, "")
            prepared = events.StepSucceeded(step.n, words, prepared=made.id, copy_at=copy_at)
            return await self._driver.write_outcome(run, prepared)
        if step.do is Do.SAVE:
            if run.is_backup and (reason := _why_no_backup(run, made)):
                return await self._driver.write_outcome(run, machine.failure(step, reason, Left.BEFORE))
            words = _saved(run, made)
        saved = (made.id, made.fingerprint) if made else (None, "")
        return await self._driver.write_outcome(run, events.StepSucceeded(step.n, words, *saved))

    async def _follow(self, run: Run, step: Step) -> Run:
        """Asks until it has ended, or until the step's time is over."""
        operation = self._operation(run, step)
        until = self._clock() + timedelta(seconds=step.timeout)
        stopped: Left | None = None
        asked_to_stop, gave_way_to = False, None
        furthest = asking.before(asking.seen(await self._driver.shown(run), self._clock()))
        while True:
            work = self.work(run, step)
            answer = await asking.poll(operation, work, self._sleep)
            if isinstance(answer, Ended):
                if gave_way_to is not None and not answer.ok:
                    answer = replace(answer, words=f"it gave way to {gave_way_to}")
                return await self._end(run, step, asking.as_stopped(answer, stopped))
            if isinstance(answer, Found):
                return await self._settle(run, step, answer)
            if self._clock() >= until:
                found = await asking.find_out_of_time(operation, work, self._sleep)
                return await self._settle(run, step, found)
            if answer is not None:
                await self._driver.progress(run, asking.shown(asking.after(furthest, answer)))
            await self._sleep(answer.retry_after if answer else 1.0)
            run = await self._driver.load(run.id)
            if self._driver.doubt:
                return run
            if run.is_beside and self._can_stop(step):
                gave_way_to = gave_way_to or await self._planner.under_way(step.target)
            unwanted = _is_unwanted(run, step) or gave_way_to is not None
            if unwanted and not asked_to_stop and self._can_stop(step):
                asked_to_stop = True
                self._driver.hold_the_lease(run)
                with suppress(TemporaryError, PermanentError, OutcomeUnknown):
                    # Without an answer it is waited for.
                    stopped = await answered(operation.cancel(work), asking.patience(work))

    def _can_stop(self, step: Step) -> bool:
        """A switch of maintenance is never cut off; what is made beside the target can always be left."""
        return step.do in {Do.PREPARE, Do.SAVE} or (
            step.do is Do.RESTORE and self._world.executor(step.target).capabilities.cancels is not None
        )


def _why_no_backup(run: Run, made: RestorePoint | None) -> str | None:
    """Says why nothing was taken; None: something was. What was there before is not ours to drop."""
    if made is None:
        return "nothing was saved"
    was_there = made.id in run.approval.plan.known
    return f"nothing new was saved: `{made.id}` was there before" if was_there else None


def _saved(run: Run, made: RestorePoint | None) -> str:
    if made is None:
        return "cannot be undone"
    return f"{'backup' if run.is_backup else 'undo point'} {made.label or made.id}"


def _is_unwanted(run: Run, step: Step) -> bool:
    """Whether somebody has stopped it: a run that was cancelled while its copy was made has ended already."""
    return run.work.stop_requested or (run.state.final and step.do is Do.PREPARE)


def _meant(run: Run, step: Step, leg: Leg | None) -> tuple[str, str]:
    """Returns the restore point of a step and its content; empty: it has none. What is looked into of a
    backup is what it has saved."""
    if leg is None:
        return "", ""
    if run.is_backup and step.do is not Do.SAVE:
        return run.work.undo_points.get(step.target, ""), run.work.undo_contents.get(step.target, "")
    return leg.point.id, leg.point.fingerprint


def _copy(run: Run, step: Step) -> str | None:
    """Returns the id of the copy that a step is about: those of earlier attempts are dropped, too."""
    if step.do is not Do.DROP:
        return copy_of(run, step.target)
    return next(iter(copies_of(run, step.target)), None) if step.drops is Do.PREPARE else None


def _keep_until(run: Run, step: Step) -> datetime | None:
    """Returns the same moment for each attempt, so that a backend can compare."""
    if run.work.started_at is None or step.do not in {Do.PREPARE, Do.SAVE}:
        return None
    if (keep := run.approval.plan.keep) is not None:
        return run.work.started_at + timedelta(seconds=keep)
    return run.approval.plan.undo_until(run.work.started_at) + KEPT_LONGER
