"""Draws the message that tells managers once a month what was taken back, drilled and left to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.duties import Duty, DutyKind
from bot.loss import noun
from bot.model import Purpose, State
from bot.views.limits import MessageContent, context, message, section
from bot.views.words import target_name

TARGETS_NAMED = 10
_NOT_BEGUN = frozenset({State.REFUSED, State.VETOED, State.EXPIRED, State.VOID, State.CANCELLED})


@dataclass(frozen=True, slots=True)
class Month:
    begins: datetime
    name: str  # `November 2026`, in the zone of the configuration


def digest(
    month: Month, runs: Mapping[tuple[Purpose, State], int], due: Sequence[Duty], command: str, now: datetime
) -> MessageContent:
    """`runs`: those that were asked for in the month, by purpose and state. `due`: what is open now."""
    title = f"📊 {month.name}: rollbacks and drills"
    rows = [
        _row("rollback", Purpose.ROLLBACK, runs),
        _row("undo", Purpose.UNDO, runs),
        _row("drill", Purpose.DRILL, runs),
        _row("rehearsal", Purpose.REHEARSAL, runs),
        _row("snapshot", Purpose.SNAPSHOT, runs),
        _row("backup", Purpose.BACKUP, runs),
        *_open(due, now),
    ]
    told = [row for row in rows if row] or ["Nothing was asked for, and nothing is due."]
    foot = context(f"As of {now:%d %b %Y} UTC. `{command} drills` lists what is due")
    return message(title, [section(f"*{title}*", *told), foot])


def _row(name: str, purpose: Purpose, runs: Mapping[tuple[Purpose, State], int]) -> str:
    of = {state: count for (each, state), count in runs.items() if each is purpose and count}
    if not (total := sum(of.values())):
        return ""
    parts = (
        ("ended well", of.get(State.SUCCEEDED, 0)),
        ("FAILED", of.get(State.FAILED, 0)),
        ("not begun", sum(count for state, count in of.items() if state in _NOT_BEGUN)),
        ("still open", sum(count for state, count in of.items() if not state.final)),
    )
    said = ", ".join(f"{count} {how}" for how, count in parts if count)
    return f"{total} {noun(f'{name}s', total)}: {said}"


def _open(due: Sequence[Duty], now: datetime) -> list[str]:
    over = [duty for duty in due if duty.done_at is None and duty.due_at <= now]
    kinds = (
        (DutyKind.DRILL, "Drills that are due"),
        (DutyKind.FOLLOW_UP, "Follow-ups that are due"),
        (DutyKind.OLD_POINT, "Newest backup older than the RPO, or none"),
        (DutyKind.FAILED_BACKUP, "The newest backup failed"),
    )
    return [
        f"⚠️ {title}: {_targets([duty.target for duty in over if duty.kind is kind])}"
        for kind, title in kinds
        if any(duty.kind is kind for duty in over)
    ]


def _targets(names: Sequence[str]) -> str:
    each = list(dict.fromkeys(names))
    more = len(each) - TARGETS_NAMED
    return ", ".join(map(target_name, each[:TARGETS_NAMED])) + (f" and {more} more" if more > 0 else "")
