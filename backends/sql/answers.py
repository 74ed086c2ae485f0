"""How a database answered, and what an answer to one query is worth.

A look that tells something about the data is `failed`; one that tells nothing about it is `inconclusive`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import Final, Protocol, TypeAlias

from bot.contents import Contents
from bot.model import (
    Value,
    Verdict,
)

MOST_ROWS: Final = 10_000  # that are counted
MOST_SHOWN_CHARACTERS: Final = 200
MOST_EXACT: Final = 2**53  # a whole number that everybody can hold: beyond it a float is another number

Scalar: TypeAlias = int | float | Decimal | bool | str | None
Judged: TypeAlias = tuple[Verdict, str]


class Unseen(Exception):
    """The database could not be looked at, for the reason that it carries."""


class Complaint(Exception):
    """The database answered with an error, which it carries in the database's own words."""


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """Holds what one query gives: where there is more than one row, only their number is of interest."""

    rows: int
    columns: int  # of no rows: not always known
    value: Scalar  # the first column of the first row
    is_whole: bool = True  # False: there may be more rows


class SqlDatabase(Protocol):
    """Both raise Unseen and Complaint, and end with the time that they were given."""

    async def answer(self, query: str) -> QueryAnswer: ...

    async def contents(self, tables: Sequence[str]) -> Contents: ...


@dataclass(frozen=True, slots=True)
class Expectation:
    """Judges an answer. All of the conditions that are given must hold."""

    equals: Scalar = None
    minimum: float | None = None
    maximum: float | None = None

    def judge(self, answer: QueryAnswer) -> Judged:
        if answer.rows and answer.columns != 1:
            return Verdict.FAILED, f"{_many(answer.columns, 'column')}, one was expected"
        if answer.rows != 1:
            verdict = Verdict.FAILED if answer.rows else Verdict.INCONCLUSIVE
            least = "" if answer.is_whole else "at least "
            return verdict, f"{least}{_many(answer.rows, 'row')}, one was expected"
        if answer.value is None:
            return Verdict.INCONCLUSIVE, "NULL, a value was expected"
        return self._judge_value(answer.value)

    def _judge_value(self, value: int | float | Decimal | bool | str) -> Judged:
        shown = told(value)
        if self.equals is not None:
            if _kind(value) != _kind(self.equals):
                return Verdict.FAILED, f"{shown} is {_kind(value)}, {told(self.equals)} was expected"
            if not _is_same(value, self.equals):
                return Verdict.FAILED, f"{shown}, not {told(self.equals)}"
        if self.minimum is None and self.maximum is None:
            return Verdict.PASSED, shown
        if isinstance(value, str | bool) or value != value:
            return Verdict.FAILED, f"{shown} is {_kind(value)}, a number was expected"
        if self.minimum is not None and value < _exact(self.minimum, value):
            return Verdict.FAILED, f"{shown}, less than {told(self.minimum)}"
        if self.maximum is not None and value > _exact(self.maximum, value):
            return Verdict.FAILED, f"{shown}, more than {told(self.maximum)}"
        return Verdict.PASSED, shown


def stored(value: Scalar) -> Value:
    """Returns it for the finding. A number that a float would change is told as text."""
    match value:
        case bool() | str():
            return told(value) if isinstance(value, bool) else _cut(value)
        case int():
            return value if abs(value) <= MOST_EXACT else f"{value:,}"
        case float():
            return value if isfinite(value) else f"{value}"
        case Decimal():
            exact = value.is_finite() and abs(value) <= MOST_EXACT and Decimal(repr(float(value))) == value
            return float(value) if exact else told(value)
    return None


def told(value: int | float | Decimal | bool | str) -> str:
    """Returns it as people read it, to the last digit."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return repr(_cut(value))
        case int():
            return f"{value:,}"
        case Decimal():
            return f"{value:,f}" if value.is_finite() else f"{value}"
    return f"{value:,.0f}" if value.is_integer() and abs(value) <= MOST_EXACT else f"{value}"


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "a text"
    return "not a number" if value != value else "a number"


def _is_same(value: Scalar, expected: Scalar) -> bool:
    if isinstance(value, Decimal) and isinstance(expected, int | float):
        return value == _exact(expected, value)
    return value == expected


def _exact(expected: float, value: int | float | Decimal) -> float | Decimal:
    """Returns 0.1 as the decimal that somebody wrote, not as the float beside it."""
    return Decimal(repr(expected)) if isinstance(value, Decimal) else expected


def _cut(text: str) -> str:
    if len(text) <= MOST_SHOWN_CHARACTERS:
        return text
    return f"{text[:MOST_SHOWN_CHARACTERS]}… ({len(text):,} characters)"


def _many(count: int, noun: str) -> str:
    if count == 0:
        return f"no {noun}s"
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
