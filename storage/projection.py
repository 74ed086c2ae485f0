"""The row by which a run is found, listed and driven. It is made from the fold of the events, and only so."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from bot import machine
from bot.canonical_json import iso_if
from bot.model import Left, Purpose, State
from bot.run import Run
from storage.times import loaded

RUN, BACKUP = "RB-", "BK-"  # before the number of a run, in its id


@dataclass(frozen=True, slots=True)
class Summary:
    """A line of a list: the projection of a run."""

    id: str
    target: str
    purpose: Purpose
    state: State
    phase: str | None
    requester: str
    channel: str
    requested_at: datetime
    changed_at: datetime


def moving_columns(run: Run) -> dict[str, Any]:
    """Returns the columns of a run's projection that an event may change."""
    return {
        "state": run.state.value,
        "phase": None if run.phase is None else run.phase.value,
        "final": run.state.final,
        "seq": run.seq,
        "changed_at": iso_if(run.changed_at),
        "due_at": iso_if(machine.due_at(run)),
        "wants_driving": machine.wants_driving(run),
        "outage_seconds": _outage(run),
    }


def fixed_columns(run: Run) -> dict[str, Any]:
    """Returns the columns of a run's projection that stand since it was opened."""
    return {
        "number": number_of(run.id),
        "target": run.request.target,
        "purpose": run.request.purpose.value,
        "drill_of": run.request.drill_of,
        "requester": run.request.requester.id,
        "requester_human": run.request.requester.human,
        "channel": run.request.channel,
        "requested_at": iso_if(run.request.at),
    }


def number_of(run_id: str) -> int:
    """Returns the number in the id of a run. That of a backup is below zero: no list of the newest has it."""
    if run_id.startswith(BACKUP):
        return -int(run_id.removeprefix(BACKUP))
    return int(run_id.removeprefix(RUN))


def _outage(run: Run) -> int | None:
    """From the last moment before the first effect to the end, of a run that reached its point."""
    if run.state is not State.SUCCEEDED or run.work.live is not Left.POINT or run.work.started_at is None:
        return None
    began = run.work.maintenance_since or run.work.started_at
    ended = run.work.maintenance_until or run.end.at or run.work.started_at
    return round((ended - began).total_seconds())


def summary_in(row: Row[Any]) -> Summary:
    return Summary(
        row.run_id,
        row.target,
        Purpose(row.purpose),
        State(row.state),
        row.phase,
        row.requester,
        row.channel,
        loaded(row.requested_at),
        loaded(row.changed_at),
    )
