"""What is due between incidents, whom it is told, and when. Pure: times come in as arguments.

A duty is a drill that has to be walked again, what a failed drill has left to do, a restore point that has
become too old, or a backup that failed. It is told once when it is due, and every week while it is overdue,
only in the hours of the configuration. What is due for the same people at one time is told in one message.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum

from bot.configuration import Configuration, Hours
from bot.model import PointKind, Points
from bot.times import zone_of

AGAIN_AFTER = timedelta(days=7)
FOLLOWED_UP_WITHIN = timedelta(days=14)  # of a drill that failed
NOTICE = timedelta(hours=6)  # between a reminder and a drill that starts by itself
DIGEST_DAYS = 7  # of a month, in which that of the month before is told
LATE_AFTER = timedelta(hours=1)  # a reminder that comes so much later than its time says so


class DutyKind(StrEnum):
    DRILL = "drill"
    FOLLOW_UP = "follow_up"  # of a drill that did not pass
    OLD_POINT = "old_point"  # the newest backup is older than the RPO, or there is none
    FAILED_BACKUP = "failed_backup"  # that the clock was to take


ABOUT_BACKUPS = frozenset({DutyKind.OLD_POINT, DutyKind.FAILED_BACKUP})


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing that somebody has to do."""

    key: str  # opaque; what its buttons carry
    kind: DutyKind
    target: str
    due_at: datetime
    next_at: datetime  # when somebody is told next
    told: int = 0  # how often somebody was told; counted up by whoever tells it, so that nobody else does
    every: float | None = None  # seconds from one drill to the next; None: it is done once
    passed_at: datetime | None = None  # when a drill passed last; None: none ever did
    run: str = ""  # the drill that it follows, or the backup that failed last; empty: there is none
    passed_over: int = 0  # of those who could be told, how many could not be reached
    card: str | None = None  # the message in which it was told last
    put_off_by: str | None = None  # account
    put_off_why: str = ""
    handed_to: str | None = None  # account of who is told instead
    done_at: datetime | None = None  # of a follow-up or an old point; None: it is open
    done_by: str = ""  # the account that says so, the drill that has shown it; empty: a look has seen it
    newest_at: datetime | None = None  # of an old point: of when the newest one is; None: there is none
    because: str = ""  # of a drill: the change after which it is due; empty: it is due by its time
    changed_at: datetime | None = None  # when one was due by a change last; None: none ever was

    @property
    def skipped(self) -> int:
        """How many of its recipients are passed over now: each round begins with the first one again."""
        return self.passed_over if self.card is None else 0


@dataclass(frozen=True, slots=True)
class Telling:
    """One message: what is told, and to whom."""

    recipient: str  # a channel, or the account of a person
    duties: tuple[Duty, ...]


def drills_wanted(configuration: Configuration) -> dict[str, float | None]:
    """Returns how often each target has to be drilled, in seconds; None: after a change only."""
    return {
        target.name: target.drill.every
        for target in configuration.targets.values()
        if target.drill is not None and (target.drill.every or target.drill.after)
    }


@dataclass(frozen=True, slots=True)
class BackupsSeen:
    """Holds what a look at all restore points of a target has shown of its backups."""

    newest_at: datetime | None  # of when the newest good one is; None: there is none of which that is known
    none_good: bool = False  # there is no good one at all
    are_its_way: bool = False  # there have to be some: the backend takes them, or there are bad ones


def backups_seen(listed: Points, backs_up: bool, now: datetime) -> BackupsSeen:
    """`listed`: all that there is. `backs_up`: whether the backend takes backups.

    A state that was saved before a rollback is no backup, nor is what the backend keeps anyway: a new one is
    missing only where somebody makes copies every so often.
    """
    backups = [point for point in listed.points if point.kind is PointKind.BACKUP]
    good = [point for point in backups if point.failed_at is None and not point.doubt]
    newest_at = max((point.at for point in good if point.at is not None and point.at <= now), default=None)
    kept_anyway = any(point.kind is PointKind.MADE for point in listed.points)
    return BackupsSeen(newest_at, not good, (backs_up or bool(backups)) and not kept_anyway)


def first_awaited_until(rpo: float, now: datetime) -> datetime:
    """Returns when it is told that a target has no backup: one that is new is about to have its first."""
    return now + min(timedelta(seconds=rpo), timedelta(days=1))


def old_since(newest: datetime | None, rpo: float | None, now: datetime) -> datetime | None:
    """Returns since when a backup is older than the RPO, in seconds; None: it is not, or nobody can tell."""
    if newest is None or rpo is None:
        return None
    since = newest + timedelta(seconds=rpo)
    return since if since < now else None


# Whom --------------------------------------------------------------------------------------------


def recipients(configuration: Configuration, duty: Duty) -> tuple[str, ...]:
    """Returns who can be told, the first one first. Empty: there is nobody."""
    target = configuration.targets.get(duty.target)
    handed = (duty.handed_to,) if duty.handed_to else ()
    return tuple(dict.fromkeys([*handed, *(configuration.told_about(target) if target else ())]))


def tellings(
    configuration: Configuration, due: Sequence[Duty]
) -> tuple[tuple[Telling, ...], tuple[Duty, ...]]:
    """Returns one message for each recipient, and those duties that can be told to nobody."""
    by_recipient: dict[str, list[Duty]] = {}
    nobody: list[Duty] = []
    for duty in due:
        left = recipients(configuration, duty)[duty.skipped :]
        if left:
            by_recipient.setdefault(left[0], []).append(duty)
        else:
            nobody.append(duty)
    told = tuple(Telling(recipient, tuple(duties)) for recipient, duties in by_recipient.items())
    return told, tuple(nobody)


# When --------------------------------------------------------------------------------------------


def day_begins(configuration: Configuration, day: date) -> datetime:
    """Returns when the hours begin on a day. A time that clocks skip is the moment at which they do."""
    return _begins(configuration.reminders, day, configuration)


def _begins(hours: Hours, day: date, configuration: Configuration) -> datetime:
    return datetime.combine(day, _clock(hours.from_), _zone(configuration)).astimezone(UTC)


def _ends(hours: Hours, day: date, configuration: Configuration) -> datetime:
    return datetime.combine(day, _clock(hours.until), _zone(configuration)).astimezone(UTC)


def opening(configuration: Configuration, now: datetime) -> datetime | None:
    """Returns when today's hours began; None: it is not within the hours.

    What was due then is told now, and what becomes due later today is told tomorrow: one message a day.
    """
    here = now.astimezone(_zone(configuration))
    begins, ends = _clock(configuration.reminders.from_), _clock(configuration.reminders.until)
    return day_begins(configuration, here.date()) if begins <= here.time() < ends else None


def month_before(configuration: Configuration, now: datetime) -> date | None:
    """Returns the first day of the month before, in the first days of a month; None: it is later in one."""
    today = now.astimezone(_zone(configuration)).date()
    if today.day > DIGEST_DAYS:
        return None
    return (today.replace(day=1) - timedelta(days=1)).replace(day=1)


def month_called(configuration: Configuration, name: str) -> tuple[datetime, datetime]:
    """Returns when a month such as `2026-11` begins, and when the next one does."""
    first = date.fromisoformat(f"{name}-01")
    after = (first + timedelta(days=31)).replace(day=1)
    zone = _zone(configuration)
    begins, ends = (datetime.combine(day, time(), zone).astimezone(UTC) for day in (first, after))
    return begins, ends


def told_again_at(configuration: Configuration, now: datetime) -> datetime:
    """Returns when what was told now is told once more: in a week, when the hours begin."""
    return day_begins(configuration, now.astimezone(_zone(configuration)).date() + AGAIN_AFTER)


def starts_at(configuration: Configuration, duty: Duty, now: datetime) -> datetime | None:
    """Returns when a drill that is due starts by itself; None: it does not, or nobody was told of it yet.

    That is on the day after it was told, within the hours of the target, and NOTICE after the hours of
    reminders at the earliest: nobody is told at midnight of a drill at midnight.
    """
    target = configuration.targets.get(duty.target)
    if target is None or target.drill is None or not target.drill.start.itself:
        return None
    was_told = duty.card is not None and duty.put_off_by is None and duty.next_at > now
    if duty.kind is not DutyKind.DRILL or duty.due_at > now or not was_told:
        return None
    told_on = duty.next_at.astimezone(_zone(configuration)).date() - AGAIN_AFTER
    hours = target.drill.start.hours
    noticed = _ends(configuration.reminders, told_on, configuration) + NOTICE
    tomorrow = told_on + timedelta(days=1)
    if noticed < _ends(hours, tomorrow, configuration):
        return max(_begins(hours, tomorrow, configuration), noticed)
    return _begins(hours, tomorrow + timedelta(days=1), configuration)


def may_start(configuration: Configuration, duty: Duty, now: datetime) -> bool:
    """Whether a drill that is due starts by itself now."""
    at, target = starts_at(configuration, duty, now), configuration.targets.get(duty.target)
    if at is None or target is None or target.drill is None or now < at:
        return False
    hours, here = target.drill.start.hours, now.astimezone(_zone(configuration)).time()
    return _clock(hours.from_) <= here < _clock(hours.until)


def latest_put_off(duty: Duty, now: datetime) -> datetime:
    """Returns until when it can be put off: for one cadence at most, so that nothing is put off for ever."""
    return now + (timedelta(seconds=duty.every) if duty.every is not None else FOLLOWED_UP_WITHIN)


def late_by(configuration: Configuration, duty: Duty, now: datetime) -> timedelta:
    """Returns how much later than it should have come a reminder comes; zero: it comes in time.

    What goes to somebody else than the time before comes when it was handed over, or could not be told.
    """
    if duty.told and (duty.card is None or duty.handed_to):
        return timedelta()
    here = duty.next_at.astimezone(_zone(configuration))
    after_it_began = here.time() > _clock(configuration.reminders.from_)
    late = now - max(day_begins(configuration, here.date() + timedelta(days=after_it_began)), duty.due_at)
    return late if late > LATE_AFTER else timedelta()


def _zone(configuration: Configuration) -> tzinfo:
    return zone_of(configuration.timezone) or UTC


def _clock(text: str) -> time:
    return time.fromisoformat(text)
