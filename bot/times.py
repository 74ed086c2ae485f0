"""Times as people type them, in their own zone, to moments in UTC; and a moment in full, as it is kept."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from datetime import timezone as fixed_zone
from zoneinfo import ZoneInfo, available_timezones

from bot.spelling import LONGEST_WORD_CHARACTERS, Misunderstood, Unclear, short, visible

CLOCKS_DIFFER = timedelta(minutes=1)  # by that much at most, between two machines that are kept

_ANY_CASE = re.ASCII | re.IGNORECASE
CLOCK = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_DAY_AND_CLOCK = re.compile(rf"(?:(today|yesterday),? )?(?:at )?({CLOCK.pattern})", _ANY_CASE)
_DATE_AND_CLOCK = re.compile(
    r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})(?:T|,? )([0-9]{2}):?([0-9]{2})(?::?([0-9]{2})(?:[.,][0-9]{1,9})?)?",
    _ANY_CASE,
)
_DATE = re.compile(r"([0-9]{4})-?([0-9]{2})-?([0-9]{2})")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?"
)
_NAMED_DAY = re.compile(rf"([0-9]{{1,2}})\.? ({_MONTH})\.?,? ([0-9]{{4}})(?![0-9])", _ANY_CASE)
_IN_ZONE = re.compile(r"(.*?) ?(UTC|GMT|Z|([+-])([0-9]{2}):?([0-9]{2}))", _ANY_CASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SPAN = re.compile(
    r"([0-9]{1,6}) ?(s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:(?:ou)?rs?)?|d(?:ays?)?)(?![a-z]),? ?",
    _ANY_CASE,
)
_SPANS_AGO = re.compile(rf"(?:{_SPAN.pattern})+ago", _ANY_CASE)


@dataclass(frozen=True, slots=True)
class _Zone:
    info: tzinfo
    name: str  # for people
    suffix: str = ""  # says it once more behind a time; empty: the person's own


class NoTime(Unclear):
    """Says that what was typed is no time at all."""


EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, tzinfo=UTC)


def tellable(at: datetime | None) -> datetime | None:
    """Returns the time where it can be told in every zone; None: nobody knows one, or it is no time.

    Programs print the zero of their calendar where they know none, and its end for "never".
    """
    return at if at is not None and EARLIEST <= at <= LATEST else None


def at_second(text: str) -> datetime | None:
    """Returns the time of so many seconds since 1970; None: it is no number, or no time that can be told."""
    try:
        return tellable(datetime.fromtimestamp(int(text), UTC))
    except (ValueError, OverflowError, OSError):
        return None


def time_of(text: str, now: datetime, timezone: str) -> datetime | Misunderstood:
    """A past moment in UTC, from `14:05`, `yesterday 23:10 UTC`, `17 min ago`, ISO 8601 and the like.

    Without a zone it is in `timezone`. A time of day that has not come yet is refused: whether that of
    yesterday is meant must be said. So is a time that happened twice, or never.
    """
    typed = " ".join(visible(text).split())[:LONGEST_WORD_CHARACTERS]
    try:
        return _read(typed, now, timezone)
    except Unclear as unclear:
        return unclear.misunderstood
    except (ValueError, OverflowError):  # 25:61, 30 February, the year 0
        return Misunderstood(f"`{short(typed)}` is no time that ever was.", "14:05")


def day_and_time_of(text: str, now: datetime, timezone: str, calendar: str) -> datetime | Misunderstood:
    """Returns a past moment, as `time_of` does; of a day alone its end, as it ends in `calendar`."""
    typed = _NAMED_DAY.sub(_iso_day, " ".join(visible(text).split())[:LONGEST_WORD_CHARACTERS])
    try:
        day = _day(typed, now, calendar)
        return _read(typed, now, timezone) if day is None else _end_of(day, now, calendar)
    except NoTime:
        words = (
            f"I cannot read `{short(typed)}` as a day or a time. Write it like `2026-09-30`, `30 Sep 2026` "
        )
        return Misunderstood(words + "or `2026-09-30 22:00`.", f"{now - timedelta(days=2):%Y-%m-%d}")
    except Unclear as unclear:
        return unclear.misunderstood
    except (ValueError, OverflowError):
        return Misunderstood(f"`{short(typed)}` is no day that ever was.", f"{now:%Y-%m-%d}")


def _day(typed: str, now: datetime, calendar: str) -> date | None:
    """Returns the day that was typed; None: it is no day alone. Raises ValueError for one that never was."""
    if typed.casefold() == "yesterday":
        return now.astimezone(zone_of(calendar) or UTC).date() - timedelta(days=1)
    if dated := _DATE.fullmatch(typed):
        return date(*map(int, dated.group(1, 2, 3)))
    return None


def _iso_day(named: re.Match[str]) -> str:
    """Returns `2026-09-30` for `30 Sep 2026`."""
    return f"{named[3]}-{_MONTHS.index(named[2][:3].casefold()) + 1:02}-{int(named[1]):02}"


def _end_of(day: date, now: datetime, calendar: str) -> datetime:
    """Raises Unclear for a day that is not over. Where clocks skip midnight it is when they do."""
    midnight = datetime.combine(day + timedelta(days=1), time(), zone_of(calendar) or UTC)
    end = midnight.astimezone(UTC)
    if end > now:
        yesterday = now.astimezone(zone_of(calendar) or UTC).date() - timedelta(days=1)
        raise Unclear(f"{day:%Y-%m-%d} is not over yet in {calendar}.", f"{yesterday:%Y-%m-%d}")
    return end


def moment(at: datetime) -> str:
    """Returns `2026-11-22 14:05 UTC`, which is read back as the same minute."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def zone_of(name: str) -> tzinfo | None:
    """None: there is no such time zone."""
    if name == "UTC":
        return UTC  # works without a time zone database
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def zone_names() -> Collection[str]:
    return available_timezones() | {"UTC"}


def _read(typed: str, now: datetime, timezone: str) -> datetime:
    if _SPANS_AGO.fullmatch(typed):
        seconds = sum(int(n[1]) * _SECONDS[n[2][0].lower()] for n in _SPAN.finditer(typed))
        return now.astimezone(UTC) - timedelta(seconds=seconds)
    spelled, zone = _zone(typed, timezone)
    here = now.astimezone(zone.info)
    at = _instant(_on_the_wall(spelled, here.date()), zone)
    if at > now:
        clock = _DAY_AND_CLOCK.fullmatch(spelled)
        instead = f"yesterday {clock[2]}{zone.suffix}" if clock else "10 min ago"
        raise Unclear(f"`{typed}` is still to come: it is {here:%H:%M} in {zone.name}.", instead)
    return at


def _on_the_wall(spelled: str, today: date) -> datetime:
    """Returns what a clock and a calendar showed, without a zone."""
    if clock := _DAY_AND_CLOCK.fullmatch(spelled):
        yesterday = (clock[1] or "").lower() == "yesterday"
        return datetime.combine(today - timedelta(days=yesterday), _time(*clock.group(3, 4, 5)))
    if dated := _DATE_AND_CLOCK.fullmatch(spelled):
        day = date(*map(int, dated.group(1, 2, 3)))
        return datetime.combine(day, _time(*dated.group(4, 5, 6)))
    words = f"I cannot read `{short(spelled)}` as a time. Write it like `14:05`, `14:05 UTC`, "
    raise NoTime(words + "`yesterday 23:10`, `2026-11-22 14:05` or `17 min ago`.", "14:05")


def _zone(typed: str, timezone: str) -> tuple[str, _Zone]:
    """The time without its zone, and the zone."""
    match = _IN_ZONE.fullmatch(typed)
    if match is None:
        info = zone_of(timezone)
        if info is None:
            words = f"I do not know your time zone `{short(timezone)}`. Say the time in UTC."
            raise Unclear(words, f"{typed} UTC")
        return typed, _Zone(info, timezone)
    if match[3] is None:
        return match[1], _Zone(UTC, "UTC", " UTC")
    away = timedelta(hours=int(match[4]), minutes=int(match[5]))
    return match[1], _Zone(fixed_zone(away if match[3] == "+" else -away), f"UTC{match[2]}", f" {match[2]}")


def _instant(local: datetime, zone: _Zone) -> datetime:
    """A time on the wall as a moment, if there was exactly one."""
    first, second = (local.replace(tzinfo=zone.info, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return first
    there = f"`{local:%H:%M}` of {local.date()} in {zone.name}"
    example = moment(first)
    if first.astimezone(zone.info).replace(tzinfo=None) != local:
        raise Unclear(f"There was no {there}: the clocks were put forward.", example)
    both = f"at {first:%H:%M} UTC and at {second:%H:%M} UTC"
    raise Unclear(f"There were two {there}: {both}. Say which one.", example)


def _time(hour: str, minute: str, second: str | None) -> time:
    return time(int(hour), int(minute), int(second or 0))


def is_of_the_future(at: datetime, now: datetime) -> bool:
    """Whether nothing can have been complete then yet, however clocks differ."""
    return at > now + CLOCKS_DIFFER
