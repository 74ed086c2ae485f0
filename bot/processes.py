"""Compares the processes of one installation, and says what follows where they differ.

Each says every few seconds who it is, which key it holds, and what its settings and programs come to.
Workers of one zone carry out each other's plans, so they need one key, and the programs that were approved.
Only the worker that has begun something in its own spool can tell of it: see `LEFT_TO_ITS_WORKER_FOR`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.canonical_json import digest
from bot.model import Plan
from bot.pins import Pin

SEEN_WITHIN = timedelta(seconds=15)  # who has been silent for longer is not counted on
# After its last heartbeat, a worker may come back to what was begun in its spool before others do what they
# can without it. Enough for a service manager or an orchestrator to start it again.
LEFT_TO_ITS_WORKER_FOR = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class LiveProcess:
    """One role of a process that was started with `serve`."""

    id: str  # another one at each start
    name: str  # host and pid, for people
    role: str  # front or worker
    zone: str  # of a worker; empty: a front belongs to none
    version: str
    key: str  # which key it signs with: 8 hex digits, which do not tell the key
    pins: Mapping[str, str]  # target to a digest of what its settings and programs come to there
    started_at: datetime
    seen_at: datetime
    place: str = ""  # the name of its spool, the same after a restart; empty: it has none


def pins_digest(pins: Iterable[Pin]) -> str:
    """Returns the SHA-256 of names and digests, in whichever order: 64 hex digits."""
    return digest(sorted([pin.name, pin.digest] for pin in pins))


def workers_of(zone: str, processes: Iterable[LiveProcess]) -> tuple[LiveProcess, ...]:
    return tuple(process for process in processes if process.role == "worker" and process.zone == zone)


def why_no_plan(zone: str, processes: Iterable[LiveProcess]) -> str | None:
    """Returns why a plan of this zone would not hold: its workers have different keys. None: it would."""
    keys = {worker.key: worker.name for worker in workers_of(zone, processes)}
    if len(keys) < 2:
        return None
    held = " and ".join(f"{name} holds {key}" for key, name in sorted(keys.items()))
    return (
        f"The workers of zone `{zone}` hold different keys: {held}. Give them the same "
        "ROLLBACK_WORKER_KEY_FILE, and ask again."
    )


def can_start(pins: Mapping[str, str], plan: Plan) -> bool:
    """Whether a worker with these `pins` would find what was approved. An older plan pins nothing."""
    return not plan.pins or all(pins.get(leg.target) == pins_digest(leg.pins) for leg in plan.legs)


def targets_apart(workers: Sequence[LiveProcess]) -> dict[str, tuple[str, ...]]:
    """Returns each target about which these workers differ, with their names."""
    targets = sorted({target for worker in workers for target in worker.pins})
    return {
        target: tuple(worker.name for worker in workers)
        for target in targets
        if len({worker.pins.get(target) for worker in workers}) > 1
    }
