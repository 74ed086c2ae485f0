"""Draws what people learnt from a drill: the form in which they write it down, and what cards show of it."""

from collections.abc import Sequence
from datetime import datetime

from bot.duties import FOLLOWED_UP_WITHIN
from bot.lessons import Lessons
from bot.model import Verdict
from bot.presses.learn import LESSONS
from bot.run import Run
from bot.views.facts import CardFacts
from bot.views.limits import (
    Block,
    View,
    context,
    date_picker,
    entry,
    escape,
    mention,
    modal,
    people_select,
    person_select,
    section,
    text_input,
    unmarked,
)
from bot.views.steps import finding_row
from bot.views.words import date, people, target_name

WORDS_CHARACTERS = 500  # of one answer
TO_DO_CHARACTERS = 200
ON_THE_CARD_CHARACTERS = 120


def form(run: Run, facts: CardFacts, metadata: str, now: datetime) -> View:
    """Shows what was written down before. On a drill that failed it begins with what the checks said."""
    known = run.end.lessons or Lessons(deviation=_failed(run), participants=(run.request.requester.id,))
    due = known.due or now + FOLLOWED_UP_WITHIN
    blocks = [
        section(f"*Drill {run.id} · {target_name(run.request.drilled)}: what we learnt*"),
        _words("deviation", "Otherwise than expected", known.deviation),
        _words("why", "Why", known.why),
        _optional("participants", "Who took part", people_select("participants", known.participants)),
        _words("assumption", "We believed", known.assumption),
        _optional("to_do", "To do", text_input("to_do", initial=known.to_do, longest=TO_DO_CHARACTERS)),
        _optional("owner", "Who does it", person_select("owner", known.owner)),
        _optional("due", "By", date_picker("due", due.date())),
        *_closing(run, known),
    ]
    return modal(
        f"{run.id} · What we learnt",
        blocks,
        callback_id=LESSONS.callback_id,
        submit="Save",
        close="Not now",
        metadata=metadata,
    )


def _words(action_id: str, label: str, known: str) -> Block:
    words = text_input(action_id, initial=known, multiline=True, longest=WORDS_CHARACTERS)
    return _optional(action_id, label, words)


def _optional(action_id: str, label: str, element: Block) -> Block:
    return entry(action_id, label, element, optional=True)


def _closing(run: Run, known: Lessons) -> Sequence[Block]:
    """Offers to close what is to be done once there is something."""
    if not known.to_do and run.work.verdict is not Verdict.FAILED:
        return (context("What is to be done is closed by the next drill that passes."),)
    closed = text_input("closed", initial=known.closed, longest=TO_DO_CHARACTERS)
    hint = "Closed by the next drill that passes, or by you with a reason."
    return (entry("closed", "Nothing is to be done any more, because", closed, optional=True, hint=hint),)


def _failed(run: Run) -> str:
    said = [
        finding_row(found, WORDS_CHARACTERS) for found in run.work.findings if found.verdict is Verdict.FAILED
    ]
    return unmarked("; ".join(said))


def rows(run: Run) -> list[str]:
    """Returns what a card shows: what was otherwise than expected, until that is closed, and what follows."""
    lessons = run.end.lessons
    still_open = lessons is not None and not lessons.closed
    deviation = escape(lessons.deviation, ON_THE_CARD_CHARACTERS) if lessons and still_open else ""
    return [f"Otherwise than expected: {deviation}" if deviation else "", follow_up(run)]


def follow_up(run: Run) -> str:
    """Returns what is to be done after a drill, by whom and when. Empty: nothing."""
    lessons, failed = run.end.lessons, run.work.verdict is Verdict.FAILED
    ended_at = run.end.at or run.end.lessons_at
    if lessons and lessons.closed and run.end.lessons_at and ended_at:
        by = f"{date(run.end.lessons_at, ended_at)} by {mention(run.end.lessons_by)}"
        return f"Follow-up closed {by}: {escape(lessons.closed, ON_THE_CARD_CHARACTERS)}"
    if lessons and lessons.to_do and lessons.due:
        what = escape(lessons.to_do, ON_THE_CARD_CHARACTERS)
        return f"Follow-up: {mention(lessons.owner)}, by {date(lessons.due, ended_at or lessons.due)}: {what}"
    if failed and run.end.at:
        return f"Follow-up: by {date(run.end.at + FOLLOWED_UP_WITHIN, run.end.at)}, or until a drill passes"
    return ""


def in_full(run: Run) -> list[str]:
    """Returns a row for each thing that was written down."""
    lessons = run.end.lessons
    if lessons is None or run.end.lessons_at is None:
        return []
    took_part = f"Took part: {people(lessons.participants)}" if lessons.participants else ""
    said = (
        ("Otherwise than expected", lessons.deviation),
        ("Why", lessons.why),
        ("We believed", lessons.assumption),
    )
    written = [f"{label}: {escape(words, WORDS_CHARACTERS)}" for label, words in said if words]
    when = date(run.end.lessons_at, run.end.at or run.end.lessons_at)
    by = f"Written down {when} by {mention(run.end.lessons_by)}"
    return [row for row in (*written, took_part, follow_up(run), by) if row]
