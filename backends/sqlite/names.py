"""The names that backups have, and the time that stands in them.

A pattern is literal text with `*` for any letters, `%Y %m %d %H %M %S` for the parts of a time, `%z` for its
zone, and `%s` for seconds since 1970. A time without a zone is UTC.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from bot.times import tellable

DEFAULT_NAMES: Final = ("%Y%m%dT%H%M%SZ.db",)
PARTS: Final = "YmdHMS"  # each needs those before it
FORMS: Final = {
    "Y": r"\d{4}",
    **dict.fromkeys("mdHMS", r"\d\d"),
    "z": r"Z|[+-]\d\d:?\d\d",
    "s": r"\d{9,11}",
}
SHOWN: Final = {
    "Y": "2026",
    "m": "11",
    "d": "22",
    "H": "10",
    "M": "00",
    "S": "00",
    "z": "+0000",
    "s": "1795341600",
}
OPEN_SECONDS: Final = {"d": 86_400, "H": 3_600, "M": 60, "S": 1, "s": 1}  # by the last part that a name says
TOKEN: Final = re.compile(r"%(?P<part>.?)|(?P<any>\*+)|(?P<text>[^%*]+)", re.DOTALL)
TYPED: Final = re.compile(
    r"[A-Za-z0-9_][A-Za-z0-9._+=@:-]{0,119}"
)  # what people can type, and hosts can store
NO_SECOND: Final = "No form of a name tells the second, so backups would share one. Add a form that does."
KEPT_BESIDE: Final = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Period:
    """The time that a name says: from `since` on, and before `until`."""

    since: datetime
    until: datetime

    def nearest(self, moment: datetime) -> datetime:
        """Returns the moment in it that is nearest, to the second."""
        return min(max(moment, self.since), self.until - timedelta(seconds=1))


@dataclass(frozen=True, slots=True)
class Pattern:
    text: str

    @property
    def example(self) -> str:
        """Returns a name of this form."""
        return "".join(SHOWN[one["part"]] if one["part"] else one[0] for one in TOKEN.finditer(self.text))

    @property
    def tells_time(self) -> bool:
        return "%" in self.text

    @property
    def tells_second(self) -> bool:
        return any(one["part"] in {"S", "s"} for one in TOKEN.finditer(self.text))

    def at(self, moment: datetime) -> str:
        """Returns the name of this form for a moment in UTC, with `bot` where it takes any letters."""
        return "".join(_written(one, moment) for one in TOKEN.finditer(self.text))

    def fits(self, name: str) -> bool:
        """Whether it is of this form; a time that there is not, such as 31 February, is none."""
        if _compiled(self.text).fullmatch(name) is None:
            return False
        try:
            period = self.period(name)
        except (ValueError, OverflowError):
            return False
        return period is None or tellable(period.since) is not None

    def period(self, name: str) -> Period | None:
        """Returns the time in a name that fits; None: this form has none."""
        found = _compiled(self.text).fullmatch(name)
        said = found.groupdict() if found else {}
        return _period(said) if said else None


def _written(token: re.Match[str], moment: datetime) -> str:
    if token["any"]:
        return "bot"
    if token["part"] == "s":
        return str(int(moment.timestamp()))
    return moment.strftime(f"%{token['part']}") if token["part"] else token[0]


@lru_cache(maxsize=100)
def _compiled(text: str) -> re.Pattern[str]:
    return re.compile("".join(_expression(one) for one in TOKEN.finditer(text)), re.DOTALL | re.ASCII)


def _expression(token: re.Match[str]) -> str:
    if token["any"]:
        return ".*"
    if token["text"]:
        return re.escape(token["text"])
    return f"(?P<{token['part']}>{FORMS[token['part']]})"


def _period(said: Mapping[str, str]) -> Period:
    if "s" in said:
        since = datetime.fromtimestamp(int(said["s"]), UTC)
    else:
        written = "".join(said.get(part, "00") for part in PARTS) + said.get("z", "Z").replace("Z", "+0000")
        since = datetime.strptime(written, "%Y%m%d%H%M%S%z").astimezone(UTC)
    last = "s" if "s" in said else next(part for part in reversed(PARTS) if part in said)
    return Period(since, since + timedelta(seconds=OPEN_SECONDS[last]))


# Patterns that cannot work


def faults_of(patterns: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yields the place of each pattern that cannot work, and a sentence."""
    for n, text in enumerate(patterns):
        if why := _why_not(text):
            yield n, f"`{text}` cannot be the form of a name: {why}."
        elif text in patterns[:n]:
            yield n, f"`{text}` stands here twice: take one away."


def _why_not(text: str) -> str:
    parts = [one["part"] for one in TOKEN.finditer(text) if one["part"] is not None]
    if "/" in text:
        return "backups stand in the folder itself, so a name has no /"
    if unknown := [part for part in parts if part not in FORMS]:
        return f"%{unknown[0]} is not known. Use %Y, %m, %d, %H, %M, %S, %z and %s"
    if twice := [part for part in parts if parts.count(part) > 1]:
        return f"%{twice[0]} stands in it twice"
    if "s" in parts and len(parts) > 1:
        return "%s is a whole time, so no other part of one may stand beside it"
    if missing := _missing(parts):
        return f"without %{missing} nobody knows which time is meant"
    if text.endswith(KEPT_BESIDE):
        return "SQLite calls files like this that it keeps beside a database"
    if not TYPED.fullmatch(Pattern(text).example.replace("*", "x")):
        return "people could not type such a name. Use letters, digits and . _ - + = @ :"
    return "the bot calls its undo points like this" if text.startswith("pre-") else ""


def _missing(parts: Sequence[str]) -> str:
    """Returns the first part that a time lacks; empty: none. Nothing less than a day is a time."""
    if not parts or "s" in parts:
        return ""
    named = [PARTS.index(part) for part in parts if part in PARTS]
    last = max([*named, PARTS.index("d"), *([PARTS.index("H")] if "z" in parts else [])])
    return next((part for part in PARTS[: last + 1] if part not in parts), "")
