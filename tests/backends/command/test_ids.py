"""An id may be anything that can be printed: a program that writes its arguments down gets it unchanged."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from backends.command.calls import ProgramCall
from backends.command.executor import Command
from backends.conformance.harness import ended
from backends.programs.spool import PLACES
from bot.contract import Ended, PointUnavailable, Taken
from bot.errors import PermanentError
from bot.model import RestorePoint
from tests.backends.command.test_executor import NOW, WORK
from tests.backends.command.world import CommandWorld

PLACEHOLDERS = [f"{{{name}}}" for name in PLACES]
PIECES = [*PLACEHOLDERS, "%s", "%", "{}", '"', "'", "`", "$(id)", " ", "\\", "--", "é漢ע😀"]
LETTERS = st.characters(exclude_categories=["C", "Zl", "Zp"])
NAMES = st.lists(
    st.sampled_from(PIECES) | st.text(LETTERS, min_size=1, max_size=20), min_size=1, max_size=6
).map("".join)
WRITES = ("sh", "-c", 'printf "%s\\0" "$@" >told', "program")
COUNTS = ("sh", "-c", 'printf "%s\\0" "$@" >measured; echo "{}"', "program")
OP_IDS = (f"k3v9x2ab.RB-{n}.1" for n in count(1))
FEW = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[CommandWorld]:
    shop = CommandWorld.make(tmp_path / "shop")
    yield shop
    shop.close()


def executor(shop: CommandWorld, *argv: str, measured: tuple[str, ...] = ()) -> Command:
    calls = {**shop.calls(), "restore": ProgramCall((*WRITES, *argv), 20.0)}
    if measured:
        calls["measure"] = ProgramCall((*COUNTS, *measured), 20.0)
    return Command(**calls, resolver=shop.resolver(), clock=lambda: NOW)


async def told(shop: CommandWorld, command: Command, name: str) -> list[str]:
    """The arguments that a restore to this point was called with."""
    shop.offers({"id": "v42"}, {"id": name})
    work = replace(WORK, op_id=next(OP_IDS), point=name)
    handle = await command.start(work)
    assert not isinstance(handle, Ended | Taken)
    end = await ended(command, replace(work, handle=handle))
    assert end.ok, end.words
    return words_of(shop.root / "told")


def words_of(file: Path) -> list[str]:
    return file.read_bytes().decode().split("\0")[:-1]


@FEW
@example("{point}")
@example("a {op} %s \"b\" 'c' $(id)")
@given(NAMES)
async def test_every_printable_id_reaches_the_program_as_it_is(shop: CommandWorld, name: str) -> None:
    assume(len(name) <= 200 and name.isprintable() and not name.startswith("-") and name != "v42")
    assert await told(shop, executor(shop, "{point}", "after"), name) == [name, "after"]


@FEW
@example("-")
@example("--force")
@given(NAMES.map(lambda name: f"-{name}"))
async def test_after_two_dashes_an_id_may_begin_with_one(shop: CommandWorld, name: str) -> None:
    assume(len(name) <= 200 and name.isprintable() and not any(place in name for place in PLACEHOLDERS))
    assert await told(shop, executor(shop, "--", "{point}"), name) == ["--", name]


async def test_what_is_measured_is_told_after_two_dashes_as_well(shop: CommandWorld) -> None:
    command = executor(shop, "--", "{point}", measured=("--", "{point}"))
    await command.measure(RestorePoint("-v41", None), NOW)
    assert words_of(shop.root / "measured") == ["--", "-v41"]


@pytest.mark.parametrize(
    ("argv", "measured"),
    [
        (("{point}",), ()),
        (("--", "x", "{point}"), ()),
        (("--", "{point}", "{point}"), ()),
        (("--", "{point}"), ("{point}",)),
    ],
    ids=["none", "not before it", "once of twice", "one program of two"],
)
async def test_an_id_with_a_dash_is_offered_only_where_every_program_takes_it(
    shop: CommandWorld, argv: tuple[str, ...], measured: tuple[str, ...]
) -> None:
    shop.offers({"id": "v42"}, {"id": "-v41"})
    command = executor(shop, *argv, measured=measured)
    assert (await command.points()).left_out == ("`-v41` looks like an option.",)
    with pytest.raises(PointUnavailable):
        await command.start(replace(WORK, point="-v41"))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("-{op}", "looks like an option and holds a placeholder"),
        ("-a\nb", "holds characters that cannot be printed"),
        ("-" * 201, "is longer than 200 characters"),
        ("", "is empty"),
    ],
    ids=["placeholder", "lines", "long", "empty"],
)
async def test_what_is_no_argument_after_two_dashes_either_is_left_out(
    shop: CommandWorld, name: str, why: str
) -> None:
    shop.offers({"id": "v42"}, {"id": name})
    [said] = (await executor(shop, "--", "{point}").points()).left_out
    assert said.endswith(f"` {why}.")


async def test_what_is_live_may_begin_with_a_dash_where_a_point_may(shop: CommandWorld) -> None:
    shop.goes_live("-v42")
    shop.offers({"id": "-v42"}, {"id": "v41"})
    live = (await executor(shop, "--", "{point}").points()).current
    assert (live.id, live.token) == ("-v42", "-v42")
    with pytest.raises(PermanentError, match="The id that `cat` prints looks like an option"):
        await executor(shop, "{point}").points()


async def test_a_token_that_a_program_is_told_is_an_argument(shop: CommandWorld) -> None:
    shop.goes_live("-v42")
    with pytest.raises(PermanentError, match="The token that `cat` prints looks like an option"):
        await executor(shop, "--", "{point}", "{expected}").points()
