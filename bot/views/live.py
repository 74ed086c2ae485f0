"""What is live now and what customers see of our doing, in the words that every card uses."""

from datetime import datetime

from bot.model import Do, Kind, Left, Outcome, State
from bot.run import Run
from bot.views.plan import course, current_name, goal_name, place, was_live
from bot.views.words import target_name, utc


def where(run: Run) -> str:
    """`orders · PRODUCTION`; before there is a plan only the name."""
    return place(run.approval.plan) if run.approval.planned else target_name(run.request.target)


def subject(run: Run, now: datetime) -> str:
    """`orders · PRODUCTION: from v42 to v41`; before there is a plan only the name."""
    return course(run.approval.plan, now) if run.approval.planned else target_name(run.request.target)


def left(run: Run) -> str:
    """Says what was live before."""
    return current_name(run.approval.plan.current) if run.approval.planned else "what is live"


def goal(run: Run, now: datetime) -> str:
    return goal_name(run.approval.plan, now) if run.approval.planned else "the restore point"


def live(run: Run, now: datetime) -> str:
    plan = run.approval.planned
    if plan is None or run.work.live is Left.BEFORE:
        stays = f"{was_live(plan)} is live" if plan and plan.kind is Kind.SYSTEM else "the data is as it was"
        return f"Nothing was restored: {stays}"
    if run.work.live is Left.UNKNOWN:
        return "*Not known* what is live"
    if run.work.live is Left.PARTIAL:
        return f"*Only in part* restored: {_each(run)}"
    since = f" since {utc(at, now)}" if (at := restored_at(run)) else ""
    if plan.kind is Kind.SYSTEM:
        return f"{goal_name(plan, now)} is live{since}"
    return f"Data of {goal_name(plan, now)} is in place{since}"


def _each(run: Run) -> str:
    """Says what each target is, of a run that has left them unlike each other."""
    words = {Left.BEFORE: "as before", Left.POINT: "restored", Left.PARTIAL: "changed in part"}
    lefts = {record.step.target: record.left or Left.BEFORE for record in run.work.restores}
    return ", ".join(f"{target_name(target)} {words[left]}" for target, left in lefts.items())


def restored_at(run: Run) -> datetime | None:
    """When the last target arrived at its point. None: none did."""
    done = (r for r in run.work.steps if r.step.do is Do.RESTORE and r.outcome is Outcome.SUCCEEDED)
    return max((r.ended_at for r in done if r.ended_at is not None), default=None)


def customers(run: Run, now: datetime) -> str:
    """Says what customers see of our doing."""
    if maintenance_unclear(run):
        return "*Not known* whether customers see maintenance"
    if run.work.in_maintenance and run.work.maintenance_since:
        return f"Customers see maintenance since {utc(run.work.maintenance_since, now)}"
    if run.work.maintenance_until:
        return f"Out of maintenance since {utc(run.work.maintenance_until, now)}"
    return "No maintenance was put on"


def maintenance_unclear(run: Run) -> bool:
    """A switch of maintenance that failed or was lost may have worked in part; so may one since a backup."""
    if run.work.forgotten and run.state is State.STUCK:
        return True
    return any(
        record.step.do in {Do.MAINTENANCE_ON, Do.MAINTENANCE_OFF}
        and record.outcome in {Outcome.FAILED, Outcome.LOST}
        and not record.by_people
        for record in run.work.steps
    )
