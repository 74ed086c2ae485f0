"""The guard around executors, checks and operations: what they say is of the contract, and repeats no secret.

Their code may be somebody else's. An error that the contract does not know, and an answer of another type,
become one sentence that names the type, the method and the class, never the text: that may hold a secret.
What is said goes to cards, pages, the database and the log. Handles are no words: they pass as they are.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, is_dataclass
from datetime import datetime
from inspect import isawaitable
from typing import Any, Final, NoReturn, Self, TypeVar

from backends.discreet_rows import is_row, struck_row
from backends.secrecy import Secrets
from bot import codec
from bot.contents import Contents
from bot.contract import (
    Capabilities,
    Closes,
    Describes,
    Ended,
    Examines,
    Executor,
    Fingerprints,
    Found,
    Handle,
    Lists,
    Operation,
    OutcomeUnknown,
    Placed,
    Progress,
    Removal,
    RowListed,
    TableListed,
    TableNotListed,
    Taken,
    Trouble,
    Unsupported,
    Work,
)
from bot.errors import PermanentError, TemporaryError, words_of
from bot.looking import LooksBeside, PatientCheck, ReachesTarget
from bot.model import (
    Finding,
    Goal,
    Left,
    Loss,
    Points,
    RestorePoint,
    Verdict,
    Way,
    When,
)

T = TypeVar("T")

END: Final = object()  # of what a method yields
KNOWN: Final = (PermanentError, TemporaryError, OutcomeUnknown)  # what the contract lets them raise
# Somebody ends us, and means it. A coroutine that is closed must not answer.
ENDS_US: Final = (asyncio.CancelledError, KeyboardInterrupt, GeneratorExit)
EFFECTS: Final = frozenset({"start", "bar", "cancel"})  # when they break, something may have been sent


@dataclass(frozen=True, slots=True)
class Expected:
    """Describes one answer as the contract wants it."""

    noun: Any  # as the codec takes it
    kinds: tuple[type, ...]
    words: str

    def why_not(self, answer: object) -> str | None:
        """Returns how it differs, as the end of a sentence."""
        return None if isinstance(answer, self.kinds) else f"{type(answer).__name__}, not {self.words}"


EXPECTED: Final[Mapping[str, Expected]] = {
    "points": Expected(Points, (Points,), "Points"),
    "plan": Expected(Way, (Way,), "a Way"),
    "measure": Expected(Loss, (Loss,), "a Loss"),
    "fingerprint": Expected(str, (str,), "a text"),
    "where": Expected(tuple[str, ...], (tuple,), "a tuple of texts"),
    "verify": Expected(tuple[Finding, ...], (tuple,), "a tuple of Findings"),
    "examine": Expected(tuple[Trouble, ...], (tuple,), "a tuple of Troubles"),
    "describe": Expected(Contents | None, (Contents, type(None)), "Contents or None"),
    "close": Expected(None, (type(None),), "None"),
    "start": Expected(Ended | Taken | Handle, (Mapping, Taken, Ended), "a Handle, Taken or Ended"),
    "find": Expected(Found, (Found,), "Found"),
    "bar": Expected(Found, (Found,), "Found"),
    "poll": Expected(Ended | Progress, (Progress, Ended), "Progress or Ended"),
    "cancel": Expected(Left | None, (Left, type(None)), "a Left or None"),
    "list_removed": Expected(
        tuple[TableListed | TableNotListed, ...], (tuple,), "a tuple of TableListed and TableNotListed"
    ),
    "look": Expected(Finding, (Finding,), "a Finding"),
    "place": Expected(str | None, (str, type(None)), "a text or None"),
    "capabilities": Expected(Capabilities, (Capabilities,), "Capabilities"),
    "name": Expected(str, (str,), "a text"),
    "when": Expected(When, (When,), "a When"),
    "stable": Expected(int, (int,), "a whole number"),
    "every": Expected(float, (int, float), "a number"),
    "wait": Expected(float, (int, float), "a number"),
    "reaches_target": Expected(bool, (bool,), "True or False"),
}


NOUNS: Final = tuple(expected.noun for expected in EXPECTED.values())


class Hearing:
    """Takes over what one backend says."""

    def __init__(self, type_name: str, secrets: Secrets) -> None:
        """`type_name`: the word in the configuration."""
        self.secrets = secrets
        self._type_name = type_name

    def read(self, name: str, ask: Callable[[], T]) -> T:
        """Returns a property. Raises PermanentError when it breaks the contract."""
        try:
            answer = ask()
        except BaseException as problem:  # noqa: BLE001 - code of somebody else, see above
            self._raise_instead(name, problem)
        return self._as_agreed(name, answer)

    async def of(self, name: str, ask: Callable[[], Awaitable[T]]) -> T:
        """Returns the answer of a method. Raises what the contract knows.

        A method that breaks the contract is a PermanentError, and OutcomeUnknown where it has effects.
        """
        try:
            asked: object = ask()
            answer: Any = await asked if isawaitable(asked) else None
        except BaseException as problem:  # noqa: BLE001 - code of somebody else, see above
            self._raise_instead(name, problem)
        if not isawaitable(asked):
            self._say(name, "is no async method")
        agreed: T = self._as_agreed(name, answer)
        return agreed

    async def rows(self, name: str, ask: Callable[[], object]) -> AsyncGenerator[tuple[RowListed, ...], None]:
        """Yields what a method yields, as `of` returns what one returns. Closes it in any case."""
        asked = self._told(name, ask)
        if not isinstance(asked, AsyncGenerator):
            self._say(name, f"returned {type(asked).__name__}, not an async generator")
        try:
            while (batch := await self._awaited(name, anext(asked, END))) is not END:
                if not isinstance(batch, tuple) or not all(map(is_row, batch)):
                    self._say(name, f"yielded {type(batch).__name__}, not a tuple of whole RowListed")
                yield tuple(struck_row(row, self.secrets) for row in batch)
        finally:
            await self._awaited(name, asked.aclose())

    def made(self, name: str, ask: Callable[[], T | None], kind: Any) -> T | None:
        """Returns an object of the backend's own that a method has made, if it made one.

        Raises PermanentError when that breaks the contract.
        """
        made = self._told(name, ask)
        if made is not None and not isinstance(made, kind):
            self._say(name, f"returned {type(made).__name__}, not {kind.__name__} or None")
        return made

    def _told(self, name: str, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except BaseException as problem:  # noqa: BLE001 - code of somebody else, see above
            self._raise_instead(name, problem)

    async def _awaited(self, name: str, answer: Awaitable[T]) -> T:
        try:
            return await answer
        except BaseException as problem:  # noqa: BLE001 - code of somebody else, see above
            self._raise_instead(name, problem)

    def _raise_instead(self, name: str, problem: BaseException) -> NoReturn:
        if isinstance(problem, ENDS_US):
            raise problem
        if isinstance(problem, KNOWN) and self._can_be_told(name, problem):
            raise problem
        self._say(name, f"raised {type(problem).__name__}")

    def _can_be_told(self, name: str, problem: BaseException) -> bool:
        """Strikes it. Its class may be somebody else's: it may have words of its own.

        One that came without words gets some.
        """
        try:
            if not str(problem).strip():
                words = f"its `{name}` raised {type(problem).__name__}."
                problem.args = (f"Type `{self._type_name}` gives no reason: {words}",)
            self.secrets.strike_from(problem)
            words = str(problem)
            return words == self.secrets.struck(words)
        except Exception:  # noqa: BLE001 - see above
            return False

    def _as_agreed(self, name: str, answer: T) -> T:
        expected = EXPECTED[name]
        if differs := expected.why_not(answer):
            self._say(name, f"returned {differs}")
        try:
            agreed: T = codec.exactly(type(answer) if is_dataclass(answer) else expected.noun, answer)
        except Exception:  # noqa: BLE001 - a part may be an object of somebody else's, with any error
            self._say(name, f"returned {type(answer).__name__} with a field that the contract does not allow")
        return self.secrets.struck_from(agreed)

    def _say(self, name: str, what: str) -> NoReturn:
        broken = f"Type `{self._type_name}` is broken: its `{name}` {what}."
        sentence = self.secrets.struck(f"{broken} Update the package that brings it.")
        raise (OutcomeUnknown if name in EFFECTS else PermanentError)(sentence) from None


class DiscreetOperation:
    def __init__(self, operation: Operation, type_name: str, secrets: Secrets) -> None:
        self._operation = operation
        self._hearing = Hearing(type_name, secrets)

    @property
    def place(self) -> str | None:
        return self._hearing.read("place", lambda: self._operation.place)

    async def start(self, work: Work) -> Handle | Taken | Ended:
        return await self._hearing.of("start", lambda: self._operation.start(work))

    async def find(self, work: Work) -> Found:
        return await self._hearing.of("find", lambda: self._operation.find(work))

    async def bar(self, work: Work) -> Found:
        return await self._hearing.of("bar", lambda: self._operation.bar(work))

    async def poll(self, work: Work) -> Progress | Ended:
        return await self._hearing.of("poll", lambda: self._operation.poll(work))

    async def cancel(self, work: Work) -> Left | None:
        return await self._hearing.of("cancel", lambda: self._operation.cancel(work))


class DiscreetExecutor(DiscreetOperation):
    def __init__(self, executor: Executor, type_name: str, secrets: Secrets) -> None:
        super().__init__(executor, type_name, secrets)
        self._executor = executor
        self._type_name = type_name

    def looked_over(self) -> Self:
        """Raises PermanentError when its properties break the contract, before anything is begun."""
        _ = self.place, self.capabilities
        return self

    @property
    def capabilities(self) -> Capabilities:
        return self._hearing.read("capabilities", lambda: self._executor.capabilities)

    async def points(self, limit: int = 50) -> Points:
        return await self._hearing.of("points", lambda: self._executor.points(limit))

    async def plan(self, goal: Goal, now: datetime) -> Way:
        return await self._hearing.of("plan", lambda: self._executor.plan(goal, now))

    async def measure(self, point: RestorePoint, now: datetime) -> Loss:
        return await self._hearing.of("measure", lambda: self._executor.measure(point, now))

    async def verify(self, work: Work) -> tuple[Finding, ...]:
        return await self._hearing.of("verify", lambda: self._executor.verify(work))

    async def list_removed(self, removal: Removal) -> tuple[TableListed | TableNotListed, ...]:
        """Raises Unsupported where the backend lists nothing."""
        lists = self._lists()
        return await self._hearing.of("list_removed", lambda: lists.list_removed(removal))

    def rows_removed(
        self, removal: Removal, table: str, *, personal: bool = False
    ) -> AsyncGenerator[tuple[RowListed, ...], None]:
        """Raises Unsupported where the backend lists nothing."""
        lists = self._lists()
        return self._hearing.rows(
            "rows_removed", lambda: lists.rows_removed(removal, table, personal=personal)
        )

    def _lists(self) -> Lists:
        if not isinstance(self._executor, Lists):
            words = f"Type `{self._type_name}` cannot list what a run has removed"
            raise Unsupported(f"{words}: look at the backend itself.")
        return self._executor

    async def fingerprint(self, point: RestorePoint) -> str:
        """Returns that of the list where the executor cannot say more."""
        return await self._hearing.of("fingerprint", lambda: self._content(point))

    async def _content(self, point: RestorePoint) -> str:
        executor = self._executor
        return await executor.fingerprint(point) if isinstance(executor, Fingerprints) else point.fingerprint

    async def describe(self, work: Work) -> Contents | None:
        """Returns None as well where the executor cannot describe a copy."""
        return await self._hearing.of("describe", lambda: self._described(work))

    async def _described(self, work: Work) -> Contents | None:
        executor = self._executor
        return await executor.describe(work) if isinstance(executor, Describes) else None

    async def close(self) -> None:
        """Does nothing where the executor holds nothing open."""
        await self._hearing.of("close", self._closed)

    async def _closed(self) -> None:
        if isinstance(self._executor, Closes):
            await self._executor.close()

    async def where(self) -> tuple[str, ...]:
        """Returns nothing as well where the executor cannot name what it changes."""
        return await self._hearing.of("where", self._placed)

    async def _placed(self) -> tuple[str, ...]:
        return await self._executor.where() if isinstance(self._executor, Placed) else ()

    async def examine(self) -> tuple[Trouble, ...]:
        """Returns nothing as well where the executor does not examine itself."""
        return await self._hearing.of("examine", self._examined)

    async def _examined(self) -> tuple[Trouble, ...]:
        """Looks for the method inside the guard: in code of somebody else that may raise, too."""
        return await self._executor.examine() if isinstance(self._executor, Examines) else ()


class DiscreetCheck:
    def __init__(self, check: PatientCheck, type_name: str, secrets: Secrets) -> None:
        self._check = check
        self._type_name = type_name
        self._hearing = Hearing(type_name, secrets)

    def looked_over(self) -> Self:
        """Raises PermanentError when its properties break the contract."""
        _ = self.name, self.when, self.stable, self.every, self.wait
        return self

    @property
    def name(self) -> str:
        """Returns its name as its findings carry it: before and after are compared by name."""
        return self._hearing.read("name", lambda: self._check.name)

    @property
    def when(self) -> When:
        return self._hearing.read("when", lambda: self._check.when)

    @property
    def stable(self) -> int:
        return self._hearing.read("stable", lambda: self._check.stable)

    @property
    def every(self) -> float:
        return self._hearing.read("every", lambda: self._check.every)

    @property
    def wait(self) -> float:
        return self._hearing.read("wait", lambda: self._check.wait)

    @property
    def reaches_target(self) -> bool:
        check = self._check
        return isinstance(check, ReachesTarget) and self._hearing.read(
            "reaches_target", lambda: check.reaches_target
        )

    def beside(self, environment: Mapping[str, str]) -> "DiscreetCheck | None":
        """Returns the same check on a copy; None: it cannot look at one."""
        check = self._check
        if not isinstance(check, LooksBeside):
            return None
        found = self._hearing.made("beside", lambda: check.beside(environment), PatientCheck)
        if found is None:
            return None
        return DiscreetCheck(found, self._type_name, self._hearing.secrets).looked_over()

    async def look(self, before: Finding | None, now: datetime) -> Finding:
        """Returns what it saw. A check that raises saw nothing, and its finding says why."""
        try:
            return await self._hearing.of("look", lambda: self._check.look(before, now))
        except KNOWN as problem:
            return Finding(self.name, self.when, Verdict.INCONCLUSIVE, words=words_of(problem))
