"""How soon a command is acked when it is committed first, against a Bolt app that only acks.

Each round starts both from nothing, the bare app first, and gives each the same requests on the same
schedule from the same process; rounds alternate, so a noisy moment of the machine falls on both. Slack's Web
API is answered by another process; whoever types and where they type was asked once before, as in any
installation that is in use.

What is typed, in every ten commands: one opens a run (which is then planned, and its card posted), seven ask
for a target that has an open run or from somebody who may have no more requests (refused, which is evidence),
two are misspelt (evidence too). One new run in ten is far more than an incident makes: at 200 commands/s it is
20 new runs a second. Nothing is lost when the database holds an entry for each acked command of each person.
"""

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.figure import Figure, ms, quantile, spread
from benchmarks.installation import Installation, Slack, new_folder, pretend_slack
from benchmarks.programs import Program, running
from handlers.sandbox.slack.nouns import App
from handlers.sandbox.slack.signed import FORM, signed_headers

RATES = (50, 200)  # commands a second
OPENING = 10  # every tenth command opens a run
MISSPELT = 5
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
    rounds, seconds = (2, 4) if quick else (5, 10)
    return [await _at(rate, rounds, seconds) for rate in RATES]


async def _at(rate: int, rounds: int, seconds: int) -> Figure:
    async with pretend_slack([*PEOPLE, *APPROVERS], CHANNELS) as slack, running("benchmarks.load") as load:
        done = [await _round(slack, load, rate, seconds, seed) for seed in range(rounds)]
    return _figure(rate, done)


async def _round(slack: Slack, load: Program, rate: int, seconds: int, seed: int) -> Round:
    typed = commands(rate * seconds, random.Random(seed))
    async with running("benchmarks.bare_bolt", **slack.environment) as bare:
        url = (await bare.line()).removeprefix("listening on ")
        await _send(load, f"{url}/slack/events", slack, rate, typed[: rate // 2])
        bare_answers = await _send(load, f"{url}/slack/events", slack, rate, typed)
    targets = sorted({one.text.split()[0] for one in typed} - {"roolback"})
    with new_folder() as folder:
        installation = Installation(folder, targets, APPROVERS)
        async with installation.served(slack) as bot:
            await _send(load, bot.events, slack, 50, _introduced())
            before = _stored(installation.database)
            answers = await _send(load, bot.events, slack, rate, typed)
            stored = _stored(installation.database) - before
        acked = Counter(one.person for one, answer in zip(typed, answers, strict=True) if answer[1] == 200)
        return Round(
            bare=[answer[0] for answer in bare_answers],
            bot=[answer[0] for answer in answers],
            unanswered=len(typed) - acked.total(),
            lost=(acked - stored).total(),
            opened=sum("reading" in answer[2] for answer in answers),
        )


def commands(count: int, chance: random.Random) -> list[Typed]:
    """Opening commands go round the people: nobody has more than three open requests for long enough to see."""
    typed = []
    for n in range(count):
        person, channel = chance.choice(PEOPLE), chance.choice(CHANNELS)
        if n % OPENING == 0:
            text = f"shop-{n // OPENING} to v41 because totals are broken since {n}"
        elif n % MISSPELT == 3:
            text = f"roolback shop-{n // OPENING} to v41, order {n}"
        else:
            text = f"shop-{chance.randrange(n // OPENING + 1)} to v41 because totals are broken since {n}"
        typed.append(Typed(person, channel, text))
    return typed


def _introduced() -> list[Typed]:
    """Everybody says something everywhere, so that Slack was asked who and what they are."""
    count = max(len(PEOPLE), len(CHANNELS))
    return [Typed(PEOPLE[n % len(PEOPLE)], CHANNELS[n % len(CHANNELS)], "help") for n in range(count)]


async def _send(load: Program, url: str, slack: Slack, rate: int, typed: Sequence[Typed]) -> list[Any]:
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


def _stored(database: Path) -> Counter[str]:
    """Entries of the evidence log by person: requests opened, requests refused, commands not understood."""
    kinds = ("requested", "request_refused", "command_refused")
    query = f"select by, count(*) from evidence where kind in {kinds} group by by"  # noqa: S608 - ours
    connection = sqlite3.connect(database)
    try:
        return Counter(dict(connection.execute(query).fetchall()))
    finally:
        connection.close()


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
