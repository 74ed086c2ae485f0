"""A backend that breaks its contract is named in one sentence; one that keeps it is heard as it speaks."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest

from backends.discreet import EFFECTS, DiscreetCheck, DiscreetExecutor
from backends.secrecy import Secrets
from bot.contract import (
    Capabilities,
    Denied,
    Ended,
    Fate,
    Found,
    OutcomeUnknown,
    PointUnavailable,
    Progress,
    Removal,
    RowListed,
    TableListed,
    TableNotListed,
    Taken,
    Unreachable,
    Unsupported,
    Work,
)
from bot.errors import ConfigurationError, PermanentError, UserError
from bot.model import (
    Change,
    Current,
    Do,
    Fence,
    Finding,
    Goal,
    Gone,
    Left,
    Loss,
    LossQuality,
    Points,
    RestorePoint,
    Span,
    Unit,
    Verdict,
    Way,
    When,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NO_ZONE = datetime(2026, 11, 22, 12, 0)  # noqa: DTZ001 - a backend of somebody else may say it
WORK = Work("k3v9x2ab.RB-42.3", "RB-42", "d" * 64, Do.RESTORE, point="p41", expected="t")
SECRET = "canary-9d1e"
POINT = RestorePoint("p41", NOW, "before the fix", live=(Span(NOW, None),), fingerprint="f" * 64)
CURRENT = Current("p42", "t", since=NOW)
LOSS = Loss(LossQuality.MEASURED, NOW, (Unit("orders", 3), Unit("payments", 0)))
WAY = Way(POINT, CURRENT, LOSS, gone=(Gone("p42", "the fix", NOW),), warnings=("Slow.",), downtime=3)
FINDING = Finding("rows", When.OFFLINE, Verdict.PASSED, 3.0)
END = Ended(True, Left.BEFORE, "done", POINT)
ANSWERS: Mapping[str, object] = {
    "points": Points((POINT,), CURRENT),
    "plan": WAY,
    "measure": LOSS,
    "verify": (FINDING,),
    "start": {"job": 7, "of": ["a", None]},
    "find": Found(Fate.IN_FLIGHT, "half way", {"job": 7}),
    "bar": Found(Fate.ABSENT, "never"),
    "poll": Progress(NOW, done=1, total=2.5),
    "cancel": Left.BEFORE,
}
SAID: Mapping[str, tuple[object, ...]] = {
    "points": (50,),
    "plan": (Goal(point="p41"), NOW),
    "measure": (POINT, NOW),
}
METHODS = tuple(ANSWERS)


class Toy:
    """An executor of somebody else's. `said`: the answers of its methods, or functions that make them."""

    def __init__(self, **said: object) -> None:
        self._said = {**ANSWERS, **said}
        self.place = said.get("place")
        self.capabilities = said.get("capabilities", Capabilities(Fence.BARRED))

    def __getattr__(self, name: str) -> Callable[..., Awaitable[object]]:
        async def answer(*said: object) -> object:
            found = self._said[name]
            return found() if callable(found) else found

        return answer


def raising(problem: BaseException) -> Callable[[], object]:
    def fail() -> object:
        raise problem

    return fail


def heard(toy: Any, *secrets: str) -> DiscreetExecutor:
    known = Secrets()
    for each in secrets:
        known.add(each)
    return DiscreetExecutor(toy, "toy", known)


async def asked(toy: Any, method: str, *secrets: str) -> object:
    return await getattr(heard(toy, *secrets), method)(*SAID.get(method, (WORK,)))


async def sentence(toy: Any, method: str, *secrets: str) -> str:
    """What it says instead, in the error that fits the method."""
    with pytest.raises(OutcomeUnknown if method in EFFECTS else PermanentError) as caught:
        await asked(toy, method, *secrets)
    return str(caught.value)


# Those that keep the contract ------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
async def test_an_answer_of_the_contract_comes_through_as_it_is(method: str) -> None:
    assert await asked(Toy(), method) == ANSWERS[method]


@pytest.mark.parametrize(
    ("method", "answer"),
    [("cancel", None), ("start", Taken.TAKEN), ("start", END), ("poll", END), ("verify", ())],
)
async def test_what_may_be_said_instead_comes_through(method: str, answer: object) -> None:
    assert await asked(Toy(**{method: answer}), method) == answer


@pytest.mark.parametrize(
    "problem", [Denied("no"), Unreachable("down"), OutcomeUnknown("?"), PointUnavailable("gone")]
)
@pytest.mark.parametrize("method", METHODS)
async def test_an_error_of_the_contract_comes_through(method: str, problem: Exception) -> None:
    with pytest.raises(type(problem)) as caught:
        await asked(Toy(**{method: raising(problem)}), method)
    assert caught.value is problem


@pytest.mark.parametrize("problem", [Denied(), Unreachable(" "), OutcomeUnknown("")])
async def test_an_error_that_says_nothing_gets_words(problem: Exception) -> None:
    with pytest.raises(type(problem)) as caught:
        await heard(Toy(plan=raising(problem))).plan(Goal(point="p41"), NOW)
    words = f"its `plan` raised {type(problem).__name__}."
    assert str(caught.value) == f"Type `toy` gives no reason: {words}"


@pytest.mark.parametrize("ends", [asyncio.CancelledError(), KeyboardInterrupt()])
async def test_who_ends_us_is_not_held_up(ends: BaseException) -> None:
    with pytest.raises(type(ends)):
        await heard(Toy(plan=raising(ends))).plan(Goal(point="p41"), NOW)


# Those that break it ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "problem",
    [KeyError(SECRET), SystemExit(7), BaseExceptionGroup("", [SystemExit(SECRET)]), UserError(SECRET)],
    ids=lambda each: type(each).__name__,
)
async def test_an_error_that_the_contract_does_not_know_is_one_sentence(
    method: str, problem: BaseException
) -> None:
    words = f"its `{method}` raised {type(problem).__name__}. Update the package that brings it."
    assert await sentence(Toy(**{method: raising(problem)}), method) == f"Type `toy` is broken: {words}"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("answer", [3, [], "words", Toy, object()], ids=lambda each: type(each).__name__)
async def test_an_answer_of_another_type_is_one_sentence(method: str, answer: object) -> None:
    toy = Toy(**{method: lambda: answer})
    said = f"Type `toy` is broken: its `{method}` returned {type(answer).__name__}, not "
    assert (await sentence(toy, method)).startswith(said)


async def test_the_sentence_says_what_was_expected() -> None:
    assert await sentence(Toy(plan=3), "plan") == (
        "Type `toy` is broken: its `plan` returned int, not a Way. Update the package that brings it."
    )


BAD: Any = None  # in place of what a type checker would have refused
PARTS: tuple[tuple[str, object], ...] = (
    ("points", Points(({"id": "p41"},), CURRENT)),  # type: ignore[arg-type]
    ("points", Points((POINT,), BAD)),
    ("points", Points((RestorePoint(1, NOW),), CURRENT)),  # type: ignore[arg-type]
    ("points", Points((RestorePoint("p41", NOW, label=BAD),), CURRENT)),
    ("points", Points((RestorePoint("p41", NO_ZONE),), CURRENT)),
    ("points", Points((RestorePoint("p41", NOW, live=(Span(NO_ZONE, None),)),), CURRENT)),
    ("points", Points((RestorePoint("p41", "today"),), CURRENT)),  # type: ignore[arg-type]
    ("points", Points((RestorePoint("p\udc80", NOW),), CURRENT)),
    ("plan", Way(POINT, CURRENT, BAD)),
    ("plan", Way(POINT, CURRENT, object())),  # type: ignore[arg-type]
    ("plan", Way(POINT, CURRENT, LOSS, downtime="x")),  # type: ignore[arg-type]
    ("measure", Loss(LossQuality.MEASURED, NOW, (Unit("orders", "3"),))),  # type: ignore[arg-type]
    ("measure", Loss("guessed")),  # type: ignore[arg-type]
    ("verify", (FINDING, "arrived")),
    ("find", Found("lost")),  # type: ignore[arg-type]
    ("find", Found(Fate.IN_FLIGHT, handle={"job": object()})),
    ("poll", Progress(NO_ZONE)),
    ("poll", Progress(NOW, retry_after=float("nan"))),
    ("poll", Ended(True, "gone")),  # type: ignore[arg-type]
    ("start", {"job": object()}),
    ("start", Ended(True, Left.BEFORE, made=RestorePoint("p41", NO_ZONE))),
)


@pytest.mark.parametrize(("method", "answer"), PARTS)
async def test_a_part_of_another_type_is_one_sentence(method: str, answer: object) -> None:
    said = await sentence(Toy(**{method: answer}), method)
    kind = type(answer).__name__
    assert f"its `{method}` returned {kind} with a field that the contract does not allow" in said


@pytest.mark.parametrize("method", METHODS)
async def test_a_method_that_is_not_async_is_one_sentence(method: str) -> None:
    toy = Toy()
    setattr(toy, method, lambda *said: ANSWERS[method])
    assert f"its `{method}` is no async method" in await sentence(toy, method)


@pytest.mark.parametrize(("name", "value"), [("capabilities", None), ("place", 7)])
def test_a_property_of_another_type_is_found_before_anything_begins(name: str, value: object) -> None:
    with pytest.raises(PermanentError, match=f"its `{name}` returned {type(value).__name__}, not "):
        heard(Toy(**{name: value})).looked_over()


class SpeakingError(Unreachable):
    """Has words of its own, beside those that it was made with."""

    def __str__(self) -> str:
        return f"with {SECRET}"


class MuteError(Unreachable):
    def __str__(self) -> str:
        raise KeyError(SECRET)


@pytest.mark.parametrize("problem", [SpeakingError(), MuteError()])
async def test_words_that_cannot_be_struck_are_not_told(problem: Exception) -> None:
    words = await sentence(Toy(plan=raising(problem)), "plan", SECRET)
    assert words.startswith(f"Type `toy` is broken: its `plan` raised {type(problem).__name__}.")


async def test_a_secret_in_a_list_is_struck_wherever_it_is_told() -> None:
    listed = Toy(plan=Way(POINT, CURRENT, LOSS, warnings=[f"with {SECRET}"]))  # type: ignore[arg-type]
    way = await heard(listed, SECRET).plan(Goal(point="p41"), NOW)
    assert way.warnings == ("with ***",)
    with pytest.raises(PermanentError) as caught:
        await heard(Toy(plan=raising(PermanentError([SECRET]))), SECRET).plan(Goal(point="p41"), NOW)
    assert str(caught.value) == "['***']"


async def test_a_secret_among_the_problems_of_a_configuration_is_struck() -> None:
    toy = Toy(plan=raising(ConfigurationError((f"no {SECRET}",))))
    with pytest.raises(ConfigurationError) as caught:
        await heard(toy, SECRET).plan(Goal(point="p41"), NOW)
    assert caught.value.problems == ("no ***",)


# Checks ----------------------------------------------------------------------------------------


class ToyCheck:
    name: Any = "rows"
    when: Any = When.OFFLINE
    stable: Any = 1
    every: Any = 1.0
    wait: Any = 0

    def __init__(self, look: Callable[[], object] = lambda: FINDING) -> None:
        self._look = look

    async def look(self, before: Finding | None, now: datetime) -> Any:
        return self._look()


def check(toy: ToyCheck) -> DiscreetCheck:
    return DiscreetCheck(toy, "toy", Secrets())


async def test_a_finding_comes_through_as_it_is() -> None:
    assert await check(ToyCheck()).looked_over().look(None, NOW) == FINDING


@pytest.mark.parametrize(
    ("look", "words"),
    [
        (raising(KeyError(SECRET)), "Type `toy` is broken: its `look` raised KeyError. Update the package"),
        (raising(SystemExit(7)), "Type `toy` is broken: its `look` raised SystemExit. Update the package"),
        (lambda: True, "Type `toy` is broken: its `look` returned bool, not a Finding. Update the package"),
        (raising(Unreachable("The shop is down.")), "The shop is down."),
        (raising(Denied()), "Type `toy` gives no reason: its `look` raised Denied."),
    ],
)
async def test_a_check_that_raises_saw_nothing_and_says_why(look: Callable[[], object], words: str) -> None:
    finding = await check(ToyCheck(look)).look(None, NOW)
    assert (finding.name, finding.when, finding.verdict) == ("rows", When.OFFLINE, Verdict.INCONCLUSIVE)
    assert finding.words.startswith(words)


@pytest.mark.parametrize(
    ("name", "value"), [("name", None), ("when", "offline"), ("stable", 1.5), ("every", "1s"), ("wait", None)]
)
def test_a_habit_of_another_type_is_found_before_a_check_looks(name: str, value: object) -> None:
    toy = ToyCheck()
    setattr(toy, name, value)
    with pytest.raises(PermanentError, match=f"its `{name}` returned {type(value).__name__}, not "):
        check(toy).looked_over()


class BesideCheck(ToyCheck):
    def __init__(self, beside: Callable[[], object]) -> None:
        super().__init__()
        self._beside = beside

    def beside(self, environment: Mapping[str, str]) -> Any:
        return self._beside()


def test_a_check_that_looks_at_a_copy_is_heard_like_any_other() -> None:
    other = ToyCheck()
    other.name = f"rows with {SECRET}"
    known = Secrets()
    known.add(SECRET)
    beside = DiscreetCheck(BesideCheck(lambda: other), "toy", known).beside({})
    assert beside is not None
    assert SECRET not in beside.name


def test_a_check_that_knows_no_copies_looks_at_none() -> None:
    assert check(ToyCheck()).beside({}) is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda: "yes", "its `beside` returned str"),
        (raising(KeyError(SECRET)), "its `beside` raised KeyError"),
    ],
)
def test_a_check_that_breaks_the_contract_about_copies_is_named(
    answer: Callable[[], object], words: str
) -> None:
    with pytest.raises(PermanentError, match=words):
        check(BesideCheck(answer)).beside({})


# Those that list rows --------------------------------------------------------------------------

REMOVAL = Removal("pre-RB-42", "f" * 64, "p41", "e" * 64)
TABLES = (TableListed("orders", 1, 0, 0, ("id",), ("id", "v"), ("id", "v")), TableNotListed("words", "no"))
ROW = RowListed(Change.NEW, (1, None), None)


class Lister(Toy):
    """`yields`: its batches, or errors that it raises instead of one."""

    def __init__(self, *yields: object) -> None:
        super().__init__(list_removed=TABLES)
        self._yields = yields
        self.is_closed = False

    async def rows_removed(self, removal: Removal, table: str, *, personal: bool) -> AsyncGenerator[object]:
        try:
            for each in self._yields:
                if isinstance(each, BaseException):
                    raise each
                yield each
        finally:
            self.is_closed = True


async def rows(toy: object, *secrets: str) -> list[RowListed]:
    stream = heard(toy, *secrets).rows_removed(REMOVAL, "orders")
    return [row async for batch in stream for row in batch]


async def test_what_is_listed_comes_through_as_it_is() -> None:
    cells = RowListed(Change.CHANGED, (1, 1.5, b"\x00", "", None), (2, 2.5, b"", "a", None))
    assert await heard(Lister()).list_removed(REMOVAL) == TABLES
    assert await rows(Lister((ROW, cells), (ROW,))) == [ROW, cells, ROW]


async def test_what_is_struck_from_a_row_is_counted() -> None:
    said = RowListed(Change.CHANGED, (f"at https://h/{SECRET}", SECRET.encode(), 1), ("", b"", 2))
    (row,) = await rows(Lister((said,)), SECRET)
    assert row == RowListed(Change.CHANGED, ("at https://h", b"***", 1), ("", b"", 2), struck=2)


@pytest.mark.parametrize(
    "batch",
    [
        3,
        None,
        [ROW],
        ("row",),
        (RowListed(Change.NEW, None, (1,)),),
        (RowListed(Change.RETURNS, (1,), None),),
        (RowListed(Change.CHANGED, (1,), None),),
        (RowListed(Change.NEW, [1], None),),  # type: ignore[arg-type]
        (RowListed(Change.NEW, (NOW,), None),),  # type: ignore[arg-type]
        (RowListed("new", (1,), None),),  # type: ignore[arg-type]
        (RowListed([], (1,), None),),  # type: ignore[arg-type]
    ],
    ids=repr,
)
async def test_rows_that_the_contract_does_not_know_are_one_sentence(batch: object) -> None:
    toy = Lister(batch)
    with pytest.raises(PermanentError, match=r"^Type `toy` is broken: its `rows_removed` yielded"):
        await rows(toy)
    assert toy.is_closed


async def test_an_error_between_rows_repeats_no_secret() -> None:
    with pytest.raises(PermanentError, match="its `rows_removed` raised KeyError"):
        await rows(Lister((ROW,), KeyError(SECRET)), SECRET)
    with pytest.raises(Denied, match=r"^no \*\*\*$"):
        await rows(Lister(Denied(f"no {SECRET}")), SECRET)


async def test_who_stops_reading_rows_closes_the_backend_too() -> None:
    toy = Lister((ROW,), (ROW,))
    async with aclosing(heard(toy).rows_removed(REMOVAL, "orders")) as batches:
        await anext(batches)
    assert toy.is_closed


class Hasty(Toy):
    """It returns all rows at once."""

    def rows_removed(self, removal: Removal, table: str, *, personal: bool) -> list[RowListed]:
        return [ROW]


async def test_rows_that_are_no_stream_are_one_sentence() -> None:
    with pytest.raises(PermanentError, match="its `rows_removed` returned list, not an async generator"):
        await rows(Hasty())


class Plain:
    """An executor that lists nothing."""

    place = None
    capabilities = Capabilities(Fence.BARRED)


async def test_a_backend_that_lists_nothing_says_so() -> None:
    plain = heard(Plain())
    words = "Type `toy` cannot list what a run has removed: look at the backend itself."
    with pytest.raises(Unsupported) as caught:
        await plain.list_removed(REMOVAL)
    assert str(caught.value) == words
    with pytest.raises(Unsupported):
        plain.rows_removed(REMOVAL, "orders")
