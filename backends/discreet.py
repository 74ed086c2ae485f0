"""Executors and checks that repeat no secret: what those behind them answer or complain of is struck first.

What they say goes to cards, pages, the database and the log. Handles are no words: they pass as they are.
"""

from collections.abc import Awaitable
from datetime import datetime
from typing import TypeVar

from backends.secrecy import Secrets
from bot.contract import (
    CancelAnswer,
    Capabilities,
    Executor,
    Found,
    Handle,
    Operation,
    Progress,
    Taken,
    Work,
)
from bot.looking import PatientCheck
from bot.model import Finding, Goal, Loss, Points, RestorePoint, Way, When

T = TypeVar("T")


class DiscreetOperation:
    def __init__(self, operation: Operation, secrets: Secrets) -> None:
        self._operation = operation
        self._secrets = secrets

    @property
    def place(self) -> str | None:
        return self._operation.place

    async def start(self, work: Work) -> Handle | Taken:
        return await self._heard(self._operation.start(work))

    async def find(self, work: Work) -> Found:
        return await self._heard(self._operation.find(work))

    async def poll(self, work: Work, handle: Handle) -> Progress:
        return await self._heard(self._operation.poll(work, handle))

    async def cancel(self, work: Work, handle: Handle) -> CancelAnswer:
        return await self._heard(self._operation.cancel(work, handle))

    async def _heard(self, answer: Awaitable[T]) -> T:
        try:
            return self._secrets.struck_from(await answer)
        except Exception as problem:
            self._secrets.strike_from(problem)
            raise


class DiscreetExecutor(DiscreetOperation):
    def __init__(self, executor: Executor, secrets: Secrets) -> None:
        super().__init__(executor, secrets)
        self._executor = executor

    @property
    def capabilities(self) -> Capabilities:
        return self._executor.capabilities

    async def restore_points(self, limit: int = 50) -> Points:
        return await self._heard(self._executor.restore_points(limit))

    async def plan(self, goal: Goal, now: datetime) -> Way:
        return await self._heard(self._executor.plan(goal, now))

    async def measure(self, point: RestorePoint, now: datetime) -> Loss | None:
        return await self._heard(self._executor.measure(point, now))

    async def undo_point(self, work: Work) -> RestorePoint | None:
        return await self._heard(self._executor.undo_point(work))

    async def verify(self, work: Work) -> tuple[Finding, ...]:
        return await self._heard(self._executor.verify(work))


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
