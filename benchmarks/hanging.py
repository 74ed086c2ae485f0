"""How much a target that hangs costs the others: six calls that never return, as on a dead network disk."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

from backends.releases.executor import Releases
from backends.worker_key import WorkerKey
from benchmarks.figure import Figure, ms, quantile
from benchmarks.installation import new_folder
from bot.clock import utc_now
from bot.model import Goal

HUNG = 6  # calls
SLOWER_TIMES = 1.2
RELEASES, FILES = 10, 50
ROUNDS, QUICK_ROUNDS = 200, 50


async def measure(quick: bool) -> list[Figure]:
    rounds = QUICK_ROUNDS if quick else ROUNDS
    with new_folder() as folder:
        for name in ("hung", "well"):
            _deploy(folder / name)
        ever, key = Event(), WorkerKey.fresh()
        well = Releases(folder / "well", key)
        hung = Releases(folder / "hung", key, disk=_hangs_on(ever))
        alone, looked_up_alone = await _timed(well, rounds)
        calls = [asyncio.create_task(_plan(hung)) for _ in range(HUNG)]
        await asyncio.sleep(0.1)  # until all that can have begun
        beside, looked_up_beside = await _timed(well, rounds)
        ever.set()
        await asyncio.gather(*calls, return_exceptions=True)
    return [
        _figure("plan of another target", alone, beside),
        _figure("look-up of a host's name", looked_up_alone, looked_up_beside),
    ]


async def _timed(executor: Releases, rounds: int) -> tuple[list[float], list[float]]:
    """Returns the seconds of each plan, and of each name that was looked up as Slack's is."""
    plans, names = list[float](), list[float]()
    for _ in range(rounds):
        began = time.perf_counter()
        await _plan(executor)
        planned = time.perf_counter()
        await asyncio.get_running_loop().getaddrinfo("localhost", 443)
        names.append(time.perf_counter() - planned)
        plans.append(planned - began)
    return plans, names


async def _plan(executor: Releases) -> None:
    await executor.plan(Goal(point="r3"), utc_now())


def _figure(what: str, alone: list[float], beside: list[float]) -> Figure:
    before, after = quantile(alone, 0.5), quantile(beside, 0.5)
    return Figure(
        f"{what} beside {HUNG} calls that hang",
        f"median {ms(after)}, alone {ms(before)}: {after / before:.2f} times",
        f"≤ {SLOWER_TIMES} times",
        after <= SLOWER_TIMES * before,
        {"alone_s": before, "beside_s": after},
    )


def _deploy(root: Path) -> None:
    for n in range(RELEASES):
        release = root / "releases" / f"r{n}"
        release.mkdir(parents=True)
        for file in range(FILES):
            (release / f"{file}.txt").write_text(f"{n} {file}")
    (root / "current").symlink_to(Path("releases") / f"r{RELEASES - 1}")


def _hangs_on(ever: Event) -> Callable[[str], os.statvfs_result]:
    def hang(path: str) -> os.statvfs_result:
        ever.wait()
        return os.statvfs(path)

    return hang
