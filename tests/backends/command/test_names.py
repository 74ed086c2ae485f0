"""Programs have names for people: where a target has several, what they say comes with its name."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from backends.command.calls import ProgramCall
from backends.command.executor import Command
from backends.conformance.harness import carried_out, preparing
from bot.contract import Ended, Fate, Progress, Taken, Unreachable
from tests.backends.command.test_executor import NOW, WORK
from tests.backends.command.world import FIND, CommandWorld, until

SECRET = "canary-9d1e"
WAITS = "echo copied 3 files; while [ ! -e go ]; do sleep 0.01; done"


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[CommandWorld]:
    shop = CommandWorld.make(tmp_path / "shop")
    yield shop
    (shop.root / "go").touch()
    shop.close()


def executor(shop: CommandWorld, **calls: ProgramCall) -> Command:
    return Command(**{**shop.calls(), **calls}, resolver=shop.resolver(), clock=lambda: NOW)


def program(script: str, name: str = "") -> ProgramCall:
    return ProgramCall(("sh", "-c", script, "program", SECRET), 20.0, name)


async def failed_words(command: Command) -> str:
    end = await carried_out(command, preparing(WORK))
    assert isinstance(end, Ended)
    assert not end.ok
    return end.words


async def test_how_it_ended_is_said_with_the_program_that_is_meant(shop: CommandWorld) -> None:
    command = executor(shop, prepare=program("echo disk is full; exit 3"))
    assert await failed_words(command) == "`sh`: Ended with 3: disk is full"


async def test_a_program_may_have_a_name_for_people(shop: CommandWorld) -> None:
    command = executor(shop, prepare=program("echo disk is full; exit 3", "the copy"))
    assert await failed_words(command) == "`the copy`: Ended with 3: disk is full"


async def test_one_program_needs_no_name(shop: CommandWorld) -> None:
    one = program("echo disk is full; exit 3")
    command = executor(shop, prepare=one, restore=one, drop=one)
    assert await failed_words(command) == "Ended with 3: disk is full"


async def test_progress_says_which_program_is_at_it(shop: CommandWorld) -> None:
    command = executor(shop, prepare=program(WAITS, "the copy"))
    work = preparing(WORK)
    handle = await command.start(work)
    assert not isinstance(handle, Ended | Taken)
    log = shop.root / "spool" / work.op_id / "1" / "log.first"
    await until(lambda: log.exists() and log.read_text().endswith("\n"))
    progress = await command.poll(replace(work, handle=handle))
    assert isinstance(progress, Progress)
    assert progress.words == "`the copy`: copied 3 files"
    assert (await command.find(work)).words == "`the copy`: copied 3 files"


async def test_what_was_never_begun_has_no_words(shop: CommandWorld) -> None:
    found = await executor(shop, prepare=program("true", "the copy")).find(preparing(WORK))
    assert (found.fate, found.words) == (Fate.ABSENT, "")


async def test_what_the_find_command_says_is_about_the_program_that_is_meant(shop: CommandWorld) -> None:
    work = preparing(WORK)
    shop.knows(work.op_id, "in_flight")
    command = executor(shop, prepare=program("true", "the copy"), find=FIND)
    assert (await command.find(work)).words == "`the copy`: The find command says in_flight."


async def test_an_error_names_the_program_as_people_know_it_and_no_argument(shop: CommandWorld) -> None:
    command = executor(shop, points=program("exit 1", "the `list`"))
    with pytest.raises(Unreachable) as caught:
        await command.points()
    assert str(caught.value) == "The points command `the 'list'` ended with 1: it says nothing"
