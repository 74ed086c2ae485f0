"""Some of a spool goes, the rest stays, and nothing that is gone is ever called absent."""

from dataclasses import replace
from pathlib import Path

import pytest

from backends.conformance.harness import ended
from backends.programs import clearing, supervisor
from backends.programs.spool import CLEARED_AWAY, CommandOperation, name_of
from backends.surroundings import Surroundings
from bot.contract import Ended, Fate, Taken, Work
from bot.model import Do

WORK = Work("k3v9x2ab.RB-42.3", "RB-42", "d" * 64, Do.RESTORE, point="v41", expected="v42")


@pytest.fixture
def place(tmp_path: Path) -> Surroundings:
    (tmp_path / "spool").mkdir()
    return Surroundings(tmp_path, tmp_path / "spool", {"PATH": "/usr/bin:/bin"})


async def done(place: Surroundings, work: Work = WORK) -> CommandOperation:
    operation = CommandOperation(("true",), 30, place)
    handle = await operation.start(work)
    assert not isinstance(handle, Ended | Taken)
    await ended(operation, replace(work, handle=handle))
    return operation


def test_only_what_was_begun_for_this_installation_is_listed_by_run(place: Surroundings) -> None:
    name_of(place.spool, "7f3a")
    others = ("git", "q7q7q7q7.RB-1.2", "k3v9x2ab.RB-4", ".going.k3v9x2ab.RB-9.1", "k3v9x2ab.RB-5.1-x")
    for name in ("k3v9x2ab.RB-4.1", "k3v9x2ab.RB-4.3.2", "k3v9x2ab.RB-7.1", *others):
        (place.spool / name).mkdir()
    (place.spool / "k3v9x2ab.RB-8.1").symlink_to(place.base)
    found = clearing.operations(place.spool, "k3v9x2ab")
    assert {run: sorted(ops) for run, ops in found.items()} == {
        "RB-4": ["k3v9x2ab.RB-4.1", "k3v9x2ab.RB-4.3.2"],
        "RB-7": ["k3v9x2ab.RB-7.1"],
    }


async def test_what_has_ended_is_complete_and_can_be_cleared_away(place: Surroundings) -> None:
    await done(place)
    assert clearing.is_complete(place.spool, WORK.op_id)
    clearing.clear(place.spool, WORK.op_id)
    assert sorted(entry.name for entry in place.spool.iterdir()) == [clearing.CLEARED]


@pytest.mark.parametrize("end", [None, b'{"rc": 0'], ids=["cut off", "damaged"])
async def test_an_attempt_of_which_nobody_knows_how_it_ended_is_not_complete(
    place: Surroundings, end: bytes | None
) -> None:
    await done(place)
    second = place.spool / WORK.op_id / "2"
    second.mkdir()
    if end is not None:
        (second / supervisor.ENDED).write_bytes(end)
    assert not clearing.is_complete(place.spool, WORK.op_id)


def test_an_operation_that_was_never_begun_is_not_complete(place: Surroundings) -> None:
    (place.spool / WORK.op_id).mkdir()
    assert not clearing.is_complete(place.spool, WORK.op_id)


async def test_what_was_cleared_away_is_unknown_and_never_absent(place: Surroundings) -> None:
    operation = await done(place)
    clearing.clear(place.spool, WORK.op_id)
    for found in (await operation.find(WORK), await operation.bar(WORK)):
        assert (found.fate, found.words, found.handle) == (Fate.UNKNOWN, CLEARED_AWAY, None)


async def test_what_was_cleared_away_is_never_started_again(place: Surroundings) -> None:
    operation = await done(place)
    clearing.clear(place.spool, WORK.op_id)
    assert await operation.start(WORK) is Taken.TAKEN
    assert not (place.spool / WORK.op_id).exists()


async def test_an_operation_whose_name_begins_like_one_that_is_gone_is_absent(place: Surroundings) -> None:
    operation = await done(place, replace(WORK, op_id=f"{WORK.op_id}.2"))
    clearing.clear(place.spool, f"{WORK.op_id}.2")
    assert (await operation.find(WORK)).fate is Fate.ABSENT


async def test_a_list_that_cannot_be_read_makes_nothing_absent(place: Surroundings) -> None:
    (place.spool / clearing.CLEARED).mkdir()
    assert (await CommandOperation(("true",), 30, place).find(WORK)).fate is Fate.UNKNOWN


async def test_killed_after_the_note_it_is_still_found_as_it_ended(place: Surroundings) -> None:
    operation = await done(place)
    (place.spool / clearing.CLEARED).write_text(WORK.op_id)
    assert (await operation.find(WORK)).fate is Fate.DONE
    clearing.clear(place.spool, WORK.op_id)
    assert (place.spool / clearing.CLEARED).read_text() == WORK.op_id


async def test_killed_in_the_middle_of_removing_the_rest_goes_the_next_time(place: Surroundings) -> None:
    operation = await done(place)
    (place.spool / clearing.CLEARED).write_text(WORK.op_id)
    (place.spool / WORK.op_id).rename(place.spool / f"{clearing.GOING}{WORK.op_id}")
    (place.spool / f"{clearing.GOING}{WORK.op_id}" / "1" / supervisor.ENDED).unlink()
    assert clearing.half_gone(place.spool) == (WORK.op_id,)
    clearing.clear(place.spool, WORK.op_id)
    assert clearing.half_gone(place.spool) == ()
    assert (await operation.find(WORK)).fate is Fate.UNKNOWN
