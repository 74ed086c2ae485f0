"""Two hundred commands a second for minutes, as signed requests, each stored before it is acked.

Of fifty commands one asks for a target of its own, until its person's quota is used up; twenty-nine ask for
what is open already, ten are misspelt, ten read. What is refused is evidence, so it is stored too: nothing is
lost when the database holds an entry for each acked command of each person that was no reading one.
They are sent in pieces, because a signature is good for five minutes only.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.ack import (
    APPROVERS,
    CHANNELS,
    Typed,
    card_shown,
    introduced,
    send,
    stored,
)
from benchmarks.figure import Figure, ms, quantile, spread
from benchmarks.installation import Installation, new_folder, pretend_slack
from benchmarks.programs import running

RATE = 200  # commands a second
PIECE = 20  # seconds
QUICK, USUAL, LONG = 20, 60, 600  # seconds
TARGETS = 400
ACKED_WITHIN, AT_MOST = 0.100, 1.0  # seconds: p99, and all
PEOPLE = [f"UASK{n:03}" for n in range(500)]  # so many that nobody is turned away for asking too often
READING = ("help", "status", "targets")
OPENING = 50  # every fiftieth command asks for a target of its own


@dataclass(slots=True)
class Told:
    seconds: list[float] = field(default_factory=list)
    not_acked: int = 0
    acked: Counter[str] = field(default_factory=Counter)  # by person, of what has to be stored


async def measure(quick: bool) -> list[Figure]:
    return [await _for(QUICK if quick else USUAL)]


async def measure_long(quick: bool) -> list[Figure]:
    return [await _for(LONG)]


async def _for(seconds: int) -> Figure:
    chance, told = random.Random(1), Told()
    with new_folder() as folder:
        async with (
            pretend_slack([*PEOPLE, *APPROVERS], CHANNELS) as slack,
            running("benchmarks.load") as load,
        ):
            installation = Installation(folder, ["warm", *(f"shop-{n}" for n in range(TARGETS))], APPROVERS)
            async with installation.served(slack) as bot:
                await send(load, bot.events, slack, 50, introduced(PEOPLE))
                await card_shown(installation.database)
                before = stored(installation.database)
                for begun in range(0, seconds * RATE, PIECE * RATE):
                    typed = [_typed(chance, n) for n in range(begun, begun + PIECE * RATE)]
                    answers = await send(load, bot.events, slack, RATE, typed)
                    told.seconds += [answer[0] for answer in answers]
                    told.acked.update(
                        one.person
                        for one, answer in zip(typed, answers, strict=True)
                        if _is_acked(answer) and one.text not in READING
                    )
                    told.not_acked += sum(not _is_acked(answer) for answer in answers)
                lost = (told.acked - (stored(installation.database) - before)).total()
    return _figure(seconds, told, lost)


def _is_acked(answer: Sequence[Any]) -> bool:
    """Who is told at once that nothing was accepted may ask again; that is no loss, but no ack either."""
    return answer[1] == 200 and "NOT accepted" not in answer[2]


def _typed(chance: random.Random, n: int) -> Typed:
    """The n-th of all."""
    person, channel, newest = chance.choice(PEOPLE), chance.choice(CHANNELS), min(n // OPENING, TARGETS - 1)
    match n % OPENING:
        case 0:
            text = f"shop-{newest} to v41 because totals are broken"
        case one if one % 5 == 1:
            text = chance.choice(READING)
        case one if one % 5 == 2:
            text = f"roolback shop-{newest} to v41"
        case _:
            text = f"shop-{chance.randrange(newest + 1)} to v41 because totals are broken"
    return Typed(person, channel, text)


def _figure(seconds: int, told: Told, lost: int) -> Figure:
    worst = quantile(told.seconds, 1.0)
    p99 = quantile(told.seconds, 0.99)
    return Figure(
        f"{RATE} commands/s for {seconds} s",
        f"p99 {ms(p99)}, at most {ms(worst)}; {lost} lost, {told.not_acked} not acked",
        f"p99 < {ms(ACKED_WITHIN)}, all < {AT_MOST:.0f} s, 0 lost",
        p99 < ACKED_WITHIN and worst < AT_MOST and not lost and not told.not_acked,
        {
            "commands": len(told.seconds),
            "ack_ms": spread(told.seconds),
            "lost": lost,
            "not_acked": told.not_acked,
        },
    )
