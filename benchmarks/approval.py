"""From the last approval click: to the first effect in the world, and to the end of the run.

One target with release folders, approvers by list, no maintenance, no checks of its own. The click leaves the
pretend Slack, in a process of its own; the effect is when the symlink was replaced, as the file system dates
it (its clock ticks every few milliseconds); the end is when the run's last event was written. What the same
operations take when the executor's own methods are called by hand, in the same run, is taken off the latter.
On PostgreSQL the click reaches a front and the effect is a worker's, in another process.
"""

import asyncio
import os
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from backends.releases.executor import Releases
from backends.worker_key import WorkerKey
from benchmarks.databases import Place, postgresql, sqlite
from benchmarks.figure import Figure, ms, quantile, spread
from benchmarks.installation import Bot, Installation, Slack, build_releases, new_folder, pretend_slack
from benchmarks.process import rss_mib
from benchmarks.programs import running
from bot.canonical_json import from_iso
from bot.contract import Ended, Work
from bot.model import Do, Goal
from handlers.role import Role

TARGET, CHANNEL, ASKS, APPROVES = "shop", "C000", "UASK000", "UYES000"
LOOK_EVERY = 0.02  # seconds
ENDS_WITHIN = 20.0  # seconds
RSS_AT_MOST = 120  # MiB


@dataclass(frozen=True, slots=True)
class Rollback:
    """Seconds from the click."""

    effect: float
    end: float


async def measure(quick: bool) -> list[Figure]:
    count = 20 if quick else 100
    return [*await _on_sqlite(count), await _on_postgresql(count)]


async def _on_sqlite(count: int) -> list[Figure]:
    with new_folder() as folder:
        by_hand = [await _by_hand(folder / "by-hand" / str(n), n) for n in range(count)]
        async with sqlite(folder) as place, pretend_slack([ASKS, APPROVES], [CHANNEL]) as slack:
            installation = Installation(folder, [TARGET], [APPROVES])
            async with installation.served(slack) as bot:
                await slack.does("reach", url=bot.events)
                done = [await rollback(place, installation, slack, n) for n in range(1, count + 1)]
                return [*_figures(done, by_hand), _memory(bot, count)]


async def _on_postgresql(count: int) -> Figure:
    """A front and two workers; the same database's bare queue beside it."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(new_folder())
        place = await stack.enter_async_context(postgresql(folder))
        slack = await stack.enter_async_context(pretend_slack([ASKS, APPROVES], [CHANNEL]))
        installation = Installation(folder, [TARGET], [APPROVES], place.url)
        front = await stack.enter_async_context(installation.served(slack, Role.FRONT))
        for _ in range(2):
            await stack.enter_async_context(installation.served(slack, Role.WORKER))
        await slack.does("reach", url=front.events)
        done = [await rollback(place, installation, slack, n) for n in range(1, count + 1)]
        async with running("benchmarks.bare_queue") as queue:
            bare = await queue.ask({"database": place.url, "jobs": count})
    effects = [one.effect for one in done]
    return Figure(
        "last approval to first effect, PostgreSQL",
        f"p99 {ms(quantile(effects, 0.99))}, median {ms(quantile(effects, 0.5))}; "
        f"the bare queue p99 {ms(quantile(bare, 0.99))}, median {ms(quantile(bare, 0.5))}",
        "p99 ≤ 75 ms",
        quantile(effects, 0.99) <= 0.075,
        {"runs": len(done), "workers": 2, "effect_ms": spread(effects), "bare_queue_ms": spread(bare)},
    )


async def _by_hand(root: Path, n: int) -> float:
    """Everything that the engine asks of the executor for one rollback: planned, looked at again, done."""
    build_releases(root)
    executor, now = Releases(root, WorkerKey.fresh()), datetime.now(UTC)
    await executor.plan(Goal(point="v41"), now)
    began = time.perf_counter()
    way = await executor.plan(Goal(point="v41"), now)
    undo = Work(f"bench.RB-{n}.2", f"RB-{n}", "0" * 64, Do.SAVE, way.point.id, way.current.token)
    await executor.start(undo)
    restore = replace(undo, op_id=f"bench.RB-{n}.3", do=Do.RESTORE, fingerprint=way.point.fingerprint)
    assert isinstance(await executor.start(restore), Ended)
    await executor.verify(restore)
    return time.perf_counter() - began


async def rollback(place: Place, installation: Installation, slack: Slack, n: int) -> Rollback:
    link = installation.root(TARGET) / "current"
    await slack.does("type", person=ASKS, channel=CHANNEL, text=f"{TARGET} to v41 because measured")
    click = await slack.does("approve", person=APPROVES, channel=CHANNEL, run=f"RB-{n}")
    ended = await _ended(place, f"RB-{n}")
    sent = (click["sent"] + time.time_ns() - time.monotonic_ns()) / 1e9
    effect = os.lstat(link).st_ctime_ns / 1e9
    link.unlink()
    link.symlink_to(Path("releases") / "v42")  # for the next one
    return Rollback(effect - sent, ended.timestamp() - sent)


async def _ended(place: Place, run_id: str) -> datetime:
    query = "select at from run_events where run_id = :run_id and kind = 'succeeded'"
    deadline = time.monotonic() + ENDS_WITHIN
    while time.monotonic() < deadline:
        if found := place.read(query, run_id=run_id):
            return from_iso(found[0].at)
        await asyncio.sleep(LOOK_EVERY)
    raise TimeoutError(f"{run_id} did not succeed")


def _figures(done: list[Rollback], by_hand: list[float]) -> list[Figure]:
    effects = [one.effect for one in done]
    hand = quantile(by_hand, 0.5)
    overheads = [one.end - hand for one in done]
    median, worst = quantile(overheads, 0.5), quantile(overheads, 0.99)
    return [
        Figure(
            "last approval to first effect",
            f"p99 {ms(quantile(effects, 0.99))}, median {ms(quantile(effects, 0.5))}",
            "p99 ≤ 50 ms",
            quantile(effects, 0.99) <= 0.050,
            {"runs": len(done), "effect_ms": spread(effects)},
        ),
        Figure(
            "overhead of a rollback",
            f"median {ms(median)}, p99 {ms(worst)} over {ms(hand)} by hand",
            "≤ 75 ms",
            median <= 0.075,
            {"runs": len(done), "overhead_ms": spread(overheads), "by_hand_ms": spread(by_hand)},
        ),
    ]


def _memory(bot: Bot, runs: int) -> Figure:
    rss = rss_mib(bot.program.pid)
    return Figure(
        f"memory after {runs} runs",
        f"{rss:.0f} MiB",
        f"≤ {RSS_AT_MOST} MiB",
        rss <= RSS_AT_MOST,
        {"mib": rss},
    )
