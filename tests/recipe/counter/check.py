"""Check `counter`: the counter stands high enough."""

import asyncio
import fcntl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from backends.references import Resolver
from bot.contract import TargetMissing
from bot.looking import Habits
from bot.model import Finding, Verdict
from tests.recipe.counter.file import CounterFile
from tests.recipe.counter.settings import CounterCheckSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterCheck(Habits):
    file: Path
    least: float

    @property
    def name(self) -> str:
        return self.label or f"counter {self.file.name}"

    async def look(self, before: Finding | None, now: datetime) -> Finding:
        was = before.value if before else None
        try:
            async with asyncio.timeout(self.timeout):
                value = await self._value()
        except (TimeoutError, TargetMissing) as error:
            words = str(error) or f"was locked for {self.timeout:g} s"
            return Finding(self.name, self.when, Verdict.INCONCLUSIVE, None, was, words)
        verdict = Verdict.PASSED if value >= self.least else Verdict.FAILED
        return Finding(self.name, self.when, verdict, value, was, f"stands at {value}")

    async def _value(self) -> int:
        """Waits for whoever writes."""
        with self.file.with_suffix(".lock").open("a") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    await asyncio.sleep(0.01)
                else:
                    return CounterFile(self.file).read().value


def build(settings: CounterCheckSettings, resolver: Resolver) -> CounterCheck:
    return CounterCheck(file=resolver.path(settings.file), least=settings.least, **settings.habits())
