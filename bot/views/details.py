"""*Details*: everything about a run, as a modal. Nothing is folded, and nothing is sent."""

from collections.abc import Sequence
from datetime import datetime

from bot.envelope import Event
from bot.run import Run
from bot.views import lessons
from bot.views.facts import CardFacts
from bot.views.limits import Block, View, code, cut, escape, link, mention, modal, sections
from bot.views.lines import event_words
from bot.views.plan import goes, in_full
from bot.views.steps import finding_row, step_row
from bot.views.words import clock_seconds, people, state_words, target_name, utc


def details(
    run: Run, facts: CardFacts, events: Sequence[Event], earlier: Sequence[Run], now: datetime
) -> View:
    """Shows everything unfolded. The timeline, newest first, goes as far back as Slack has room."""
    blocks = [
        *sections(_identity(run, facts, now)),
        *(sections(["*Plan*", *in_full(run.approval.plan, now)]) if run.approval.planned else []),
        *_titled("What goes", [f"• {line}" for line in _goes(run, now)]),
        *_titled("Steps", [step_row(run, record, facts.progress) for record in run.work.steps]),
        *_titled("Checks", [finding_row(finding, 300) for finding in run.work.findings]),
        *_titled("What was learnt", lessons.in_full(run)),
        *_titled("Earlier runs", [_earlier(one, now) for one in earlier[:10]]),
        *_titled("Timeline", [_line(event, run) for event in reversed(events)]),
    ]
    return modal(f"{run.id} · Details", blocks)


def _titled(title: str, rows: Sequence[str]) -> list[Block]:
    return sections([f"*{title}*", *rows]) if rows else []


def _goes(run: Run, now: datetime) -> list[str]:
    return [line for leg in run.approval.plan.legs for line in goes(leg, now)] if run.approval.planned else []


def _identity(run: Run, facts: CardFacts, now: datetime) -> list[str]:
    why = escape(run.request.reason, 1_000) or "no reason given"
    rows = [
        f"*{run.id} · {target_name(run.request.target)} · {state_words(run)}*",
        f"Asked by {mention(run.request.requester.id)} {utc(run.request.at, now)}: {why}",
        f"Plan {code(run.approval.digest)}" if run.approval.digest else "",
        f"Approved by {people(a.person for a in run.approval.given)}" if run.approval.given else "",
        f"Approve by {utc(run.approval.approve_by, now)}" if run.approval.approve_by else "",
        f"Owner: {escape(facts.owner, 100)}" if facts.owner else "",
        f"Contact: {mention(facts.point_of_contact)}" if facts.point_of_contact else "",
        f"{link(facts.url, 'The page of this run')}: for you, for 15 minutes" if facts.url else "",
    ]
    return [row for row in rows if row]


def _earlier(run: Run, now: datetime) -> str:
    at = utc(run.end.at or run.request.at, now)
    return f"• {run.id} {run.request.purpose.value} {state_words(run)} {at}"


def _line(event: Event, run: Run) -> str:
    return f"`{clock_seconds(event.at)}` {cut(event_words(event, run, mention, escape), 300)}"
