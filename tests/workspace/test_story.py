"""The story in the terminal, with the real bot as a child process, and the demo's own coming and going."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from workspace import story
from workspace.slack.server import PretendSlack
from workspace.slack.state import Workspace
from workspace.stage import Stage, set_up

STARTED = 60.0  # seconds that the demo may take on a busy machine
ENDED = 20.0


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    server = await PretendSlack.start(Workspace())
    try:
        async with set_up(tmp_path, server) as stage:
            yield stage
    finally:
        await server.stop()


async def test_three_targets_are_taken_back_although_the_bot_is_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await story.play(tmp_path) == 0
    said = capsys.readouterr().out
    assert "#payments is told: *orders* · PRODUCTION · never drilled" in said
    assert "the card says: drill " in said
    assert re.findall(r"GET / → (\d+)", said) == ["500", "200"]
    assert "bad rows 41 → 0" in said
    assert "broken items 310 → 0" in said
    assert "so you cannot approve it" in said
    assert "the bot was killed at" in said
    assert re.fullmatch(r"3 of 3 taken back and verified in \d+ s", said.splitlines()[-1])


async def test_a_shop_that_stays_broken_ends_the_story_with_what_differs(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    release = stage.world.storefront / "releases" / "v41"
    made = release.stat().st_mtime
    (release / "index.html").unlink()
    os.utime(release, (made, made))  # as old as before: a folder's time is the age of its release
    assert await story.tell(stage) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "✗ GET /: expected 200, seen 503"


# The demo as a process of its own

DEMO = """
import asyncio, sys
from pathlib import Path
from workspace.demo import run_demo
sys.exit(asyncio.run(run_demo(open_browser=False, folder=Path(sys.argv[1]))))
"""


async def started(folder: Path) -> asyncio.subprocess.Process:
    """The demo, open to the browser."""
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", DEMO, str(folder)), stdout=asyncio.subprocess.PIPE
    )
    assert demo.stdout is not None
    line = await asyncio.wait_for(demo.stdout.readline(), STARTED)
    assert re.match(rb"Open http://127\.0\.0\.1:\d+/ ", line), line
    return demo


def living(folder: Path) -> list[str]:
    """What runs with this folder in its arguments or its environment, ourselves apart."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        try:
            arguments = (process / "cmdline").read_bytes()
            if str(folder).encode() in arguments + (process / "environ").read_bytes():
                found.append(arguments.replace(b"\0", b" ").decode())
        except OSError:
            continue  # it has ended, or is somebody else's
    return found


async def until(condition: Callable[[], bool]) -> None:
    deadline = asyncio.get_running_loop().time() + ENDED
    while not condition():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)


async def test_ctrl_c_ends_the_demo_with_everything_that_it_started(tmp_path: Path) -> None:
    demo = await started(tmp_path / "demo")
    assert len(living(tmp_path)) == 4  # itself, the storefront, its customers, the bot
    demo.send_signal(signal.SIGINT)
    assert await asyncio.wait_for(demo.wait(), ENDED) == 0
    assert living(tmp_path) == []


async def test_a_demo_that_is_killed_leaves_nothing_running(tmp_path: Path) -> None:
    demo = await started(tmp_path / "demo")
    demo.send_signal(signal.SIGKILL)
    await demo.wait()
    await until(lambda: living(tmp_path) == [])
