"""Whether a program of the operator's own may look at a copy."""

from dataclasses import replace
from pathlib import Path

from backends.command.check import CommandCheck
from backends.surroundings import Surroundings
from bot.clock import utc_now
from bot.contract import COPY
from bot.model import Verdict, When

TOLD = {COPY: "/copies/one"}


def check(folder: Path, *, looks_beside: bool) -> CommandCheck:
    """Passes where it was told of the copy, and of what its settings say."""
    script = f'test "${COPY}" = /copies/one && test "$KEY" = open'
    surroundings = Surroundings(folder, folder / "spool", {"PATH": "/usr/bin:/bin", "KEY": "open"})
    return CommandCheck(
        when=When.OFFLINE, argv=("sh", "-c", script), surroundings=surroundings, looks_beside=looks_beside
    )


async def test_a_program_that_knows_copies_is_told_where_it_is(tmp_path: Path) -> None:
    beside = check(tmp_path, looks_beside=True).beside(TOLD)
    assert beside is not None
    assert (await beside.look(None, utc_now())).verdict is Verdict.PASSED


def test_a_program_that_nobody_vouches_for_is_not_run(tmp_path: Path) -> None:
    assert check(tmp_path, looks_beside=False).beside(TOLD) is None


def test_without_a_copy_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    assert check(tmp_path, looks_beside=True).beside({}) is None


async def test_the_check_of_what_is_live_is_told_of_no_copy(tmp_path: Path) -> None:
    of_live = replace(check(tmp_path, looks_beside=True))
    of_live.beside(TOLD)
    assert (await of_live.look(None, utc_now())).verdict is Verdict.FAILED
