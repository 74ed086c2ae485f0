"""What every check must do: look once and say what it saw, never change anything."""

from datetime import datetime
from typing import Protocol

from bot.model import Finding, When


class Check(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def when(self) -> When: ...

    async def look(self, before: Finding | None, now: datetime) -> Finding:
        """One look. What cannot be seen is `inconclusive` with the reason, never an exception."""
