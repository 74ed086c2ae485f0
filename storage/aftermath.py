"""What one run means for the targets and runs around it: holds, and whose result is not live any more."""

from sqlalchemy import bindparam, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot import machine
from bot.canonical_json import iso
from bot.model import Purpose, State
from bot.run import LiveState, Run
from storage.event_rows import EVENTS_OF_RUN, event_in
from storage.tables import holds, runs, spans

LOOKED_BACK_RUNS = 20  # for those that moved a target; most have touched nothing
_ENDED = (
    select(runs.c.run_id)
    .where(
        or_(
            runs.c.target == bindparam("target"),
            runs.c.run_id.in_(select(holds.c.run_id).where(holds.c.target == bindparam("target"))),
            runs.c.run_id.in_(select(spans.c.run_id).where(spans.c.target == bindparam("target"))),
        )
    )
    .where(runs.c.state.in_([State.SUCCEEDED.value, State.FAILED.value]))
    .order_by(runs.c.number.desc())
    .limit(LOOKED_BACK_RUNS)
)


async def place_holds(connection: AsyncConnection, run: Run) -> None:
    """Holds the version that a run has left; an undo lifts what the undone run held."""
    if run.approval.planned is None or run.state is not State.SUCCEEDED:
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
    moved = await runs_that_moved(connection, target)
    others = [run for run in moved if run.id != of_run and run.request.target == target]
    gone = next((n for n, run in enumerate(others) if run.end.superseded_by is not None), len(others))
    return tuple(others[:gone])  # what was before a superseded one is superseded as well


async def runs_that_moved(connection: AsyncConnection, target: str) -> tuple[Run, ...]:
    """Returns the runs that may have changed what is live in the target, newest first.

    Runs of another target that took this one along are among them.
    """
    found = await connection.execute(_ENDED, {"target": target})
    moved = []
    for run_id in found.scalars().all():
        rows = await connection.execute(EVENTS_OF_RUN, {"run_id": run_id})
        run = machine.fold(run_id, [event_in(row) for row in rows])
        if run.work.live is not LiveState.BEFORE:
            moved.append(run)
    return tuple(moved)
