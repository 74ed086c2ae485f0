"""Executors that repeat no secret: what the one behind them answers or complains of is struck first.

What they say goes to cards, pages, the database and the log. Handles are no words: they pass as they are.
"""

from collections.abc import Awaitable
from datetime import datetime
from typing import TypeVar

from bot.executors.contract import (
    Cancelled,
    Capabilities,
    Executor,
    Found,
    Handle,
    Operation,
    Progress,
    Taken,
    Work,
)
from bot.executors.secrecy import Secrets
from bot.model import Finding, Goal, Loss, Points, RestorePoint, Way

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

    async def cancel(self, work: Work, handle: Handle) -> Cancelled:
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
