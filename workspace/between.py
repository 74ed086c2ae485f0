"""Between incidents, as the story tells it: drills that show a way back or do not, and a snapshot."""

import re
import shutil
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from workspace import world
from workspace.configuration import ANA, BEN, ORDERS_CHANNEL, PAYMENTS_CHANNEL
from workspace.processes import answer_of
from workspace.slack.nouns import Message
from workspace.stage import Stage
from workspace.telling import expect, say, verified

REMINDED_WITHIN_SECONDS = 15.0
OF_BACKUP = "%Y%m%dT%H%M%SZ"


async def drills(stage: Stage) -> None:
    await stage.look()
    bad = stage.seen.orders.bad_rows
    reminder = await stage.until("a reminder in #payments", lambda: _reminder(stage), REMINDED_WITHIN_SECONDS)
    say("orders", f"#payments is told: {_first_line(reminder)}")
    before = {run.id for run in stage.told.runs}
    await stage.server.click(BEN, reminder, "start_drill")
    run = await stage.until("a drill of orders", lambda: stage.new_run("orders", before))
    await verified(stage, "orders", run)
    expect("bad rows", bad, stage.seen.orders.bad_rows)
    await stage.until("the reminder says so", lambda: _reminder(stage, "Nothing of this is due now"))
    say("orders", f"{run}: a backup that chance chose came back on a copy, and nothing live was touched")
    before.add(run)
    before.add(await _fails(stage, before))
    await stage.command(ANA, ORDERS_CHANNEL, f"drill orders {world.newest_backup(stage.world)}")
    run = await stage.until("a drill of the newest backup", lambda: stage.new_run("orders", before))
    await verified(stage, "orders", run)
    say("orders", f"{run}: so did the newest one")


def _reminder(stage: Stage, words: str = "drill is due") -> Message | None:
    messages = stage.server.workspace.messages(PAYMENTS_CHANNEL)
    return next((message for message in messages if words in message.plain()), None)


def _first_line(message: Message) -> str:
    return message.plain().splitlines()[1]


async def _fails(stage: Stage, before: set[str]) -> str:
    """Drills a backup of the broken database, as a schedule makes one. Returns the run."""
    name = f"{datetime.now(UTC):{OF_BACKUP}}"
    bad = stage.world.backups / f"{name}.db"
    with closing(sqlite3.connect(stage.world.database)) as live:
        world.back_up(live, bad)
    await stage.command(ANA, ORDERS_CHANNEL, f"drill orders {name}")
    run = await stage.until("a drill of the bad backup", lambda: stage.new_run("orders", before))
    ended = await stage.until_settled(run)
    expect(run, "failed", ended.state)
    card = await stage.until("the card says so", lambda: _shows(stage, run, "Follow-up"))
    say("orders", f"{run}: {_row(card, 'did NOT come back')}")
    say("orders", _row(card, "Follow-up"))
    bad.unlink()
    return run


def _shows(stage: Stage, run: str, words: str) -> str | None:
    card = stage.card(run)
    return card.plain() if card is not None and words in card.plain() else None


def _row(text: str, words: str) -> str:
    return next(row for row in text.splitlines() if words in row).strip("*")


async def snapshot(stage: Stage) -> None:
    backup = world.newest_backup(stage.world)
    made = datetime.strptime(backup, OF_BACKUP).replace(tzinfo=UTC)
    as_of = f"{made + timedelta(minutes=3):%Y-%m-%d %H:%M} UTC"
    before = {run.id for run in stage.told.runs}
    await stage.command(ANA, ORDERS_CHANNEL, f"snapshot orders as of {as_of} because audit Q3, 14")
    run = await stage.until("a request for a snapshot", lambda: stage.new_run("orders", before))
    card = await stage.until("its card", lambda: _shows(stage, run, "Nearest before"))
    say("orders", f"{run}: {_row(card, 'Nearest before')}")
    await stage.press(BEN, run, "approve")
    await verified(stage, "orders", run)
    card = await stage.until("a copy that is verified", lambda: _shows(stage, run, "copied, verified"))
    say("orders", _row(card, "copied, verified"))
    await _audit(stage, run)
    await stage.press(ANA, run, "drop_snapshot")
    await stage.until("the copy goes", lambda: _shows(stage, run, "the copy is gone"))
    expect("copies", [], list(stage.world.backups.rglob("*.copy.db")))
    say("orders", "the copy is dropped, its manifest stays")


async def _audit(stage: Stage, run: str) -> None:
    """Checks as an auditor does, with a copy of the copy and the script that came with the manifest."""
    folder = stage.world.folder / f"audit-{run}"
    expect("the manifest", 0, (await stage.bot.answers("snapshot", "manifest", run, "--to", str(folder)))[0])
    (copy,) = stage.world.backups.rglob("*.copy.db")
    mine = folder / "orders.db"
    shutil.copyfile(copy, mine)
    code, said = await _checked(folder, mine)
    expect("the copy, by the script", 0, code)
    say("orders", f"snapshot_check.py: {re.split(',', said)[0]}")
    with mine.open("r+b") as file:
        file.seek(-1, 2)
        last = file.read(1)
        file.seek(-1, 2)
        file.write(bytes([last[0] ^ 1]))
    code, said = await _checked(folder, mine)
    expect("a copy in which one byte was changed", 1, code)
    say("orders", f"snapshot_check.py, after one byte was changed: {said.split(':')[0]}")


async def _checked(folder: Path, copy: Path) -> tuple[int, str]:
    script = (str(folder / "snapshot_check.py"), str(folder / "manifest.json"), str(copy))
    return await answer_of(sys.executable, "-I", *script)
