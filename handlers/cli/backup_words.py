"""What is said about backups in a terminal, and what programs get of it. Times are UTC."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.canonical_json import iso
from bot.run import Run
from handlers.cli.forgotten import Forgotten, Trace
from handlers.cli.output import aside, say, table
from storage.backup import Backup, PutBack
from storage.restored import RestoredDatabase

NEXT = (
    "Nothing runs now: `serve` starts read only.",
    "  1. `rollback-bot db forgotten` lists what happened since, as far as cards and targets tell.",
    "  2. `rollback-bot db confirm` ends or doubts every run that the backup believes to be open.",
)


def backup(file: Path, made: Backup) -> None:
    say(f"{file}: {_held(made)}, {made.size} bytes. Every entry was checked.")
    say(f"Head of the evidence: {made.entries} {made.head}")


def put_back(file: Path, done: PutBack) -> None:
    say(f"{file} is the database now: {_held(done.backup)}.")
    if done.aside is not None:
        say(f"The one before it is kept as {done.aside}.")
    read_only(done.restored)


def read_only(told: RestoredDatabase) -> None:
    say(f"The installation was {told.before}, it is {told.installation} from now on.", *NEXT)


def forgotten(told: RestoredDatabase, found: Forgotten) -> None:
    say(f"Put back at {_moment(told.at)}, to how it was at {_moment(told.since)}.")
    say(f"The newest run that it knows is RB-{told.newest}.")
    if found.traces:
        table(("run", "what was seen"), [(trace.run_id, trace.words) for trace in found.traces])
    else:
        say("No trace of anything later was found.")


def confirmed(moved: Sequence[Run], newest: int) -> None:
    for run in moved:
        say(f"{run.id} of `{run.request.target}` is {run.state.value} now.")
    say(f"Confirmed. The next run is RB-{newest + 1}.")
    if any(not run.state.final for run in moved):
        aside("Say what is live on the cards of the runs that are stuck: two people who agree.")


def as_value(trace: Trace) -> dict[str, Any]:
    return {
        "run": trace.run_id,
        "target": trace.target,
        "state": trace.fate.value if trace.fate else None,
        "channel": trace.channel,
        "ts": trace.ts,
        "words": trace.words,
    }


def _held(of: Backup) -> str:
    if of.entries == 0:
        return "no entry of evidence, for nothing was ever decided"
    return f"{of.entries} entries of evidence, the newest of {_moment(of.newest)}"


def _moment(at: datetime | None) -> str:
    return iso(at) if at else "no time"
