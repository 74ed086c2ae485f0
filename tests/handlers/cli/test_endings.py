"""Which exit code an error ends with, and that whoever types gets a sentence."""

import pytest
from sqlalchemy.exc import OperationalError

from bot.contract import Busy, Denied, OutcomeUnknown, PointUnavailable, TargetMissing, Unreachable
from bot.errors import ConfigurationError, PermanentError, TemporaryError, UserError
from handlers.cli.endings import Code, ending
from storage.database import Locked


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (UserError("no"), Code.NO),
        (PermanentError("no"), Code.NO),
        (PointUnavailable("no such point"), Code.NO),
        (ConfigurationError(("rollback.yaml:1: no",)), Code.USAGE),
        (TemporaryError("later"), Code.UNREACHABLE),
        (Unreachable("down"), Code.UNREACHABLE),
        (Busy("busy"), Code.UNREACHABLE),
        (TargetMissing("gone"), Code.UNREACHABLE),
        (Denied("not you"), Code.UNREACHABLE),
        (OutcomeUnknown("no answer"), Code.UNREACHABLE),
        (TimeoutError(), Code.UNREACHABLE),
        (Locked(77), Code.UNREACHABLE),
        (OperationalError("select 1", {}, Exception("disk I/O error")), Code.UNREACHABLE),
        (PermissionError(13, "Permission denied", "/srv/state"), Code.UNREACHABLE),
        (ZeroDivisionError("division by zero"), Code.UNREACHABLE),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_every_error_has_its_exit_code_and_words(problem: Exception, code: Code) -> None:
    found = ending(problem)
    assert found.code is code
    assert found.words.strip()


@pytest.mark.parametrize(
    "problem", [UserError(), TemporaryError(), Denied(), PermanentError(" "), TimeoutError(), OSError()]
)
def test_an_error_that_says_nothing_has_words(problem: Exception) -> None:
    assert ending(problem).words.strip()


def test_a_second_user_of_the_state_folder_is_told_the_process_and_what_to_do() -> None:
    words = ending(Locked(77)).words
    assert "77" in words
    assert "Stop it first" in words


def test_a_fault_of_ours_names_its_place_in_one_line() -> None:
    try:
        raise KeyError("a\nb")
    except KeyError as problem:
        words = ending(problem).words
    assert "KeyError" in words
    assert "test_endings.py, line" in words
    assert "\n" not in words


def test_a_fault_of_ours_prints_no_token() -> None:
    assert "xoxb-1-secret" not in ending(RuntimeError("refused xoxb-1-secret")).words


def test_a_database_that_fails_does_not_show_the_statement() -> None:
    words = ending(OperationalError("select secret", {}, Exception("disk I/O error"))).words
    assert "disk I/O error" in words
    assert "select secret" not in words
