"""The story in the terminal: all three targets taken back through the pretend Slack, one line for each fact.

Everything is said only after it was seen in the world or in the bot's evidence; the first thing that differs
from what was expected ends the story.
"""

import re
import sys
import time
from pathlib import Path
from typing import Any

from workspace import observation, world
from workspace.between import drills, snapshot
from workspace.configuration import (
    ANA,
    BEN,
    CATALOG_CHANNEL,
    STOREFRONT_CHANNEL,
)
from workspace.faults_to_try import ask_for_orders, kill_in_the_middle
from workspace.slack.nouns import View
from workspace.slack.reading import elements, plain
from workspace.slack.refusal import Impossible
from workspace.slack.server import PretendSlack
from workspace.slack.state import Workspace
from workspace.stage import NotSeen, Stage, set_up
from workspace.telling import Differs, expect, say, verified

BROKEN, WHOLE = 500, 200
REMINDED_WITHIN_SECONDS = 15.0


async def play(folder: Path) -> int:
    """The exit code, as `tell` says it."""
    server = await PretendSlack.start(Workspace())
    try:
        async with set_up(folder, server) as stage:
            return await tell(stage)
    finally:
        await server.stop()


async def tell(stage: Stage) -> int:
    """0 only when the world was really changed and the bot's evidence says so; else 1."""
    began = time.monotonic()
    chapters = storefront, orders, catalog
    try:
        await drills(stage)
        for chapter in chapters:
            await chapter(stage)
        await snapshot(stage)
    except (Differs, NotSeen, Impossible) as difference:
        print(f"✗ {difference}", flush=True)
        print(f"  the bot's last words:\n{stage.bot.last_words()}", file=sys.stderr)
        return 1
    many = len(chapters)
    print(f"{many} of {many} taken back and verified in {time.monotonic() - began:.0f} s", flush=True)
    return 0


# The three chapters


async def storefront(stage: Stage) -> None:
    await stage.look()
    expect("GET /", BROKEN, stage.seen.storefront.status)
    say("storefront", f"GET / → {BROKEN} (release {stage.seen.storefront.release})")
    run = await _ask_by_form(stage)
    await _refuse_ana(stage, run)
    approved = time.monotonic()
    await stage.press(BEN, run, "approve")
    say("storefront", "Ben presses Approve and start")
    await stage.until("an end", lambda: stage.seen.storefront.status == WHOLE or stage.is_settled(run), 60)
    expect("GET /", WHOLE, stage.seen.storefront.status)
    release, took = stage.seen.storefront.release, time.monotonic() - approved
    say("storefront", f"GET / → {WHOLE} (release {release}) {took:.1f} s after the click")
    await verified(stage, "storefront", run)
    expect("GET /", WHOLE, stage.seen.storefront.status)


async def _ask_by_form(stage: Stage) -> str:
    await stage.command(ANA, STOREFRONT_CHANNEL, "storefront")
    form, suggested = await stage.until("a form that offers restore points", lambda: _filled_form(stage))
    say("storefront", f"Ana types /rollback storefront: the form suggests {suggested}")
    before = {run.id for run in stage.told.runs}
    reply = await stage.server.submit(ANA, form, {"reason": "the shop answers 500"})
    expect("the form", {}, reply.errors)
    run = await stage.until("a request for storefront", lambda: stage.new_run("storefront", before))
    await stage.until(f"the card of {run}", lambda: stage.card(run))
    code = await stage.until(f"the plan of {run}", lambda: _code(stage, run))
    say("storefront", f"Ana presses Ask for approval: {run} waits, plan {code}")
    return run


def _filled_form(stage: Stage) -> tuple[View, str] | None:
    """Ana's form, and the restore point that it suggests; None while the bot still reads them."""
    form = stage.form(ANA)
    for _, element in elements(form.blocks if form else []):
        if form and element["action_id"] == "point" and (suggested := element.get("initial_option")):
            return form, suggested["text"]["text"]
    return None


async def _refuse_ana(stage: Stage, run: str) -> None:
    await stage.press(ANA, run, "approve")
    view = await stage.until("a refusal for Ana", lambda: stage.server.workspace.views(ANA))
    await stage.until("the refusal in the evidence", lambda: (ANA, run) in stage.told.refused)
    said = _spoken(stage, plain(view[-1].blocks))
    say("storefront", f"Ana presses Approve and start, and is refused: {said}")
    expect(run, "awaiting_approval", (found := stage.told.run(run)) and found.state)
    expect("GET /", BROKEN, stage.seen.storefront.status)


async def orders(stage: Stage) -> None:
    seen = stage.seen.orders
    expect("bad rows are there", True, bool(bad := seen.bad_rows))
    loss = f"going back to {seen.newest_backup} loses {seen.since_backup} orders"
    say("orders", f"bad rows {bad} of {seen.total}; {loss}")
    run = await ask_for_orders(stage)
    card = await stage.until("the proof on the card", lambda: _with_proof(stage, run))
    say("orders", f"the card says: {card}")
    await stage.press(BEN, run, "approve")
    say("orders", f"Ana asks, Ben approves: {run}")
    share = await kill_in_the_middle(stage, run)
    say("orders", f"the bot was killed at {share:.0%} of the restore, and is back")
    await verified(stage, "orders", run)
    expect("bad rows", 0, stage.seen.orders.bad_rows)
    expect("results", 1, stage.told.kinds(run).count("succeeded"))
    say("orders", f"bad rows {bad} → 0, one result")
    _lost_as_sql_counts(stage, run)


def _with_proof(stage: Stage, run: str) -> str | None:
    card = stage.card(run)
    said = re.search(r"drill [^·\n]*: restored, verified", card.plain()) if card else None
    return said and said[0]


async def catalog(stage: Stage) -> None:
    seen = stage.seen.catalog
    expect("broken items are there", True, bool(broken := seen.broken_items))
    say("catalog", f"broken items {broken} of {seen.items} ({seen.version})")
    wish = f"to {world.last_good_load(stage.world)} because the nightly load broke prices"
    run = await stage.ask(ANA, CATALOG_CHANNEL, "catalog", wish)
    await stage.press(BEN, run, "approve")
    say("catalog", f"Ana asks, Ben approves: {run}")
    await verified(stage, "catalog", run)
    expect("broken items", 0, stage.seen.catalog.broken_items)
    say("catalog", f"broken items {broken} → 0 ({stage.seen.catalog.version})")


# What the evidence says


def _lost_as_sql_counts(stage: Stage, run: str) -> None:
    """Compares what was measured behind maintenance with the file that was saved there."""
    said = {entry.kind: entry.data for entry in stage.told.of(run)}
    told, point = said["loss_measured"]["loss"]["units"], said["planned"]["plan"]["legs"][0]["point"]["id"]
    backups = stage.world.backups
    for table in ("orders", "refunds"):
        measured = tuple(_count(told, table, change) for change in ("new", "changed", "returns"))
        counted = observation.told_apart(backups / f"pre-{run}.db", backups / f"{point}.db", table)
        expect(f"{table} that {run} has lost, by SQL", counted, measured)
        new, changed, returning = counted
        say("orders", f"{table}: {new} new, {changed} changed, {returning} returning, as SQL counts them")


def _count(units: list[dict[str, Any]], table: str, change: str) -> int | None:
    """None: there is no such figure."""
    return next((unit["count"] for unit in units if (unit["name"], unit["change"]) == (table, change)), None)


def _code(stage: Stage, run: str) -> str | None:
    """None: there is no plan yet."""
    digests = (str(entry.data["digest"]) for entry in stage.told.of(run) if entry.kind == "planned")
    return next((digest[:8] for digest in digests), None)


def _spoken(stage: Stage, text: str) -> str:
    """On one line, with names for mentions."""
    users = stage.server.workspace.users
    return " ".join(re.sub(r"<@(\w+)>", lambda found: f"@{users[found[1]].name}", text).split())
