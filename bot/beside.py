"""The plan of a run whose every effect is beside its target: it copies, looks at the copy, and drops it.

A drill is one, a snapshot another. Pure: who reads backends is the planner.
"""

from datetime import datetime

from bot import snapshots
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
    UndoMode,
)
from bot.pins import Pin
from bot.procedures import Aside, steps_beside

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
    purpose, approvals, keep = Purpose.DRILL, 0, None
    if as_of is not None:
        keep = snapshots.rule_of(target).keep
        purpose, approvals = Purpose.SNAPSHOT, target.approval.quorum
    if Do.PREPARE not in capabilities.does:
        raise UserError(
            f"The backend of `{target.name}` makes no copies, so there are no {purpose}s beside it."
        )
    kept = () if Do.PREPARE in capabilities.drops else ("The backend drops no copies: somebody has to do it",)
    aside = Aside(frozenset({Do.PREPARE}), capabilities.drops & {Do.PREPARE}, capabilities.timeouts)
    leg = Leg(target.name, listed.current, point, NOTHING_LOST, undo=UndoMode.EXACT, pins=pins)
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
        steps=steps_beside(target.name, aside),
        warnings=kept,
        blockers=(),
        approvals_needed=approvals,
        approvers=target.approval.from_ if approvals else (),
        expires=target.approval.expires,
        start_within=target.approval.start_within,
        policy_digest=policy_digest(configuration, target),
        procedure_digest=procedure_digest(configuration, target),
        made_at=made_at,
        format=PLAN_FORMAT,
        as_of=as_of,
        keep=keep,
        freshest=_freshest(listed, made_at),
    )


def _freshest(listed: Points, now: datetime) -> datetime | None:
    """Returns when the newest restore point was complete: what was written since, a rollback would lose.

    A state that was saved before a rollback is none, nor is what is live; None: nobody knows.
    """
    points = (point for point in listed.points if point.kind is not PointKind.UNDO and not point.current)
    return max((point.at for point in points if point.at is not None and point.at <= now), default=None)
