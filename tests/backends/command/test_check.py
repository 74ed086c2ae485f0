"""Check `command`, beyond what all checks must do."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backends.command.check import CommandCheck, build
from backends.command.settings import CommandCheckSettings
from backends.discreet import DiscreetCheck
from backends.references import Resolver
from backends.surroundings import Surroundings
from bot.configuration.values import Reference
from bot.model import Finding, Verdict, When

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CANARY = "canary-7f3a"


@pytest.fixture
def place(tmp_path: Path) -> Surroundings:
    return Surroundings(tmp_path, tmp_path / "spool")


async def look(place: Surroundings, program: str, timeout: float = 10.0) -> Finding:
    argv = (sys.executable, "-I", "-S", "-c", program)
    check = CommandCheck(when=When.OFFLINE, argv=argv, surroundings=place, timeout=timeout)
    return await check.look(None, NOW)


@pytest.mark.parametrize(
    ("program", "verdict", "value", "words"),
    [
        ("print('one'); print('all well')", Verdict.PASSED, 0, "all well"),
        ("", Verdict.PASSED, 0, "ended with 0"),
        ("import sys; print('x'); sys.exit('the till is empty')", Verdict.FAILED, 1, "the till is empty"),
        ("import sys; sys.exit(3)", Verdict.FAILED, 3, "ended with 3"),
        ("import os; os.kill(os.getpid(), 9)", Verdict.FAILED, -9, "was ended by Killed"),
    ],
)
async def test_it_is_judged_by_its_end_and_told_by_its_last_line(
    place: Surroundings, program: str, verdict: Verdict, value: int, words: str
) -> None:
    finding = await look(place, program)
    assert (finding.verdict, finding.value, finding.words) == (verdict, value, words)


async def test_a_program_that_cannot_be_run_is_inconclusive_and_says_why(place: Surroundings) -> None:
    check = CommandCheck(when=When.OFFLINE, argv=("no-such-test",), surroundings=place)
    finding = await check.look(None, NOW)
    words = "cannot be run: No such file or directory"
    assert (finding.verdict, finding.value, finding.words) == (Verdict.INCONCLUSIVE, None, words)


async def test_a_program_that_does_not_end_is_stopped_and_inconclusive(place: Surroundings) -> None:
    finding = await look(place, "import time; time.sleep(60)", timeout=0.2)
    words = "did not end within 0.2 s and was stopped"
    assert (finding.verdict, finding.value, finding.words) == (Verdict.INCONCLUSIVE, None, words)


async def test_it_is_called_after_its_program_and_its_secrets_are_struck(place: Surroundings) -> None:
    settings = CommandCheckSettings(
        type="command",
        argv=(sys.executable, "-I", "-S", "-c", "import os, sys; sys.exit('no ' + os.environ['KEY'])"),
        environment={"KEY": Reference("env", "KEY")},
    )
    check = DiscreetCheck(build(settings, Resolver(place, {"KEY": CANARY})), "command", place.secrets)
    finding = await check.look(None, NOW)
    assert finding.name == f"command {Path(sys.executable).name}"
    assert finding.words == "no ***"
