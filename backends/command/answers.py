"""What the operator's programs print, read and checked: nothing of it is believed to be in the right form.

A key that is not known here is no fault: a program may print more, for others.
"""

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, TypeAlias, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError

from backends.programs.process import MOST_OUTPUT_BYTES, printable
from bot.model import Change, Measure, PointKind, RestorePoint, Span
from bot.times import tellable

T = TypeVar("T")

MOST_COUNTED: Final = 2**63 - 1
LONGEST_SECONDS: Final = 100 * 365.25 * 86_400

SHAPES: Final = {
    "points": '[{"id": "v41", "label": "…", "created_at": "2026-11-22T10:00:00Z", "author": "…"}]',
    "current": '{"id": "v42"}',
    "save": '{"id": "before-RB-42"}',
    "find": '{"state": "absent|in_flight|done|failed|unknown"}',
    "measure": '{"seconds": 1020, "units": [{"name": "orders", "count": 212}]}',
}


# Others print the zero of their calendar, or its end: that is no time.
PrintedTime: TypeAlias = Annotated[AwareDatetime | None, AfterValidator(tellable)]


class PrintedSpan(BaseModel):
    since: PrintedTime
    until: PrintedTime = None


class PrintedPoint(BaseModel):
    id: str
    label: str = ""
    created_at: PrintedTime = None
    author: str | None = None
    kind: str | None = None
    live: tuple[PrintedSpan, ...] | bool | None = None  # yes or no: says nothing about times
    fingerprint: str | None = None
    kept_until: PrintedTime = None

    def point(self, current: str) -> RestorePoint:
        return RestorePoint(
            self.id,
            self.created_at,
            printable(self.label),
            None if self.author is None else printable(self.author, 80),
            current=self.id == current,
            kind=PointKind(self.kind) if self.kind in set(PointKind) else PointKind.MADE,
            live=self._spans(),
            fingerprint=self.fingerprint or "",
            kept_until=self.kept_until,
        )

    def _spans(self) -> tuple[Span, ...]:
        if not isinstance(self.live, tuple):
            return ()
        spans = (Span(one.since, one.until) for one in self.live if one.since is not None)
        return tuple(sorted(spans, key=lambda span: span.since))


class PrintedPage(BaseModel):
    points: list[PrintedPoint]
    next: Any = None


class PrintedCurrent(BaseModel):
    id: str
    token: str | None = None
    since: PrintedTime = None
    author: str | None = None
    fingerprint: str | None = None


class PrintedState(StrEnum):
    ABSENT = "absent"
    IN_FLIGHT = "in_flight"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


class PrintedFind(BaseModel):
    state: PrintedState


class PrintedMade(BaseModel):
    """The last line of a program that keeps or copies something."""

    id: str


class PrintedUnit(BaseModel):
    name: str
    count: Annotated[int, Field(ge=0, le=MOST_COUNTED)]
    change: Change = Change.NEW
    measure: Measure = Measure.COUNT


class PrintedLoss(BaseModel):
    seconds: Annotated[float, Field(ge=0, le=LONGEST_SECONDS, allow_inf_nan=False)] | None = None
    units: tuple[PrintedUnit, ...] = ()


LIST: Final = TypeAdapter(list[PrintedPoint])
PAGE: Final = TypeAdapter(PrintedPage)
CURRENT: Final = TypeAdapter(PrintedCurrent)
FIND: Final = TypeAdapter(PrintedFind)
MADE: Final = TypeAdapter(PrintedMade)
MEASURE: Final = TypeAdapter(PrintedLoss)


_BETWEEN: Final = re.compile(r"[\s,]*")
_POINTS: Final = re.compile(r"\s*\[")  # a list of them
_POINTS_INSIDE: Final = re.compile(r"\"points\"\s*:\s*\[")  # the list in a page


class OtherShape(Exception):
    """Says what is wrong with an answer, as the end of a sentence."""


def read(expected: TypeAdapter[T], out: bytes) -> T:
    """Raises OtherShape."""
    if len(out) > MOST_OUTPUT_BYTES:
        raise OtherShape("it prints more than 1 MiB")
    return read_any(expected, out)


def read_any(expected: TypeAdapter[T], out: bytes) -> T:
    """Reads an answer of any size. Raises OtherShape."""
    try:
        return expected.validate_json(out)
    except ValidationError as error:
        raise OtherShape(_first_problem(error)) from error


@dataclass(frozen=True, slots=True)
class PageOfPoints:
    points: list[PrintedPoint]
    next: object = None  # None: there is none
    is_too_long: bool = False  # more bytes than there was room for
    is_too_many: bool = False  # more points, likewise


def read_page(out: bytes, most_bytes: int, most_points: int) -> PageOfPoints:
    """Returns a page of points; of one that is too large those that came through whole. Raises OtherShape."""
    is_too_long = len(out) > most_bytes
    if is_too_long or out.count(b'"id"') > most_points:
        first, is_too_many = _first_ones(out[:most_bytes], most_points)
        if is_too_many or is_too_long:
            return PageOfPoints(read_any(LIST, first), None, not is_too_many, is_too_many)
    if not out.lstrip().startswith(b"{"):
        return PageOfPoints(read_any(LIST, out))
    page = read_any(PAGE, out)
    return PageOfPoints(page.points, None if page.next == "" else page.next)


def _first_ones(cut: bytes, most: int) -> tuple[bytes, bool]:
    """Returns a list of the first points that came through whole, and whether there are more than `most`.

    Raises OtherShape when it is no list at all.
    """
    text, decoder = cut.decode("utf-8", "ignore"), json.JSONDecoder()
    opening = _POINTS.match(text) or _POINTS_INSIDE.search(text)
    begin = end = read_to = opening.end() if opening is not None else 0
    count = 0
    try:
        while opening is not None and count <= most:
            between = _BETWEEN.match(text, read_to)
            _, read_to = decoder.raw_decode(text, between.end() if between else read_to)
            count += 1
            end = read_to if count <= most else end
    except (ValueError, RecursionError):  # the one that was cut off, or the end of the list
        pass
    if opening is None:
        raise OtherShape("it is too long, and no list")
    return f"[{text[begin:end]}]".encode(), count > most


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return printable(f"{place}: {first['msg']}" if place else first["msg"])
