"""The three histories that the checker compares: what people were told, what is stored, what was done.

Frozen values and how they are read; what must hold between them is in `checker`.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, select

from bot.canonical_json import canonical
from storage.tables import cards, deliveries, evidence, installation, run_events, runs

Row = Mapping[str, Any]


class Answer(StrEnum):
    ACCEPTED = "accepted"  # acknowledged without an objection
    REFUSED = "refused"  # a sentence that says why
    NOT_ACCEPTED = "not_accepted"  # "NOT accepted, nothing will run"
    ASKED = "asked"  # a form was opened: nothing is decided yet
    NONE = "none"  # the bot was gone before it answered


@dataclass(frozen=True, slots=True)
class Told:
    """What a person was told about one thing that they wanted. `at` as the tables write times."""

    delivery: str  # the key of the payload
    person: str
    what: str
    answer: Answer
    at: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """Rows as they stand in the database, in the order of their keys."""

    installation: str
    events: tuple[Row, ...]
    evidence: tuple[Row, ...]
    runs: tuple[Row, ...]
    cards: tuple[Row, ...]
    deliveries: frozenset[str]

    def of_run(self, run_id: str) -> tuple[Row, ...]:
        return tuple(event for event in self.events if event["run_id"] == run_id)


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that was done to the world. The backend takes the op id in the same moment."""

    run: str
    op: str
    do: str  # maintenance_on, undo_point, restore, maintenance_off
    target: str
    point: str  # empty: an effect without a point
    digest: str | None  # of the approved plan; None: the backend was not told
    epoch: int | None  # of the claim under which it was done; None: the backend was not told
    at: str
    pid: int


@dataclass(frozen=True, slots=True)
class Shown:
    """A message of the bot as it stands in Slack."""

    channel: str
    ts: str
    run: str
    drawn: str  # digest of its text and blocks, as the bot sent them
    in_thread: bool
    has_buttons: bool


@dataclass(frozen=True, slots=True)
class Histories:
    told: tuple[Told, ...]
    stored: Stored
    done: tuple[Effect, ...]
    shown: tuple[Shown, ...] = ()


def stored(connection: Connection) -> Stored:
    """Everything that the checker looks at. Asynchronous connections come here by `run_sync`."""

    def rows(table: Table) -> tuple[Row, ...]:
        found = connection.execute(select(table).order_by(*table.primary_key.columns))
        return tuple(dict(row._mapping) for row in found)

    return Stored(
        installation=connection.execute(select(installation.c.id)).scalar_one(),
        events=rows(run_events),
        evidence=rows(evidence),
        runs=rows(runs),
        cards=rows(cards),
        deliveries=frozenset(row["key"] for row in rows(deliveries)),
    )


class Journal:
    """Effects as lines of a file: written to the disk before the backend answers."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def append(self, effect: Effect) -> None:
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(fd, canonical(asdict(effect)) + b"\n")
            os.fsync(fd)
        finally:
            os.close(fd)

    def read(self) -> tuple[Effect, ...]:
        """Empty: nothing was ever done."""
        if not self._path.exists():
            return ()
        return tuple(Effect(**json.loads(line)) for line in self._path.read_text().splitlines())


def of_kind(events: Sequence[Row], *kinds: str) -> list[Row]:
    return [event for event in events if event["kind"] in kinds]
