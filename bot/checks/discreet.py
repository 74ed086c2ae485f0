"""A check that repeats no secret: what the one behind it saw is struck before it becomes a finding."""

from datetime import datetime

from bot.checks.looking import PatientCheck
from bot.executors.secrecy import Secrets
from bot.model import Finding, When


class DiscreetCheck:
    def __init__(self, check: PatientCheck, secrets: Secrets) -> None:
        self._check = check
        self._secrets = secrets

    @property
    def name(self) -> str:
        """As its findings carry it: before and after are compared by name."""
        return self._secrets.struck(self._check.name)

    @property
    def when(self) -> When:
        return self._check.when

    @property
    def stable(self) -> int:
        return self._check.stable

    @property
    def every(self) -> float:
        return self._check.every

    @property
    def wait(self) -> float:
        return self._check.wait

    async def look(self, before: Finding | None, now: datetime) -> Finding:
        try:
            return self._secrets.struck_from(await self._check.look(before, now))
        except Exception as problem:
            self._secrets.strike_from(problem)
            raise
