"""What one run means for the targets and runs around it: holds, and whose result is not live any more."""

from collections.abc import Iterable, Mapping
from itertools import groupby

from sqlalchemy import Select, bindparam, delete, exists, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import machine
from bot.canonical_json import iso
from bot.event_kinds import EventKind
from bot.made import has_copy
from bot.model import PURPOSES_BESIDE, Left, Purpose, State
from bot.run import Run
from storage.event_rows import EVENTS_OF_RUN, event_in
from storage.tables import holds, run_events, runs, spans

BESIDE = sorted(purpose.value for purpose in PURPOSES_BESIDE)
LOOKED_BACK_DRILLS = 50  # of a target: what an older one has shown is shown no more
READ_AT_ONCE_RUNS = 500
LOOKED_BACK_RUNS = 20  # for those that moved a target; most have touched nothing
_ENDED = (
    select(runs.c.run_id)
    .where(runs.c.state.in_([State.SUCCEEDED.value, State.FAILED.value]))
    .where(runs.c.purpose.not_in(BESIDE))
    .order_by(runs.c.number.desc())
    .limit(LOOKED_BACK_RUNS)
)
_IS_DRILL = or_(
    (runs.c.purpose == Purpose.DRILL.value) & (runs.c.target == bindparam("target")),
    (runs.c.purpose == Purpose.REHEARSAL.value) & (runs.c.drill_of == bindparam("target")),
)
_OPEN_DRILLS = select(runs.c.run_id).where(_IS_DRILL, ~runs.c.final)
_DRILLS = (
    select(runs.c.run_id)
    .where(_IS_DRILL)
    .where(runs.c.state.in_([State.SUCCEEDED.value, State.FAILED.value]))
    .order_by(runs.c.number.desc())
    .limit(LOOKED_BACK_DRILLS)
)
_IS_SNAPSHOT = runs.c.purpose == Purpose.SNAPSHOT.value
_BACKUPS = (
    select(runs.c.run_id)
    .where(runs.c.purpose == Purpose.BACKUP.value, runs.c.target == bindparam("target"))
    .where(runs.c.state == State.SUCCEEDED.value)
    .order_by(runs.c.number)  # below zero: the newest has the least
    .limit(LOOKED_BACK_RUNS)
)
_OPEN_OF = select(runs.c.run_id).where(
    runs.c.purpose == bindparam("purpose"), runs.c.target == bindparam("target"), ~runs.c.final
)
_BESIDE = (
    select(runs.c.run_id)
    .where(runs.c.purpose.in_(BESIDE), runs.c.target == bindparam("target"))
    .where(or_(~runs.c.final, _IS_SNAPSHOT & (runs.c.state == State.SUCCEEDED.value)))
    .order_by(runs.c.number.desc())
)
_EVENTS_OF = (
    select(run_events)
    .where(run_events.c.run_id.in_(bindparam("ids", expanding=True)))
    .order_by(run_events.c.run_id, run_events.c.seq)
)
_IS_SUPERSEDED = exists().where(
    run_events.c.run_id == runs.c.run_id, run_events.c.kind == EventKind.SUPERSEDED.value
)
_OTHERS_OF_TARGET = _ENDED.add_columns(_IS_SUPERSEDED.label("superseded")).where(
    runs.c.target == bindparam("target"), runs.c.run_id != bindparam("of_run")
)
_WITH_TARGET = _ENDED.where(
    or_(
        runs.c.target == bindparam("target"),
        runs.c.run_id.in_(select(holds.c.run_id).where(holds.c.target == bindparam("target"))),
        runs.c.run_id.in_(select(spans.c.run_id).where(spans.c.target == bindparam("target"))),
    )
)


async def place_holds(connection: AsyncConnection, run: Run) -> None:
    """Holds the version that a run has left; an undo lifts what the undone run held. A copy leaves none."""
    if run.approval.planned is None or run.state is not State.SUCCEEDED:
        return
    if run.is_beside or run.is_rehearsal:  # where it was rehearsed nobody has taken anything back
        return
    at = iso(run.end.at or run.request.at)
    if run.request.purpose is Purpose.UNDO:
        lifted = update(holds).where(holds.c.run_id == run.request.undo_of, holds.c.lifted_at.is_(None))
        await connection.execute(lifted.values(lifted_at=at))
        return
    for leg in run.approval.plan.legs:
        place = (holds.c.target == leg.target, holds.c.point == leg.current.id)
        await connection.execute(delete(holds).where(*place))
        await connection.execute(
            insert(holds).values(target=leg.target, point=leg.current.id, run_id=run.id, placed_at=at)
        )


async def moved_before(connection: AsyncConnection, target: str, of_run: str) -> tuple[Run, ...]:
    """Returns the other runs that may have changed what is live in the target, and are not superseded yet."""
    found: list[Run] = []
    others = await connection.execute(_OTHERS_OF_TARGET, {"target": target, "of_run": of_run})
    for other in others.all():
        if other.superseded:
            break  # what was before a superseded one is superseded as well
        run = await _run(connection, other.run_id)
        if run.work.live is not Left.BEFORE:
            found.append(run)
    return tuple(found)


async def runs_that_moved(connection: AsyncConnection, target: str) -> tuple[Run, ...]:
    """Returns the runs that may have changed what is live in the target, newest first.

    Runs of another target that took this one along are among them.
    """
    ended = await _runs(connection, _WITH_TARGET, {"target": target})
    return tuple(run for run in ended if run.work.live is not Left.BEFORE)


async def drills_of(connection: AsyncConnection, target: str) -> tuple[Run, ...]:
    """Returns the drills of a target that have ended, newest first."""
    return await _runs(connection, _DRILLS, {"target": target})


async def open_drills_of(connection: AsyncConnection, target: str) -> tuple[Run, ...]:
    """Returns the drills of a target that have not ended."""
    return await _runs(connection, _OPEN_DRILLS, {"target": target})


async def backups_of(connection: AsyncConnection, target: str) -> tuple[Run, ...]:
    """Returns the newest backups of a target that were taken well, newest first."""
    return await _runs(connection, _BACKUPS, {"target": target})


async def open_backups_of(connection: AsyncConnection, target: str) -> tuple[Run, ...]:
    """Returns the backups of a target that have not ended."""
    asked = {"target": target, "purpose": Purpose.BACKUP.value}
    return await _runs(connection, _OPEN_OF, asked)


async def beside_of(connection: AsyncConnection, target: str) -> tuple[Run, ...]:
    """Returns what needs a restore point of a target beside it: open drills, and snapshots that stand."""
    found = await _runs(connection, _BESIDE, {"target": target})
    return tuple(run for run in found if not run.state.final or has_copy(run))


async def runs_called(connection: AsyncConnection, ids: Iterable[str]) -> tuple[Run, ...]:
    """Returns the runs of these ids that there are, in no order. Reads many at a time."""
    found: list[Run] = []
    asked = sorted(ids)
    for n in range(0, len(asked), READ_AT_ONCE_RUNS):
        rows = await connection.execute(_EVENTS_OF, {"ids": asked[n : n + READ_AT_ONCE_RUNS]})
        for run_id, events in groupby(rows, key=lambda row: str(row.run_id)):
            found.append(machine.fold(run_id, [event_in(row) for row in events]))
    return tuple(found)


async def _runs(
    connection: AsyncConnection, query: Select[tuple[str]], asked: Mapping[str, str]
) -> tuple[Run, ...]:
    ids = (await connection.execute(query, asked)).scalars().all()
    return tuple([await _run(connection, run_id) for run_id in ids])


async def _run(connection: AsyncConnection, run_id: str) -> Run:
    rows = await connection.execute(EVENTS_OF_RUN, {"run_id": run_id})
    return machine.fold(run_id, [event_in(row) for row in rows])
