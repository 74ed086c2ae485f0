"""What is due between incidents: one look over ten thousand targets, and two years of reminders.

The years are played day by day against the database as the fronts use it: every day two ticks at once, 20
times the database is closed and opened again, and the clocks of the zone change four times. No drill ever
passes, so each is due every week; counted is what the log says was told.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import select

from backends.installed import definitions
from benchmarks.figure import Figure, ms
from benchmarks.installation import new_folder
from bot import duties as rules
from bot.configuration import Configuration, load
from storage.database import open_database, sqlite_url, upgrade
from storage.duties import DutyStore
from storage.runs import Store, open_store
from storage.tables import evidence

BEGINS = datetime(2026, 1, 1, tzinfo=UTC)
ZONE, HOUR = "Europe/Berlin", 10
EVERY_SECONDS = 90 * 86_400.0
TICK_WITHIN_SECONDS = 0.1
ROUNDS = 20
RESTARTS = 20


async def measure(quick: bool) -> list[Figure]:
    targets, some, days = (1_000, 30, 60) if quick else (10_000, 300, 730)
    return [await _tick(targets), await _years(some, days)]


async def _tick(targets: int) -> Figure:
    """Returns how long a look at so many rows takes of which none is due; a front looks every 30 s."""
    with new_folder() as folder:
        async with _opened(folder) as store:
            duties = DutyStore(store)
            await duties.keep({f"target-{n}": EVERY_SECONDS for n in range(targets)}, (), BEGINS, BEGINS)
            seconds = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                found = await duties.due(BEGINS - timedelta(seconds=1))
                seconds.append(time.perf_counter() - began)
                assert not found
    return Figure(
        f"a look what is due, of {targets:,} targets",
        f"worst {ms(max(seconds))}",
        f"≤ {ms(TICK_WITHIN_SECONDS)}",
        max(seconds) <= TICK_WITHIN_SECONDS,
        {"seconds": seconds},
    )


async def _years(targets: int, days: int) -> Figure:
    with new_folder() as folder:
        configuration = _configured(folder, targets)
        at_an_hour: Counter[int] = Counter()
        per_restart = max(1, days // RESTARTS)
        day = 0
        while day < days:
            async with _opened(folder) as store:
                duties = DutyStore(store)
                wanted = rules.drills_wanted(configuration)
                await duties.keep(wanted, configuration.targets, _morning(0), _morning(0))
                for _ in range(min(per_restart, days - day)):
                    day += 1
                    now = _morning(day)
                    await asyncio.gather(*(_ticked(configuration, duties, now) for _ in range(2)))
        async with _opened(folder) as store:
            told = await _told(store, at_an_hour)
    weeks = (days - 1) // 7 + 1
    wrong = sum(count != weeks for count in told.values()) + (targets - len(told))
    return Figure(
        f"reminders of {targets} targets in {days} days",
        f"{sum(told.values()):,} told, {wrong} targets not each week once",
        "each exactly once",
        wrong == 0 and set(at_an_hour) == {HOUR},
        {"told": sum(told.values()), "weeks": weeks, "wrong": wrong, "hours": dict(at_an_hour)},
    )


def _morning(day: int) -> datetime:
    """Some minutes after the hours have begun, in the zone and its time of year."""
    here = datetime(2026, 1, 1, HOUR, 5, tzinfo=ZoneInfo(ZONE)) + timedelta(days=day)
    return here.astimezone(UTC)


async def _ticked(configuration: Configuration, duties: DutyStore, now: datetime) -> None:
    """As a front does it, without Slack."""
    began = rules.opening(configuration, now)
    assert began is not None
    told, nobody = rules.tellings(configuration, await duties.due(began))
    assert not nobody
    for telling in told:
        await duties.tell(telling, rules.told_again_at(configuration, now), timedelta(), now)


async def _told(store: Store, at_an_hour: Counter[int]) -> Counter[str]:
    """How often each target was told, by the log."""
    found: Counter[str] = Counter()
    query = select(evidence.c.at, evidence.c.body).where(evidence.c.kind == "reminded")
    async with store.database.read() as connection:
        for row in await connection.execute(query):
            at_an_hour[datetime.fromisoformat(row.at).astimezone(ZoneInfo(ZONE)).hour] += 1
            found.update(target for _, target, _ in json.loads(row.body)["of"])
    return found


def _configured(folder: Path, targets: int) -> Configuration:
    """JSON is YAML. Thirty owners share the targets."""
    described = {
        f"target-{n}": {
            "kind": "database",
            "owner": f"U{n % 30:08d}",
            "drill": {"every": "90d"},
            "executor": {"type": "git", "remote": f"/srv/{n}"},
            "approval": {"from": ["U00000001", "U00000002"]},
        }
        for n in range(targets)
    }
    path = folder / "rollback.yaml"
    path.write_text(json.dumps({"version": 1, "timezone": ZONE, "targets": described}))
    return load(path, definitions())


@asynccontextmanager
async def _opened(folder: Path) -> AsyncIterator[Store]:
    database = open_database(sqlite_url(folder / "rollback.db"))
    await upgrade(database)
    try:
        yield await open_store(database, None, BEGINS)
    finally:
        await database.close()
