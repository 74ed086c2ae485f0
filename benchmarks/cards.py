"""How soon the cards of many runs that end at once show it, inside Slack's budget for the whole workspace.

In time that is turned, not waited for: what is measured is how the publisher spends fifty updates a minute.
The pretend Slack counts with its own clock what it would have refused.
"""

import asyncio
from pathlib import Path

from benchmarks.databases import sqlite
from benchmarks.figure import Figure
from benchmarks.installation import new_folder
from bot.event_kinds import EventKind
from tests.handlers.publishing import publishing
from tests.people import ANA
from tests.storage.told import tell

RUNS = 100
EACH, FIRST = 1.2, 5.0  # seconds: the n-th is shown within n × EACH + FIRST


async def measure(quick: bool) -> list[Figure]:
    with new_folder() as folder:
        async with sqlite(folder):
            return [await _at_once(folder, folder / "state" / "rollback.db")]


async def _at_once(folder: Path, empty: Path) -> Figure:
    async with publishing(folder, empty) as alone:
        runs = await alone.asked(RUNS)
        await asyncio.gather(*(tell(alone.store, run, EventKind.CANCELLED, ANA) for run in runs))
        shown = await alone.seconds_until_cards_say("Cancelled", runs)
        refused = alone.refused_for_the_budget()
    late = max(at - (n * EACH + FIRST) for n, at in enumerate(shown, 1))
    return Figure(
        f"{RUNS} runs that end at once are shown",
        f"the last after {shown[-1]:.0f} s; {refused} refused by Slack",
        f"the n-th within n × {EACH} s + {FIRST:.0f} s, 0",
        late <= 0 and not refused,
        {"seconds": shown, "refused": refused},
    )
