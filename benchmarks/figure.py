"""What a measurement gives: the figure, its gate, and whether it was reached."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    measured: str  # for people, with units
    gate: str
    reached: bool
    values: Mapping[str, object] = field(default_factory=dict)  # what it was worked out from, for later


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed; `values` is not empty."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def spread(values: Sequence[float]) -> dict[str, float]:
    """Of seconds, in milliseconds."""
    named = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return {name: round(quantile(values, share) * 1000, 2) for name, share in named.items()}
