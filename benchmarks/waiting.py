"""What a thousand runs that wait for people cost: a row each, and no time.

The bot is left alone twice, with none and with a thousand waiting runs, on each kind of database.
"""

import asyncio

from benchmarks.databases import KINDS, Kind, Place
from benchmarks.figure import Figure
from benchmarks.installation import Bot, Installation, Slack, new_folder, pretend_slack
from benchmarks.process import cpu_seconds
from bot.clock import utc_now
from handlers.keys import signer_at
from tests.storage.past import write_waiting

WAITING = 1_000
IDLE_FOR = 20.0  # seconds
CALM_AFTER = 3.0  # seconds, for what a start leaves to do
AT_MOST = 0.005  # of a core: less than two such measurements of the same thing differ by
PERSON, CHANNEL = "UYES000", "C000"


async def measure(quick: bool) -> list[Figure]:
    idle_for = 5.0 if quick else IDLE_FOR
    return [await _on(name, kind, idle_for) for name, kind in KINDS.items()]


async def _on(name: str, kind: Kind, idle_for: float) -> Figure:
    with new_folder() as folder:
        async with kind(folder) as place, pretend_slack([PERSON], [CHANNEL]) as slack:
            installation = Installation(folder, ["shop"], [PERSON], place.url)
            none = await _idle(place, installation, slack, idle_for)
            signer = signer_at(folder / "front.key")
            await write_waiting(place.url, signer, WAITING, utc_now())
            many = await _idle(place, installation, slack, idle_for)
    return Figure(
        f"{WAITING:,} waiting runs, {name}",
        f"{many:.2%} of a core, without them {none:.2%}",
        f"≤ {AT_MOST:.1%} of a core more",
        many - none <= AT_MOST,
        {"share": many, "share_without": none, "seconds": idle_for},
    )


async def _idle(place: Place, installation: Installation, slack: Slack, idle_for: float) -> float:
    async with installation.served(slack) as bot:
        await asyncio.sleep(CALM_AFTER)
        before = _cpu(place, bot)
        await asyncio.sleep(idle_for)
        return (_cpu(place, bot) - before) / idle_for


def _cpu(place: Place, bot: Bot) -> float:
    return place.cpu() + cpu_seconds(bot.program.pid)
