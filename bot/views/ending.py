"""What a card says at the end. The first line says what is live now, and whether customers can use it."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.loss import LONGEST_WARNING_CHARACTERS, deleted_people, people_return
from bot.made import has_made, may_be_live
from bot.model import Do, Kind, Left, LossQuality, Outcome, State, Unit, Verdict, When
from bot.run import Run, StepRecord
from bot.views.decision import proposal_rows
from bot.views.facts import CardFacts
from bot.views.limits import code, escape, mention
from bot.views.live import customers, goal, live, maintenance_unclear, restored_at, where
from bot.views.loss import removed
from bot.views.plan import current_name, goes_back, was_live
from bot.views.steps import KEPT_COPY, check_rows, passed
from bot.views.words import (
    clock,
    clock_seconds,
    date,
    duration,
    given_reason,
    target_name,
    utc,
    version,
    window,
)

PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,39}")  # longer, it would be cut off
_UNTOUCHED: Mapping[State, str] = {
    State.REFUSED: "🚫 Refused",
    State.VETOED: "🚫 Rejected",
    State.EXPIRED: "⌛ Not approved in time",
    State.VOID: "⚪ Not started",
    State.CANCELLED: "⚪ Cancelled",
}


def headline(run: Run, now: datetime) -> str:
    if run.end.superseded_by is not None:
        return _superseded_headline(run, now)
    match run.state:
        case State.SUCCEEDED:
            return _succeeded_headline(run, now)
        case State.FAILED:
            return _failed_headline(run, now)
        case _ if run.work.forgotten:
            return f"🟥 NOT KNOWN what happened since the backup: {where(run)}"
        case state:
            return f"{_UNTOUCHED[state]}: {where(run)} {_last_seen(run, now)}"


def _succeeded_headline(run: Run, now: datetime) -> str:
    if run.work.overridden:
        return f"🟥 {where(run)} is at {goal(run, now)}{_online(run)}, NOT verified"
    return f"✅ {where(run)} is back at {goal(run, now)}{_online(run)}"


def _superseded_headline(run: Run, now: datetime) -> str:
    point = version(run.end.superseded_point)
    since = f" since {clock(run.end.superseded_at, now)}" if run.end.superseded_at else ""
    return f"☑️ {where(run)} is at {point}{since}, by {escape(run.end.superseded_by or '', 20)}"


def _online(run: Run) -> str:
    """Online is said only after somebody has looked from outside."""
    online = [finding for finding in run.work.findings if finding.when is When.ONLINE]
    if online and all(finding.verdict is Verdict.PASSED for finding in online):
        return " and online"
    out = " and out of maintenance" if run.work.maintenance_until else ""
    return f"{out}, not looked at online"


def _last_seen(run: Run, now: datetime) -> str:
    """Says what the last look at the target found, and when that was: never more."""
    plan = run.approval.planned
    if plan is None:
        return "was not touched"
    seen = next((s.current for s in run.end.seen if s.target == plan.target), None)
    at = clock(run.end.at, now) if seen and run.end.at else clock(plan.made_at, now)
    if seen is None or seen.token == plan.current.token:
        return f"as it was, {current_name(seen or plan.current)} at {at} UTC"
    return f"is at {current_name(seen)} ({at} UTC), was {current_name(plan.current)}"


def _failed_headline(run: Run, now: datetime) -> str:
    match run.work.live:
        case Left.BEFORE:
            what = f"🟥 Not rolled back: {where(run)} {_stays(run)}"
        case Left.POINT if run.work.verdict is Verdict.PASSED:
            what = f"🟥 Ended early: {where(run)} is at {goal(run, now)}"
        case Left.POINT:
            what = f"🟥 {where(run)} is at {goal(run, now)}, NOT verified"
        case Left.PARTIAL:
            what = f"🟥 Rolled back only IN PART: {where(run)}"
        case _:
            what = f"🟥 NOT KNOWN what is live: {where(run)}"
    return f"{what}, {_usable(run)}"


def _usable(run: Run) -> str:
    if maintenance_unclear(run):
        return "NOT KNOWN whether customers see maintenance"
    return "customers see MAINTENANCE" if run.work.in_maintenance else "no maintenance is on"


def _stays(run: Run) -> str:
    """Says that nothing was restored, by what the backend said of its own effects."""
    if run.approval.planned is not None and run.approval.plan.kind is Kind.SYSTEM:
        return f"stays at {was_live(run.approval.plan)}"
    return "is unchanged"


def rows(run: Run, facts: CardFacts, now: datetime) -> list[str]:
    if run.end.superseded_by is not None:
        return [_had_brought(run, now), *_done_by(run, now)]
    match run.state:
        case State.SUCCEEDED:
            return _succeeded_rows(run, facts, now)
        case State.FAILED:
            return _failed_rows(run, facts, now)
        case _:
            return _untouched_rows(run, facts, now)


def _had_brought(run: Run, now: datetime) -> str:
    since, until = run.work.maintenance_until or restored_at(run), run.end.superseded_at
    span = f", {window(since, until, now)}" if since and until else ""
    return f"{run.id} had brought {goal(run, now)}{span}"


# Succeeded -------------------------------------------------------------------------------------


def _succeeded_rows(run: Run, facts: CardFacts, now: datetime) -> list[str]:
    return [
        _times(run, now),
        _removed(run, now),
        *_erase_again(run),
        *_checked(run),
        *[f"Still open: {escape(hold, 90)}" for hold in facts.holds[:2]],
        *copies(run),
        *_done_by(run, now),
        *_way_back(run, now),
    ]


def _times(run: Run, now: datetime) -> str:
    if run.work.maintenance_since and run.work.maintenance_until:
        lasted = (run.work.maintenance_until - run.work.maintenance_since).total_seconds()
        return f"Out of maintenance since {utc(run.work.maintenance_until, now)}, after {duration(lasted)}"
    if run.work.started_at and run.end.at:
        took = duration((run.end.at - run.work.started_at).total_seconds())
        return f"Done {utc(run.end.at, now)} in {took}, without maintenance"
    return ""


def _removed(run: Run, now: datetime) -> str:
    loss = run.work.loss or (run.approval.plan.loss if run.approval.planned else None)
    if loss is None or loss.quality is LossQuality.NONE or run.approval.planned is None:
        return ". ".join([*([removed(loss, now)] if loss else []), *_kept_alone(run)])
    since, until = loss.since, run.work.maintenance_since or run.work.started_at
    span = f" ({window(since, until, now)})" if since and until else ""
    kept = _kept(run)
    return f"{removed(loss, now)}{span}" + (f"; {kept}" if kept else "")


def _erase_again(run: Run) -> list[str]:
    """Says who was deleted and is back, and how somebody with a shell finds out who that is."""
    loss = run.work.loss or (run.approval.plan.loss if run.approval.planned else None)
    returned = people_return(loss.units) if loss is not None and run.work.live is Left.POINT else ()
    if not returned:
        return []
    who = escape(deleted_people(returned, LONGEST_WARNING_CHARACTERS), LONGEST_WARNING_CHARACTERS)
    them = "it" if sum(unit.count for unit in returned) == 1 else "them"
    return [f"⚠️ {who} returned, erase {them} again: {code(_lists(run, returned))}"]


def _lists(run: Run, returned: Sequence[Unit]) -> str:
    """A command to copy. It names the one table, unless a shell would take the name for something else."""
    (first, *others), alone = returned, len(run.approval.plan.legs) == 1
    table = f" --table {first.name}" if alone and not others and PLAIN.fullmatch(first.name) else ""
    return f"rollback-bot removed {run.id}{table}"


def _kept(run: Run) -> str:
    """Says what became of the undo point, or how long it is kept."""
    target = run.request.target
    if run.approval.planned is None or target not in run.work.undo_points:
        return ""
    name = code(run.work.undo_points[target], 30)
    ended_at = run.end.at or run.approval.plan.made_at
    drop = next((r for r in run.work.steps if r.step.drops is Do.SAVE and r.step.target == target), None)
    match drop:
        case StepRecord(outcome=Outcome.SUCCEEDED, ended_at=datetime() as at):
            return f"its undo point was dropped {date(at, ended_at)}"
        case StepRecord(outcome=None, kept_until=datetime() as until):
            why = escape(drop.words, 120).rstrip(".")
            return f"its undo point {name} is kept until {date(until, ended_at)} at least: {why}"
        case StepRecord(outcome=Outcome.FAILED | Outcome.LOST):
            return f"its undo point {name} could not be dropped: {escape(drop.words, 120)}"
        case _:
            until = run.approval.plan.undo_until(ended_at)
            then = ", then it is dropped" if drop is not None else ""
            return f"kept in undo point {name} until {date(until, ended_at)}{then}"


def _kept_alone(run: Run) -> list[str]:
    """Says only what is deleted some day, or was, when no loss is told."""
    kept = _kept(run) if any(record.step.drops is Do.SAVE for record in run.work.steps) else ""
    return [kept[0].upper() + kept[1:]] if kept else []


def _checked(run: Run) -> list[str]:
    if not run.work.findings:
        return ["Checked: nothing, no checks are declared"]
    if run.work.verdict is Verdict.PASSED:
        return [f"Checked: {passed(run.work.findings)}"]
    return ["Put online against its checks, by two people:", *check_rows(run)]


def _done_by(run: Run, now: datetime) -> list[str]:
    asked = f"{mention(run.request.requester.id)} asked {clock(run.request.at, now)}"
    approved = [f"{mention(a.person)} approved {clock(a.at, now)}" for a in run.approval.given]
    return [" · ".join([asked, *approved])]


def _way_back(run: Run, now: datetime) -> list[str]:
    if run.end.undone_by:
        return [f"↩️ {escape(run.end.undone_by, 20)} undoes this: see its card"]
    if not run.can_be_undone(now):
        return []
    touches = run.approval.planned is not None and run.approval.plan.loss.quality is not LossQuality.NONE
    since = None if run.work.in_maintenance else run.work.maintenance_until or restored_at(run)
    return [f"*Undo* loses what was written since {utc(since, now)}"] if since and touches else []


# Failed ----------------------------------------------------------------------------------------


def _failed_rows(run: Run, facts: CardFacts, now: datetime) -> list[str]:
    return [
        *_stands(run, now),
        *_why_failed(run, now),
        *_kept_alone(run),
        *copies(run),
        *_erase_again(run),
        *(check_rows(run) if run.work.findings else []),
        *_leaving(run),
        *proposal_rows(run, now),
        *[f"Still open: {escape(hold, 90)}" for hold in facts.holds[:2]],
        *_done_by(run, now),
        *_way_back(run, now),
    ]


def _stands(run: Run, now: datetime) -> list[str]:
    """Since when; the headline has said what."""
    return (
        [customers(run, now)]
        if run.work.live is Left.UNKNOWN
        else [f"{live(run, now)}. {customers(run, now)}"]
    )


def _why_failed(run: Run, now: datetime) -> list[str]:
    ended = f" {utc(run.end.at, now)}" if run.end.at else ""
    if run.end.by:
        return [f"Ended by {mention(run.end.by)}{ended}: {given_reason(run.why)}"]
    return [f"❌ {escape(run.why, 160) or 'the backend did not say why'}"]


def _leaving(run: Run) -> list[str]:
    if not run.work.in_maintenance:
        return []
    if run.end.leave_agreed:
        return ["▶️ Taking maintenance off, as two people said"]
    return ["*Leave maintenance* puts it online as it is: reason, two people"]


# Nothing was touched ---------------------------------------------------------------------------


def _untouched_rows(run: Run, facts: CardFacts, now: datetime) -> list[str]:
    who = mention(run.request.requester.id)
    asked = f"No maintenance was put on · {who} asked {utc(run.request.at, now)}"
    wanted = [goes_back(run.approval.plan, now)] if run.approval.planned else []
    reason = f"{asked}: {given_reason(run.request.reason)}"
    return [*why_untouched(run, now), *wanted, *copies(run), reason]


def copies(run: Run) -> list[str]:
    """Says what became of copies that nobody switched to."""
    return [
        _copy(run, record)
        for record in run.work.steps
        if record.step.drops is Do.PREPARE
        and (has_made(run, record.step) or may_be_live(run, record.step.target))
    ]


def _copy(run: Run, drop: StepRecord) -> str:
    name = target_name(drop.step.target)
    if may_be_live(run, drop.step.target):
        return f"⚠️ The copy beside {name} {KEPT_COPY}"
    match drop.outcome:
        case Outcome.SUCCEEDED:
            when = f" {clock_seconds(drop.ended_at)}" if drop.ended_at else ""
            return f"The copy beside {name} was dropped{when}"
        case None if drop.kept_until is None:
            return f"▶️ The copy beside {name} is dropped"
        case None:
            return f"⚠️ The copy beside {name} still stands: {escape(drop.words, 100)}"
        case _:
            return f"⚠️ The copy beside {name} could not be dropped: {escape(drop.words, 100)}"


def why_untouched(run: Run, now: datetime) -> list[str]:
    when = f" {utc(run.end.at, now)}" if run.end.at else ""
    match run.state:
        case State.VETOED:
            return [f"{mention(run.end.by)} rejected it{when}: {given_reason(run.why)}"]
        case State.CANCELLED:
            why = f": {given_reason(run.why)}" if run.why else ""
            return [f"{mention(run.end.by)} cancelled it{when}{why}"]
        case State.EXPIRED if not run.why:
            return [_why_expired(run, now)]
        case _:
            return [escape(run.why, 240)] if run.why else []


def _why_expired(run: Run, now: datetime) -> str:
    if run.approval.planned is None:
        return "No plan could be made: the target did not answer in time"
    if run.approval.start_by is not None:
        return f"Approved, but it could not start by {utc(run.approval.start_by, now)}"
    if run.approval.approve_by is None:
        return "The card could not be posted in time"
    given, needed = len(run.approval.given), run.approval.plan.approvals_needed
    count = f"Only {given} of {needed} people" if given else "Nobody"
    return f"{count} approved by {utc(run.approval.approve_by, now)}"
