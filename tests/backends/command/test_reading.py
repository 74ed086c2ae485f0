"""A program that only looks is bounded in time and in what is kept of it, whatever it does."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.command.reading import answer_of
from backends.conformance.harness import PATIENCE_SECONDS
from backends.programs.process import Said
from backends.programs.supervisor import identity
from backends.surroundings import Surroundings
from tests.backends.command.world import until

MOST_BYTES = 1_000
LEAVES_A_CHILD = "sleep 60 & echo $! >child.pid; "


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Surroundings]:
    yield Surroundings(tmp_path, tmp_path / "spool", {"PATH": os.defpath})
    for file in tmp_path.glob("*.pid"):
        if identity(pid := int(file.read_text())):
            os.kill(pid, signal.SIGKILL)


async def said(place: Surroundings, script: str, timeout: float = 20.0) -> Said:
    return await answer_of(("sh", "-c", script), timeout, place, MOST_BYTES)


def is_gone(place: Surroundings, name: str) -> bool:
    return identity(int((place.base / name).read_text())) is None


async def test_it_says_its_status_its_output_and_the_last_line_of_its_errors(place: Surroundings) -> None:
    assert await said(place, "echo out; echo one >&2; echo two >&2; exit 4") == Said(4, b"out\n", "two")


async def test_the_last_line_of_its_output_stands_in_for_errors(place: Surroundings) -> None:
    assert (await said(place, "echo one; echo two")).last == "two"


async def test_no_more_is_kept_than_was_asked_for_and_one_byte_that_shows_it(place: Surroundings) -> None:
    found = await said(place, "head -c 5000000 /dev/zero; echo; echo end")
    assert (found.rc, len(found.out), found.last) == (0, MOST_BYTES + 1, "end")


async def test_half_a_secret_at_the_end_of_a_long_line_is_told_neither(place: Surroundings) -> None:
    place.secrets.add("canary-9d1e")
    assert "canary" not in (await said(place, 'printf "%0190d%s" 0 canary-9d1e')).last


async def test_out_of_time_it_is_stopped_with_its_children(place: Surroundings) -> None:
    assert (await said(place, f"{LEAVES_A_CHILD} sleep 60", timeout=0.3)).rc is None
    await until(lambda: is_gone(place, "child.pid"))


async def test_a_child_that_holds_its_output_is_not_waited_for(place: Surroundings) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert (await said(place, f"{LEAVES_A_CHILD} echo done")).out == b"done\n"


async def test_nobody_waits_any_more_and_it_is_gone(place: Surroundings) -> None:
    looking = asyncio.create_task(said(place, "echo $$ >draft; mv draft own.pid; sleep 60"))
    await until(lambda: (place.base / "own.pid").exists())
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    await until(lambda: is_gone(place, "own.pid"))


async def test_no_descriptors_stay_open(place: Surroundings) -> None:
    await said(place, "true")
    await asyncio.sleep(0)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        await said(place, "true")
        with pytest.raises(FileNotFoundError):
            await answer_of(("no-such-command",), 10, place, MOST_BYTES)
    await asyncio.sleep(0)
    assert len(os.listdir("/proc/self/fd")) <= before
