"""Plots as values: two bars from a common zero, and dots over time. Pure; the templates draw them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.model import Value

WIDEST_PERCENT = 68.0  # of the plot; the rest is for the figure beside the bar
THINNEST_PERCENT = 0.6  # a zero is seen as a line


@dataclass(frozen=True, slots=True)
class Bar:
    """In per cent of the plot's width."""

    x: float
    width: float

    @property
    def end(self) -> float:
        return self.x + self.width


def bars(before: Value, after: Value) -> tuple[Bar, Bar] | None:
    """Both on one scale that holds zero, so that lengths compare as the values do. None: not two numbers."""
    if not (isinstance(before, int | float) and isinstance(after, int | float)):
        return None
    if not (math.isfinite(before) and math.isfinite(after)):
        return None
    low = min(0.0, before, after)
    span = max(0.0, before, after) - low or 1.0
    return _bar(before, low, span), _bar(after, low, span)


def _bar(value: float, low: float, span: float) -> Bar:
    start, end = sorted(((0.0 - low) / span * WIDEST_PERCENT, (value - low) / span * WIDEST_PERCENT))
    return Bar(round(start, 2), round(max(end - start, THINNEST_PERCENT), 2))


# Over time ---------------------------------------------------------------------------------------

HIGHEST_PERCENT = 90.0  # of the plot's height; the rest is for the figure above a dot


@dataclass(frozen=True, slots=True)
class Dot:
    """In per cent of the plot's width from the left, and of its height from the top."""

    x: float
    y: float
    at: datetime
    value: float
    is_over: bool  # it does not meet the objective


@dataclass(frozen=True, slots=True)
class Series:
    dots: tuple[Dot, ...]  # the oldest first
    objective_y: float | None  # per cent from the top; None: none is declared
    most: float  # the value at the top of the scale, which begins at zero


def series(values: Sequence[tuple[datetime, float]], objective: float | None) -> Series | None:
    """Returns values over time on one scale with their objective; None: there are none."""
    if not values:
        return None
    placed = sorted(values)
    first, last = placed[0][0], placed[-1][0]
    span = (last - first).total_seconds()
    most = max([value for _, value in placed] + [objective or 0.0]) or 1.0

    def height(value: float) -> float:
        return round(100.0 - value / most * HIGHEST_PERCENT, 2)

    dots = tuple(
        Dot(
            x=round((at - first).total_seconds() / span * 100.0, 2) if span else 50.0,
            y=height(value),
            at=at,
            value=value,
            is_over=objective is not None and value > objective,
        )
        for at, value in placed
    )
    return Series(dots, None if objective is None else height(objective), most)
