"""What the operator's programs print, read and checked: nothing of it is believed to be in the right form.

A key that is not known here is no fault: a program may print more, for others.
"""

import json
import re
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError

from backends.programs.process import MOST_OUTPUT_BYTES, printable
from bot.model import Change, Measure, PointKind, RestorePoint, Span

T = TypeVar("T")

SHAPES: Final = {
    "points": '[{"id": "v41", "label": "…", "created_at": "2026-11-22T10:00:00Z", "author": "…"}]',
    "current": '{"id": "v42"}',
    "save": '{"id": "before-RB-42"}',
    "find": '{"state": "absent|in_flight|done|failed|unknown"}',
    "measure": '{"seconds": 1020, "units": [{"name": "orders", "count": 212}]}',
}
CUT_OFF: Final = "The points command prints more than 1 MiB: what comes after that is left out."
NEXT_PAGE: Final = "The points command has more points than it prints at once: they are left out."


class PrintedSpan(BaseModel):
    since: AwareDatetime
    until: AwareDatetime | None = None


class PrintedPoint(BaseModel):
    id: str
    label: str = ""
    created_at: AwareDatetime | None = None
    author: str | None = None
    kind: str | None = None
    live: tuple[PrintedSpan, ...] | bool | None = None  # yes or no: says nothing about times
    fingerprint: str | None = None

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
        )

    def _spans(self) -> tuple[Span, ...]:
        if not isinstance(self.live, tuple):
            return ()
        return tuple(sorted((Span(one.since, one.until) for one in self.live), key=lambda span: span.since))


class PrintedPage(BaseModel):
    points: list[PrintedPoint]
    next: Any = None


class PrintedCurrent(BaseModel):
    id: str
    token: str | None = None
    since: AwareDatetime | None = None
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
    count: Annotated[int, Field(ge=0)]
    change: Change = Change.NEW
    measure: Measure = Measure.COUNT


class PrintedLoss(BaseModel):
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    units: tuple[PrintedUnit, ...] = ()


LIST: Final = TypeAdapter(list[PrintedPoint])
PAGE: Final = TypeAdapter(PrintedPage)
CURRENT: Final = TypeAdapter(PrintedCurrent)
FIND: Final = TypeAdapter(PrintedFind)
MADE: Final = TypeAdapter(PrintedMade)
MEASURE: Final = TypeAdapter(PrintedLoss)


_BETWEEN: Final = re.compile(r"[\s,]*")


class OtherShape(Exception):
    """Says what is wrong with an answer, as the end of a sentence."""


def read(expected: TypeAdapter[T], out: bytes) -> T:
    """Raises OtherShape."""
    if len(out) > MOST_OUTPUT_BYTES:
        raise OtherShape("it prints more than 1 MiB")
    try:
        return expected.validate_json(out)
    except ValidationError as error:
        raise OtherShape(_first_problem(error)) from error


def read_points(out: bytes) -> tuple[list[PrintedPoint], tuple[str, ...]]:
    """Returns the points, and why there are more. Raises OtherShape."""
    if len(out) > MOST_OUTPUT_BYTES:
        return read(LIST, _whole_ones(out[:MOST_OUTPUT_BYTES])), (CUT_OFF,)
    if not out.lstrip().startswith(b"{"):
        return read(LIST, out), ()
    page = read(PAGE, out)
    return page.points, () if page.next is None else (NEXT_PAGE,)


def _whole_ones(cut: bytes) -> bytes:
    """Returns the list with those elements that came through whole. Raises OtherShape when there is none."""
    text, decoder = cut.decode("utf-8", "ignore"), json.JSONDecoder()
    begin = end = text.find("[") + 1
    try:
        while begin:
            between = _BETWEEN.match(text, end)
            _, end = decoder.raw_decode(text, between.end() if between else end)
    except (ValueError, RecursionError):  # the one that was cut off
        pass
    if end == begin:
        raise OtherShape("it prints more than 1 MiB")
    return f"[{text[begin:end]}]".encode()


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return printable(f"{place}: {first['msg']}" if place else first["msg"])
