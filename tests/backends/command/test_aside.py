"""What programs make beside a target: a copy to switch to, a state that is kept, and how both go again."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from backends.command.calls import ProgramCall
from backends.command.executor import Command
from backends.conformance.harness import carried_out, dropping, preparing, saving
from backends.installed import definitions
from bot.configuration import load
from bot.contract import COPY, Blocked, Busy, Ended, Fate, PointUnavailable, StateChanged, Work
from bot.errors import ConfigurationError
from bot.model import Beside, Do, Goal, Left, UndoMode
from tests.backends.command.world import FIND, CommandWorld

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WORK = Work("k3v9x2ab.RB-42.3", "RB-42", "d" * 64, Do.RESTORE, point="v41", expected="v42")
SAVES = 'echo "keeping $1"; echo \'{"id": "v39"}\''


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[CommandWorld]:
    shop = CommandWorld.make(tmp_path / "shop")
    yield shop
    shop.close()


def program(script: str, *argv: str) -> ProgramCall:
    return ProgramCall(("sh", "-c", script, "program", *argv), 20.0)


def executor(shop: CommandWorld, spool: str = "spool", **calls: ProgramCall) -> Command:
    return Command(**{**shop.calls(), **calls}, resolver=shop.resolver(spool), clock=lambda: NOW)


def argv_of(shop: CommandWorld) -> list[str]:
    """The arguments that a program was last called with."""
    return (shop.root / "said").read_text().split()


async def end_of(command: Command, work: Work) -> Ended:
    end = await carried_out(command, work)
    assert isinstance(end, Ended)
    return end


async def test_the_program_names_the_copy_that_it_has_made(shop: CommandWorld) -> None:
    command = executor(shop, prepare=program("""echo '{"id": "copy-7"}'"""))
    assert (await end_of(command, preparing(WORK))).made == Beside("copy-7", {COPY: "copy-7"})


@pytest.mark.parametrize("named", ["v41", "v42"])
async def test_what_is_listed_or_live_is_no_copy_and_is_never_dropped_as_one(
    shop: CommandWorld, named: str
) -> None:
    prepare = program(f"""echo '{{"id": "{named}"}}'""")
    command = executor(shop, prepare=prepare, drop=program("touch dropped"))
    assert "is a restore point, or what is live" in (await end_of(command, preparing(WORK))).words
    with pytest.raises(Blocked, match="It is not dropped"):
        await carried_out(command, dropping(WORK, prepared=named))
    assert not (shop.root / "dropped").exists()


async def test_a_copy_without_a_name_goes_by_its_op_id(shop: CommandWorld) -> None:
    command = executor(shop, prepare=program("echo copied 3 files"))
    work = preparing(WORK)
    assert (await end_of(command, work)).made == Beside(work.op_id, {COPY: work.op_id})


async def test_a_copy_whose_name_would_be_an_option_is_refused(shop: CommandWorld) -> None:
    command = executor(shop, prepare=program("""echo '{"id": "--force"}'"""))
    end = await end_of(command, preparing(WORK))
    assert (end.ok, end.left, end.words) == (
        False,
        Left.BEFORE,
        "`sh`: The id that it prints looks like an option.",
    )


async def test_the_restore_gets_the_copy_and_what_was_kept(shop: CommandWorld) -> None:
    writes = program('echo "$@" > said', "{handle}", "{undo}")
    work = replace(WORK, prepared="copy-7", undo="v39")
    await end_of(executor(shop, restore=writes), work)
    assert argv_of(shop) == ["copy-7", "v39"]


async def test_who_prepares_is_told_until_when_it_is_kept(shop: CommandWorld) -> None:
    writes = program('echo "$@" > said', "{point}", "{keep_until}")
    await end_of(executor(shop, prepare=writes), replace(preparing(WORK), keep_until=NOW))
    assert argv_of(shop) == ["v41", "2026-11-22T12:00:00.000Z"]


async def test_a_state_that_is_kept_is_the_point_that_the_program_names(shop: CommandWorld) -> None:
    shop.offers({"id": "v42"}, {"id": "v41"}, {"id": "v39", "kind": "undo"})
    made = (await end_of(executor(shop, save=program(SAVES, "{op}")), saving(WORK))).made
    assert made is not None
    assert made.id == "v39"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (SAVES, "`sh`: It says that it has kept `v39`, which the points command does not list."),
        ("echo kept", '`sh`: The save command must print {"id": "before-RB-42"} as its last line.'),
    ],
)
async def test_a_state_is_kept_only_where_the_points_say_so(
    shop: CommandWorld, script: str, words: str
) -> None:
    end = await end_of(executor(shop, save=program(script)), saving(WORK))
    assert (end.ok, end.left, end.made, end.words) == (False, Left.BEFORE, None, words)


async def test_what_another_worker_has_kept_is_for_that_one_to_tell(shop: CommandWorld) -> None:
    there = executor(shop, save=program(SAVES), find=FIND)
    await carried_out(there, saving(WORK))
    shop.knows(saving(WORK).op_id, "done")
    here = executor(shop, spool="another spool", save=program(SAVES), find=FIND)
    assert (await here.find(saving(WORK))).fate is Fate.UNKNOWN


@pytest.mark.parametrize(
    ("what", "goes"),
    [({"undo": "v39"}, "v39"), ({"prepared": "copy-7"}, "copy-7")],
    ids=["what was kept", "a copy"],
)
async def test_what_goes_is_named_to_the_program(shop: CommandWorld, what: dict[str, Any], goes: str) -> None:
    shop.offers({"id": "v42"}, {"id": "v39", "kind": "undo"})
    work = replace(dropping(WORK), **what)
    forgets = "echo '[]' > points.json; " if "undo" in what else ""
    end = await end_of(executor(shop, drop=program(f'{forgets}echo "$@" > said', "{handle}")), work)
    assert (end.ok, argv_of(shop)) == (True, [goes])


async def test_what_is_said_to_be_gone_and_is_listed_is_not_gone(shop: CommandWorld) -> None:
    work = replace(dropping(WORK), undo="v40")
    end = await end_of(executor(shop, drop=program("echo no such bucket, skipped", "{handle}")), work)
    said = "`sh`: It says that `v40` is gone, which the points command still lists."
    assert (end.ok, end.words) == (False, said)


CUT_OFF = ProgramCall(("echo", '{"points": [{"id": "v42"}], "next": "page 2"}'))  # of which nobody reads more


async def test_what_a_list_that_was_cut_does_not_show_is_not_called_gone(shop: CommandWorld) -> None:
    work = replace(dropping(WORK), undo="v39")
    drop = program('echo "$@" > said', "{handle}")
    with pytest.raises((Busy, PointUnavailable)) as caught:
        await end_of(executor(shop, points=CUT_OFF, drop=drop), work)
    assert str(caught.value).startswith("Nobody knows whether `v39` is still there.")
    assert not (shop.root / "said").exists()


async def test_another_content_than_was_saved_is_never_dropped(shop: CommandWorld) -> None:
    shop.offers({"id": "v42"}, {"id": "v39", "kind": "undo", "fingerprint": "sha256:other"})
    work = replace(dropping(WORK), undo="v39", undo_content="sha256:saved")
    drop = program('echo "$@" > said', "{handle}")
    with pytest.raises(StateChanged, match="`v39` is not what was saved: its fingerprint was `sha256:saved`"):
        await end_of(executor(shop, drop=drop), work)
    assert not (shop.root / "said").exists()


async def test_what_is_not_listed_any_more_is_not_dropped_once_more(shop: CommandWorld) -> None:
    work = replace(dropping(WORK), undo="v39")
    with pytest.raises(PointUnavailable, match="`v39` is not listed any more"):
        await end_of(executor(shop, drop=program('echo "$@" > said', "{handle}")), work)


@pytest.mark.parametrize(
    ("calls", "undo"),
    [({}, UndoMode.IMPOSSIBLE), ({"save": program(SAVES)}, UndoMode.BEST_EFFORT)],
    ids=["nothing is kept", "save keeps it"],
)
async def test_what_is_live_and_no_point_can_be_undone_where_it_is_saved(
    shop: CommandWorld, calls: dict[str, Any], undo: UndoMode
) -> None:
    shop.goes_live("production")
    assert (await executor(shop, **calls).plan(Goal(point="v41"), NOW)).undo is undo


async def test_a_program_that_cannot_drop_says_why(shop: CommandWorld) -> None:
    drop = program("echo volume is mounted; exit 3", "{handle}")
    end = await end_of(executor(shop, drop=drop), dropping(WORK, prepared="copy-7"))
    assert (end.ok, end.words) == (False, "`sh`: Ended with 3: volume is mounted")


def test_a_target_does_what_it_has_programs_for(shop: CommandWorld) -> None:
    plain = executor(shop).capabilities
    able = executor(shop, prepare=program("true"), drop=program("true")).capabilities
    assert plain.does == {Do.SAVE, Do.RESTORE}
    assert able.does == {Do.SAVE, Do.RESTORE, Do.PREPARE}
    assert able.drops == {Do.PREPARE}
    assert able.timeouts[Do.PREPARE] > 20.0


# Settings --------------------------------------------------------------------------------------

TEXT = """\
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
WHOLE = """\
      restore: {argv: [ctl, "{point}", "{handle}", "{undo}"]}
      prepare: {argv: [ctl, "{point}", "{keep_until}"], timeout: 4h}
      save: {argv: [ctl, "{op}"]}
      drop: {argv: [ctl, "{handle}"]}
"""
RESTORE = '      restore: {argv: [ctl, "{point}"]}\n'


def problems(path: Path, replaced: str) -> list[str]:
    path.write_text(TEXT.replace(RESTORE, replaced))
    try:
        load(path, definitions())
    except ConfigurationError as error:
        return [problem.partition(": ")[2] for problem in error.problems]
    return []


def test_all_of_it_together_is_a_good_configuration(tmp_path: Path) -> None:
    assert problems(tmp_path / "rollback.yaml", WHOLE) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{argv: [ctl, "{handle}"]}', "`drop` has nothing to remove."),
        ("{argv: [ctl]}", "`drop` does not say what to remove."),
    ],
)
def test_a_drop_must_have_something_to_remove_and_say_what(tmp_path: Path, line: str, words: str) -> None:
    found = problems(tmp_path / "rollback.yaml", f"{RESTORE}      drop: {line}\n")
    assert any(problem.startswith(words) for problem in found), found


@pytest.mark.parametrize(("place", "maker"), [("handle", "prepare"), ("undo", "save")])
def test_a_restore_may_use_only_what_is_made(tmp_path: Path, place: str, maker: str) -> None:
    line = f'      restore: {{argv: [ctl, "{{{place}}}", "{{point}}"]}}\n'
    (found,) = problems(tmp_path / "rollback.yaml", line)
    words = f"`restore` uses {{{place}}}, which nothing makes. Add `{maker}`, or take it out."
    assert found.startswith(words)
