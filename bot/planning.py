"""What exactly would be done. Pure: reading backends is for executors, what it costs is in `loss`.

A plan is fixed before anybody agrees; `moved`, `replaced` and `other_place` say whether it still holds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bot.configuration import Configuration, Rule, Target, policy_digest, procedure_digest
from bot.contract import Capabilities
from bot.loss import ceiling_of, erase_again, is_short, joint, people_return
from bot.model import (
    PLAN_FORMAT,
    Current,
    Do,
    Leg,
    Loss,
    LossQuality,
    Outcome,
    Plan,
    Purpose,
    RestorePoint,
    UndoMode,
    Way,
)
from bot.pins import OF_CHECK, OF_MAINTENANCE, PROGRAM, Pin
from bot.procedures import Aside, steps_for
from bot.run import Run
from bot.suggesting import Hold
from bot.times import is_of_the_future, moment

COPIES_LOOKED_AT = 5
NOT_SEEN = frozenset({LossQuality.UNKNOWN, LossQuality.NONE})

NOTHING_KNOWN: Mapping[str, str] = {}  # of how contents differ


def compose(
    configuration: Configuration,
    target: Target,
    purpose: Purpose,
    ways: Mapping[str, Way],
    *,
    pins: Mapping[str, tuple[Pin, ...]],
    capabilities: Mapping[str, Capabilities],
    holds: Sequence[Hold],
    outages: Sequence[float],
    doubts: Sequence[str] = (),
    offline_first: bool = False,
    now: datetime,
) -> Plan:
    """The plan over all targets of the procedure. `outages`: seconds, of earlier successful runs.

    `ways`, `pins` and `capabilities` have one answer a target. What must not be done stands in the plan's
    `blockers`.
    """
    legs = tuple(
        _leg(configuration.targets[name], way, pins[name], capabilities[name]) for name, way in ways.items()
    )
    aside = {
        leg.target: _aside(leg, capabilities[leg.target], configuration.targets[leg.target]) for leg in legs
    }
    copies = tuple(way.takes for name, way in ways.items() if Do.PREPARE in aside[name].makes)
    loss = joint(tuple((leg.target, leg.loss) for leg in legs))
    one_more_approval = _one_more_approval(configuration, legs, loss)
    rule = target.approval
    return Plan(
        target=target.name,
        kind=target.kind,
        environment=target.environment,
        purpose=purpose,
        risk=target.risk,
        legs=legs,
        loss=loss,
        ceiling=ceiling_of(loss, now, _until_it_begins(rule, copies), target.loss_tolerance),
        rpo=target.rpo,
        rto=target.rto,
        outage=_outage(target, ways, outages, copies if offline_first else ()),
        outage_range=(min(outages), max(outages)) if outages else None,
        outage_runs=len(outages),
        undo_days=target.undo_days,
        steps=steps_for(
            configuration, target, aside, loss.quality is not LossQuality.NONE, offline_first=offline_first
        ),
        warnings=(
            *_warnings(target, legs, loss, ways, holds, now),
            *(f"{why}, so one more approval is needed" for why in one_more_approval),
            *doubts,
        ),
        blockers=_blockers(legs, ways),
        approvals_needed=rule.quorum + (1 if one_more_approval else 0),
        approvers=rule.from_,
        expires=rule.expires,
        start_within=rule.start_within,
        policy_digest=policy_digest(configuration, target),
        procedure_digest=procedure_digest(configuration, target),
        made_at=now,
        format=PLAN_FORMAT,
    )


def _leg(target: Target, way: Way, pins: tuple[Pin, ...], capabilities: Capabilities) -> Leg:
    return Leg(
        target.name,
        way.current,
        way.point,
        loss_of(target, way.loss),
        way.gone,
        way.diff,
        way.preview,
        way.undo,
        pins,
        capabilities.cancels,
        way.undo_until,
    )


def _aside(leg: Leg, capabilities: Capabilities, target: Target) -> Aside:
    """A copy is made for this run alone and goes with it. An undo point goes by the clock, which somebody has
    to have asked for: then its days are written down."""
    wanted = ({Do.PREPARE} if capabilities.switches else set()) | ({Do.SAVE} if _has_undo(leg) else set())
    makes = capabilities.does & wanted
    dropped = {Do.PREPARE, Do.SAVE} if target.drops_undo_points else {Do.PREPARE}
    return Aside(makes, makes & dropped & capabilities.drops, capabilities.timeouts)


def _until_it_begins(rule: Rule, copies: Sequence[float | None]) -> float:
    """Returns the seconds until the first effect at the latest. A copy of unknown duration adds none: what is
    lost more by then voids."""
    return rule.expires + rule.start_within + sum(takes or 0.0 for takes in copies)


def slowest_copy(target: str, earlier: Sequence[Run]) -> tuple[float, str] | None:
    """Returns the seconds of the slowest of the newest copies beside the target, and its run; None: no copy.

    `earlier`: newest first. A copy that was found late took no longer than its step may take.
    """
    took = [
        (min(max(0.0, (record.ended_at - record.started_at).total_seconds()), record.step.timeout), run.id)
        for run in earlier
        for record in run.work.steps
        if (record.step.do, record.step.target, record.outcome) == (Do.PREPARE, target, Outcome.SUCCEEDED)
        and record.started_at is not None
        and record.ended_at is not None
    ]
    return max(took[:COPIES_LOOKED_AT], default=None)


def loss_of(target: Target, measured: Loss | None) -> Loss:
    """Returns what the backend says, else what the target declares, else unknown: never zero by silence.

    A declaration stands in for what could not be looked at, and never covers up what was seen. A backend that
    touches no data itself does not overrule a target that declares a loss. `measured` None: it was not asked.
    """
    declared = target.loss
    if measured is not None and measured.quality is LossQuality.NONE and any(u.count for u in measured.units):
        return replace(measured, quality=LossQuality.UNKNOWN, basis="the backend says none, and counts some")
    if measured is not None and (measured.quality not in NOT_SEEN or any(u.count for u in measured.units)):
        return measured
    if declared is None:
        return measured or Loss(LossQuality.UNKNOWN)
    if declared.declared == "none":
        return Loss(LossQuality.NONE, basis=f"{declared.by}: {declared.because}")
    if declared.declared == "unknown":
        return Loss(LossQuality.UNKNOWN, basis=f"{declared.by}: {declared.because}")
    basis = f"{declared.declared} ({declared.by}: {declared.because})"
    return Loss(LossQuality.DECLARED, measured.since if measured else None, basis=basis)


def moved(leg: Leg, current: Current, *, pins: bool = True) -> str | None:
    """Why the state that we would go back from is no longer the one that was approved.

    `pins` False: the plan is of a version whose tokens said less, so that only ids can be compared.
    """
    same = current.token == leg.current.token if pins else current.id == leg.current.id
    if same:
        return None
    was, now = leg.current.label or leg.current.id, current.label or current.id
    if was == now:
        return f"`{leg.target}` is another one than when the plan was made, though it is called {now} as well"
    return f"`{leg.target}` changed since the plan was made: it was {was}, now it is {now}"


def replaced(leg: Leg, point: RestorePoint, unlike: Mapping[str, str] = NOTHING_KNOWN) -> str | None:
    """Why the restore point does not hold any more what was approved; None: it does.

    `unlike`: how it differs from what it was, by the fingerprint of then.
    """
    was, now = leg.point.fingerprint, point.fingerprint
    if was == now:
        return None
    name = point.label or point.id
    if was in unlike:
        return f"{name} of `{leg.target}` is not what it was: {unlike[was]}"
    return f"{name} of `{leg.target}` is not what it was: {_seen(was)} is {_seen(now)} now"


def _seen(fingerprint: str) -> str:
    return f"{fingerprint[:8]}…" if fingerprint else "content that was not read"


def other_place(leg: Leg, pins: Sequence[Pin], *, begun: bool = False, programs: bool = True) -> str | None:
    """Why the settings lead somewhere else than when it was approved; None: they do not.

    Once a run has begun that is asked of the executor only: maintenance and checks may have written the files
    that their arguments name. `programs` False: long after it, when they may have been renewed.
    """
    agreed, now = (_asked(of, begun, programs) for of in (leg.pins, pins))
    for name, digest in agreed.items():
        if name not in now:
            return f"{name} of `{leg.target}` cannot be found any more"
        if now[name] != digest:
            return f"{name} of `{leg.target}` is another one than when it was approved"
    if added := [name for name in now if name not in agreed]:
        return f"{added[0]} of `{leg.target}` was not there when it was approved"
    return None


def _asked(pins: Sequence[Pin], begun: bool, programs: bool) -> dict[str, str]:
    around = (OF_MAINTENANCE, OF_CHECK) if begun else ()
    asked = [pin for pin in pins if not any(whose in pin.name for whose in around)]
    return {pin.name: pin.digest for pin in asked if programs or not pin.name.startswith(PROGRAM)}


def _outage(
    target: Target,
    ways: Mapping[str, Way],
    outages: Sequence[float],
    behind_maintenance: Sequence[float | None],
) -> float | None:
    """`behind_maintenance`: the seconds of copies that customers wait for as well."""
    switch = _outage_of_the_switch(target, ways, outages)
    if switch is None or any(takes is None for takes in behind_maintenance):
        return None
    return switch + sum(takes for takes in behind_maintenance if takes is not None)


def _outage_of_the_switch(target: Target, ways: Mapping[str, Way], outages: Sequence[float]) -> float | None:
    if outages:
        return sorted(outages)[len(outages) // 2]
    if target.outage is not None:
        return target.outage
    downtimes = [way.downtime for way in ways.values()]
    if any(downtime is None for downtime in downtimes):
        return None
    return sum(downtime for downtime in downtimes if downtime is not None)


def _warnings(
    target: Target,
    legs: Sequence[Leg],
    loss: Loss,
    ways: Mapping[str, Way],
    holds: Sequence[Hold],
    now: datetime,
) -> tuple[str, ...]:
    returning = people_return(loss.units)
    found = [erase_again(returning)] if returning else []  # first: a card has room for two
    found += [warning for way in ways.values() for warning in way.warnings]
    going = {(leg.target, leg.point.id) for leg in legs}
    found += [
        f"{hold.point} of {hold.target} was itself rolled back by {hold.run} on {hold.placed_at:%d %b}"
        for hold in holds
        if (hold.target, hold.point) in going
    ]
    found += [
        f"{leg.point.label or leg.point.id} of {leg.target} is dated in the future: its time cannot be right"
        for leg in legs
        if leg.point.at is not None and is_of_the_future(leg.point.at, now)
    ]
    found += [_unproven(leg, leg.point.failed_at) for leg in legs if leg.point.failed_at is not None]
    found += _not_kept(target, legs, now)
    window = loss.window(now)
    if target.rpo is not None and window is not None and window > target.rpo:
        found.append(f"Loses more than the RPO of {target.rpo / 60:.0f} min allows")
    if is_short(window) and any(unit.limits for unit in loss.units) and target.loss_tolerance is None:
        found.append("The restore point is under a minute old: at most twice what is shown is covered")
    return tuple(dict.fromkeys(found))


def _unproven(leg: Leg, at: datetime) -> str:
    name = f"{leg.point.label or leg.point.id} of {leg.target}"
    if leg.point.shown_by is Purpose.BACKUP:
        return f"{name} failed its checks as it was taken on {at:%d %b}"
    return f"{name} did not come back in a drill on {at:%d %b}"


def _not_kept(target: Target, legs: Sequence[Leg], now: datetime) -> Iterator[str]:
    """Yields what the backends themselves remove too early: the restore point, or the way back from it."""
    starts_by = now + timedelta(seconds=target.approval.expires + target.approval.start_within)
    for leg in legs:
        if leg.point.kept_until is not None and leg.point.kept_until < starts_by:
            name = leg.point.label or leg.point.id
            yield f"{name} of {leg.target} is removed by its backend at {moment(leg.point.kept_until)}"
        if leg.undo_until is not None and leg.undo_until < now + timedelta(days=target.undo_days):
            until = moment(leg.undo_until)
            yield f"The backend of {leg.target} keeps what is live now until {until} only: then no undo"


def _one_more_approval(configuration: Configuration, legs: Sequence[Leg], loss: Loss) -> tuple[str, ...]:
    """Returns why one more person has to agree, however many reasons there are; empty: nobody has to."""
    unknown = ("What is lost is not known",) if loss.quality is LossQuality.UNKNOWN else ()
    for_ever = [leg.target for leg in legs if not _has_undo(leg)]
    undeclared = [name for name in for_ever if configuration.targets[name].undo is None]
    return (*unknown, *(f"{name} cannot be undone" for name in undeclared))


def _has_undo(leg: Leg) -> bool:
    return leg.undo is not UndoMode.IMPOSSIBLE


def _blockers(legs: Sequence[Leg], ways: Mapping[str, Way]) -> tuple[str, ...]:
    found = [blocker for way in ways.values() for blocker in way.blockers]
    found += [
        f"{leg.point.label or leg.point.id} is what `{leg.target}` runs now: choose an earlier restore point"
        for leg in legs
        if leg.point.id == leg.current.id
    ]
    return tuple(dict.fromkeys(found))
