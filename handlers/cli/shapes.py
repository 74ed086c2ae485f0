"""What programs get: the nouns as JSON values, in shapes that outside programs rely on.

Times are `2026-11-22T10:00:00.000Z`, durations are seconds. What is not known is null: never 0, never absent.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from bot import codec
from bot.canonical_json import iso, iso_if
from bot.envelope import Event
from bot.model import (
    EFFECTS,
    Ceiling,
    Do,
    Finding,
    Gone,
    Left,
    Plan,
    Purpose,
    RestorePoint,
    Unit,
    Value,
)
from bot.outside import OutsideChange
from bot.run import Run, StepRecord, op_id
from bot.spans import Lived
from bot.suggesting import Offer, is_live
from handlers.cli.reading import DrillReport, TargetReport
from storage.projection import Summary

Json = dict[str, Any]
CODE_DIGITS = 8  # of the digest, in hex, that people call a plan by


def target(of: TargetReport) -> Json:
    """`live` is as it was seen last. `suggested` is null: only the target itself knows its points."""
    return {
        "name": of.target.name,
        "kind": of.target.kind.value,
        "environment": of.target.environment,
        "executor": of.target.executor.type,
        "open_run": of.open_run,
        "live": None if of.live is None else _live(of.live),
        "suggested": None,
        "held": list(of.held),
    }


def _live(of: Lived) -> Json:
    """`since` is null where nobody had looked before."""
    known = of.after is not None or of.run is not None
    return {
        "id": of.point,
        "label": of.label or None,
        "since": iso(of.since) if known else None,
        "by": of.run or of.author,
    }


def drill(of: DrillReport) -> Json:
    """`last` is the newest drill that has shown something; `due_at` may be over."""
    duty, last = of.duty, of.facts.last
    return {
        "target": duty.target,
        "kind": duty.kind.value,
        "due_at": iso(duty.due_at),
        "reminded_at": iso(duty.next_at),
        "put_off": {"by": duty.put_off_by, "why": duty.put_off_why} if duty.put_off_by else None,
        "handed_to": duty.handed_to,
        "passed_at": iso_if(duty.passed_at),
        "follows": duty.run or None,
        "last": last and {"run": last.id, "at": iso_if(last.end.at), "verdict": _verdict(last)},
        "open_run": of.facts.going_on.id if of.facts.going_on else None,
    }


def _verdict(of: Run) -> str | None:
    return of.work.verdict.value if of.work.verdict else None


def points(offer: Offer) -> list[Json]:
    return [_point(point, offer) for point in offer.points.points]


def _point(point: RestorePoint, offer: Offer) -> Json:
    return {
        "id": point.id,
        "at": iso_if(point.at),
        "label": point.label or None,
        "author": point.author,
        "current": is_live(point, offer.points),
        "proven_at": iso_if(point.proven_at),
        "drill_failed_at": iso_if(point.failed_at),
        "kind": point.kind.value or None,
        "live": [{"since": iso_if(span.since), "until": iso_if(span.until)} for span in point.live],
        "fingerprint": point.fingerprint or None,
        "held_by": offer.held.get(point.id),
        "saved_before": offer.saved_before.get(point.id),
        "suggested": point.id == offer.suggested,
    }


def plan(of: Plan, digest: str) -> Json:
    """`from` is the id of what is live, `point` of where it goes back to; `at` is the point's time."""
    return {
        "code": digest[:CODE_DIGITS],
        "digest": digest,
        "target": of.target,
        "from": of.current.id,
        "point": of.point.id,
        "at": iso_if(of.point.at),
        "data_loss": {
            "seconds": of.loss.window(of.made_at),
            "units": _units(of.loss.units, of.ceiling),
            "quality": of.loss.quality.value,
            "rpo_seconds": of.rpo,
            "within_rpo": of.within_rpo,
            "ceiling": _ceiling(of.ceiling),
        },
        "warnings": list(of.warnings),
        "blockers": list(of.blockers),
        "approvals_needed": of.approvals_needed,
        "gone": [_gone(one) for leg in of.legs for one in leg.gone],
        "diff": "\n".join(leg.diff for leg in of.legs if leg.diff) or None,
        "fingerprint": of.point.fingerprint or None,
        "changes": [_change(one) for one in of.changes],
        "changes_told": of.changes_told or None,
    }


def _change(of: OutsideChange) -> Json:
    return {
        "at": iso_if(of.at),
        "kind": of.kind,
        "label": of.label or None,
        "author": of.author or None,
        "source": of.source or None,
        "significant": of.significant,
        "times": of.times,
    }


def _gone(of: Gone) -> Json:
    return {
        "id": of.id,
        "label": of.label or None,
        "at": iso_if(of.at),
        "author": of.author or None,
        "note": of.note or None,
    }


def _ceiling(ceiling: Ceiling) -> Json:
    return {"seconds": ceiling.seconds, "units": _units(ceiling.units, ceiling)}


def _units(units: Iterable[Unit], ceiling: Ceiling) -> list[Json]:
    """`limit` is null where a figure has none."""
    limits = {(unit.name, unit.change): unit.count for unit in ceiling.units}
    return [
        {
            "name": unit.name,
            "count": unit.count,
            "change": unit.change.value,
            "measure": unit.measure.value,
            "limit": limits.get((unit.name, unit.change)) if unit.limits else None,
        }
        for unit in units
    ]


def summary(of: Summary) -> Json:
    """`at` is when it was asked for."""
    return {
        "id": of.id,
        "target": of.target,
        "purpose": _purpose(of.purpose),
        "state": of.state.value,
        "phase": of.phase,
        "requester": of.requester,
        "at": iso(of.requested_at),
    }


def run(of: Run, events: Iterable[Event], installation: str, url: str | None) -> Json:
    """`live` is the id of what stands in the target now, `plan` is null until one is made."""
    return {
        "id": of.id,
        "target": of.request.target,
        "purpose": _purpose(of.request.purpose),
        "state": of.state.value,
        "phase": of.phase.value if of.phase else None,
        "requester": of.request.requester.id,
        "approvers": [approval.person for approval in of.approval.given],
        "plan": plan(of.approval.plan, of.approval.digest) if of.approval.planned else None,
        "live": live_id(of),
        "steps": list(_steps(of, installation)),
        "checks": [_check(of, finding) for finding in (*of.work.findings, *_only_before(of))],
        "events": [_event(event) for event in events],
        "url": url,
    }


def live_id(of: Run) -> str | None:
    """None: nobody knows, or there is no plan that would say."""
    if of.approval.planned is None or of.work.live in {Left.UNKNOWN, Left.PARTIAL}:
        return None
    return of.approval.plan.point.id if of.work.live is Left.POINT else of.approval.plan.current.id


def _steps(of: Run, installation: str) -> Iterator[Json]:
    """Yields what changes the world, and what waits for people. Steps that only look end up in the checks."""
    for record in of.work.steps:
        if record.step.do in EFFECTS:
            yield _step(record, record.op or op_id(installation, of.id, record.step.n, record.attempt))
        elif record.step.do is Do.CONFIRM:
            yield _step(record, None)


def _step(record: StepRecord, op: str | None) -> Json:
    outcome = record.outcome.value if record.outcome else None
    left = record.left.value if record.left else None
    return {"op": op, "state": record.state.value, "outcome": outcome, "left": left}


def _only_before(of: Run) -> Iterator[Finding]:
    """Values taken before the start of checks that nobody has judged yet."""
    judged = {(finding.name, finding.when) for finding in of.work.findings}
    return (finding for finding in of.work.before if (finding.name, finding.when) not in judged)


def _check(of: Run, finding: Finding) -> Json:
    baseline = {(first.name, first.when): first.value for first in of.work.before}
    earlier = finding.before if finding.before is not None else baseline.get((finding.name, finding.when))
    return {
        "name": finding.name,
        "when": finding.when.value,
        "verdict": finding.verdict.value if finding.verdict else None,
        "before": codec.dump(Value, earlier),
        "after": codec.dump(Value, finding.value) if finding.verdict else None,
    }


def _event(event: Event) -> Json:
    """`by` is null where the bot itself acted."""
    return {"seq": event.seq, "at": iso(event.at), "kind": event.kind.value, "by": event.by or None}


def _purpose(of: Purpose) -> str:
    """A rehearsal is a drill, as much as one on a copy."""
    return Purpose.DRILL.value if of is Purpose.REHEARSAL else of.value
