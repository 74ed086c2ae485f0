"""Draws the card of a drill: a restore point came back on a copy, or did not.

The first line says what was seen, as every card does; what is live was not touched, and that is said too.
"""

from datetime import datetime

from bot.made import drop_due_at, droppable
from bot.model import Do, Outcome, Plan, State, Verdict
from bot.run import Run, StepRecord
from bot.views import lessons
from bot.views.ending import copies, why_untouched
from bot.views.facts import CardFacts
from bot.views.limits import code, escape, mention
from bot.views.plan import goal_name, warnings
from bot.views.steps import check_rows, passed, step_rows
from bot.views.words import duration, given_reason, not_begun, target_name, utc

NAMED_AT_MOST = 4  # checks that did not look


def headline(run: Run, now: datetime) -> str:
    name = target_name(run.request.target)
    match run.state:
        case State.SUCCEEDED if run.looks_only and run.work.verdict is Verdict.PASSED:
            return f"☑️ Drill, planned only: a rollback of {name} could begin; nothing was restored"
        case State.SUCCEEDED if run.work.verdict is Verdict.PASSED:
            return f"✅ Drill: {name} came back on a copy, verified"
        case State.SUCCEEDED:
            return f"☑️ Drill: {name} was copied, and NOTHING was checked"
        case State.FAILED | State.PAUSED:
            return _failed_headline(run, name, now)
        case State.RUNNING:
            return f"▶️ Drill: {name}{_where(run)}"
        case State.STUCK:
            return f"🟥 NOT KNOWN: what became of the copy of {name}?"
        case _:
            return not_begun(run) or f"⏳ Drill: {name}{_where(run)}"


def _where(run: Run) -> str:
    if run.approval.planned is None:
        return ""
    return ", planned only" if run.looks_only else " on a copy"


def _failed_headline(run: Run, name: str, now: datetime) -> str:
    point = goal_name(run.approval.plan, now) if run.approval.planned else "its restore point"
    match run.work.verdict:
        case Verdict.FAILED if run.looks_only:
            return f"❌ Drill, planned only: a rollback of {name} to {point} could NOT begin"
        case Verdict.FAILED:
            return f"❌ Drill: {name} did NOT come back from {point}"
        case Verdict.INCONCLUSIVE:
            return f"❔ Drill: nobody can say whether {name} came back from {point}"
        case _:
            return f"⚪ Drill broken off: {name} was not tried from {point}"


def rows(run: Run, facts: CardFacts, now: datetime) -> list[str]:
    plan = run.approval.planned
    if plan is None:
        said = f"{escape(run.why.rstrip('.'), 240)}." if run.why else "Reading restore points…"
        return [said, untouched(run), _asked(run, now)]
    return [
        _point(run, plan, now),
        f"Taken to have happened: {escape(plan.scenario, 120)}" if plan.scenario else "",
        *_how_far(run, plan, facts, now),
        *checked(run),
        *warnings(plan),
        untouched(run),
        *(_copy(run, now) if run.state.final else []),
        *_what_follows(run),
        *(lessons.rows(run) if run.state.final else []),
        _asked(run, now),
    ]


def untouched(run: Run) -> str:
    where = escape(run.approval.plan.environment.upper(), 20) if run.approval.planned else "What is live"
    return f"{where} is not touched by a drill"


def _point(run: Run, plan: Plan, now: datetime) -> str:
    seed = run.request.goal.drawn
    chosen = "named" if seed is None else f"drawn by chance, seed {seed}"
    return f"{goal_name(plan, now)}, {chosen}"


def _how_far(run: Run, plan: Plan, facts: CardFacts, now: datetime) -> list[str]:
    if run.state is State.RUNNING:
        return step_rows(run, facts.progress)
    if not run.state.final:
        waits = f"⚠️ {escape(run.why, 200).rstrip('.')}. Nothing was begun; it is tried again"
        return [waits] if run.why else []
    copied = next((record for record in run.work.steps if record.step.do is Do.PREPARE), None)
    if copied is None:
        return why_untouched(run, now) if not run.work.findings else [_window(plan).removeprefix(" · ")]
    if copied.outcome is Outcome.SUCCEEDED:
        took = _seconds_of(copied)
        how_long = "" if took is None else f" in {duration(took)}"
        return [f"Restored on the copy{how_long} ({_objective(plan, took)}){_window(plan)}"]
    if run.state is State.FAILED:
        return [f"❌ {escape(run.why, 160) or 'the backend did not say why'}"]
    return why_untouched(run, now)


def _seconds_of(copied: StepRecord) -> float | None:
    if copied.started_at is None or copied.ended_at is None:
        return None
    return (copied.ended_at - copied.started_at).total_seconds()


def _objective(plan: Plan, took: float | None) -> str:
    if plan.rto is None:
        return "no RTO declared"
    longer = "⚠️ longer than the " if took is not None and took > plan.rto else ""
    return f"{longer}RTO {duration(plan.rto)}"


def _window(plan: Plan) -> str:
    """How old the newest restore point was: what was written since, a rollback would have lost."""
    if plan.freshest is None:
        return ""
    old = (plan.made_at - plan.freshest).total_seconds()
    if plan.rpo is None:
        return f" · newest point {duration(old)} old (no RPO declared)"
    longer = "⚠️ older than the " if old > plan.rpo else ""
    return f" · newest point {duration(old)} old ({longer}RPO {duration(plan.rpo)})"


def checked(run: Run) -> list[str]:
    """Names the checks that looked, and those that could not: nothing passes by being left out."""
    found = run.work.findings
    left = [escape(name, 24) for name in run.work.unchecked[:NAMED_AT_MOST]]
    more = len(run.work.unchecked) - len(left)
    left += [f"{more} more"] if more > 0 else []
    not_looked = f"Not on a copy: {', '.join(left)}" if left else ""
    if not found:
        return [not_looked]
    if run.work.verdict is Verdict.PASSED:
        return [f"Checked: {passed(found)}", not_looked]
    return [*check_rows(run), not_looked]


def _copy(run: Run, now: datetime) -> list[str]:
    """Says what becomes of the copy. That of a drill that failed is there for whoever wants to see why."""
    waiting = next((drop for drop in droppable(run) if drop.kept_until is None), None)
    until = drop_due_at(run, waiting) if waiting is not None and not waiting.due else None
    if until is None or until <= now:
        return copies(run)
    return [f"The copy is kept for a look until {utc(until, now)}"]


def _what_follows(run: Run) -> list[str]:
    """Says what a drill that failed means for the next rollback."""
    if not run.state.final or run.work.verdict is not Verdict.FAILED or run.looks_only:
        return []
    return [f"{code(run.approval.plan.point.id, 60)} is not suggested any more, until a drill of it passes"]


def _asked(run: Run, now: datetime) -> str:
    asked = f"{mention(run.request.requester.id)} asked {utc(run.request.at, now)}"
    return f"{asked}: {given_reason(run.request.reason, 100)}"
