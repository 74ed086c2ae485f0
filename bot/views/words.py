"""How times, durations, sizes, people and things are said. Everything here returns markup.

Not known is said as not known, never as zero.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from bot.contents import Contents
from bot.model import (
    Purpose,
    RestorePoint,
    State,
    Value,
)
from bot.run import Run
from bot.spelling import listed
from bot.times import is_of_the_future
from bot.views.limits import escape, mention

IN_THE_FUTURE = "dated in the future"
NOT_KNOWN = "not known"
NEAR = timedelta(hours=3)  # on the other side of midnight, and still no need for a date
ONE_YEAR_MEANT = timedelta(days=300)  # so near the year goes without saying
BYTES = frozenset({"bytes", "B"})  # units of progress that are said as sizes
_HASH = re.compile(r"[0-9a-f]{40,64}")


# Times -----------------------------------------------------------------------------------------


def clock(at: datetime, now: datetime) -> str:
    """`02:45`, with the date unless it is today or near. UTC, where a row before has said so."""
    return f"{_day(at, now)}{at.astimezone(UTC):%H:%M}"


def clock_seconds(at: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M:%S}"


def utc(at: datetime, now: datetime) -> str:
    """`02:45 UTC`."""
    return f"{clock(at, now)} UTC"


def day_and_clock(at: datetime) -> str:
    """`30 Sep 2026 21:45 UTC`: for what is still read in years."""
    return f"{_of_the_month(at)} {at.astimezone(UTC):%Y %H:%M} UTC"


def local(at: datetime, now: datetime) -> str:
    """`3:45 AM your time`: Slack puts in the reader's own zone."""
    shape = "{date_short} {time}" if _day(at, now) else "{time}"
    return f"<!date^{int(at.timestamp())}^{shape} your time|{utc(at, now)}>"


def both_zones(at: datetime, now: datetime) -> str:
    """`02:45 UTC (3:45 AM your time)`."""
    return f"{utc(at, now)} ({local(at, now)})"


def window(since: datetime, until: datetime, now: datetime) -> str:
    """`02:45–03:06 UTC`."""
    return f"{clock(since, now)}–{clock(until, now)} UTC"


def date(at: datetime, beside: datetime) -> str:
    """`30 Sep`, with the year where it may be another one than that of the moment it is read `beside`."""
    year = f" {at.astimezone(UTC).year}" if abs(at - beside) >= ONE_YEAR_MEANT else ""
    return f"{_of_the_month(at)}{year}"


def _of_the_month(at: datetime) -> str:
    at = at.astimezone(UTC)
    return f"{at.day} {at:%b}"


def _day(at: datetime, now: datetime) -> str:
    at, now = at.astimezone(UTC), now.astimezone(UTC)
    return "" if at.date() == now.date() or abs(at - now) < NEAR else f"{date(at, now)} "


# Quantities ------------------------------------------------------------------------------------


def duration(seconds: float | None) -> str:
    """`45 s`, `5 min 50 s`, `17 min`, `2 h 5 min`, `3 days`."""
    if seconds is None:
        return NOT_KNOWN
    if seconds < 1:
        return "under 1 s"
    if seconds < 60:
        return f"{seconds:.0f} s" if round(seconds) < 60 else "1 min"
    if seconds < 600:
        return _two(round(seconds), 60, "min", "s")
    if seconds < 3_600 - 30:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3_600:
        return _two(round(seconds / 60), 60, "h", "min")
    return f"{seconds / 86_400:.0f} days"


def _two(amount: int, per: int, large: str, small: str) -> str:
    many, rest = divmod(amount, per)
    return f"{many} {large} {rest} {small}" if rest else f"{many} {large}"


def ago(at: datetime, now: datetime) -> str:
    """`17 min ago`; of a time that cannot be right, that it is in the future."""
    return IN_THE_FUTURE if is_of_the_future(at, now) else f"{age(at, now)} ago"


def age(at: datetime, now: datetime) -> str:
    """`17 min`; of a time that cannot be right, that it is in the future."""
    return IN_THE_FUTURE if is_of_the_future(at, now) else duration((now - at).total_seconds())


def duration_range(shortest: float, longest: float) -> str:
    """`2–6 min`: one unit for both, rounded outwards."""
    if longest < 120:
        return _range(int(shortest), -int(-longest // 1), "s")
    return _range(int(shortest // 60), -int(-longest // 60), "min")


def _range(low: int, high: int, unit: str) -> str:
    return f"{low}–{high} {unit}" if low < high else f"{high} {unit}"


def byte_size(count: float) -> str:
    """`1.8 GB`: decimal, as disks are sold."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"
        count /= 1_000
    return f"{count:,.1f} TB"


def of_total(done: float, total: float, unit: str) -> str:
    """`1.1 of 1.8 GB`, `31 of 50 files`."""
    if unit in BYTES:
        small, large = byte_size(done), byte_size(total)
        amount, _, unit = small.rpartition(" ")
        return f"{amount if large.endswith(f' {unit}') else small} of {large}"
    return f"{done:,.0f} of {total:,.0f} {escape(unit, 20)}".rstrip()


def so_far(done: float, unit: str) -> str:
    return f"{byte_size(done) if unit in BYTES else f'{done:,.0f} {escape(unit, 20)}'.rstrip()} so far"


def number(value: Value) -> str:
    """The value of a check."""
    if value is None:
        return "nothing seen"
    if isinstance(value, Contents):
        return f"{sum(rows.count for rows in value.tables.values()):,} rows"
    if isinstance(value, str):
        return escape(value, 30)
    if isinstance(value, int) or value.is_integer():
        return f"{value:,.0f}" if isinstance(value, float) else f"{value:,}"
    return f"{value:,.6g}"


# People and things -----------------------------------------------------------------------------


def people(users: Iterable[str], joint: str = "and") -> str:
    """`@Ben, @Cy and @Di`."""
    return listed([mention(user) for user in users], joint)


def given_reason(text: str, limit: int = 120) -> str:
    return f"“{escape(text, limit)}”" if text.strip() else "no reason given"


def target_name(target: str) -> str:
    return escape(target, 40)


def version(name: str, most: int = 40) -> str:
    """A label or an id as people say it: of a long hash only the beginning."""
    return escape(name[:10] if _HASH.fullmatch(name) else name, most)


def point_name(point: RestorePoint, now: datetime) -> str:
    """Returns what the point is called where there is room for one name: its time, else its label."""
    return utc(point.at, now) if point.at else version(point.label or point.id)


def state_words(run: Run) -> str:
    return run.state.value.replace("_", " ")


def deed(run: Run) -> str:
    """`Roll back orders`, `Undo RB-42 on orders`, `Drill orders on a copy`, `Back up orders`."""
    if run.is_drill:
        return f"Drill {_object(run)}{_on_a_copy(run)}"
    if run.is_snapshot:
        return f"Copy {_object(run)}"
    if run.is_backup:
        return f"Back up {_object(run)}"
    if run.is_rehearsal:
        return f"Rehearse {target_name(run.request.drilled)} on {_object(run)}"
    return f"{'Undo' if _undoes(run) else 'Roll back'} {_object(run)}"


def doing(run: Run) -> str:
    if run.is_drill:
        return f"Drilling {_object(run)}{_on_a_copy(run)}"
    if run.is_snapshot:
        return f"Copying {_object(run)}"
    if run.is_backup:
        return f"Backing up {_object(run)}"
    if run.is_rehearsal:
        return f"Rehearsing {target_name(run.request.drilled)} on {_object(run)}"
    return f"{'Undoing' if _undoes(run) else 'Rolling back'} {_object(run)}"


def _on_a_copy(run: Run) -> str:
    return ", planned only" if run.looks_only else " on a copy"


_NOT_BEGUN: Mapping[State, tuple[str, str]] = {
    State.REFUSED: ("🚫", "refused"),
    State.VETOED: ("🚫", "rejected"),
    State.EXPIRED: ("⌛", "not begun in time"),
    State.VOID: ("⚪", "not begun"),
    State.CANCELLED: ("⚪", "cancelled"),
}


def not_begun(run: Run) -> str:
    """`🚫 Drill refused: orders`, of a copy that was to be made; empty: it has begun, or may yet."""
    if run.state not in _NOT_BEGUN:
        return ""
    mark, how = _NOT_BEGUN[run.state]
    return f"{mark} {run.request.purpose.capitalize()} {how}: {target_name(run.request.target)}"


def _undoes(run: Run) -> bool:
    return run.request.purpose is Purpose.UNDO and run.request.undo_of is not None


def _object(run: Run) -> str:
    of = f"{escape(run.request.undo_of, 20)} on " if _undoes(run) and run.request.undo_of else ""
    return f"{of}{target_name(run.request.target)}"


def uncapped(sentence: str) -> str:
    """Returns a sentence for the middle of another one."""
    return sentence[:1].lower() + sentence[1:]


def drill_words(point: RestorePoint, now: datetime) -> str:
    """`drill 12 Nov: restored, verified`; empty: nothing was shown. Proven is a date.

    Of a backup that was looked into as it was taken: `taken 12 Nov: verified on a copy`.
    """
    what, well = ("drill", "restored, verified")
    if point.shown_by is Purpose.BACKUP:
        what, well = ("taken", "verified on a copy")
    if point.failed_at is not None:
        return f"{what} {date(point.failed_at, now)} FAILED: {escape(listed(point.failed[:3]), 60)}"
    return f"{what} {date(point.proven_at, now)}: {well}" if point.proven_at else ""
