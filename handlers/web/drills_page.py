"""What stands on the page of drills, as values that the template only lays out.

For each target: what is due, what each drill has shown, and how the time to restore and the window of data
that a rollback would have lost went over time, against RTO and RPO.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.configuration import Configuration, Target
from bot.drilling import has_shown
from bot.duties import Duty, DutyKind
from bot.model import Do, Outcome, Verdict
from bot.run import Run
from bot.views.lessons import follow_up
from bot.views.limits import clean, unmarked
from bot.views.words import duration
from handlers.web.plot import Series, series

SHOWN_DRILLS = 20  # of a target; all of them are in its plots


@dataclass(frozen=True, slots=True)
class DrillRow:
    run_id: str
    at: datetime
    point: str
    tone: str  # passed, failed
    verdict: str
    took: str
    window: str
    follow_up: str


@dataclass(frozen=True, slots=True)
class DrilledTarget:
    name: str
    environment: str
    due: str  # in words; empty: no drill is asked for by the calendar
    is_overdue: bool
    drills: tuple[DrillRow, ...]  # newest first
    more: int  # older ones that are not shown
    restore: Series | None  # seconds; None: none was measured
    window: Series | None
    rto: str
    rpo: str


@dataclass(frozen=True, slots=True)
class Drilled:
    """A target, what is due of it, and its drills that have ended, newest first."""

    target: Target
    duty: Duty | None
    drills: Sequence[Run]


def target_row(of: Drilled, now: datetime) -> DrilledTarget:
    shown = [run for run in of.drills if has_shown(run)]
    rto, rpo = of.target.rto, of.target.rpo
    return DrilledTarget(
        name=of.target.name,
        environment=of.target.environment.upper(),
        due=_due(of.duty, now),
        is_overdue=of.duty is not None and of.duty.due_at <= now,
        drills=tuple(map(_row, shown[:SHOWN_DRILLS])),
        more=max(0, len(shown) - SHOWN_DRILLS),
        restore=series([(_ended(run), took) for run in shown if (took := restored_in(run)) is not None], rto),
        window=series([(_ended(run), lost) for run in shown if (lost := window_of(run)) is not None], rpo),
        rto=duration(rto) if rto is not None else "not declared",
        rpo=duration(rpo) if rpo is not None else "not declared",
    )


def without_drills(configuration: Configuration) -> tuple[str, ...]:
    """Returns the names of targets of which nobody has walked the way back on a copy, nor could."""
    return tuple(name for name, target in configuration.targets.items() if target.drill is None)


def restored_in(run: Run) -> float | None:
    """Returns the seconds that its copy took, or its restore; None: it did not come so far."""
    does = Do.RESTORE if run.is_rehearsal else Do.PREPARE
    copied = next((record for record in run.work.steps if record.step.do is does), None)
    if (
        copied is None
        or copied.outcome is not Outcome.SUCCEEDED
        or copied.started_at is None
        or copied.ended_at is None
    ):
        return None
    return (copied.ended_at - copied.started_at).total_seconds()


def window_of(run: Run) -> float | None:
    """Returns how old the newest restore point was then, in seconds; None: nobody knows."""
    plan = run.approval.plan
    return None if plan.freshest is None else (plan.made_at - plan.freshest).total_seconds()


def _ended(run: Run) -> datetime:
    return run.end.at or run.request.at


def _row(run: Run) -> DrillRow:
    point, took, window = run.approval.plan.point, restored_in(run), window_of(run)
    failed = [clean(finding.name) for finding in run.work.findings if finding.verdict is Verdict.FAILED]
    return DrillRow(
        run_id=run.id,
        at=_ended(run),
        point=point.id,
        tone="failed" if failed else "passed",
        verdict=f"failed: {', '.join(failed)}" if failed else _passed(run),
        took="not known" if took is None else duration(took),
        window="not known" if window is None else duration(window),
        follow_up=unmarked(follow_up(run)),
    )


def _passed(run: Run) -> str:
    if run.looks_only:
        return "planned only, nothing restored"
    on = f"on {clean(run.request.target)}: " if run.is_rehearsal else ""
    return f"{on}restored, verified"


def _due(duty: Duty | None, now: datetime) -> str:
    if duty is None or duty.kind is not DutyKind.DRILL:
        return ""
    if duty.due_at > now:
        return f"next by {duty.due_at:%d %b %Y}"
    over = (now - duty.due_at).total_seconds()
    return f"due since {duty.due_at:%d %b %Y}, {duration(over)} over" if over >= 1 else "due now"
