"""How soon a command is acked when it is committed first, against a Bolt app that only acks.

Each round starts both from nothing, the bare app first, and gives each the same requests on the same schedule
from the same process; rounds alternate, so a noisy moment of the machine falls on both. Slack's Web API is
answered by another process. Both were used before they are measured: everybody has typed something
everywhere, so Slack was asked who and what they are, and the bot has posted a card.

Of fifty commands one opens a run (which is then planned, and its card posted), thirty-nine ask for a target
that has an open run already, and ten are misspelt; the refusals are evidence, so they are committed too.
Four new runs a second, at 200 commands/s, are more than Slack lets a workspace show: it takes 50 changes of
cards a minute. Nothing is lost when the database holds an entry for each acked command of each person.
"""

import asyncio
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.figure import Figure, ms, quantile, spread
from benchmarks.installation import Installation, Slack, new_folder, pretend_slack
from benchmarks.programs import Program, running
from workspace.slack.nouns import App
from workspace.slack.signed import FORM, signed_headers

RATES = (50, 200)  # commands a second
OPENING = 50  # every fiftieth command opens a run
MISSPELT = 5  # and every fifth is misspelt
WARM = "warm"  # the target of the run that was opened before
SHOWN_WITHIN = 10.0  # seconds
STORED = """
select by, count(*) from evidence
where kind in ('requested', 'request_refused', 'command_refused') group by by
"""
PEOPLE = [f"UASK{n:03}" for n in range(100)]
APPROVERS = [f"UYES{n:03}" for n in range(40)]
CHANNELS = [f"C{n:03}" for n in range(40)]


@dataclass(frozen=True, slots=True)
class Typed:
    person: str
    channel: str
    text: str


@dataclass(frozen=True, slots=True)
class Round:
    bare: list[float]  # seconds
    bot: list[float]
    unanswered: int
    lost: int
    opened: int


async def measure(quick: bool) -> list[Figure]:
    rounds, seconds = (2, 4) if quick else (3, 10)
    return [await _at(rate, rounds, seconds) for rate in RATES]


async def _at(rate: int, rounds: int, seconds: int) -> Figure:
    async with pretend_slack([*PEOPLE, *APPROVERS], CHANNELS) as slack, running("benchmarks.load") as load:
        done = [await _round(slack, load, rate, seconds, seed) for seed in range(rounds)]
    return _figure(rate, done)


async def _round(slack: Slack, load: Program, rate: int, seconds: int, seed: int) -> Round:
    typed = commands(rate * seconds, random.Random(seed))
    async with running("benchmarks.bare_bolt", environment=slack.environment) as bare:
        url = (await bare.line()).removeprefix("listening on ")
        await send(load, f"{url}/slack/events", slack, rate, typed[: rate // 2])
        bare_answers = await send(load, f"{url}/slack/events", slack, rate, typed)
    targets = {one.text.split()[0] for one in typed} - {"roolback"}
    with new_folder() as folder:
        installation = Installation(folder, [WARM, *sorted(targets)], APPROVERS)
        async with installation.served(slack) as bot:
            await send(load, bot.events, slack, 50, introduced())
            await card_shown(installation.database)
            before = stored(installation.database)
            answers = await send(load, bot.events, slack, rate, typed)
            kept = stored(installation.database) - before
        acked = Counter(one.person for one, answer in zip(typed, answers, strict=True) if answer[1] == 200)
        return Round(
            bare=[answer[0] for answer in bare_answers],
            bot=[answer[0] for answer in answers],
            unanswered=len(typed) - acked.total(),
            lost=(acked - kept).total(),
            opened=sum("reading" in answer[2] for answer in answers),
        )


def commands(count: int, chance: random.Random) -> list[Typed]:
    """Whoever opens a run is the next in line, so that nobody has more than three open requests."""
    typed = []
    for n in range(count):
        person, channel, newest = chance.choice(PEOPLE), chance.choice(CHANNELS), n // OPENING
        if n % OPENING == 0:
            person = PEOPLE[newest % len(PEOPLE)]
            text = f"shop-{newest} to v41 because totals are broken since {n}"
        elif n % MISSPELT == 3:
            text = f"roolback shop-{newest} to v41, order {n}"
        else:
            text = f"shop-{chance.randrange(newest + 1)} to v41 because totals are broken since {n}"
        typed.append(Typed(person, channel, text))
    return typed


def introduced(people: Sequence[str] = PEOPLE) -> list[Typed]:
    said = [Typed(person, CHANNELS[n % len(CHANNELS)], "help") for n, person in enumerate(people)]
    return [*said, Typed(people[0], CHANNELS[0], f"{WARM} to v41 because it is cold")]


async def card_shown(database: Path) -> None:
    deadline = time.monotonic() + SHOWN_WITHIN
    while not _read(database, "select 1 from run_events where kind = 'posted'"):
        if time.monotonic() > deadline:
            raise TimeoutError("the first card was never posted")
        await asyncio.sleep(0.1)


async def send(load: Program, url: str, slack: Slack, rate: int, typed: Sequence[Typed]) -> list[Any]:
    requests = [_signed(one, slack.secret, n) for n, one in enumerate(typed)]
    answers: list[Any] = await load.ask({"url": url, "rate": rate, "requests": requests})
    return answers


def _signed(typed: Typed, secret: str, n: int) -> tuple[dict[str, str], str]:
    app, now = App(), time.time()
    body = urlencode(
        {
            "team_id": app.team_id,
            "team_domain": app.team_domain,
            "channel_id": typed.channel,
            "channel_name": "incident",
            "user_id": typed.person,
            "user_name": typed.person.lower(),
            "command": app.command,
            "text": typed.text,
            "api_app_id": app.id,
            "is_enterprise_install": "false",
            "response_url": "http://127.0.0.1:9/none",
            "trigger_id": f"{now:.6f}.{n}",
        }
    )
    return {**signed_headers(secret, body.encode(), now), "Content-Type": FORM}, body


def stored(database: Path) -> Counter[str]:
    """Entries of the evidence log by person: requests opened, requests refused, commands not understood."""
    return Counter(dict(_read(database, STORED)))


def _read(database: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def _figure(rate: int, rounds: Sequence[Round]) -> Figure:
    bare = [seconds for one in rounds for seconds in one.bare]
    bot = [seconds for one in rounds for seconds in one.bot]
    ratios = [quantile(one.bot, 0.99) / quantile(one.bare, 0.99) for one in rounds]
    ratio = quantile(ratios, 0.5)
    lost = sum(one.lost for one in rounds)
    unanswered = sum(one.unanswered for one in rounds)
    return Figure(
        f"ack at {rate} commands/s",
        f"p99 {ms(quantile(bot, 0.99))}, {ratio:.2f} × bare Bolt's {ms(quantile(bare, 0.99))}; {lost} lost",
        "p99 ≤ 1.2 × bare Bolt, 0 lost",
        ratio <= 1.2 and not lost and not unanswered,
        {
            "commands": len(bot),
            "opened": sum(one.opened for one in rounds),
            "unanswered": unanswered,
            "lost": lost,
            "bot_ms": spread(bot),
            "bare_ms": spread(bare),
            "p99_ratio_of_each_round": [round(one, 2) for one in ratios],
        },
    )
