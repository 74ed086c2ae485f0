"""What the bot has stored, read from its database by a connection that cannot write."""

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATABASE_WAITED_FOR_SECONDS = 2.0  # for the bot's own transactions


@dataclass(frozen=True, slots=True)
class EventRow:
    run: str
    seq: int
    at: str
    kind: str
    by: str  # Slack user id; empty: the bot
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunRow:
    id: str
    target: str
    state: str
    final: bool
    seq: int
    share: float | None  # of the step under way that is done, 0 to 1; None: not known

    @property
    def settled(self) -> bool:
        """Nothing more happens by itself: it has ended, or people must decide."""
        return self.final or self.state in {"paused", "stuck"}


@dataclass(frozen=True, slots=True)
class StoredHistory:
    """Runs oldest first, events in the order in which they were stored."""

    runs: tuple[RunRow, ...] = ()
    events: tuple[EventRow, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()  # (person, run); without a run: a request was refused

    def newest(self, target: str) -> RunRow | None:
        return next((run for run in reversed(self.runs) if run.target == target), None)

    def run(self, run_id: str) -> RunRow | None:
        return next((run for run in self.runs if run.id == run_id), None)

    def of(self, run_id: str) -> list[EventRow]:
        return [entry for entry in self.events if entry.run == run_id]

    def kinds(self, run_id: str) -> list[str]:
        return [entry.kind for entry in self.of(run_id)]


def read(database: Path) -> StoredHistory:
    """Everything so far; nothing when the bot has not made its database yet."""
    try:
        with closing(
            sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=DATABASE_WAITED_FOR_SECONDS)
        ) as connection:
            connection.execute("BEGIN")  # one moment for all of it
            return StoredHistory(_runs(connection), _events(connection), _refused(connection))
    except sqlite3.OperationalError:
        return StoredHistory()


def _runs(connection: sqlite3.Connection) -> tuple[RunRow, ...]:
    rows = connection.execute("SELECT run_id, target, state, final, seq, progress FROM runs ORDER BY number")
    return tuple(
        RunRow(run_id, target, state, bool(final), seq, _share(json.loads(progress or "null")))
        for run_id, target, state, final, seq, progress in rows
    )


def _share(progress: dict[str, Any] | None) -> float | None:
    if not progress or not progress.get("total"):
        return None
    return float(progress.get("done") or 0) / float(progress["total"])


def _events(connection: sqlite3.Connection) -> tuple[EventRow, ...]:
    rows = connection.execute('SELECT run_id, seq, at, kind, "by", data FROM run_events ORDER BY rowid')
    return tuple(EventRow(run, seq, at, kind, by, json.loads(data)) for run, seq, at, kind, by, data in rows)


def _refused(connection: sqlite3.Connection) -> tuple[tuple[str, str], ...]:
    """Refusals of people are no events of a run: the evidence alone has them."""
    rows = connection.execute(
        """SELECT "by", run_id FROM evidence
            WHERE kind IN ('press_refused', 'request_refused', 'command_refused') ORDER BY n"""
    )
    return tuple((by, run or "") for by, run in rows)
