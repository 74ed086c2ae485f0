"""*Details*: everything about a run, as a modal. Nothing is folded, and nothing is sent."""

from collections.abc import Sequence
from datetime import datetime

from bot.events import Event
from bot.model import Run
from bot.views.facts import CardFacts
from bot.views.limits import Block, View, code, cut, escape, link, mention, modal, sections
from bot.views.lines import event_words
from bot.views.plan import in_full
from bot.views.steps import finding_row, step_row
from bot.views.words import clock_seconds, people, state_words, target_name, utc


def details(
    run: Run, facts: CardFacts, events: Sequence[Event], earlier: Sequence[Run], now: datetime
) -> View:
    """Shows everything unfolded. The timeline, newest first, goes as far back as Slack has room."""
    blocks = [
        *sections(_identity(run, facts, now)),
        *(sections(["*Plan*", *in_full(run.plan, now)]) if run.plan else []),
        *_titled("What goes", [f"• {escape(line, 200)}" for leg in _legs(run) for line in leg]),
        *_titled("Steps", [step_row(run, record, facts.progress) for record in run.steps]),
        *_titled("Checks", [finding_row(finding, 300) for finding in run.findings]),
        *_titled("Earlier runs", [_earlier(one, now) for one in earlier[:10]]),
        *_titled("Timeline", [_line(event, run) for event in reversed(events)]),
    ]
    return modal(f"{run.id} · Details", blocks)


def _titled(title: str, rows: Sequence[str]) -> list[Block]:
    return sections([f"*{title}*", *rows]) if rows else []


def _legs(run: Run) -> list[tuple[str, ...]]:
    return [leg.changes for leg in run.plan.legs] if run.plan else []


def _identity(run: Run, facts: CardFacts, now: datetime) -> list[str]:
    why = escape(run.reason, 1_000) or "no reason given"
    rows = [
        f"*{run.id} · {target_name(run.target)} · {state_words(run)}*",
        f"Asked by {mention(run.requester.id)} {utc(run.requested_at, now)}: {why}",
        f"Plan {code(run.digest)}" if run.digest else "",
        f"Approved by {people(a.person for a in run.approvals)}" if run.approvals else "",
        f"Approve by {utc(run.approve_by, now)}" if run.approve_by else "",
        f"Owner: {escape(facts.owner, 100)}" if facts.owner else "",
        f"Contact: {mention(facts.point_of_contact)}" if facts.point_of_contact else "",
        f"{link(facts.url, 'The page of this run')}: for you, for 15 minutes" if facts.url else "",
    ]
    return [row for row in rows if row]


def _earlier(run: Run, now: datetime) -> str:
    at = utc(run.ended_at or run.requested_at, now)
    return f"• {run.id} {run.purpose.value} {state_words(run)} {at}"


def _line(event: Event, run: Run) -> str:
    return f"`{clock_seconds(event.at)}` {cut(event_words(event, run, mention, escape), 300)}"
