"""The programs of one target: what they are called, what they may see, and how they are asked.

Credentials are read when a program is started: what was rotated works at once, and only that program sees
it. What acts goes through the spool; it takes argv and surroundings from here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Final, TypeVar

from pydantic import TypeAdapter

from backends.command.answers import SHAPES, OtherShape, read
from backends.command.settings import PLACES
from backends.programs.process import MOST_OUTPUT_BYTES, Said, printable, run
from backends.programs.spool import filled, why_not_an_argument
from backends.references import Resolver
from backends.surroundings import Surroundings
from backends.threads import Threads
from bot.configuration.values import Reference
from bot.contract import Denied, TargetMissing, Unreachable
from bot.errors import ConfigurationError, PermanentError

POINT: Final = "{point}"
OPERANDS: Final = "--"  # after it no program takes an argument for an option

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProgramCall:
    argv: tuple[str, ...]
    timeout: float = 30.0  # seconds
    name: str = ""  # for people; empty: the name of its file
    environment: Mapping[str, str | Reference] = field(default_factory=dict)  # beside what all programs see

    @property
    def title(self) -> str:
        """Returns what people read of it, never an argument: those may be secrets."""
        return printable(self.name or PurePath(self.argv[0]).name, 40).replace("`", "'")

    @property
    def takes_dashes(self) -> bool:
        """Whether a point that begins with a dash can be told to it as nothing but a point."""
        words = list(self.argv)
        return all(
            before == OPERANDS for before, word in zip(["", *words], words, strict=False) if word == POINT
        )

    def argv_for(self, point: str) -> tuple[str, ...]:
        """Returns its argv; a point that begins with a dash stands in it where it is harmless.

        Everything else is filled in by the spool, which lets no argument begin with a dash.
        """
        if not point.startswith("-") or not self.takes_dashes:
            return self.argv
        return tuple(point if word == POINT else word for word in self.argv)


def why_not_a_point(value: str, after_dashes: bool) -> str | None:
    """Returns why no program can be told it, as the end of a sentence.

    `after_dashes`: whether all of them take it after `--`.
    """
    if not (after_dashes and value.startswith("-")):
        return why_not_an_argument(value)
    if any(f"{{{name}}}" in value for name in PLACES):
        return "looks like an option and holds a placeholder"
    return why_not_an_argument(f"+{value[1:]}")


class Programs:
    """Runs what only looks, and says with what anything is run."""

    def __init__(self, resolver: Resolver, threads: Threads) -> None:
        self._resolver = resolver
        self._threads = threads

    @property
    def surroundings(self) -> Surroundings:
        """Without any variables of the operator's: for whoever runs nothing."""
        return self._resolver.surroundings

    async def surroundings_of(self, call: ProgramCall) -> Surroundings:
        """Returns what the program may see at this moment. Raises Unreachable: nothing was run.

        A file of a secret may hang as any other, and be missing while it is written anew.
        """
        try:
            return await self._threads.run(self._resolver.with_variables, call.environment)
        except ConfigurationError as error:
            raise Unreachable(f"`{call.title}` cannot be run now: {' '.join(error.problems)}") from error

    async def ask(self, expected: TypeAdapter[T], what: str, call: ProgramCall, **values: str) -> T:
        """Returns the answer. Raises PermanentError for one of another shape, and as `say` does."""
        argv = filled(call.argv_for(values.get("point", "")), **values)
        said = await self.say(what, call, argv)
        try:
            return read(expected, said.out)
        except OtherShape as problem:
            raise misprinted(what, call, problem) from problem

    async def say(
        self,
        what: str,
        call: ProgramCall,
        argv: Sequence[str],
        timeout: float | None = None,
        most: int = MOST_OUTPUT_BYTES,
    ) -> Said:
        """Returns what a program said that ended well. `timeout` None: its own.

        Raises TargetMissing, Denied, Unreachable.
        """
        said = await self.run(call, argv, call.timeout if timeout is None else timeout, most)
        who = f"The {what} command `{call.title}`"
        if said.rc is None:
            raise Unreachable(f"{who} was stopped: no answer within {call.timeout:g} s.")
        if said.rc != 0:
            raise Unreachable(f"{who} ended with {said.rc}: {said.last or 'it says nothing'}")
        return said

    async def run(self, call: ProgramCall, argv: Sequence[str], timeout: float, most: int) -> Said:
        """Raises TargetMissing, Denied, Unreachable."""
        surroundings = await self.surroundings_of(call)
        try:
            return await run(argv, timeout, surroundings, most)
        except FileNotFoundError as error:
            raise TargetMissing(f"`{call.title}` cannot be run: {error}.") from error
        except PermissionError as error:
            raise Denied(f"`{call.title}` may not be run: {error}.") from error
        except OSError as error:
            raise Unreachable(f"`{call.title}` cannot be run now: {error}.") from error


def misprinted(what: str, call: ProgramCall, problem: OtherShape) -> PermanentError:
    return PermanentError(f"The {what} command `{call.title}` must print {SHAPES[what]}: {problem}.")
