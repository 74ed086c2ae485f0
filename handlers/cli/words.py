"""What people get in a terminal: the same words as on the cards, as plain text. Times are UTC."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from bot.model import EFFECTS, Do, Finding, Plan, RestorePoint, Value
from bot.run import Run, StepRecord
from bot.suggesting import Offer, is_live
from bot.times import moment
from bot.views.lines import event_words
from bot.views.live import customers, live
from bot.views.plan import approvals, goes, in_full
from bot.views.reminder import row
from bot.views.steps import step_name
from bot.views.words import age, deed, number, state_words
from handlers.cli.output import aside, say, table
from handlers.cli.reading import DrillReport, RunReport, TargetReport
from handlers.web.run_page import in_a_line, plain
from storage.projection import Summary

NOT_KNOWN = "–"


def targets(found: Sequence[TargetReport]) -> None:
    rows = [
        (
            each.target.name,
            each.target.kind.value,
            each.target.environment,
            each.target.executor.type,
            (each.live.label or each.live.point) if each.live else NOT_KNOWN,
            ", ".join(each.held),
            each.open_run or NOT_KNOWN,
        )
        for each in found
    ]
    table(("target", "kind", "environment", "executor", "live, seen last", "on hold", "open run"), rows)


def drills(found: Sequence[DrillReport], now: datetime) -> None:
    say(*(plain(row(of.duty, of.facts, now), str) for of in found))


def points(offer: Offer, now: datetime) -> None:
    rows = [
        (
            point.id,
            moment(point.at) if point.at else NOT_KNOWN,
            age(point.at, now) if point.at else NOT_KNOWN,
            point.label if point.label != point.id else "",
            point.author or "",
            _mark(point, offer),
            _drill(point),
        )
        for point in offer.points.points
    ]
    table(("point", "of", "age", "label", "author", "", "drill"), rows)
    aside(*(f"left out: {why}" for why in offer.points.left_out))


def _mark(point: RestorePoint, offer: Offer) -> str:
    if is_live(point, offer.points):
        return "live now"
    if point.id == offer.suggested:
        return "suggested"
    run = offer.held.get(point.id)
    if run is not None:
        return f"on hold, taken back by {run}"
    run = offer.saved_before.get(point.id)
    return f"was live before {run}" if run is not None else ""


def _drill(point: RestorePoint) -> str:
    if point.failed_at is not None:
        return f"FAILED {point.failed_at:%Y-%m-%d}"
    return f"{point.proven_at:%Y-%m-%d}" if point.proven_at else NOT_KNOWN


def plan(of: Plan, code: str, now: datetime) -> None:
    """Blockers are said where they end the command."""
    say(f"{of.target} · {of.environment} · plan {code}")
    say(*(f"  {plain(row, str)}" for row in in_full(of, now) if not row.startswith("⛔")))
    say(*(f"  Goes: {plain(line, str)}" for leg in of.legs for line in goes(leg, now)))
    say(f"  Approvals needed: {approvals(of)}")


def runs(found: Sequence[Summary]) -> None:
    rows = [
        (
            summary.id,
            summary.target,
            summary.purpose.value,
            summary.state.value,
            summary.phase or NOT_KNOWN,
            summary.requester,
            moment(summary.requested_at),
        )
        for summary in found
    ]
    table(("run", "target", "purpose", "state", "phase", "requester", "asked"), rows)


# One run -------------------------------------------------------------------------------------------


def run(told: RunReport, now: datetime) -> None:
    of = told.run
    say(*_head(told, now))
    if steps := [_step(of, record) for record in of.work.steps if _changes_or_asks(record)]:
        say("")
        table(("step", "state", "outcome", "words"), steps)
    if of.work.findings:
        say("")
        table(
            ("check", "when", "verdict", "before", "after"), [_check(finding) for finding in of.work.findings]
        )
    say("")
    table(("event", "UTC", "what happened"), list(_events(told)))


def _head(told: RunReport, now: datetime) -> Iterator[str]:
    of = told.run
    phase = f" · {of.phase.value}" if of.phase else ""
    yield f"{of.id} · {_plain(of, deed(of))} · {state_words(of)}{phase}"
    if not of.is_beside:
        yield f"  {_plain(of, live(of, now))}. {_plain(of, customers(of, now))}."
    asked = f"  Asked by {_name(of, of.request.requester.id)} at {moment(of.request.at)}"
    yield f"{asked}: {of.request.reason}" if of.request.reason else f"{asked}, no reason given"
    for approval in of.approval.given:
        yield f"  Approved by {approval.person} at {moment(approval.at)}"
    if of.approval.planned:
        saves = f"saves {of.approval.plan.current.id}" if of.is_backup else ""
        yield f"  Plan {of.code}, {saves or f'back to {of.approval.plan.point.id}'}"
    if of.why:
        yield f"  {in_a_line(of.why)}"
    if told.url:
        yield f"  {told.url}"


def _changes_or_asks(record: StepRecord) -> bool:
    return record.step.do in EFFECTS or record.step.do is Do.CONFIRM


def _step(of: Run, record: StepRecord) -> tuple[str, str, str, str]:
    where = "" if record.step.target == of.request.target else f" of {record.step.target}"
    outcome = record.outcome.value if record.outcome else NOT_KNOWN
    words = record.words or record.step.text
    return (f"{step_name(of, record.step)}{where}", record.state.value, outcome, words)


def _check(finding: Finding) -> tuple[str, ...]:
    verdict = finding.verdict.value if finding.verdict else NOT_KNOWN
    return (finding.name, finding.when.value, verdict, _value(finding.before), _value(finding.value))


def _value(value: Value) -> str:
    return NOT_KNOWN if value is None else plain(number(value), str)


def _events(told: RunReport) -> Iterator[tuple[str, str, str]]:
    for event in told.events:
        words = event_words(event, told.run, lambda user: _name(told.run, user), in_a_line)
        yield str(event.seq), f"{event.at.astimezone(UTC):%H:%M:%S}", words


def _plain(of: Run, markup: str) -> str:
    return plain(markup, lambda user: _name(of, user))


def _name(of: Run, user: str) -> str:
    """Names who asked; for the others Slack would have to be asked."""
    return f"{of.request.requester.name} ({user})" if user == of.request.requester.id else user
