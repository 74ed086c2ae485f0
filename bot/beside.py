"""The plan of a run whose every effect is beside its target: it changes nothing that is live.

A drill is one, a snapshot another: they copy a restore point, look at the copy, and drop it. A backup saves
what is live, and looks into that. Pure: who reads backends is the planner.
"""

from dataclasses import replace
from datetime import datetime

from bot import backups, snapshots
from bot.configuration import Configuration, Target, policy_digest, procedure_digest
from bot.contract import Capabilities
from bot.errors import UserError
from bot.model import (
    PLAN_FORMAT,
    Ceiling,
    Do,
    Leg,
    Loss,
    LossQuality,
    Plan,
    PointKind,
    Points,
    Purpose,
    RestorePoint,
    Step,
    UndoMode,
    Way,
)
from bot.pins import Pin
from bot.procedures import Aside, steps_beside, steps_of_backup, steps_of_look

KNOWN_POINTS = 50  # what a backup says that it has made must not be among the newest that were there
NOTHING_PROVEN = "The weakest drill: nothing is restored, so the restore point is not proven by it"
NOTHING_LOST = Loss(LossQuality.NONE, basis="a copy touches nothing that is live")


def compose(
    configuration: Configuration,
    target: Target,
    listed: Points,
    point: RestorePoint,
    pins: tuple[Pin, ...],
    capabilities: Capabilities,
    made_at: datetime,
    as_of: datetime | None = None,
) -> Plan:
    """Returns the plan of a drill, or with `as_of` of a snapshot. Raises UserError without copies."""
    purpose, approvals, keep, to = Purpose.DRILL, 0, None, None
    if as_of is not None:
        rule = snapshots.rule_of(target)
        keep, to = rule.keep, rule.to
        purpose, approvals = Purpose.SNAPSHOT, target.approval.quorum
    if Do.PREPARE not in capabilities.does:
        raise UserError(
            f"The backend of `{target.name}` makes no copies, so there are no {purpose}s beside it."
        )
    kept = () if Do.PREPARE in capabilities.drops else ("The backend drops no copies: somebody has to do it",)
    aside = Aside(frozenset({Do.PREPARE}), capabilities.drops & {Do.PREPARE}, capabilities.timeouts)
    leg = Leg(target.name, listed.current, point, NOTHING_LOST, undo=UndoMode.EXACT, pins=pins)
    plan = _plan(configuration, target, purpose, leg, steps_beside(target.name, aside, to), made_at)
    return replace(
        plan,
        warnings=kept,
        approvals_needed=approvals,
        approvers=target.approval.from_ if approvals else (),
        as_of=as_of,
        keep=keep,
        scenario="" if as_of else _scenario(target),
        freshest=_freshest(listed, made_at),
    )


def compose_look(
    configuration: Configuration,
    target: Target,
    way: Way,
    pins: tuple[Pin, ...],
    listed: Points,
    made_at: datetime,
) -> Plan:
    """Returns the plan of a drill that makes no copy: it looks whether a rollback could begin."""
    leg = Leg(target.name, way.current, way.point, NOTHING_LOST, undo=way.undo, pins=pins)
    plan = _plan(configuration, target, Purpose.DRILL, leg, steps_of_look(target.name), made_at)
    warned = (*way.warnings, NOTHING_PROVEN)
    return replace(plan, warnings=warned, scenario=_scenario(target), freshest=_freshest(listed, made_at))


def _scenario(target: Target) -> str:
    return (target.drill.scenario or "") if target.drill else ""


def compose_backup(
    configuration: Configuration,
    target: Target,
    listed: Points,
    pins: tuple[Pin, ...],
    capabilities: Capabilities,
    made_at: datetime,
) -> Plan:
    """Returns the plan of a backup. Raises UserError where it cannot be taken, or not be looked into so."""
    rule = backups.rule_of(target)
    if not capabilities.backs_up:
        raise UserError(f"The backend of `{target.name}` saves nothing that would be a backup.")
    copies = Do.PREPARE in capabilities.does
    if rule.verify == "beside" and not copies:
        raise UserError(
            f"The backend of `{target.name}` makes no copies, so nobody can look into its backups so. "
            "Whoever keeps the configuration may write `verify: quick`."
        )
    makes = frozenset({Do.SAVE, Do.PREPARE} if copies and rule.verify != "quick" else {Do.SAVE})
    kept = () if Do.SAVE in capabilities.drops else ("The backend drops no backups: somebody has to do it",)
    aside = Aside(makes, makes & capabilities.drops, capabilities.timeouts)
    current = listed.current
    live = RestorePoint(current.id, current.at, current.label, current=True)
    leg = Leg(target.name, current, live, NOTHING_LOST, undo=UndoMode.EXACT, pins=pins)
    plan = _plan(configuration, target, Purpose.BACKUP, leg, steps_of_backup(target.name, aside), made_at)
    known = tuple(point.id for point in listed.points[:KNOWN_POINTS])
    return replace(plan, warnings=kept, keep=rule.keep, known=known)


def _plan(
    configuration: Configuration,
    target: Target,
    purpose: Purpose,
    leg: Leg,
    steps: tuple[Step, ...],
    made_at: datetime,
) -> Plan:
    """Returns a plan to which nobody has to agree."""
    return Plan(
        target=target.name,
        kind=target.kind,
        environment=target.environment,
        purpose=purpose,
        risk=target.risk,
        legs=(leg,),
        loss=NOTHING_LOST,
        ceiling=Ceiling(None),
        rpo=target.rpo,
        rto=target.rto,
        outage=0.0,
        outage_range=None,
        outage_runs=0,
        undo_days=target.undo_days,
        steps=steps,
        warnings=(),
        blockers=(),
        approvals_needed=0,
        approvers=(),
        expires=target.approval.expires,
        start_within=target.approval.start_within,
        policy_digest=policy_digest(configuration, target),
        procedure_digest=procedure_digest(configuration, target),
        made_at=made_at,
        format=PLAN_FORMAT,
    )


def _freshest(listed: Points, now: datetime) -> datetime | None:
    """Returns when the newest restore point was complete: what was written since, a rollback would lose.

    A state that was saved before a rollback is none, nor is what is live; None: nobody knows.
    """
    points = (point for point in listed.points if point.kind is not PointKind.UNDO and not point.current)
    return max((point.at for point in points if point.at is not None and point.at <= now), default=None)
