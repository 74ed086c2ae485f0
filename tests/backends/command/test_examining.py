"""`doctor` looks closer at the programs of a target: what is wrong is said before a rollback needs it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backends.command.calls import ProgramCall
from backends.command.examining import NO_FIND
from backends.command.executor import Command
from backends.discreet import DiscreetExecutor
from backends.installed import definitions
from backends.secrecy import Secrets
from bot.configuration import Target, load
from bot.configuration.values import Reference
from bot.contract import Examines, Executor, Trouble
from bot.errors import ConfigurationError, PermanentError
from bot.pins import Pin
from handlers.cli.doctor import targets
from handlers.cli.doctor.results import Grade
from tests.backends.command.test_executor import NOW
from tests.backends.command.world import CommandWorld

ACTS = ProgramCall(("sh", "-c", "echo acted >acted"), 20.0)
ABSENT = ProgramCall(("echo", '{"state": "absent"}'), 20.0)
FILE = """\
version: 1
defaults: {approval: {from: [U1]}}
targets:
  shop:
    kind: system
    executor:
      type: command
      points: {argv: [ctl]}
      current: {argv: [ctl]}
      restore: {argv: [ctl, "{point}"]}
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[CommandWorld]:
    shop = CommandWorld.make(tmp_path / "shop")
    yield shop
    shop.close()


def executor(shop: CommandWorld, **calls: ProgramCall | None) -> Command:
    given: dict[str, Any] = {**shop.calls(), "find": ABSENT, **calls}
    return Command(**given, resolver=shop.resolver(), clock=lambda: NOW)


async def only(command: Command) -> tuple[str, bool]:
    """The one thing that is wrong, and whether it is serious."""
    [trouble] = await command.examine()
    return trouble.words, trouble.serious


async def test_nothing_is_wrong_where_all_is_well(shop: CommandWorld) -> None:
    measure = ProgramCall(("echo", '{"seconds": 60}'))
    assert await executor(shop, measure=measure).examine() == ()


async def test_nothing_that_acts_is_run_to_examine_it(shop: CommandWorld) -> None:
    acting = dict.fromkeys(("restore", "prepare", "save", "drop", "cancel"), ACTS)
    before = {file: file.read_bytes() for file in shop.root.rglob("*") if file.is_file()}
    assert await executor(shop, **acting).examine() == ()
    assert {file: file.read_bytes() for file in shop.root.rglob("*") if file.is_file()} == before


async def test_a_program_that_is_not_there_is_named_once_with_its_settings(shop: CommandWorld) -> None:
    gone = ProgramCall(("no-such-tool", "--token", "canary-7f3a"))
    said = (
        "`restore`, `drop`: `no-such-tool` is not on the PATH of these programs. Install it, or correct argv."
    )
    assert await only(executor(shop, restore=gone, drop=gone)) == (said, True)


async def test_a_program_that_is_not_where_argv_says_is_named(shop: CommandWorld) -> None:
    said = "`cancel`: `stop` is not where argv says. Install it, or correct argv."
    assert await only(executor(shop, cancel=ProgramCall(("bin/stop",)))) == (said, True)


async def test_a_program_that_may_not_be_run_is_named(shop: CommandWorld) -> None:
    (shop.root / "stop").write_text("no right to run it")
    said = "`cancel`: `stop` is there and may not be run by this user. Give it the right to."
    assert await only(executor(shop, cancel=ProgramCall(("./stop",)))) == (said, True)


async def test_credentials_that_cannot_be_read_are_named(shop: CommandWorld) -> None:
    locked = replace(ACTS, environment={"TOKEN": Reference("file", "secrets/token")})
    said = "`drop`: `sh` cannot be run now: The file secrets/token cannot be read: No such file or directory."
    assert await only(executor(shop, drop=locked)) == (said, True)


async def test_without_a_find_command_a_hint_says_what_that_costs(shop: CommandWorld) -> None:
    assert await only(executor(shop, find=None)) == (NO_FIND, False)


@pytest.mark.parametrize("state", ["done", "in_flight", "failed", "unknown"])
async def test_a_find_command_that_knows_what_never_was_is_told(shop: CommandWorld, state: str) -> None:
    find = ProgramCall(("echo", json.dumps({"state": state})))
    who = f"The find command `echo` says {state} of an operation that never was"
    assert await only(executor(shop, find=find)) == (
        f"{who}: no rollback would begin. Let it say absent.",
        True,
    )


@pytest.mark.parametrize("setting", ["points", "current", "measure", "find"])
async def test_an_answer_in_another_shape_is_told_with_the_right_one(
    shop: CommandWorld, setting: str
) -> None:
    words, serious = await only(executor(shop, **{setting: ProgramCall(("echo", "[7]"))}))
    assert words.startswith(f"The {setting} command `echo` must print")
    assert serious


@pytest.mark.parametrize(
    ("at", "words", "serious"),
    [
        ("2026-11-22T13:00:00Z", "is of a time to come", True),
        ("2026-10-01T12:00:00Z", "is 52 days old", False),
    ],
)
async def test_points_that_are_not_fresh_are_told(
    shop: CommandWorld, at: str, words: str, serious: bool
) -> None:
    shop.offers({"id": "v42", "created_at": at}, {"id": "v41", "created_at": "2026-09-01T12:00:00Z"})
    said, is_serious = await only(executor(shop))
    assert (words in said, is_serious) == (True, serious)


async def test_points_without_a_time_are_told(shop: CommandWorld) -> None:
    shop.offers({"id": "v42"}, {"id": "v41"})
    said = "No restore point has a `created_at`: nobody can go back to a time. Print it."
    assert await only(executor(shop)) == (said, False)


@pytest.mark.parametrize(("save", "many"), [(None, 1), (ACTS, 0)])
async def test_what_is_live_and_no_point_is_told_unless_it_is_saved(
    shop: CommandWorld, save: ProgramCall | None, many: int
) -> None:
    shop.goes_live("hotfix")
    troubles = await executor(shop, save=save).examine()
    assert [trouble.words[:32] for trouble in troubles] == ["`hotfix` is live and no restore "] * many


async def test_what_is_left_out_of_the_points_is_told_with_how_many_there_are(shop: CommandWorld) -> None:
    now = "2026-11-22T12:00:00Z"
    shop.offers({"id": "v42", "created_at": now}, {"id": "--a"}, {"id": "--b"})
    said = "Left out of the restore points: `--a` looks like an option."
    assert await only(executor(shop)) == (f"{said} `rollback-bot points` says what else.", False)


# Through the guard, and as doctor prints it ----------------------------------------------------


class Given:
    """Hands out one executor."""

    def __init__(self, given: Executor) -> None:
        self._given = given

    def executor(self, target: str) -> Executor:
        return self._given

    async def pins(self, target: str, agreed: object = (), *, handed_over: bool = False) -> tuple[Pin, ...]:
        return ()

    async def why_no_hand_over(self, target: str) -> str | None:
        return None


class Examined:
    """An executor whose examination says this."""

    def __init__(self, inner: Command, says: object) -> None:
        self._inner = inner
        self._says = says

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def examine(self) -> Any:
        if isinstance(self._says, Exception):
            raise self._says
        return self._says


def guarded(inner: Any, secret: str = "") -> DiscreetExecutor:
    secrets = Secrets()
    secrets.add(secret)
    return DiscreetExecutor(inner, "command", secrets)


@pytest.fixture
def target(tmp_path: Path) -> Target:
    (tmp_path / "rollback.yaml").write_text(FILE)
    return load(tmp_path / "rollback.yaml", definitions()).targets["shop"]


async def rows(target: Target, executor: Executor) -> list[tuple[Grade, str]]:
    found = await targets.examine(target, None, Given(executor))
    assert {result.name for result in found.results} == {"target shop"}
    return [(result.grade, result.words) for result in found.results]


async def test_what_an_examination_finds_comes_through_without_a_secret(shop: CommandWorld) -> None:
    inner = Examined(executor(shop), (Trouble("canary-9d1e is refused.", serious=False),))
    guard = guarded(inner, "canary-9d1e")
    assert isinstance(guard, Examines)
    assert await guard.examine() == (Trouble("*** is refused.", serious=False),)


async def test_an_examination_that_breaks_the_contract_is_named(shop: CommandWorld) -> None:
    with pytest.raises(PermanentError, match="its `examine` returned list, not a tuple of Troubles"):
        await guarded(Examined(executor(shop), ["bad"])).examine()


async def test_an_executor_that_does_not_examine_itself_has_nothing_to_say() -> None:
    assert await guarded(object()).examine() == ()


class WithoutSecret(Given):
    async def why_no_hand_over(self, target: str) -> str | None:
        raise ConfigurationError(("The environment variable TOKEN is not set.",))


async def test_doctor_tells_of_a_secret_that_a_hand_over_lacks(shop: CommandWorld, target: Target) -> None:
    found = await targets.examine(target, None, WithoutSecret(guarded(Examined(executor(shop), ()))))
    told = "Snapshots cannot be handed over. The environment variable TOKEN is not set"
    assert told in [result.words.rstrip(".") for result in found.results]


async def test_doctor_prints_what_is_serious_as_a_failure_and_a_hint_as_a_warning(
    shop: CommandWorld, target: Target
) -> None:
    troubles = (Trouble("The disk is full. Make room."), Trouble("The tool is old", serious=False))
    assert await rows(target, guarded(Examined(executor(shop), troubles))) == [
        (Grade.OK, "3 restore points"),
        (Grade.FAIL, "The disk is full. Make room."),
        (Grade.WARN, "The tool is old."),
    ]


async def test_doctor_says_nothing_more_where_nothing_is_wrong(shop: CommandWorld, target: Target) -> None:
    assert await rows(target, guarded(executor(shop))) == [(Grade.OK, "3 restore points")]


async def test_doctor_says_once_what_planning_has_met_as_well(shop: CommandWorld, target: Target) -> None:
    [(grade, words)] = await rows(target, guarded(executor(shop, points=ProgramCall(("echo", "[7]")))))
    assert grade is Grade.FAIL
    assert words.startswith("The points command `echo` must print")


@pytest.mark.parametrize("problem", [PermanentError("The tool is locked"), ZeroDivisionError()])
async def test_an_examination_that_fails_is_a_failure_of_this_target(
    shop: CommandWorld, target: Target, problem: Exception
) -> None:
    first, (grade, words) = await rows(target, guarded(Examined(executor(shop), problem)))
    assert (first[0], grade) == (Grade.OK, Grade.FAIL)
    assert words.startswith(("The tool is locked.", "Type `command` is broken: its `examine` raised"))
