"""A short command is bounded in time and memory, whatever it does."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.programs.process import MOST_OUTPUT_BYTES, Said, last_line, printable, run
from backends.programs.supervisor import identity
from backends.surroundings import Surroundings


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Surroundings]:
    yield Surroundings(tmp_path, tmp_path / "spool", {"PATH": os.defpath})
    for file in tmp_path.glob("*.pid"):
        if identity(pid := int(file.read_text())):
            os.kill(pid, signal.SIGKILL)


async def python(place: Surroundings, program: str, timeout: float = 20.0) -> Said:
    return await run((sys.executable, "-I", "-S", "-c", program), timeout, place)


async def test_it_says_its_status_its_output_and_the_last_line_of_its_errors(place: Surroundings) -> None:
    said = await python(
        place, "import sys; print('out'); print('one\\ntwo\\n', file=sys.stderr); sys.exit(4)"
    )
    assert said == Said(4, b"out\n", "two")


async def test_the_last_line_of_its_output_stands_in_for_errors(place: Surroundings) -> None:
    assert (await python(place, "print('one\\ntwo\\n')")).last == "two"


async def test_half_a_secret_at_the_end_of_a_long_line_is_told_neither(place: Surroundings) -> None:
    place.secrets.add("canary-9d1e")
    assert "canary" not in (await python(place, "print('x' * 190 + 'canary-9d1e')")).last


async def test_100_mib_of_output_are_cut(place: Surroundings) -> None:
    said = await python(
        place, "import os\nfor _ in range(1600): os.write(1, b'x' * 65535 + b'\\n')\nprint('end')"
    )
    assert (said.rc, len(said.out), said.last) == (0, MOST_OUTPUT_BYTES + 1, "end")


async def test_who_wants_more_output_or_less_gets_that_much_and_a_byte_that_shows_it(
    place: Surroundings,
) -> None:
    said = await run(("sh", "-c", "head -c 5000000 /dev/zero; echo; echo end"), 20.0, place, most=1_000)
    assert (said.rc, len(said.out), said.last) == (0, 1_001, "end")


async def test_out_of_time_it_is_stopped_with_its_children(place: Surroundings) -> None:
    program = (
        "import subprocess, time\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "open('child.pid', 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )
    started = time.monotonic()
    said = await python(place, program, timeout=1.0)
    assert said.rc is None
    assert time.monotonic() - started < 5
    child = int((place.base / "child.pid").read_text())
    deadline = time.monotonic() + 10
    while identity(child) is not None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_a_child_left_behind_is_not_waited_for(place: Surroundings) -> None:
    program = (
        "import subprocess\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "open('child.pid', 'w').write(str(child.pid))\n"
        "print('done')"
    )
    assert (await python(place, program, timeout=15.0)).out == b"done\n"


async def test_nobody_waits_any_more_and_it_is_gone(place: Surroundings) -> None:
    program = "import os, time\nopen('own.pid', 'w').write(str(os.getpid()))\ntime.sleep(60)"
    looking = asyncio.create_task(python(place, program))
    deadline = time.monotonic() + 10
    while not (place.base / "own.pid").exists() or not (place.base / "own.pid").read_text():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    while identity(int((place.base / "own.pid").read_text())) is not None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_no_descriptors_stay_open(place: Surroundings) -> None:
    await run(("true",), 10, place)
    await asyncio.sleep(0)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        await run(("true",), 10, place)
        with pytest.raises(FileNotFoundError):
            await run(("no-such-command",), 10, place)
    await asyncio.sleep(0)
    assert len(os.listdir("/proc/self/fd")) <= before


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain", "plain"), ("a\x1b[31mb", "a [31mb"), ("a\u202eb\x00", "a b "), ("x" * 300, "x" * 199 + "…")],
)
def test_what_is_shown_is_printable_and_bounded(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_line_in_no_encoding_is_still_a_line() -> None:
    assert last_line(b"\xff\xfe said\n\n") == "\ufffd\ufffd said"
