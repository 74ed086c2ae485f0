"""The pages: reads a run and the names of its people, and has them drawn."""

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog
from aiohttp import web

from bot import machine
from bot.duties import DutyKind
from bot.errors import TemporaryError
from bot.run import Run
from bot.views.facts import CardFacts
from bot.views.words import duration
from handlers.context import Context
from handlers.slack.facts import reading_facts
from handlers.web.drawing import draw, missing
from handlers.web.drills_page import Drilled, target_row, without_drills
from handlers.web.readers import READER
from handlers.web.route_state import FRONT
from handlers.web.run_page import TONES, run_page
from storage.reading import Proof, proofs

log = structlog.get_logger()

NAMES_WITHIN_SECONDS = 1.0  # a page is for when Slack is down, too
NAMES_KEPT_SECONDS = 3_600.0
_ACCOUNT = re.compile(r"[UW][A-Z0-9]{1,20}")


async def one_run(request: web.Request) -> web.Response:
    context, reader = request.app[FRONT].context, request[READER]
    run_id = request.match_info["run_id"]
    events = await context.store.events(run_id)
    if not events:
        return missing()
    run = machine.fold(run_id, events)
    if reader.person is not None:
        log.info("page read", run=run_id, person=reader.person)
    facts = await reading_facts(context, run, reader.person or "")
    proven = await proofs(context.store.database, run_id)
    names = await _names(context, _people_of(run, proven, facts))
    page = run_page(run, events, proven, facts, lambda one: names.get(one, one), context.clock())
    return draw("run.html", page=page, everything=reader.person is None)


async def newest_runs(request: web.Request) -> web.Response:
    context = request.app[FRONT].context
    runs = await context.store.summaries(limit=50)
    names = await _names(context, {run.requester for run in runs})
    return draw("runs.html", runs=runs, names=names, tones=TONES, now=context.clock())


async def drills(request: web.Request) -> web.Response:
    context, reader = request.app[FRONT].context, request[READER]
    if reader.person is not None:
        log.info("page read", page=request.path, person=reader.person)
    due = {duty.target: duty for duty in await context.duties.all() if duty.kind is DutyKind.DRILL}
    now, rows = context.clock(), []
    for name, target in context.configuration.targets.items():
        if target.drill is not None:
            ended = await context.store.drills(name)
            rows.append(target_row(Drilled(target, due.get(name), ended), now))
    without = without_drills(context.configuration)

    def run_url(run_id: str) -> str:
        path = f"/runs/{run_id}"
        if reader.person is None:
            return path
        return context.links.make(path, reader.person, now).removeprefix("/")  # a proxy may add to the front

    values: dict[str, Any] = {"targets": rows, "without": without, "duration": duration, "now": now}
    return draw("drills.html", run_url=run_url, everything=reader.person is None, **values)


def _people_of(run: Run, proven: Sequence[Proof], facts: CardFacts) -> set[str]:
    said = " ".join(str(proof.body.get("why", "")) for proof in proven)
    known = {run.request.requester.id, *run.approval.awaited, facts.owner, facts.point_of_contact or ""}
    found = known | {proof.by for proof in proven} | set(_ACCOUNT.findall(said))
    return {one for one in found if _ACCOUNT.fullmatch(one)}


async def _names(context: Context, people: Iterable[str]) -> Mapping[str, str]:
    """Returns what each is called: by Slack, else by the configuration, else by the id."""
    looking = {one: asyncio.create_task(_name(context, one)) for one in people}
    if looking:
        await asyncio.wait(looking.values(), timeout=NAMES_WITHIN_SECONDS)
    groups = context.configuration.groups.items()
    return {
        **{group.slack_usergroup: name for name, group in groups if group.slack_usergroup},
        **{one: task.result() if task.done() else _configured(context, one) for one, task in looking.items()},
    }


async def _name(context: Context, person: str) -> str:
    try:
        return (await context.directory.person(person, NAMES_KEPT_SECONDS)).name
    except TemporaryError:
        return _configured(context, person)


def _configured(context: Context, person: str) -> str:
    human = context.configuration.human(person)
    return human.name if human else person
