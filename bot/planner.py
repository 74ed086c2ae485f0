"""Makes plans, and says whether one still fits: asks the backends, and has `planning` compose and compare.

It changes nothing, so it needs no claim and no key: whoever may read a target may plan.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bot import planning
from bot.clock import Clock
from bot.configuration import Configuration, Target
from bot.contract import Executor, OutcomeUnknown, answered
from bot.errors import PermanentError, TemporaryError, UserError
from bot.model import Do, Goal, Leg, Loss, Plan, Points, Purpose, RestorePoint, UndoMode, Way
from bot.planning import Abandoned, Hold
from bot.procedures import targets_of
from bot.run import Run

PLAN_READ_WITHIN_SECONDS = 300.0  # for where a target stands and what going back would cost


class PastRuns(Protocol):
    """The part of the store that plans are made from."""

    async def load(self, run_id: str) -> Run: ...
    async def holds(self, targets: Sequence[str]) -> tuple[Hold, ...]: ...
    async def outages(self, target: str) -> list[float]: ...


class Executors(Protocol):
    """The executors of this worker's zone, by target."""

    def executor(self, target: str) -> Executor: ...


@dataclass(frozen=True, slots=True)
class Planner:
    configuration: Configuration
    past: PastRuns
    executors: Executors
    clock: Clock

    async def plan(self, target: Target, goal: Goal) -> Plan:
        """Returns what would be done now. Raises what executors raise, and UserError."""
        own = await self._undo_points(goal)
        names = targets_of(self.configuration, target)
        ways: dict[str, Way] = {}
        for name in names:
            others = goal if name == target.name else planning.other_goal(ways[target.name], goal)
            ways[name] = await self.way(name, own.get(name, others))
        return planning.compose(
            self.configuration,
            target,
            Purpose.UNDO if goal.undo_of else Purpose.ROLLBACK,
            ways,
            undoable=[name for name in names if self._can_undo(name)],
            holds=await self.past.holds(names),
            outages=await self.past.outages(target.name),
            now=self.clock(),
        )

    async def way(self, target: str, goal: Goal) -> Way:
        """Returns where a target stands and what going to `goal` would cost. Raises what executors raise."""
        return await answered(
            self.executors.executor(target).plan(goal, self.clock()), PLAN_READ_WITHIN_SECONDS
        )

    async def why_not_from_here(self, plan: Plan) -> tuple[str | None, Loss | None]:
        """Returns why the plan no longer fits, and the loss as it is now; no loss: the reason is another.

        Raises what executors raise.
        """
        losses = []
        for leg in plan.legs:
            way = await self.way(leg.target, Goal(point=leg.point.id))
            if reason := planning.moved(leg, way.current):
                return reason, None
            if way.blockers:
                return " ".join(way.blockers), None
            losses.append((leg.target, self._loss(leg, way.loss)))
        loss = planning.joint(losses)
        return planning.outgrown(plan, loss), loss

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
        return planning.joint(losses)

    def _loss(self, leg: Leg, measured: Loss | None) -> Loss:
        return planning.loss_of(self.configuration.targets[leg.target], measured)

    async def suggested(self, target: str, listed: Points) -> RestorePoint | None:
        """Returns the point that form, command line and `doctor` take when nobody has chosen one."""
        holds = await self.past.holds([target])
        abandoned = [await self._abandoned(hold) for hold in holds]
        return planning.suggested(listed, holds, [each for each in abandoned if each is not None])

    def _can_undo(self, target: str) -> bool:
        return self.executors.executor(target).capabilities.undo is not UndoMode.IMPOSSIBLE

    async def _undo_points(self, goal: Goal) -> dict[str, Goal]:
        """Returns the goal of each target of an undo. Raises UserError when a target has no way back."""
        if goal.undo_of is None:
            return {}
        undone = await self.past.load(goal.undo_of)
        restored = {record.step.target for record in undone.work.steps if record.step.do is Do.RESTORE}
        if missing := sorted(restored - undone.work.undo_points.keys()):
            raise UserError(
                f"{undone.id} has no undo point of {', '.join(missing)}. Choose a restore point instead."
            )
        return {target: Goal(point=point) for target, point in undone.work.undo_points.items()}

    async def _abandoned(self, hold: Hold) -> Abandoned | None:
        """Returns the time that a rollback took back; None: its restore point had no time."""
        run = await self.past.load(hold.run)
        since = run.approval.plan.leg(hold.target).point.at
        return None if since is None else Abandoned(since, hold.placed_at)
