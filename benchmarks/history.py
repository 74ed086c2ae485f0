"""What years of history cost: nothing that anybody waits for.

A bot with a short past and one with a long past, on each kind of database: how long a restart takes (after an
orderly end, and after a kill), and how long from the last approval to the first effect. Then with open runs
beside the long past: the lists that people and programs ask for.
"""

import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from benchmarks.approval import rollback
from benchmarks.databases import KINDS, Kind, Place
from benchmarks.figure import Figure, ms, quantile, spread
from benchmarks.installation import Installation, Slack, new_folder, pretend_slack
from bot.clock import utc_now
from bot.signatures import Signer
from handlers.keys import signer_at
from storage.claims import Claims
from storage.database import open_database
from storage.runs import Store, open_store
from tests.storage.past import write_finished, write_waiting

SHORT = 1_000  # finished runs, of 20 entries of evidence each
TARGET, CHANNEL, ASKS, APPROVES = "shop", "C000", "UASK000", "UYES000"
STARTS = 3
ROLLBACKS = 10
LISTS = 100  # times each
UNCHANGED = 1.2  # times
SERVING_WITHIN = 5.0  # seconds
STARTED_WITHIN = 10.0  # seconds
LISTED_WITHIN = 0.3  # seconds


@dataclass(frozen=True, slots=True)
class Size:
    finished: int  # runs
    open: int


QUICK, USUAL, LONG = Size(2_000, 200), Size(5_000, 500), Size(100_000, 10_000)


@dataclass(frozen=True, slots=True)
class Bot:
    """As it was with one past. Seconds."""

    starts: list[float]
    after_kill: float
    effects: list[float]


async def measure(quick: bool) -> list[Figure]:
    return await _measure(QUICK if quick else USUAL)


async def measure_long(quick: bool) -> list[Figure]:
    return await _measure(LONG)


async def _measure(size: Size) -> list[Figure]:
    return [figure for name, kind in KINDS.items() for figure in await _on(name, kind, size)]


async def _on(name: str, kind: Kind, size: Size) -> list[Figure]:
    with new_folder() as folder:
        async with kind(folder) as place, pretend_slack([ASKS, APPROVES], [CHANNEL]) as slack:
            installation = Installation(folder, [TARGET], [APPROVES], place.url)
            signer = signer_at(folder / "front.key")
            await write_finished(place.url, place.looking, signer, SHORT)
            short = await _bot(place, installation, slack)
            await write_finished(place.url, place.looking, signer, size.finished - SHORT)
            long = await _bot(place, installation, slack)
            await write_waiting(place.url, signer, size.open, utc_now())
            crowded = await _starts(installation, slack, 1)
            lists = await _lists(place, signer)
            entries = place.read("select n from evidence_head")[0].n
    return [*_unchanged(name, size, short, long), *_crowded(name, size, entries, crowded[0], lists)]


async def _bot(place: Place, installation: Installation, slack: Slack) -> Bot:
    starts = await _starts(installation, slack, STARTS)
    async with installation.served(slack) as bot:
        await slack.does("reach", url=bot.events)
        first = 1 + place.read("select max(number) as number from runs")[0].number
        done = [await rollback(place, installation, slack, first + n) for n in range(ROLLBACKS)]
        os.kill(bot.program.pid, signal.SIGKILL)
    killed = await _starts(installation, slack, 1)
    return Bot(starts, killed[0], [one.effect for one in done])


async def _starts(installation: Installation, slack: Slack, count: int) -> list[float]:
    seconds = []
    for _ in range(count):
        async with installation.served(slack) as bot:
            seconds.append(bot.ready_after)
    return seconds


async def _lists(place: Place, signer: Signer) -> dict[str, list[float]]:
    database = open_database(place.url)
    store = await open_store(database, signer, utc_now())
    asked: dict[str, Callable[[], Awaitable[object]]] = {
        "the newest runs": store.summaries,
        "open runs": lambda: store.summaries(only_open=True),
        "runs of a target": lambda: store.summaries(target=TARGET),
        "what is open of each target": store.open_runs,
        "what wants driving": lambda: Claims(store).due(utc_now()),
        "what the clock ends": lambda: store.due(utc_now()),
        "what is to be shown": store.to_show,
    }
    seconds = {name: [await _timed(ask) for _ in range(LISTS)] for name, ask in asked.items()}
    seconds["one run"] = [await _timed(lambda: _newest(store)) for _ in range(LISTS)]
    await database.close()
    return seconds


async def _newest(store: Store) -> None:
    newest = (await store.summaries(limit=1))[0]
    await store.load(newest.id)


async def _timed(ask: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await ask()
    return time.perf_counter() - began


def _unchanged(name: str, size: Size, short: Bot, long: Bot) -> list[Figure]:
    restart = quantile(long.starts, 0.5) / quantile(short.starts, 0.5)
    effect = quantile(long.effects, 0.5) / quantile(short.effects, 0.5)
    return [
        Figure(
            f"restart with {size.finished:,} finished runs, {name}",
            f"{quantile(long.starts, 0.5):.2f} s, {restart:.2f} × that with {SHORT:,}; "
            f"after a kill {long.after_kill:.2f} s",
            f"≤ {UNCHANGED} ×; after a kill ≤ {SERVING_WITHIN:.0f} s",
            restart <= UNCHANGED and long.after_kill <= SERVING_WITHIN,
            {
                "seconds": long.starts,
                "short_seconds": short.starts,
                "after_kill": long.after_kill,
                "short_after_kill": short.after_kill,
            },
        ),
        Figure(
            f"run start with {size.finished:,} finished runs, {name}",
            f"median {ms(quantile(long.effects, 0.5))}, {effect:.2f} × that with {SHORT:,}",
            f"≤ {UNCHANGED} ×",
            effect <= UNCHANGED,
            {"effect_ms": spread(long.effects), "short_effect_ms": spread(short.effects)},
        ),
    ]


def _crowded(
    name: str, size: Size, entries: int, start: float, lists: dict[str, list[float]]
) -> list[Figure]:
    slowest = max(lists, key=lambda one: quantile(lists[one], 0.99))
    worst = quantile(lists[slowest], 0.99)
    return [
        Figure(
            f"lists with {size.open:,} open runs and {entries:,} entries, {name}",
            f"p99 at most {ms(worst)} ({slowest}); start {start:.2f} s",
            f"p99 < {ms(LISTED_WITHIN)}, start < {STARTED_WITHIN:.0f} s",
            worst < LISTED_WITHIN and start < STARTED_WITHIN,
            {"lists_ms": {one: spread(seconds) for one, seconds in lists.items()}, "start": start},
        )
    ]
