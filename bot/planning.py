"""What exactly would be done, and what it would cost. Pure: reading backends is for executors.

A plan is fixed before anybody agrees; `outgrown` and `moved` say whether it still holds.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.configuration import Configuration, Target, policy_digest, procedure_digest
from bot.model import (
    PLAN_FORMAT,
    Ceiling,
    Current,
    Goal,
    Leg,
    Loss,
    LossQuality,
    Plan,
    Points,
    Purpose,
    RestorePoint,
    UndoMode,
    Unit,
    Way,
)
from bot.procedures import steps_for

WORSE = (
    LossQuality.NONE,
    LossQuality.MEASURED,
    LossQuality.DECLARED,
    LossQuality.ESTIMATED,
    LossQuality.UNKNOWN,
)


@dataclass(frozen=True, slots=True)
class Hold:
    """This version was rolled back: shown whenever somebody plans to go there, until lifted."""

    target: str
    point: str
    run: str
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The time that an earlier rollback took back: what was saved in it may hold what was rolled back."""

    since: datetime  # when the restore point was
    until: datetime  # when the run ended


def suggested(listed: Points, holds: Sequence[Hold], abandoned: Sequence[Abandoned]) -> RestorePoint | None:
    """Returns the newest point that may be chosen for somebody who has not chosen; None: there is none.

    It is older than what is live, on no hold, not saved before a run, and not of a time that was taken back.
    A point without a time may be newer than what is live, so it is never it.
    """
    held = {hold.point for hold in holds} | listed.saved
    for point in _earlier(listed):
        if point.id in held or point.at is None:
            continue
        if not any(each.since < point.at <= each.until for each in abandoned):
            return point
    return None


def why_none_suggested(target: str, listed: Points) -> str:
    """Returns why no restore point is chosen beforehand, and what to do."""
    if all(_is_live(point, listed) for point in listed.points):
        return f"`{target}` has no earlier restore point to go back to."
    return (
        f"No restore point of `{target}` is suggested: each is newer than what is live, on hold, saved "
        "before a rollback, or nobody knows which of both is older. Choose one yourself."
    )


def _earlier(listed: Points) -> Iterator[RestorePoint]:
    """Yields what is known to be older than the live state: points stand newest first."""
    place = next((n for n, point in enumerate(listed.points) if _is_live(point, listed)), None)
    since = listed.current.at if place is None else listed.points[place].at or listed.current.at
    if place is None and since is None and not listed.all_earlier:
        return
    for point in listed.points if place is None else listed.points[place + 1 :]:
        if since is None or (point.at is not None and point.at < since):
            yield point


def _is_live(point: RestorePoint, listed: Points) -> bool:
    return point.current or point.id == listed.current.id


def compose(
    configuration: Configuration,
    target: Target,
    purpose: Purpose,
    ways: Mapping[str, Way],
    *,
    undoable: Sequence[str],
    holds: Sequence[Hold],
    outages: Sequence[float],
    now: datetime,
) -> Plan:
    """The plan over all targets of the procedure. `outages`: seconds, of earlier successful runs.

    `ways` has one answer a target. What must not be done stands in the plan's `blockers`.
    """
    legs = tuple(
        Leg(
            name,
            way.current,
            way.point,
            loss_of(configuration.targets[name], way.loss),
            way.changes,
            way.undo,
        )
        for name, way in ways.items()
    )
    loss = joint(tuple((leg.target, leg.loss) for leg in legs))
    rule = target.approval
    return Plan(
        target=target.name,
        kind=target.kind,
        environment=target.environment,
        purpose=purpose,
        risk=target.risk,
        legs=legs,
        loss=loss,
        ceiling=ceiling_of(loss, rule.expires + rule.start_within, target.loss_tolerance),
        rpo=target.rpo,
        rto=target.rto,
        outage=_outage(target, ways, outages),
        outage_range=(min(outages), max(outages)) if outages else None,
        outage_runs=len(outages),
        undo_days=target.undo_days,
        steps=steps_for(configuration, target, undoable, loss.quality is not LossQuality.NONE),
        warnings=_warnings(target, legs, loss, ways, holds),
        blockers=_blockers(legs, ways),
        approvals_needed=rule.quorum + (1 if loss.quality is LossQuality.UNKNOWN else 0),
        approvers=rule.from_,
        expires=rule.expires,
        start_within=rule.start_within,
        policy_digest=policy_digest(configuration, target),
        procedure_digest=procedure_digest(configuration, target),
        made_at=now,
        format=PLAN_FORMAT,
    )


def loss_of(target: Target, measured: Loss | None) -> Loss:
    """What the backend says, else what the target declares, else unknown: never zero by silence."""
    if measured is not None and measured.quality is not LossQuality.UNKNOWN:
        return measured
    declared = target.loss
    if declared is None:
        return measured or Loss(LossQuality.UNKNOWN)
    if declared.declared == "none":
        return Loss(LossQuality.NONE, seconds=0.0, basis=f"{declared.by}: {declared.because}")
    if declared.declared == "unknown":
        return Loss(LossQuality.UNKNOWN, basis=f"{declared.by}: {declared.because}")
    basis = f"{declared.declared} ({declared.by}: {declared.because})"
    return Loss(LossQuality.DECLARED, measured.seconds if measured else None, basis=basis)


def joint(losses: Sequence[tuple[str, Loss]]) -> Loss:
    """Several targets lose together: the worst quality, the longest window, all units by name."""
    if len(losses) == 1:
        return losses[0][1]
    worst = max((loss for _, loss in losses), key=lambda loss: WORSE.index(loss.quality))
    touching = [loss for _, loss in losses if loss.quality is not LossQuality.NONE]
    windows = [loss.seconds for loss in touching]
    known = [seconds for seconds in windows if seconds is not None]
    return Loss(
        worst.quality,
        max(known) if known and len(known) == len(windows) else (0.0 if not touching else None),
        tuple(Unit(f"{name} {unit.name}", unit.count) for name, loss in losses for unit in loss.units),
        "; ".join(f"{name}: {loss.basis}" for name, loss in losses if loss.basis),
        min((loss.measured_at for loss in touching if loss.measured_at), default=None),
    )


def ceiling_of(loss: Loss, window: float, tolerance: float | None) -> Ceiling:
    """What is shown, plus what its rate adds in `window` seconds; a declared tolerance replaces the rate."""
    if loss.quality is LossQuality.NONE:
        return Ceiling(0.0)
    if loss.seconds is None:
        return Ceiling(None, tuple(Unit(u.name, _grown(u.count, 0.0, tolerance)) for u in loss.units))
    growth = window / max(loss.seconds, 60.0)  # under a minute of window the rate means nothing
    units = tuple(Unit(unit.name, _grown(unit.count, growth, tolerance)) for unit in loss.units)
    return Ceiling(loss.seconds + window, units)


def _grown(count: int, growth: float, tolerance: float | None) -> int:
    share = growth if tolerance is None else tolerance
    return count + math.ceil(max(count, 1) * share)  # a unit that was zero may still begin to grow


def outgrown(plan: Plan, loss: Loss) -> str | None:
    """Why the approval no longer covers this loss; None: it does."""
    if WORSE.index(loss.quality) > WORSE.index(plan.loss.quality):
        return f"the loss was {plan.loss.quality} when it was approved and is {loss.quality} now"
    limit = plan.ceiling.seconds
    if limit is not None and loss.seconds is not None and loss.seconds > limit:
        return f"the data-loss window has grown to {loss.seconds:.0f} s, the limit is {limit:.0f} s"
    if plan.within_rpo and plan.rpo is not None and loss.seconds is not None and loss.seconds > plan.rpo:
        return f"the data-loss window has crossed the RPO of {plan.rpo / 60:.0f} min"
    limits = {unit.name: unit.count for unit in plan.ceiling.units}
    for unit in loss.units:
        if limits and unit.count > limits.get(unit.name, 0):
            return f"{unit.count} {unit.name} would be lost, the limit is {limits.get(unit.name, 0)}"
    return None


def moved(leg: Leg, current: Current) -> str | None:
    """Why the state that we would go back from is no longer the one that was approved."""
    if current.token == leg.current.token:
        return None
    now = current.label or current.id
    return (
        f"`{leg.target}` changed since the plan was made: it was {leg.current.label or leg.current.id}, "
        f"now it is {now}"
    )


def other_goal(first: Way, goal: Goal) -> Goal:
    """Where the further targets of a procedure go: the same moment, or the same run's undo points."""
    if goal.undo_of is not None or goal.before is not None or first.point.at is None:
        return goal
    return Goal(before=first.point.at)


def _outage(target: Target, ways: Mapping[str, Way], outages: Sequence[float]) -> float | None:
    if outages:
        return sorted(outages)[len(outages) // 2]
    if target.outage is not None:
        return target.outage
    downtimes = [way.downtime for way in ways.values()]
    if any(downtime is None for downtime in downtimes):
        return None
    return sum(downtime for downtime in downtimes if downtime is not None)


def _warnings(
    target: Target, legs: Sequence[Leg], loss: Loss, ways: Mapping[str, Way], holds: Sequence[Hold]
) -> tuple[str, ...]:
    found = [warning for way in ways.values() for warning in way.warnings]
    going = {(leg.target, leg.point.id) for leg in legs}
    found += [
        f"{hold.point} of {hold.target} was itself rolled back by {hold.run} on {hold.placed_at:%d %b}"
        for hold in holds
        if (hold.target, hold.point) in going
    ]
    if target.rpo is not None and loss.seconds is not None and loss.seconds > target.rpo:
        found.append(f"Loses more than the RPO of {target.rpo / 60:.0f} min allows")
    if loss.quality is LossQuality.UNKNOWN:
        found.append("What is lost is not known, so one more approval is needed")
    found += [f"{leg.target} cannot be undone" for leg in legs if leg.undo is UndoMode.IMPOSSIBLE]
    return tuple(dict.fromkeys(found))


def _blockers(legs: Sequence[Leg], ways: Mapping[str, Way]) -> tuple[str, ...]:
    found = [blocker for way in ways.values() for blocker in way.blockers]
    found += [
        f"{leg.point.label or leg.point.id} is what `{leg.target}` runs now: choose an earlier restore point"
        for leg in legs
        if leg.point.id == leg.current.id
    ]
    return tuple(dict.fromkeys(found))
