"""What a part of the chaos is asked for, and what it gives back."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Options:
    seed: int
    long: bool = False  # the figures of the specification; else a tenth, in minutes
    databases: Sequence[str] = ("sqlite", "postgres")
    case: int | None = None  # this one alone; None: all
    minutes: float | None = None  # that a part of many like cases may take; None: as many as it needs
    say: Callable[[str], None] = print

    def over(self, began: float) -> bool:
        """Whether a part that began then, by `time.perf_counter`, begins no further case."""
        return self.minutes is not None and time.perf_counter() - began > self.minutes * 60


@dataclass(frozen=True, slots=True)
class Result:
    """A line of the table. `problems`: each with what repeats it alone."""

    figure: str
    gate: str
    measured: str
    reached: bool
    seed: int
    seconds: float
    problems: Sequence[str] = field(default_factory=tuple)
