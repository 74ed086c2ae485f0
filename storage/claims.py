"""Who may drive a run: one claim at a time, for as long as its lease is renewed.

Every claim has a higher epoch than the one before it, and a driver writes only under the newest one
(`Change.append`): a driver that slept past its lease writes nothing any more.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import bindparam, func, null, or_, select, update

from bot.canonical_json import iso
from bot.envelope import Event
from bot.errors import ClaimLost
from bot.machine import fold
from bot.model import State
from bot.run import Run
from storage.runs import Store
from storage.tables import runs
from storage.times import loaded_if

FOUND_AT_MOST_RUNS = 200  # in one sweep; the next sweep finds what is left
ASKED_AT_ONCE_RUNS = 500  # in one statement

# Built once: they are asked for every run that is driven, and at every sweep.
_FREE = or_(runs.c.lease_until.is_(None), runs.c.lease_until < bindparam("now"))
_RELEASE = (
    update(runs)
    .where(
        runs.c.run_id == bindparam("of_run"),
        runs.c.epoch == bindparam("of_epoch"),
        runs.c.seq == bindparam("at_seq"),
    )
    .values(lease_until=null())
)
_CLAIM = (
    update(runs)
    .where(runs.c.run_id == bindparam("of_run"), runs.c.wants_driving, _FREE)
    .values(epoch=runs.c.epoch + 1, lease_until=bindparam("until"))
    .returning(runs.c.epoch)
)
_WANTED = (
    select(runs.c.run_id)
    .where(runs.c.wants_driving, _FREE)
    .where(runs.c.target.not_in(bindparam("elsewhere", expanding=True)))
    .limit(FOUND_AT_MOST_RUNS)
)
_NEXT_OVER = select(func.min(runs.c.lease_until)).where(
    runs.c.wants_driving, runs.c.lease_until >= bindparam("now")
)


@dataclass(frozen=True, slots=True)
class Claim:
    """Proof of being the only driver of a run. Only `Claims.claim` makes one."""

    run: Run
    epoch: int
    history: tuple[Event, ...]  # of the run, from its first event: what it is the fold of


@dataclass(frozen=True, slots=True)
class Due:
    """Says what a worker finds to do at one moment, and when it has to look again at the latest."""

    runs: tuple[str, ...] = ()  # ids of runs that want driving and have no live claim
    next_lease_over: datetime | None = None  # of the claims alive at that moment; None: nobody drives


class Claims:
    """Gives out the right to drive. A store that is only read gives out none."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._database = store.database

    async def claim(self, run_id: str, now: datetime, lease: timedelta) -> Claim | None:
        """Returns the right to drive; None: somebody else is driving, or nothing is to be done."""
        if self._store.why_read_only is not None:
            return None
        asked = {"of_run": run_id, "now": iso(now), "until": iso(now + lease)}
        epoch = await self._database.write(lambda connection: connection.scalar(_CLAIM, asked))
        if epoch is None:
            return None
        history = await self._store.events(run_id)
        return Claim(fold(run_id, history), epoch, history)

    async def waiting_to_start(self, run_id: str) -> Run | None:
        """Returns a run that was approved and has not begun; None: it is at another point."""
        run = await self._store.load(run_id)
        return run if run.state is State.APPROVED else None

    async def over_since(self, run_ids: Sequence[str], before: datetime) -> tuple[str, ...]:
        """Returns those of these runs that are over, with nothing left to drive, and had no event since.

        A database that was put back says of none that it is over: it does not know what happened since.
        """
        if self._store.why_read_only is not None:
            return ()
        over = (runs.c.final, ~runs.c.wants_driving, runs.c.changed_at < iso(before))
        found: list[str] = []
        async with self._database.read() as connection:
            for first in range(0, len(run_ids), ASKED_AT_ONCE_RUNS):
                some = runs.c.run_id.in_(run_ids[first : first + ASKED_AT_ONCE_RUNS])
                found += (await connection.execute(select(runs.c.run_id).where(some, *over))).scalars()
        return tuple(found)

    async def reloaded(self, claim: Claim) -> Claim:
        """Returns the same claim with its run as it is stored now."""
        history = await self._store.events(claim.run.id)
        return replace(claim, run=fold(claim.run.id, history), history=history)

    async def renew(self, claim: Claim, until: datetime) -> bool:
        """Returns False when the claim was lost or given back: the driver has to stop."""
        mine = (runs.c.run_id == claim.run.id, runs.c.epoch == claim.epoch)
        held = update(runs).where(*mine, runs.c.lease_until.is_not(None))
        return await self._database.changes_one(held.values(lease_until=iso(until)))

    async def release(self, claim: Claim, seq: int) -> bool:
        """Returns False when the run moved since `seq`: the driver goes round again. Raises ClaimLost."""
        held = {"of_run": claim.run.id, "of_epoch": claim.epoch, "at_seq": seq}
        if await self._database.changes_one(_RELEASE, held):
            return True
        mine = (runs.c.run_id == claim.run.id, runs.c.epoch == claim.epoch)
        async with self._database.read() as connection:
            if await connection.scalar(select(runs.c.seq).where(*mine)) is None:
                raise ClaimLost(claim.run.id)
        return False

    async def give_back(self, claim: Claim) -> None:
        """Lets the next driver begin before the lease is over. Does nothing when the claim was lost."""
        mine = (runs.c.run_id == claim.run.id, runs.c.epoch == claim.epoch)
        await self._database.changes_one(update(runs).where(*mine).values(lease_until=None))

    async def release_all(self) -> None:
        """Ends every claim. For the start of the only process: all other drivers are dead."""
        held = update(runs).where(runs.c.lease_until.is_not(None))
        await self._database.changes_one(held.values(lease_until=None))

    async def due(self, now: datetime, elsewhere: Collection[str] = ()) -> Due:
        """Returns what wants driving. `elsewhere`: targets that only the workers of other zones reach.

        Both answers are about the same moment: a lease that ends between two of them would be in neither.
        """
        if self._store.why_read_only is not None:
            return Due()
        asked = {"now": iso(now)}
        async with self._database.read() as connection:
            found = await connection.execute(_WANTED, {**asked, "elsewhere": list(elsewhere)})
            over = await connection.scalar(_NEXT_OVER, asked)
        return Due(tuple(str(row.run_id) for row in found), loaded_if(over))
