"""App Home: a plain list of what awaits me and what runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.duties import Duty
from bot.model import State
from bot.run import Run
from bot.views import reminder
from bot.views.limits import View, context, escape, header, home_tab, link, sections
from bot.views.reminder import DutyFacts
from bot.views.words import deed, state_words, utc


@dataclass(frozen=True, slots=True)
class Linked:
    """A run and where its card stands; None: not posted, or not to be seen."""

    run: Run
    url: str | None = None


def home(
    awaiting: Sequence[Linked],
    running: Sequence[Linked],
    due: Sequence[tuple[Duty, DutyFacts]],
    now: datetime,
) -> View:
    """`due`: what is due of what this person owns; nothing is said where nothing is."""
    drills = [header("Yours to do"), *reminder.each(due, now)] if due else []
    return home_tab(
        [
            header("Awaits you"),
            *sections(_rows(awaiting, now) or ["Nothing."]),
            header("Runs now"),
            *sections(_rows(running, now) or ["Nothing."]),
            *drills,
            context(f"As of {utc(now, now)}. To ask for a rollback, type `/rollback` in a channel."),
        ]
    )


def _rows(items: Sequence[Linked], now: datetime) -> list[str]:
    return [f"• {line(item, now)}" for item in items]


def line(item: Linked, now: datetime) -> str:
    """`RB-42 Roll back orders · awaiting approval by 03:32 UTC`."""
    run = item.run
    until = (
        f" by {utc(run.approval.approve_by, now)}"
        if run.state is State.AWAITING_APPROVAL and run.approval.approve_by
        else ""
    )
    ended = f" {utc(run.end.at, now)}" if run.end.at else ""
    return f"{link(item.url, escape(run.id, 20))} {deed(run)} · {state_words(run)}{until}{ended}"
