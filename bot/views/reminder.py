"""Draws the message that reminds somebody of what is due, and what has become of each of it since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.duties import AGAIN_AFTER, Duty, DutyKind
from bot.loss import noun
from bot.model import Verdict
from bot.run import Run
from bot.views.limits import (
    Block,
    MessageContent,
    View,
    actions,
    button,
    context,
    date_picker,
    entry,
    escape,
    mention,
    message,
    modal,
    person_select,
    section,
    text_input,
)
from bot.views.words import date, duration, target_name

START_BUTTON, LATER_BUTTON, HAND_OVER_BUTTON = "start_drill", "later", "hand_over"
BUTTONS = (START_BUTTON, LATER_BUTTON, HAND_OVER_BUTTON)
LATER, HAND_OVER = "later_duty", "hand_over_duty"  # what their submissions are called
SHOWN_DUTIES = 15  # two blocks each; `drills` lists all


@dataclass(frozen=True, slots=True)
class DutyFacts:
    """What is known of a duty beside its row."""

    environment: str = ""  # empty: the target is not configured any more
    last: Run | None = None  # its newest drill that has shown something
    going_on: Run | None = None  # a drill of it that has not ended
    follows: Run | None = None  # the drill that has left it to do


def reminder(
    duties: Sequence[Duty], facts: Mapping[str, DutyFacts], command: str, late: timedelta, now: datetime
) -> MessageContent:
    """`facts` by the keys of the duties; `late`: how much later than its time the message comes."""
    waiting = [duty for duty in duties if _is_waiting(duty, now)]
    title = _title(waiting, len(duties))
    blocks: list[Block] = [section(f"*{title}*")]
    for duty in duties[:SHOWN_DUTIES]:
        of = facts.get(duty.key, DutyFacts())
        blocks.append(section(row(duty, of, now)))
        if duty in waiting and of.going_on is None:
            blocks += actions(duty.key, _buttons(duty))
    if (more := len(duties) - SHOWN_DUTIES) > 0:
        blocks.append(section(f"and {more} more: `{command} drills` lists them all"))
    blocks.append(context(_foot(waiting, late, now)))
    return message(title, blocks)


def _is_waiting(duty: Duty, now: datetime) -> bool:
    return duty.done_at is None and duty.due_at <= now and not _is_put_off(duty, now)


def _is_put_off(duty: Duty, now: datetime) -> bool:
    return duty.put_off_by is not None and duty.next_at > now


def _title(waiting: Sequence[Duty], of: int) -> str:
    if not of:
        return "☑️ An older reminder: a newer one says what is due now"
    if not waiting:
        return "☑️ Nothing of this is due now"
    drills = sum(duty.kind is DutyKind.DRILL for duty in waiting)
    left = len(waiting) - drills
    counted = (("drills", drills), ("follow-ups", left))
    said = [f"{count} {noun(name, count)}" for name, count in counted if count]
    return f"🔔 {' and '.join(said)} {'is' if len(waiting) == 1 else 'are'} due"


def row(duty: Duty, of: DutyFacts, now: datetime) -> str:
    """`orders · PRODUCTION · last 12 Aug: restored, verified · due 10 Nov`, and what became of it."""
    place = f" · {escape(of.environment.upper(), 20)}" if of.environment else ""
    what = f"*{target_name(duty.target)}*{place}"
    if duty.kind is DutyKind.FOLLOW_UP:
        what += f" · {_left_to_do(duty, of.follows)}"
    else:
        what += f" · {last_drill(duty, of)}"
    return f"{what} · {_state(duty, of, now)}"


def _left_to_do(duty: Duty, drill: Run | None) -> str:
    """In the words in which somebody has written it down."""
    run = escape(duty.run, 20)
    lessons = drill.end.lessons if drill else None
    if lessons is not None and lessons.to_do:
        return f"after drill {run}: {escape(lessons.to_do, 120)}"
    return f"drill {run} did NOT pass: what is to be done about it?"


def last_drill(duty: Duty, of: DutyFacts) -> str:
    if of.last is not None and of.last.end.at is not None:
        shown = f"last {date(of.last.end.at)}"
        failed = [found.name for found in of.last.work.findings if found.verdict is Verdict.FAILED]
        why = escape(", ".join(failed), 60)
        return f"{shown} *FAILED*: {why}" if failed else f"{shown}: restored, verified"
    return f"last {date(duty.passed_at)}: passed" if duty.passed_at else "never drilled"


def _state(duty: Duty, of: DutyFacts, now: datetime) -> str:
    handed = f", handed to {mention(duty.handed_to)}" if duty.handed_to else ""
    if duty.done_at is not None:
        by = mention(duty.done_by) if duty.done_by[:1] in {"U", "W"} else escape(duty.done_by, 20)
        return f"✅ done {date(duty.done_at)}, {by}"
    if of.going_on is not None:
        return f"▶️ {escape(of.going_on.id, 20)} is under way"
    if duty.put_off_by is not None and _is_put_off(duty, now):
        why = escape(duty.put_off_why, 80)
        return f"put off until {date(duty.next_at)} by {mention(duty.put_off_by)}: {why}{handed}"
    if duty.due_at > now:
        return f"✅ next by {date(duty.due_at)}"
    return f"due {date(duty.due_at)}{_overdue(duty, now)}{handed}"


def _overdue(duty: Duty, now: datetime) -> str:
    over = now - duty.due_at
    return f", {duration(over.total_seconds())} over" if over >= AGAIN_AFTER else ""


def _buttons(duty: Duty) -> list[Block]:
    return [
        button("Start now", START_BUTTON, duty.key),
        button("Later…", LATER_BUTTON, duty.key),
        button("Hand over…", HAND_OVER_BUTTON, duty.key),
    ]


def _foot(waiting: Sequence[Duty], late: timedelta, now: datetime) -> str:
    came_late = f"This comes {duration(late.total_seconds())} late. " if late else ""
    again = min((duty.next_at for duty in waiting), default=None)
    said = "A drill runs on a copy: what is live is not touched."
    return f"{came_late}{said}" + (f" Next reminder {date(again)}" if again and again > now else "")


# Forms -------------------------------------------------------------------------------------------


def later(duty: Duty, of: DutyFacts, until_at_most: datetime, now: datetime) -> View:
    """Asks until when, and why."""
    until = entry("until", "Until", date_picker("until", until_at_most.date()), hint=_at_most(until_at_most))
    why = entry("reason", "Why", text_input("reason", multiline=True, longest=500))
    shown = [section(row(duty, of, now)), until, why]
    return modal("Later", shown, callback_id=LATER, submit="Put off", close="Not now", metadata=duty.key)


def _at_most(until: datetime) -> str:
    return f"{date(until)} at the latest. It shows in the message and in the list."


def hand_over(duty: Duty, of: DutyFacts, now: datetime) -> View:
    """Asks who is reminded from now on."""
    to = entry("to", "Who is reminded instead", person_select("to"))
    shown = [section(row(duty, of, now)), to]
    return modal(
        "Hand over", shown, callback_id=HAND_OVER, submit="Hand over", close="Not now", metadata=duty.key
    )
