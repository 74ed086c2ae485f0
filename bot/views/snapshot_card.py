"""Draws the card of a snapshot: the state as of a moment, copied beside its target for whoever audits.

It shows the moment that was asked for, the moment of the state, and what lies between. Where the copy stands
is told to nobody but who asked: `address`.
"""

from datetime import datetime

from bot.contents import Contents
from bot.looking import contents_of
from bot.made import drop_due_at, droppable, has_copy, is_copy_gone
from bot.model import (
    Do,
    Outcome,
    Plan,
    State,
    Verdict,
)
from bot.run import Run
from bot.views.ending import copies, why_untouched
from bot.views.facts import CardFacts
from bot.views.limits import MessageContent, code, escape, mention, message, section
from bot.views.plan import state_shown, warnings
from bot.views.steps import finding_row, step_rows
from bot.views.words import (
    clock,
    date,
    day_and_clock,
    drill_words,
    duration,
    given_reason,
    local,
    not_begun,
    target_name,
    utc,
)

TABLES_NAMED = 3
REASON_CHARACTERS = 100


def headline(run: Run, now: datetime) -> str:
    what = f"{target_name(run.request.target)}{_environment(run)}"
    match run.state:
        case State.SUCCEEDED:
            return _made_headline(run, what, now)
        case State.FAILED | State.PAUSED | State.STUCK:
            failed = run.work.verdict is Verdict.FAILED
            return (
                f"❌ The copy of {what} is NOT its restore point" if failed else f"⚪ No snapshot of {what}"
            )
        case State.RUNNING:
            return f"▶️ Copying {what} {_as_of(run)}"
        case State.APPROVED:
            return f"⏳ Approved: copy {what} {_as_of(run)}"
        case _:
            return not_begun(run) or f"⏳ Copy {what} {_as_of(run)}?"


def _environment(run: Run) -> str:
    return f" · {escape(run.approval.plan.environment.upper(), 20)}" if run.approval.planned else ""


def _as_of(run: Run) -> str:
    return f"as of {day_and_clock(run.request.goal.as_of)}" if run.request.goal.as_of else ""


def _made_headline(run: Run, what: str, now: datetime) -> str:
    of = f"{what} as of {state_shown(run.approval.plan)}"
    if is_copy_gone(run):
        return f"📄 {of}: the copy is gone, its manifest stays"
    if not has_copy(run):
        return f"📄 {of}: the copy is to go, its manifest stays"
    seen = f" {clock(run.work.looked_at, now)}" if run.work.looked_at else ""
    match run.work.verdict:
        case Verdict.PASSED:
            return f"📄 {of}: copied, verified{seen}"
        case Verdict.FAILED:
            return f"❌ {of}: the copy is NOT as it was made, seen{seen}"
        case _:
            return f"❔ {of}: nobody can say whether the copy is what its manifest says"


def rows(run: Run, facts: CardFacts, now: datetime) -> list[str]:
    plan = run.approval.planned
    if plan is None:
        said = f"{escape(run.why.rstrip('.'), 240)}." if run.why else "Reading restore points…"
        return [said, _asked(run)]
    return [
        *_moments(plan, now),
        *_how_far(run, facts, now),
        *(holds(run) if run.state is State.SUCCEEDED else []),
        *_handed_over(run),
        *(_end(run, now) if run.state.final else []),
        _asked(run),
    ]


def terms(plan: Plan, now: datetime) -> list[str]:
    """Returns what an approver agrees to."""
    return [
        *_moments(plan, now),
        f"Read-only, beside: {escape(plan.environment.upper(), 20)} is not touched",
        _kept(plan),
        *_given_away(plan),
        *([f"⚠️ {drill_words(plan.point, now)}"] if plan.point.failed_at else []),
        *warnings(plan),
        "Where it stands is told to who asks alone",
    ]


def _kept(plan: Plan) -> str:
    if not any(step.do is Do.DROP for step in plan.steps):
        return ""
    return f"The copy is dropped after {duration(plan.keep)}; its manifest and the evidence stay"


def _given_away(plan: Plan) -> list[str]:
    """Returns to whom the copy goes: what is given away is out of our hands."""
    return [
        f"Verified, it is handed over {escape(step.text, 60)}; what is given away is not dropped by the bot"
        for step in plan.steps
        if step.do is Do.HAND_OVER
    ]


def _handed_over(run: Run) -> list[str]:
    return [
        f"Handed over {escape(record.step.text, 60)} {day_and_clock(record.ended_at)}"
        for record in run.work.steps
        if record.step.do is Do.HAND_OVER and record.outcome is Outcome.SUCCEEDED and record.ended_at
    ]


def _moments(plan: Plan, now: datetime) -> list[str]:
    asked = f"Asked as of {day_and_clock(plan.as_of)} ({local(plan.as_of, now)})" if plan.as_of else ""
    return [asked, f"Nearest before: {state_shown(plan)}{_gap(plan)}"]


def _gap(plan: Plan) -> str:
    """Returns what is not in it: what was written between the state and the moment asked for."""
    if plan.as_of is None or plan.point.at is None:
        return ""
    between = (plan.as_of - plan.point.at).total_seconds()
    return f"; what was written in the {duration(between)} between is NOT in it" if between > 0 else ""


def _how_far(run: Run, facts: CardFacts, now: datetime) -> list[str]:
    match run.state:
        case State.RUNNING:
            return step_rows(run, facts.progress)
        case State.FAILED | State.PAUSED | State.STUCK:
            return [f"❌ {escape(run.why, 160) or 'the backend did not say why'}"]
        case State.SUCCEEDED if run.work.look_due and has_copy(run):
            return ["Looking at the copy again…"]
        case State.SUCCEEDED:
            return [finding_row(f, 160) for f in run.work.findings if f.verdict is not Verdict.PASSED]
        case state if state.final:
            return why_untouched(run, now)
        case _:
            waits = f"⚠️ {escape(run.why, 200).rstrip('.')}. Nothing was begun; it is tried again"
            return [waits] if run.why else []


def holds(run: Run) -> list[str]:
    """`31,114 orders, 902 refunds · schema 51d0c3aa`; what was not counted is not said."""
    contents = contents_of(run)
    if not isinstance(contents, Contents):
        return []
    largest = sorted(contents.tables.items(), key=lambda table: (-table[1].count, table[0]))
    named = [f"{rows.count:,} {escape(name, 30)}" for name, rows in largest[:TABLES_NAMED]]
    more = len(largest) - len(named)
    named += [f"{more} more {'table' if more == 1 else 'tables'}"] if more else []
    schema = f" · schema {code(contents.schema[:8])}" if contents.schema else ""
    return [f"{', '.join(named)}{schema}"]


def _end(run: Run, now: datetime) -> list[str]:
    waiting = next((drop for drop in droppable(run) if drop.kept_until is None and not drop.due), None)
    until = drop_due_at(run, waiting) if waiting is not None else None
    if until is None or until <= now:
        return copies(run)
    return [f"The copy is dropped {date(until, now)}; its manifest and the evidence stay"]


def _asked(run: Run) -> str:
    return f"{mention(run.request.requester.id)}: {given_reason(run.request.reason, REASON_CHARACTERS)}"


def lock_screen(run: Run, plan: Plan, now: datetime) -> str:
    """Says who asks, what, until when: complete without the blocks."""
    who, what = escape(run.request.requester.name, 40), f"{target_name(plan.target)}{_environment(run)}"
    until = f" Approve by {utc(run.approval.approve_by, now)}." if run.approval.approve_by else ""
    return f"{who} asks: copy {what} {_as_of(run)}. Nothing live is touched.{until} {run.id}"


def address(run: Run) -> MessageContent | None:
    """Tells who asked where the copy stands; None: its backend does not say."""
    where = run.work.copies_at.get(run.request.target, "")
    if not where:
        return None
    was_read = isinstance(contents_of(run), Contents)
    ours = "readable by the account that the bot runs under"
    readers = ours if was_read else "who can read it there is not known"
    of = f"{target_name(run.request.target)}{_environment(run)} as of {state_shown(run.approval.plan)}"
    gone = is_copy_gone(run)
    text = f"📄 The copy of {of} ({run.id})" + (" is gone" if gone else "")
    told = [f"It stands at {code(where, 400)} of the machine of the worker, {readers}."]
    check = "`python snapshot_check.py manifest.json COPY` says whether it is what the manifest says; "
    told += _handed_over(run)
    told += [f"{check}`rollback-bot snapshot manifest {run.id} --to DIR` writes both."]
    return message(text, [section(f"*{text}*", *([] if gone else told))])
