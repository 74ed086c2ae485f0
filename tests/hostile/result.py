"""What a number of hostile requests came to."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

SHOWN_AT_MOST = 20  # violations in full; the rest is counted


@dataclass(slots=True)
class Result:
    """Of one campaign. It held when nothing was violated."""

    name: str
    seed: int
    requests: int = 0
    seconds: float = 0.0
    slowest: float = 0.0  # seconds
    answers: Counter[str] = field(default_factory=Counter)
    violated: int = 0
    violations: list[str] = field(default_factory=list)

    def answered(self, answer: str, after: float) -> None:
        self.requests += 1
        self.answers[answer] += 1
        self.slowest = max(self.slowest, after)

    def violation(self, what: str) -> None:
        self.violated += 1
        if len(self.violations) < SHOWN_AT_MOST:
            self.violations.append(what[:1_000])

    def table(self) -> Iterable[str]:
        rate = self.requests / self.seconds if self.seconds else 0.0
        held = "held" if not self.violated else f"{self.violated} VIOLATIONS"
        yield (
            f"{self.name:<22} seed {self.seed}  {self.requests:>9,} requests  {rate:>8,.0f}/s  "
            f"slowest {self.slowest * 1000:>7.1f} ms  {held}"
        )
        for answer, count in sorted(self.answers.items()):
            yield f"    {answer:<20} {count:>9,}"
        yield from (f"    ! {violation}" for violation in self.violations)
