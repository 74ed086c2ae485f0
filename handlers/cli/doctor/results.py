"""What one look of the doctor came to, how it is shown, and what all of them together mean."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from handlers.cli.endings import Code


class Grade(StrEnum):
    OK = "ok"
    WARN = "warn"  # it works, and will surprise somebody
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Result:
    name: str  # what was looked at
    grade: Grade
    words: str  # what was seen; of a warning or a failure also what to do next
    unreachable: bool = False  # Slack or the database did not answer, so little else could be seen


def ok(name: str, words: str) -> Result:
    return Result(name, Grade.OK, words)


def warn(name: str, words: str) -> Result:
    return Result(name, Grade.WARN, words)


def fail(name: str, words: str) -> Result:
    return Result(name, Grade.FAIL, words)


def unreachable(name: str, words: str) -> Result:
    return Result(name, Grade.FAIL, words, unreachable=True)


def exit_code(results: Iterable[Result]) -> Code:
    results = tuple(results)
    if any(result.unreachable for result in results):
        return Code.UNREACHABLE
    return Code.NO if any(result.grade is Grade.FAIL for result in results) else Code.YES


def line(result: Result) -> str:
    return f"{result.grade:<5} {result.name}: {result.words}"


def as_value(result: Result) -> dict[str, str]:
    return {"name": result.name, "grade": result.grade.lower(), "words": result.words}
