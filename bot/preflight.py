"""Whether a run may be asked for, and whether what was approved may be carried out now.

It reads and answers; what an answer means for the run is for the engine and the machine.
"""

from dataclasses import replace
from typing import Protocol

from bot import drilling, policy
from bot.configuration import Configuration, Target, policy_digest, procedure_digest
from bot.configuration.stages import lived_by
from bot.contract import OutcomeUnknown, Placed, PointUnavailable, answered
from bot.errors import PermanentError, TemporaryError, UserError, words_of
from bot.model import Finding, Goal, Plan, RestorePoint
from bot.planner import PLAN_READ_WITHIN_SECONDS, Executors, Now, Planner
from bot.policy import Entitled
from bot.run import Run


class Directory(Protocol):
    """Says who stands where, read from Slack and the configuration now."""

    async def entitled(self, target: Target) -> Entitled: ...


async def plan_for(run: Run, planner: Planner, directory: Directory) -> tuple[Plan, tuple[str, ...]]:
    """Returns the plan of a request and who is awaited. Raises UserError, and what executors raise."""
    target = planner.configuration.targets.get(run.request.target)
    if target is None:
        raise UserError(f"`{run.request.target}` is not in the configuration any more.")
    if run.is_backup:
        return await planner.plan_backup(target), ()
    if run.request.by_itself:
        drilling.refuse_by_itself(target)
    if run.is_drill:
        return await planner.plan_drill(target, run.request.goal), ()
    plan = await _with_people(run, planner, target)
    if plan.blockers:
        raise UserError(" ".join(plan.blockers))
    entitled = await directory.entitled(target)
    reason = policy.why_nobody_else(run.request.requester, target.name, entitled, plan.approvals_needed)
    if reason:
        raise UserError(reason)
    return plan, policy.awaited(run.request.requester, entitled, run.request.ask_first)


async def _with_people(run: Run, planner: Planner, target: Target) -> Plan:
    """The plan of a run to which somebody else has to agree. Raises as `plan_for`."""
    goal = run.request.goal
    if goal.as_of is not None:
        return await planner.plan_snapshot(target, goal.as_of)
    if run.request.drill_of is not None:
        await _refuse_other_stage(planner, run.request.drill_of, target)
        plan = await planner.plan_rehearsal(target, goal, run.request.drill_of)
        own = await _own_point(planner, run.request.drill_of, plan.point.id)
        unsure = drilling.why_of_another(plan.point, own, run.request.drill_of, target.name)
        return replace(plan, warnings=(*unsure, *plan.warnings))
    return await planner.plan(target, goal)


async def _own_point(planner: Planner, of: str, name: str) -> RestorePoint | None:
    """Returns the point of that name in what is rehearsed for, with its content; None: it has none such."""
    try:
        return (await planner.way(of, Goal(point=name))).point
    except PointUnavailable:
        return None


async def _refuse_other_stage(planner: Planner, of: str, target: Target) -> None:
    """Raises UserError where a rehearsal would not be one any more. Raises what executors raise."""
    drilled = planner.configuration.targets.get(of)
    drilling.rehearsal_rule_of(drilled, target)
    if drilled is not None:
        await _refuse_one_place(planner, drilled, target)


async def _refuse_one_place(planner: Planner, of: Target, on: Target) -> None:
    """Raises UserError where two targets turn out to be one thing: a rehearsal never touches what is live.

    Raises what executors raise: what cannot be told now is not taken for another place.
    """
    ours = await _where(planner.executors, on)
    for other in lived_by(planner.configuration, of):
        alike = other.name != on.name and other.executor.type == on.executor.type and other.zone == on.zone
        if alike and not ours.isdisjoint(await _where(planner.executors, other)):
            raise UserError(
                f"`{on.name}` leads to the same as `{other.name}`, which a rehearsal never touches."
            )


async def _where(executors: Executors, target: Target) -> frozenset[str]:
    executor = executors.executor(target.name)
    if not isinstance(executor, Placed):
        return frozenset()
    return frozenset(await answered(executor.where(), PLAN_READ_WITHIN_SECONDS)) - {""}


def failover(name: str, configuration: Configuration) -> str:
    """Returns the other way that a target which is down has: a rollback is no failover."""
    target = configuration.targets.get(name)
    return f" Declared failover: {target.failover}" if target and target.failover else ""


async def look_before_start(run: Run, other_plan: str | None, planner: Planner, directory: Directory) -> Now:
    """Returns whether what was approved may start now. `other_plan`: why the stored plan is another one."""
    try:
        return await _as_approved(run, other_plan, planner, directory)
    except (UserError, PermanentError) as problem:
        return Now(words_of(problem))
    except (TemporaryError, OutcomeUnknown) as problem:
        return Now(words_of(problem), passing=True)


async def _as_approved(run: Run, other_plan: str | None, planner: Planner, directory: Directory) -> Now:
    configuration = planner.configuration
    target = configuration.targets.get(run.request.target)
    if target is None:
        return Now(f"`{run.request.target}` is not in the configuration any more")
    if other_plan is not None:
        return Now(other_plan)
    if (of := run.request.drill_of) is not None:
        await _refuse_other_stage(planner, of, target)
    if reason := _what_changed(run.approval.plan, configuration, target):
        return Now(reason)
    has_people = run.approval.plan.approvals_needed or not run.request.by_itself  # else nobody is looked up
    if has_people and (reason := policy.why_not_start(run, await directory.entitled(target))):
        return Now(reason)
    if run.is_beside:
        return await planner.look_before_copy(run.approval.plan)
    return await planner.look_again(run.approval.plan, begun=bool(run.work.before or run.work.in_maintenance))


def _what_changed(plan: Plan, configuration: Configuration, target: Target) -> str | None:
    changed = {
        "policy": policy_digest(configuration, target) != plan.policy_digest,
        "procedure": procedure_digest(configuration, target) != plan.procedure_digest,
    }
    for what, has_changed in changed.items():
        if has_changed:
            return f"the {what} of `{target.name}` changed after the plan was made"
    return None


async def who_could_approve(plan: Plan, planner: Planner, directory: Directory) -> Finding:
    """Returns whether enough people can approve a rollback of the target of a drill."""
    target = planner.configuration.targets[plan.target]
    try:
        entitled = await directory.entitled(target)
    except (PermanentError, TemporaryError, OutcomeUnknown) as problem:
        return drilling.nobody_told(problem)
    return drilling.can_be_approved(len(policy.humans(entitled.able())), target.approval.quorum)


def why_not_with_these_settings(run: Run, configuration: Configuration) -> str | None:
    """Returns why this configuration may not end the run: it was started with another one."""
    if run.work.started_at is None or run.approval.planned is None:
        return None
    target = configuration.targets.get(run.request.target)
    if target is not None and procedure_digest(configuration, target) == run.approval.plan.procedure_digest:
        return None
    return (
        f"The configuration of `{run.request.target}` changed while {run.id} was under way. "
        "Put it back and press “Look again”, or end it."
    )
