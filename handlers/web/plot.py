"""A check's value before and after as two bars from a common zero. Pure; the template draws them."""

import math
from dataclasses import dataclass

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
