"""Events as rows of the database."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Row, bindparam, select

from bot.canonical_json import iso
from bot.codec import decode
from bot.envelope import Event, Stored
from storage.tables import run_events
from storage.times import loaded

EVENTS_OF_RUN = (
    select(run_events).where(run_events.c.run_id == bindparam("run_id")).order_by(run_events.c.seq)
)


def as_stored(event: Event) -> Stored:
    """Returns the form of a sealed event that signatures and digests are taken over."""
    assert event.stored is not None  # every event of a change was sealed
    return event.stored


def event_row(run_id: str, event: Event) -> dict[str, Any]:
    """Returns the columns of a sealed event."""
    stored = as_stored(event)
    return {
        "run_id": run_id,
        "seq": event.seq,
        "at": iso(event.at),
        "kind": stored.kind,
        "by": event.by,
        "data": stored.data,
        "signature": event.signature,
    }


def event_in(row: Row[Any], data: Mapping[str, Any] | None = None) -> Event:
    """Returns the event of a row. `data`: of a row that holds it as text; None: it is read already.

    Raises ValueError on a kind that this version does not know.
    """
    stored, at = Stored(row.kind, row.data if data is None else data), loaded(row.at)
    return Event(decode(stored, row.by, at), at, row.by, row.seq, row.signature, stored)
