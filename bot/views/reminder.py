"""Draws the message that reminds somebody of what is due, and what has become of each of it since."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.duties import ABOUT_BACKUPS, AGAIN_AFTER, Duty, DutyKind
from bot.loss import noun
from bot.model import THE_SCHEDULE, Verdict
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
from bot.views.words import date, day_and_clock, duration, local, target_name, utc

START_BUTTON, LATER_BUTTON, HAND_OVER_BUTTON = "start_drill", "later", "hand_over"
BACKUP_BUTTON = "take_backup"
BUTTONS = (START_BUTTON, LATER_BUTTON, HAND_OVER_BUTTON, BACKUP_BUTTON)
LATER, HAND_OVER = "later_duty", "hand_over_duty"  # what their submissions are called
DUE = {DutyKind.DRILL: "drills", DutyKind.FOLLOW_UP: "follow-ups"}
SHOWN_DUTIES = 15  # two blocks each; `drills` lists all


@dataclass(frozen=True, slots=True)
class DutyFacts:
    """Holds what is known of a duty beside its row."""

    environment: str = ""  # empty: the target is not configured any more
    last: Run | None = None  # its newest drill that has shown something
    going_on: Run | None = None  # a drill of it that has not ended
    follows: Run | None = None  # the drill that has left it to do
    starts_at: datetime | None = None  # when it starts by itself; None: it does not
    rpo: float | None = None  # seconds
    backup_at: datetime | None = None  # when the clock takes the next one; None: it takes none
    backup_going_on: bool = False
    is_rehearsed: bool = False  # a drill of it restores another target, and copies nothing


def reminder(
    duties: Sequence[Duty], facts: Mapping[str, DutyFacts], command: str, late: timedelta, now: datetime
) -> MessageContent:
    """`facts` by the keys of the duties; `late`: how much later than its time the message comes."""
    waiting = [duty for duty in duties if _is_waiting(duty, now)]
    title = _title(waiting, len(duties))
    shown = [(duty, facts.get(duty.key, DutyFacts())) for duty in duties[:SHOWN_DUTIES]]
    blocks: list[Block] = [section(f"*{title}*"), *each(shown, now)]
    if (more := len(duties) - SHOWN_DUTIES) > 0:
        blocks.append(section(f"and {more} more: `{command} drills` lists them all"))
    blocks.append(context(_foot(waiting, facts, late, now)))
    return message(title, blocks)


def each(duties: Sequence[tuple[Duty, DutyFacts]], now: datetime) -> list[Block]:
    """Returns a row for each, with what can be done about it."""
    blocks: list[Block] = []
    for duty, of in duties:
        blocks.append(section(row(duty, of, now)))
        if _is_waiting(duty, now) and of.going_on is None:
            blocks += actions(duty.key, _buttons(duty, of))
    return blocks


def _is_waiting(duty: Duty, now: datetime) -> bool:
    return duty.done_at is None and duty.due_at <= now and not _is_put_off(duty, now)


def _is_put_off(duty: Duty, now: datetime) -> bool:
    return duty.put_off_by not in {None, THE_SCHEDULE.id} and duty.next_at > now


def _title(waiting: Sequence[Duty], of: int) -> str:
    if not of:
        return "☑️ An older reminder: a newer one says what is due now"
    if not waiting:
        return "☑️ Nothing of this is due now"
    counted = Counter(duty.kind for duty in waiting)
    due = [f"{n} {noun(name, n)}" for kind, name in DUE.items() if (n := counted[kind])]
    many = sum(counted[kind] for kind in DUE)
    said = [f"{' and '.join(due)} {'is' if many == 1 else 'are'} due"] if due else []
    lacking = sum(duty.kind is DutyKind.OLD_POINT and duty.newest_at is None for duty in waiting)
    if old := counted[DutyKind.OLD_POINT] - lacking:
        said.append(f"{old} newest restore {'point is' if old == 1 else 'points are'} too old")
    if lacking:
        have = "has" if lacking == 1 else "have"
        said.append(f"{lacking} {noun('targets', lacking)} {have} NO good backup")
    if failed := counted[DutyKind.FAILED_BACKUP]:
        said.append(f"{failed} {noun('backups', failed)} failed")
    return f"🔔 {', '.join(said)}"


def row(duty: Duty, of: DutyFacts, now: datetime) -> str:
    """`orders · PRODUCTION · last 12 Aug: restored, verified · due 10 Nov`, and what became of it."""
    place = f" · {escape(of.environment.upper(), 20)}" if of.environment else ""
    what = f"*{target_name(duty.target)}*{place}"
    if duty.kind is DutyKind.OLD_POINT:
        return f"{what} · {_how_old(duty, of, now)}{_backup(duty, of, now)}"
    if duty.kind is DutyKind.FAILED_BACKUP:
        return f"{what} · {_how_it_failed(duty, of, now)}{_backup(duty, of, now)}"
    if duty.kind is DutyKind.FOLLOW_UP:
        what += f" · {_left_to_do(duty, of.follows)}"
    else:
        what += f" · {last_drill(duty, of, now)}"
    return f"{what} · {_state(duty, of, now)}"


def _how_old(duty: Duty, of: DutyFacts, now: datetime) -> str:
    """Returns how old it is: what was written since is lost by going back now."""
    if duty.done_at is not None and duty.newest_at is None:
        return "☑️ no RPO is configured any more"
    if duty.done_at is not None:
        return f"✅ a newer restore point, seen {utc(duty.done_at, now)}"
    if (point := duty.newest_at) is None:
        allowed = "⚠️ there is NO good backup"
    else:
        old = f"⚠️ newest restore point {duration((now - point).total_seconds())} old"
        allowed = f"{old} (RPO {duration(of.rpo)}): what was written since {utc(point, now)} would be lost"
    if duty.put_off_by is not None and _is_put_off(duty, now):
        return f"{allowed} · {_put_off(duty, now)}"
    return f"{allowed}{_handed(duty)}"


def _how_it_failed(duty: Duty, of: DutyFacts, now: datetime) -> str:
    """`❌ the backup of 03:45 UTC failed: no room`, or that one was taken since."""
    if duty.done_at is not None:
        return f"✅ a backup was taken, {utc(duty.done_at, now)}"
    failed = of.follows
    if failed is None or failed.end.at is None:
        return "❌ a backup failed"
    why = escape(failed.why or failed.state.value, 160)
    said = f"❌ the backup of {utc(failed.request.at, now)} failed: {why}"
    if duty.put_off_by is not None and _is_put_off(duty, now):
        return f"{said} · {_put_off(duty, now)}"
    return f"{said}{_handed(duty)}"


def _backup(duty: Duty, of: DutyFacts, now: datetime) -> str:
    """When the clock takes the next one; empty: it takes none, or nobody waits for it."""
    if duty.done_at is not None or of.backup_at is None:
        return ""
    if of.backup_going_on:
        return " · ▶️ one is being taken"
    return f" · next one at {utc(max(of.backup_at, now), now)}"


def _put_off(duty: Duty, now: datetime) -> str:
    why, by = escape(duty.put_off_why, 80), mention(duty.put_off_by or "")
    return f"put off until {date(duty.next_at, now)} by {by}: {why}{_handed(duty)}"


def _handed(duty: Duty) -> str:
    return f", handed to {mention(duty.handed_to)}" if duty.handed_to else ""


def _left_to_do(duty: Duty, drill: Run | None) -> str:
    """In the words in which somebody has written it down."""
    run = escape(duty.run, 20)
    lessons = drill.end.lessons if drill else None
    if lessons is not None and lessons.to_do:
        return f"after drill {run}: {escape(lessons.to_do, 120)}"
    return f"drill {run} did NOT pass: what is to be done about it?"


def last_drill(duty: Duty, of: DutyFacts, now: datetime) -> str:
    if of.last is not None and of.last.end.at is not None:
        shown = f"last {date(of.last.end.at, now)}"
        failed = [found.name for found in of.last.work.findings if found.verdict is Verdict.FAILED]
        why = escape(", ".join(failed), 60)
        well = "planned only, nothing restored" if of.last.looks_only else "restored, verified"
        shown += f" on {target_name(of.last.request.target)}" if of.last.is_rehearsal else ""
        return f"{shown} *FAILED*: {why}" if failed else f"{shown}: {well}"
    return f"last {date(duty.passed_at, now)}: passed" if duty.passed_at else "never drilled"


def _state(duty: Duty, of: DutyFacts, now: datetime) -> str:
    if duty.done_at is not None:
        by = mention(duty.done_by) if duty.done_by[:1] in {"U", "W"} else escape(duty.done_by, 20)
        return f"✅ done {date(duty.done_at, now)}, {by}"
    if of.going_on is not None:
        return f"▶️ {escape(of.going_on.id, 20)} is under way"
    if duty.put_off_by is not None and _is_put_off(duty, now):
        return _put_off(duty, now)
    if duty.due_at > now:
        return f"✅ next by {date(duty.due_at, now)}"
    itself = ""
    if of.starts_at is not None:
        itself = f", starts by itself from {day_and_clock(of.starts_at)} ({local(of.starts_at, now)}) on"
    was_begun = duty.put_off_by == THE_SCHEDULE.id
    begun = f", {escape(duty.put_off_why, 20)} started by itself" if was_begun else ""
    why = f" after {escape(duty.because, 60)}" if duty.because else ""
    return f"due {date(duty.due_at, now)}{why}{_overdue(duty, now)}{_handed(duty)}{itself}{begun}"


def _overdue(duty: Duty, now: datetime) -> str:
    over = now - duty.due_at
    return f", {duration(over.total_seconds())} over" if over >= AGAIN_AFTER else ""


def _buttons(duty: Duty, of: DutyFacts) -> list[Block]:
    if duty.kind in ABOUT_BACKUPS:
        take = [button("Take one now", BACKUP_BUTTON, duty.key)] if of.backup_at else []
        quiet = button("Quiet until…", LATER_BUTTON, duty.key)
        return [*take, quiet, button("Hand over…", HAND_OVER_BUTTON, duty.key)]
    return [
        button("Start now", START_BUTTON, duty.key),
        button("Not now…" if of.starts_at else "Later…", LATER_BUTTON, duty.key),
        button("Hand over…", HAND_OVER_BUTTON, duty.key),
    ]


def _foot(waiting: Sequence[Duty], facts: Mapping[str, DutyFacts], late: timedelta, now: datetime) -> str:
    came_late = f"This comes {duration(late.total_seconds())} late. " if late else ""
    again = min((duty.next_at for duty in waiting), default=None)
    drills = [facts.get(duty.key, DutyFacts()) for duty in waiting if duty.kind in DUE]
    said = "A drill runs on a copy: what is live is not touched. " if drills or not waiting else ""
    if any(of.is_rehearsed for of in drills):
        said = "A rehearsal asks a second person, and restores the target that is there for it. "
    return f"{came_late}{said}" + (f"Next reminder {date(again, now)}" if again and again > now else "")


# Forms -------------------------------------------------------------------------------------------


def later(duty: Duty, of: DutyFacts, until_at_most: datetime, now: datetime) -> View:
    """Asks until when, and why."""
    latest = _at_most(until_at_most, now)
    until = entry("until", "Until", date_picker("until", until_at_most.date()), hint=latest)
    why = entry("reason", "Why", text_input("reason", multiline=True, longest=500))
    shown = [section(row(duty, of, now)), until, why]
    return modal("Later", shown, callback_id=LATER, submit="Put off", close="Not now", metadata=duty.key)


def _at_most(until: datetime, now: datetime) -> str:
    return f"{date(until, now)} at the latest. It shows in the message and in the list."


def hand_over(duty: Duty, of: DutyFacts, now: datetime) -> View:
    """Asks who is reminded from now on."""
    to = entry("to", "Who is reminded instead", person_select("to"))
    shown = [section(row(duty, of, now)), to]
    return modal(
        "Hand over", shown, callback_id=HAND_OVER, submit="Hand over", close="Not now", metadata=duty.key
    )
