"""Whether a run may be asked for, and whether what was approved may be carried out now.

It reads and answers; what an answer means for the run is for the engine and the machine.
"""

from typing import Protocol

from bot import policy
from bot.configuration import Configuration, Target, policy_digest, procedure_digest
from bot.contract import OutcomeUnknown
from bot.errors import PermanentError, TemporaryError, UserError, words_of
from bot.model import Loss, Plan
from bot.planner import Planner
from bot.policy import Entitled
from bot.run import Run


class Directory(Protocol):
    """Who stands where, read from Slack and the configuration now."""

    async def entitled(self, target: Target) -> Entitled: ...


async def plan_for(run: Run, planner: Planner, directory: Directory) -> tuple[Plan, tuple[str, ...]]:
    """Returns the plan of a request and who is awaited. Raises UserError, and what executors raise."""
    target = planner.configuration.targets.get(run.request.target)
    if target is None:
        raise UserError(f"`{run.request.target}` is not in the configuration any more.")
    plan = await planner.plan(target, run.request.goal)
    if plan.blockers:
        raise UserError(" ".join(plan.blockers))
    entitled = await directory.entitled(target)
    reason = policy.why_nobody_else(run.request.requester, target.name, entitled, plan.approvals_needed)
    if reason:
        raise UserError(reason)
    return plan, policy.awaited(run.request.requester, entitled, run.request.ask_first)


def failover(name: str, configuration: Configuration) -> str:
    """Returns the other way that a target which is down has: a rollback is no failover."""
    target = configuration.targets.get(name)
    return f" Declared failover: {target.failover}" if target and target.failover else ""


async def why_not_start(
    run: Run, other_plan: str | None, planner: Planner, directory: Directory
) -> tuple[str | None, Loss | None]:
    """Returns the reason, and the loss as it is now; no loss: the reason is another, and it was not asked.

    `other_plan`: why the stored plan is not the one that people saw.
    """
    try:
        return await _why_not_as_approved(run, other_plan, planner, directory)
    except (UserError, PermanentError, TemporaryError, OutcomeUnknown) as problem:
        return words_of(problem), None


async def _why_not_as_approved(
    run: Run, other_plan: str | None, planner: Planner, directory: Directory
) -> tuple[str | None, Loss | None]:
    configuration = planner.configuration
    target = configuration.targets.get(run.request.target)
    if target is None:
        return f"`{run.request.target}` is not in the configuration any more", None
    if other_plan is not None:
        return other_plan, None
    if reason := _what_changed(run.approval.plan, configuration, target):
        return reason, None
    if reason := policy.why_not_start(run, await directory.entitled(target)):
        return reason, None
    return await planner.why_not_from_here(run.approval.plan)


def _what_changed(plan: Plan, configuration: Configuration, target: Target) -> str | None:
    changed = {
        "policy": policy_digest(configuration, target) != plan.policy_digest,
        "procedure": procedure_digest(configuration, target) != plan.procedure_digest,
    }
    for what, has_changed in changed.items():
        if has_changed:
            return f"the {what} of `{target.name}` changed after the plan was made"
    return None


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
