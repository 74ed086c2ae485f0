"""Check `command`: a program of the operator's own. It passes by ending with 0.

Any other end is `failed`: a program that can tell that it saw nothing has no way to say so. It is
`inconclusive` when it cannot be run, or has not ended in time.
"""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePath

from backends.command.settings import CommandCheckSettings
from backends.programs.process import run
from backends.references import Resolver
from backends.surroundings import Surroundings
from bot.contract import COPY
from bot.looking import Habits
from bot.model import Finding, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandCheck(Habits):
    argv: tuple[str, ...]
    surroundings: Surroundings
    looks_beside: bool = False  # at the copy that its environment tells of

    @property
    def name(self) -> str:
        """The program alone: arguments may be secrets."""
        return self.label or f"command {PurePath(self.argv[0]).name}"

    async def look(self, before: Finding | None, now: datetime) -> Finding:
        was = before.value if before else None
        try:
            said = await run(self.argv, self.timeout, self.surroundings)
        except OSError as error:
            return Finding(
                self.name, self.when, Verdict.INCONCLUSIVE, None, was, f"cannot be run: {error.strerror}"
            )
        if said.rc is None:
            words = f"did not end within {self.timeout:g} s and was stopped"
            return Finding(self.name, self.when, Verdict.INCONCLUSIVE, None, was, words)
        verdict = Verdict.PASSED if said.rc == 0 else Verdict.FAILED
        return Finding(self.name, self.when, verdict, said.rc, was, said.last or _ended(said.rc))

    def beside(self, environment: Mapping[str, str]) -> "CommandCheck | None":
        """Returns nothing where nobody has said that the program knows copies: it would look elsewhere."""
        if not self.looks_beside or COPY not in environment:
            return None
        seen = {**self.surroundings.environment, **environment}
        return replace(self, surroundings=replace(self.surroundings, environment=seen))


def _ended(rc: int) -> str:
    """A negative code is a signal that nobody of us has sent."""
    return f"ended with {rc}" if rc >= 0 else f"was ended by {signal.strsignal(-rc) or 'a signal'}"


def build(settings: CommandCheckSettings, resolver: Resolver) -> CommandCheck:
    """Raises ConfigurationError when a reference cannot be resolved."""
    surroundings = resolver.with_variables(settings.environment)
    return CommandCheck(
        argv=settings.argv, surroundings=surroundings, looks_beside=settings.beside, **settings.habits()
    )
