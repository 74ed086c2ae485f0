"""A stranger's first minute: a fresh clone, and `make story` in it, installation included."""

import asyncio
import time

from benchmarks.figure import Figure
from benchmarks.installation import new_folder
from tests.machine import ROOT

DONE_WITHIN = 90.0  # seconds


async def measure(quick: bool) -> list[Figure]:
    """Of what is committed. `quick` leaves it out."""
    if quick:
        return []
    with new_folder() as folder:
        await _run("git", "clone", "--quiet", str(ROOT), str(folder / "clone"))
        began = time.monotonic()
        code = await _run("make", "--silent", "--directory", str(folder / "clone"), "story")
        seconds = time.monotonic() - began
    return [
        Figure(
            "fresh clone to `make story` done",
            f"{seconds:.0f} s, exit code {code}",
            f"≤ {DONE_WITHIN:.0f} s, 0",
            code == 0 and seconds <= DONE_WITHIN,
            {"seconds": round(seconds, 1), "code": code},
        )
    ]


async def _run(*argv: str) -> int:
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.DEVNULL)
    return await process.wait()
