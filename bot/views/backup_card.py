"""Draws a backup that the clock has taken. It has no card in Slack: this is for its page."""

from datetime import datetime

from bot.made import drop_due_at, droppable, is_backup_gone
from bot.model import Do, State, Verdict
from bot.run import Run
from bot.views.drill_card import checked
from bot.views.facts import CardFacts
from bot.views.limits import code, escape
from bot.views.plan import warnings
from bot.views.steps import step_rows
from bot.views.words import date, given_reason, not_begun, target_name


def headline(run: Run, now: datetime) -> str:
    name = target_name(run.request.target)
    if is_backup_gone(run):
        return f"☑️ Backup of {name}: dropped when its days were over"
    match run.state:
        case State.SUCCEEDED if run.work.verdict is Verdict.PASSED:
            return f"✅ Backup of {name}: taken, {_how_sure(run)}"
        case State.SUCCEEDED:
            return f"☑️ Backup of {name}: taken, and NOTHING was checked"
        case State.FAILED if run.work.verdict is Verdict.FAILED:
            return f"❌ Backup of {name}: taken, and its checks FAILED"
        case State.FAILED:
            return f"❌ Backup of {name}: failed"
        case State.RUNNING:
            return f"▶️ Backing up {name}"
        case _:
            return not_begun(run) or f"⏳ Backup of {name}"


def _how_sure(run: Run) -> str:
    copied = any(record.step.do is Do.PREPARE for record in run.work.steps)
    return "verified on a copy" if copied else "listed as it was saved, and not looked into"


def rows(run: Run, facts: CardFacts, now: datetime) -> list[str]:
    plan = run.approval.planned
    saved = run.work.undo_points.get(run.request.target)
    found = [f"Saved as {code(saved, 60)}"] if saved else []
    if run.state is State.RUNNING:
        return [*found, *step_rows(run, facts.progress)]
    why = [f"{escape(run.why.rstrip('.'), 240)}."] if run.why else []
    told = [*checked(run), *warnings(plan)] if plan else []
    return [*found, *why, *told, *_kept(run), f"The schedule: {given_reason(run.request.reason, 100)}"]


def _kept(run: Run) -> list[str]:
    """Until when it stands, and why for longer than it was to."""
    drop = next((record for record in droppable(run) if record.step.drops is Do.SAVE), None)
    due = drop_due_at(run, drop) if drop is not None else None
    if drop is None or due is None:
        return []
    why = f": {escape(drop.words, 160)}" if drop.kept_until is not None else ""
    return [f"Kept until {date(due, run.end.at or due)}{why}"]
