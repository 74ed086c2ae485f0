"""Requests of people who mean harm: before the signature is known to be right, and with a right one."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.chaos.options import Options, Result
from tests.hostile import after, before
from tests.hostile import result as campaign

SHORT = (20_000, 2_000)
LONG = (1_000_000, 1_000_000)
TOLD_EVERY = 100_000


async def run(options: Options) -> list[Result]:
    many, fewer = LONG if options.long else SHORT
    first = await asyncio.to_thread(before.run, many, options.seed, _progress(options, "before", many))
    with tempfile.TemporaryDirectory() as folder:
        second = await after.run(
            fewer, options.seed, Path(folder), progress=_progress(options, "after", fewer)
        )
    return [_result(first), _result(second)]


def _progress(options: Options, name: str, of: int) -> Callable[[int], None]:
    def say(done: int) -> None:
        if done % TOLD_EVERY == 0:
            options.say(f"hostile, {name} authentication: {done:,} of {of:,}")

    return say


def _result(found: campaign.Result) -> Result:
    return Result(
        figure=f"hostile requests {found.name}",
        gate="no 5xx, no traceback, no unsigned handler run",
        measured=f"{found.requests:,}, {found.violated} violations, slowest {found.slowest * 1000:.0f} ms",
        reached=found.violated == 0,
        seed=found.seed,
        seconds=found.seconds,
        problems=found.violations,
    )
