"""Makes plans, and says whether one still fits: asks the backends, and has `planning` compose and compare.

It changes nothing, so it needs no claim and no key: whoever may read a target may plan.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from bot import backups, beside, drilling, planning, snapshots, spans
from bot.clock import Clock
from bot.configuration import Configuration, Target
from bot.contract import Examines, Executor, OutcomeUnknown, StateChanged, answered, content_of
from bot.drilling import DrillResult
from bot.dropping import LATER_SECONDS, SOON_SECONDS, Around, Keep, kept_by_rule, why_keep
from bot.errors import PermanentError, TemporaryError, UserError, words_of
from bot.loss import comparable, joint, outgrown
from bot.model import (
    Current,
    Do,
    Finding,
    Goal,
    Leg,
    Loss,
    Plan,
    Points,
    Purpose,
    RestorePoint,
    Seen,
    Step,
    Way,
)
from bot.outside import OutsideChange
from bot.pins import Pin
from bot.procedures import targets_of
from bot.processes import LiveProcess, why_no_plan
from bot.run import Run
from bot.spans import Lived
from bot.suggesting import Hold, Offer, offer, taken_back
from bot.views.words import duration

SHOWN_CHANGES = 20  # of a plan
POINTS_OFFERED = 50  # as many as people read in a list
EVERY_POINT = 10_000_000  # an undo point is seldom among the newest when its days are over
PLAN_READ_WITHIN_SECONDS = 300.0  # for where a target stands and what going back would cost


class PastRuns(Protocol):
    """The part of the store that plans are made from."""

    async def load(self, run_id: str) -> Run: ...
    async def open_run_of(self, target: str) -> str | None: ...
    async def holds(self, targets: Sequence[str]) -> tuple[Hold, ...]: ...
    async def outages(self, target: str) -> list[float]: ...
    async def lived(self, target: str) -> tuple[Lived, ...]: ...
    async def moved(self, target: str) -> tuple[Run, ...]: ...
    async def drill_results(self, target: str, points: Collection[str]) -> Mapping[str, DrillResult]: ...
    async def beside(self, target: str) -> tuple[Run, ...]: ...
    async def backups(self, target: str) -> tuple[Run, ...]: ...
    async def changes_since(self, target: str, since: datetime) -> tuple[tuple[OutsideChange, ...], int]: ...
    async def processes(self, now: datetime) -> tuple[LiveProcess, ...]: ...


class Executors(Protocol):
    """The executors of this worker's zone, by target."""

    def executor(self, target: str) -> Executor: ...
    async def pins(
        self, target: str, agreed: Sequence[Pin] = (), *, handed_over: bool = False
    ) -> tuple[Pin, ...]: ...
    async def why_no_hand_over(self, target: str) -> str | None: ...


def _other(first: Way, goal: Goal) -> Goal:
    """Raises UserError."""
    found = spans.other_goal(first, goal)
    if found is None:
        raise UserError(
            f"Nobody knows until when {first.point.label or first.point.id} was live, so the other targets "
            "cannot go back to that moment. Ask with `before` and a time instead."
        )
    return found


@dataclass(frozen=True, slots=True)
class Now:
    """How things stand when a plan is looked at again."""

    why_not: str | None  # why it may not start; None: it may
    loss: Loss | None = None  # as it is now; None: the reason is another, and it was not asked
    passing: bool = False  # the same look may well have another answer in a moment
    seen: tuple[Seen, ...] = ()  # where the targets stand, of a look that has a reason


@dataclass(frozen=True, slots=True)
class Planner:
    configuration: Configuration
    past: PastRuns
    executors: Executors
    clock: Clock

    async def plan(self, target: Target, goal: Goal, purpose: Purpose = Purpose.ROLLBACK) -> Plan:
        """Returns what would be done now. Raises what executors raise, and UserError."""
        await self._refuse_in_doubt(target)
        own = await self._undo_points(goal)
        names = targets_of(self.configuration, target)
        ways: dict[str, Way] = {}
        doubts: list[str] = []
        for name in names:
            asked = goal if name == target.name else _other(ways[target.name], goal)
            wanted = await self._resolved(name, asked) if name == target.name else asked
            way = await self.way(name, own[name].goal if name in own else wanted)
            ways[name] = await self._timed(name, way)
            _refuse_other_content(own.get(name), ways[name])
            if goal.undo_of is None:  # what an undo goes to was live before its run, and that is meant
                doubts += await self._doubts(name, asked, ways[name])
        plan = planning.compose(
            self.configuration,
            target,
            Purpose.UNDO if goal.undo_of else purpose,
            ways,
            pins={name: await self.executors.pins(name) for name in names},
            capabilities={name: self.executors.executor(name).capabilities for name in names},
            holds=await self.past.holds(names),
            outages=await self.past.outages(target.name),
            doubts=doubts,
            offline_first=goal.offline_first,
            now=self.clock(),
        )
        return await self._with_changes(plan)

    async def _with_changes(self, plan: Plan) -> Plan:
        """Returns the plan with what was done to its targets since their restore points, as far as told."""
        changes, told = list[OutsideChange](), 0
        for leg in plan.legs:
            if leg.point.at is not None:
                found, many = await self.past.changes_since(leg.target, leg.point.at)
                changes, told = [*changes, *found], told + many
        changes.sort(key=lambda one: (one.significant, one.at), reverse=True)
        return replace(plan, changes=tuple(changes[:SHOWN_CHANGES]), changes_told=told)

    async def _refuse_in_doubt(self, target: Target) -> None:
        """Raises UserError where the processes of its zone would not carry a plan out."""
        if reason := why_no_plan(target.zone, await self.past.processes(self.clock())):
            raise UserError(reason)

    async def plan_drill(self, target: Target, goal: Goal) -> Plan:
        """Returns what a drill on a copy would do. Raises what executors raise, and UserError."""
        await self._refuse_in_doubt(target)
        rule = drilling.rule_of(target)
        listed = await self.points(target.name, EVERY_POINT)
        name = goal.point or drilling.drawn(target, listed, goal.drawn or 0, self.clock())
        if rule.mode != "plan":
            return await self._beside(target, listed, name)
        way, pins = await self.way(target.name, Goal(point=name)), await self.executors.pins(target.name)
        return beside.compose_look(self.configuration, target, way, pins, listed, self.clock())

    async def plan_rehearsal(self, target: Target, goal: Goal, of: str) -> Plan:
        """Returns what a rehearsal on `target` would do, a drill of `of`. Raises as `plan_drill`."""
        drilled = self.configuration.targets.get(of)
        rule, point = drilling.rehearsal_rule_of(drilled, target), goal.point
        if drilled is not None and goal.drawn is not None:
            listed = await self._listed(target.name, EVERY_POINT)
            known = await self.past.drill_results(of, [each.id for each in listed.points])
            point = drilling.drawn(drilled, listed, goal.drawn, self.clock(), known)
        plan = await self.plan(target, replace(goal, point=point, drawn=None), Purpose.REHEARSAL)
        return replace(plan, scenario=rule.scenario or "")

    async def plan_snapshot(self, target: Target, asked: datetime) -> Plan:
        """Returns what a snapshot as of a moment would do. Raises what executors raise, and UserError."""
        await self._refuse_in_doubt(target)
        snapshots.rule_of(target)
        if reason := await self.executors.why_no_hand_over(target.name):
            raise UserError(reason)
        listed = await self.points(target.name, EVERY_POINT)
        name = snapshots.newest_before(target.name, listed, asked).id
        return await self._beside(target, listed, name, asked)

    async def plan_backup(self, target: Target) -> Plan:
        """Returns what a backup would do. Raises what executors raise, and UserError."""
        await self._refuse_in_doubt(target)
        listed = await self._listed(target.name)
        pins = await self.executors.pins(target.name)
        able, now = self.executors.executor(target.name).capabilities, self.clock()
        return beside.compose_backup(self.configuration, target, listed, pins, able, now)

    async def _beside(self, target: Target, listed: Points, name: str, as_of: datetime | None = None) -> Plan:
        point = await self._listed_point(target.name, listed, name)
        pins = await self.executors.pins(target.name, handed_over=as_of is not None)
        able, now = self.executors.executor(target.name).capabilities, self.clock()
        return beside.compose(self.configuration, target, listed, point, pins, able, now, as_of)

    async def _listed_point(self, target: str, listed: Points, name: str) -> RestorePoint:
        """Returns the restore point with its content, by a list alone: what is live may be locked, or gone.

        Raises what executors raise.
        """
        point = next((point for point in listed.points if point.id == name), None)
        if point is None:
            return (await self._asked(target, Goal(point=name))).point  # it says which names are like it
        content = content_of(self.executors.executor(target), point)
        return replace(point, fingerprint=await answered(content, PLAN_READ_WITHIN_SECONDS))

    async def look_before_copy(self, plan: Plan) -> Now:
        """Returns whether what is beside its target may begin: a restore point may not have moved.

        What is live may, unless it is what a backup saves.
        """
        leg = plan.legs[0]
        if (other := await self.under_way(plan.target)) is not None:
            return Now(
                f"{other} is under way on `{plan.target}`, and a {plan.purpose} gives way to it", passing=True
            )
        await self.refuse_other_place(plan, plan.target, begun=False)
        if plan.purpose is Purpose.BACKUP:
            return Now(planning.moved(leg, await self.live(plan.target)))
        listed = await self._listed(plan.target, EVERY_POINT)
        point = await self._listed_point(plan.target, listed, leg.point.id)
        return Now(planning.replaced(leg, point))

    async def under_way(self, target: str) -> str | None:
        """Returns the run of the target that has begun to work; None: none has."""
        other = await self.past.open_run_of(target)
        if other is None or (await self.past.load(other)).work.started_at is None:
            return None
        return other

    async def way(self, target: str, goal: Goal) -> Way:
        """Returns where a target stands and what going to `goal` would cost. Raises what executors raise."""
        way = spans.way_with_lives(await self._asked(target, goal), await self.past.lived(target))
        shown = (await self.past.drill_results(target, [way.point.id])).get(way.point.id)
        return replace(way, point=drilling.with_proof(way.point, shown, way.point.fingerprint))

    async def _asked(self, target: str, goal: Goal) -> Way:
        answer = self.executors.executor(target).plan(goal, self.clock())
        return await answered(answer, PLAN_READ_WITHIN_SECONDS)

    async def _timed(self, target: str, way: Way) -> Way:
        """Returns the way with how long its copy takes, as earlier ones took where the backend cannot say."""
        if way.takes is not None or not self.executors.executor(target).capabilities.switches:
            return way
        slowest = planning.slowest_copy(target, await self.past.moved(target))
        if slowest is None:
            return way
        seconds, run = slowest
        words = f"Up to {duration(seconds)} are counted in for the copy, as it took in {run}"
        return replace(way, takes=seconds, warnings=(*way.warnings, words))

    async def points(self, target: str, limit: int = POINTS_OFFERED) -> Points:
        """Returns what a target can go back to, and when it was live. Raises what executors raise."""
        listed = spans.with_lives(await self._listed(target, limit), await self.past.lived(target))
        return await self._with_proofs(target, listed)

    async def _with_proofs(self, target: str, listed: Points) -> Points:
        """Reads the content of what was drilled, where the list does not say it."""
        shown = await self.past.drill_results(target, [point.id for point in listed.points])
        executor = self.executors.executor(target)
        points: list[RestorePoint] = []
        for point in listed.points:
            result, content = shown.get(point.id), point.fingerprint
            if result is not None and result.content and not content:
                try:
                    content = await answered(content_of(executor, point), PLAN_READ_WITHIN_SECONDS)
                except (PermanentError, TemporaryError, OutcomeUnknown):
                    content = ""
            points.append(drilling.with_proof(point, result, content))
        return replace(listed, points=tuple(points))

    async def why_keep(self, run: Run, step: Step) -> Keep | None:
        """Returns why something that the run has made is not dropped now; None: it may go."""
        target = self.configuration.targets.get(step.target)
        if target is None:
            return Keep(f"`{step.target}` is not in the configuration any more.", LATER_SECONDS)
        if run.is_backup and step.drops is Do.SAVE and (kept := kept_by_rule(run, target, self.clock())):
            return kept
        try:
            points = await self.points(step.target, EVERY_POINT)
            leg = run.approval.plan.leg(step.target)
            pins = await self.executors.pins(step.target, leg.pins)
        except (PermanentError, TemporaryError, OutcomeUnknown) as problem:
            return Keep(words_of(problem), SOON_SECONDS)
        if reason := planning.other_place(leg, pins, begun=True, programs=False):
            return Keep(reason, LATER_SECONDS)
        around = Around(
            await self.past.open_run_of(step.target),
            await self.past.moved(step.target),
            await self.past.holds([step.target]),
            await self.past.beside(step.target),
            await self._newest_backup(step.target, points) if run.is_backup else None,
        )
        return why_keep(run, step, around, points, self.clock())

    async def look_at_way(self, plan: Plan) -> tuple[Finding, ...]:
        """Returns what a rollback to the point of a plan would meet now; nothing is done."""
        leg, executor = plan.legs[0], self.executors.executor(plan.target)
        try:
            way = await self._asked(plan.target, Goal(point=leg.point.id))
            found = [drilling.could_begin(way), drilling.still_holds(planning.replaced(leg, way.point))]
            if isinstance(executor, Examines):
                found.append(
                    drilling.as_examined(await answered(executor.examine(), PLAN_READ_WITHIN_SECONDS))
                )
        except (PermanentError, TemporaryError, OutcomeUnknown) as problem:
            return (drilling.not_planned(problem),)
        return tuple(found)

    async def look_at_saved(self, target: str, point: str, content: str) -> Finding:
        """Returns whether a backup is listed with this content, as it was saved."""
        try:
            listed = await self._listed(target, EVERY_POINT)
            found = next((each for each in listed.points if each.id == point), None)
            asked = content_of(self.executors.executor(target), found) if found and content else None
            now = await answered(asked, PLAN_READ_WITHIN_SECONDS) if asked else ""
        except (PermanentError, TemporaryError, OutcomeUnknown) as problem:
            return backups.not_seen(words_of(problem))
        return backups.quick_look(found, content, now)

    async def _newest_backup(self, target: str, points: Points) -> str | None:
        """Returns the run of the newest backup that is good and still listed; None: there is none.

        Which points are backups, not every backend says.
        """
        good = {point.id for point in points.points if point.failed_at is None and not point.doubt}
        for backup in await self.past.backups(target):
            if backup.work.undo_points.get(target) in good:
                return backup.id
        return None

    async def live(self, target: str) -> Current:
        """Returns what is live there. Raises what executors raise."""
        return (await self._listed(target)).current

    async def _listed(self, target: str, limit: int = POINTS_OFFERED) -> Points:
        return await answered(self.executors.executor(target).points(limit), PLAN_READ_WITHIN_SECONDS)

    async def _doubts(self, target: str, goal: Goal, way: Way) -> list[str]:
        """Says what is known against a point that was named. Raises UserError where a time alone means it."""
        if goal.point is None and goal.before is None:
            return []
        offered = await self.offer(target, Points((way.point,), way.current))
        run = offered.saved_before.get(way.point.id)
        if run is None:
            return []
        name = way.point.label or way.point.id
        if goal.before is not None:
            raise UserError(
                f"At that time {name} of `{target}` would be meant, which {run} has taken back since. Choose "
                "a restore point by its name."
            )
        return [f"{name} of {target} was live before {run}, which took it back"]

    async def _resolved(self, target: str, goal: Goal) -> Goal:
        """Returns the point that was live at a time, as far as that is known. Raises UserError."""
        if goal.before is None:
            return goal
        found = spans.live_at(await self.points(target), goal.before)
        if isinstance(found, str):
            raise UserError(found)
        return goal if found is None else Goal(point=found.id)

    async def refuse_other_place(self, plan: Plan, target: str, *, begun: bool) -> None:
        """Raises StateChanged where a restore would run other programs, or lead elsewhere, than agreed."""
        if plan.pins:
            leg = plan.leg(target)
            pins = await self.executors.pins(target, leg.pins)
            if reason := planning.other_place(leg, pins, begun=begun):
                raise StateChanged(reason)

    async def look_again(self, plan: Plan, *, begun: bool) -> Now:
        """Returns whether the plan fits what is there now. Raises what executors raise."""
        losses: list[tuple[str, Loss]] = []
        found: dict[str, Current] = {}
        for leg in plan.legs:
            await self.refuse_other_place(plan, leg.target, begun=begun)
            way = await self._asked(leg.target, Goal(point=leg.point.id))
            found[leg.target] = way.current
            reason = planning.moved(leg, way.current, pins=plan.pins)
            if reason := reason or (planning.replaced(leg, way.point, way.unlike) if plan.pins else None):
                return Now(reason, seen=await self._seen(found))
            if way.blockers:
                return Now(" ".join(way.blockers), seen=await self._seen(found))
            losses.append((leg.target, self._loss(leg, way.loss)))
        loss = joint(losses)
        if why_not := outgrown(plan, loss, self.clock()):
            return Now(why_not, loss, not comparable(plan, loss), await self._seen(found))
        return Now(None, loss)

    async def _seen(self, found: Mapping[str, Current]) -> tuple[Seen, ...]:
        """Returns what was found live, with since when as far as that is known: a card will say it."""
        return tuple(
            [
                Seen(target, spans.with_since(current, await self.past.lived(target)))
                for target, current in found.items()
            ]
        )

    async def measured(self, plan: Plan, within: float) -> Loss:
        """Returns the loss as it is now, each backend asked for at most `within` seconds."""
        losses = []
        for leg in plan.legs:
            try:
                measure = self.executors.executor(leg.target).measure(leg.point, self.clock())
                measured = await answered(measure, within)
            except (PermanentError, TemporaryError, OutcomeUnknown):
                measured = None  # counts as unknown below, unless the target declares its loss
            losses.append((leg.target, self._loss(leg, measured)))
        return joint(losses)

    def _loss(self, leg: Leg, measured: Loss | None) -> Loss:
        return planning.loss_of(self.configuration.targets[leg.target], measured)

    async def offer(self, target: str, listed: Points) -> Offer:
        """Returns what form, command line and `doctor` offer, and what they take when nobody has chosen."""
        moved = await self.past.moved(target)
        return offer(listed, await self.past.holds([target]), taken_back(target, moved), self.clock())

    async def _undo_points(self, goal: Goal) -> "dict[str, _Saved]":
        """Returns what was saved of each target of an undo. Raises UserError when one has no way back."""
        if goal.undo_of is None:
            return {}
        undone = await self.past.load(goal.undo_of)
        restored = {record.step.target for record in undone.work.steps if record.step.do is Do.RESTORE}
        if missing := sorted(restored - undone.work.undo_points.keys()):
            raise UserError(
                f"{undone.id} has no undo point of {', '.join(missing)}. Choose a restore point instead."
            )
        contents = undone.work.undo_contents
        return {
            target: _Saved(undone.id, Goal(point=point), contents.get(target, ""))
            for target, point in undone.work.undo_points.items()
        }


@dataclass(frozen=True, slots=True)
class _Saved:
    """A state that a run has saved before its restore."""

    run: str
    goal: Goal
    content: str  # its fingerprint; empty: none was told


def _refuse_other_content(saved: _Saved | None, way: Way) -> None:
    """Raises UserError when what stands under the name of an undo point is not what was saved."""
    if saved is not None and saved.content not in {"", way.point.fingerprint}:
        raise UserError(
            f"`{way.point.id}` is not what {saved.run} has saved: somebody has put something else in its "
            "place. Choose a restore point by its name."
        )
