"""What every executor and every check must do, and the closed set of what may go wrong.

An executor knows how to go back on one kind of backend, for one target. A check looks once and says what it
saw. Neither decides anything about people or order: the engine does. Times are aware UTC, durations seconds.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

from bot.contents import Contents
from bot.errors import PermanentError, TemporaryError
from bot.model import (
    Beside,
    Change,
    Do,
    Fence,
    Finding,
    Goal,
    Left,
    Loss,
    Points,
    RestorePoint,
    Way,
    When,
)

LONGEST_TIME_LEFT_SECONDS = 365 * 86_400.0
# In `Beside.environment`: the path of the copy, its address, and the path of what it is a copy of.
COPY, COPY_URL, COPY_OF = "ROLLBACK_COPY", "ROLLBACK_COPY_URL", "ROLLBACK_COPY_OF"

T = TypeVar("T")


class BrokenText(bytes):
    """A text as it is stored that is not in the encoding which its database says."""


Handle = Mapping[str, Any]  # JSON; stored before the first `poll`, and given back with the work
Cell: TypeAlias = str | int | float | bytes | None  # of a row, as the backend stores it; None: NULL


class TargetMissing(PermanentError):
    """Says that what the target names does not exist."""


class PointUnavailable(PermanentError):
    """The restore point is unknown or gone; the message names the nearest valid ones."""


class UnknownPoint(PointUnavailable):
    """No restore point has the name that was given; the message names the nearest."""


class StateChanged(PermanentError):
    """The identity moved since the plan was made: nothing was done."""


class Blocked(PermanentError):
    """The backend is in a state in which it must not be taken back; the message says how to clear it."""


class Denied(PermanentError):
    """The backend refuses our credentials or rights."""


class Unsupported(PermanentError):
    """This executor cannot do that at all."""


class Busy(TemporaryError):
    """The backend works on something else; nothing was sent."""


class StillReading(Busy):
    """Says how far the reading of a restore point is, which takes long: ask again later."""


class Unreachable(TemporaryError):
    """The backend did not answer before anything was sent."""


class OutcomeUnknown(Exception):
    """Something was sent and no answer came: only `find` may say what became of it."""


async def answered(question: Awaitable[T], within: float) -> T:
    """Returns the answer. Raises OutcomeUnknown after `within` seconds: who hangs has said nothing."""
    try:
        async with asyncio.timeout(within):
            return await question
    except TimeoutError:
        raise OutcomeUnknown(f"no answer within {within:g} s") from None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Declared as data: what people are offered and what the engine trusts follow from each field."""

    fence: Fence
    settles: float = 0.0  # seconds after which a request that was sent cannot land any more; only with ONCE
    does: frozenset[Do] = frozenset({Do.RESTORE})
    switches: bool = False  # a restore goes to the copy that PREPARE has made, so every run begins with one
    drops: frozenset[Do] = frozenset()  # whose work DROP removes, PREPARE and SAVE: never what it owns anyway
    backs_up: bool = False  # SAVE makes something of its own, also where nothing is restored after it
    cancels: Left | None = None  # what a cancelled restore leaves; None: it cannot be cancelled
    timeouts: Mapping[Do, float] = field(default_factory=dict)  # seconds; not in it: as its procedure says


@dataclass(frozen=True, slots=True)
class Work:
    """One operation on a backend: all that its methods need to agree on what is meant."""

    op_id: str
    run_id: str
    digest: str  # of the approved plan; a marker that carries another is `unknown`
    do: Do
    point: str  # "" for operations without a point (maintenance)
    expected: str  # the identity token to compare with; "" where nothing live is meant: maintenance, drills
    timeout: float = 900.0
    in_maintenance: bool = False  # nobody else writes to the target
    fingerprint: str = ""  # of the restore point's content as it was approved; "": its id says it
    handle: Handle | None = None  # what `start` gave; None: no answer of its is stored
    undo: str | None = None  # the id of the state that SAVE has kept in this run; of a DROP: it goes
    undo_content: str = ""  # the fingerprint that it had then; "": none was told
    prepared: str | None = None  # the id of the copy that PREPARE has made in this run; of a DROP: it goes
    keep_until: datetime | None = None  # of what PREPARE and SAVE make: nobody drops it earlier
    is_backup: bool = False  # of a SAVE: it stands for itself, and is no undo point of a run
    unsigned: bool = False  # it was planned by a version whose notes carried no signature
    place: str | None = None  # the `Operation.place` of its intent; None: it was taken at the backend itself


class Taken(StrEnum):
    """Is the answer of `start` when the op id was taken before: it has then done nothing."""

    TAKEN = "taken"


class Fate(StrEnum):
    ABSENT = "absent"
    IN_FLIGHT = "in_flight"
    DONE = "done"
    FAILED = "failed"
    OVERTAKEN = "overtaken"  # done once, and somebody changed it since
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Ended:
    """How an operation ended, and what the target is now."""

    ok: bool
    left: Left
    words: str = ""  # one sentence for people
    made: RestorePoint | Beside | None = None  # the state before, by SAVE or once more by RESTORE; or a copy


@dataclass(frozen=True, slots=True)
class Found:
    fate: Fate
    words: str = ""  # one sentence for people
    handle: Handle | None = None  # with IN_FLIGHT: what to poll
    asked: int = 1  # how often it had to be asked
    left: Left = Left.UNKNOWN  # with FAILED, and where DONE is not at the point; others say it
    made: RestorePoint | Beside | None = None  # with DONE: the state before that was kept, or the copy


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an operation is that still goes on."""

    observed_at: datetime
    words: str = ""
    done: float | None = None
    total: float | None = None  # None: the end is not known
    unit: str = ""
    rate: float | None = None  # of `unit` a second; None: not known
    retry_after: float = 0.2  # seconds until it is worth asking again
    furthest: float | None = None  # where it has been before it fell back: 0 to 1, without a total in `unit`

    @property
    def time_left(self) -> float | None:
        """Returns seconds at the present rate; None: that cannot be told, or is too long to say anything."""
        if self.done is None or self.total is None or not self.rate or self.rate < 0:
            return None
        left = max(0.0, (self.total - self.done) / self.rate)
        return left if left <= LONGEST_TIME_LEFT_SECONDS else None

    @property
    def far(self) -> float | None:
        """Returns how far it is: from 0 to 1 where the end is known, else in `unit`; None: nobody knows."""
        if self.done is None or self.done < 0:
            return None
        if self.total is None:
            return self.done
        return min(self.done / self.total, 1.0) if self.total > 0 else None


class Operation(Protocol):
    """Something that is started once, found again, and asked until it ends. `Work.do` says what it does."""

    @property
    def place(self) -> str | None:
        """Says where op ids are taken, when that is not the backend itself but something of this worker.

        The intent records it; `find` may answer ABSENT from what it sees here only when `Work.place` is here.
        """

    async def start(self, work: Work) -> Handle | Taken | Ended:
        """Begins it, unless its op id was taken before. An error means that nothing was sent.

        Compares `expected` and `fingerprint` before the first byte is changed. Raises OutcomeUnknown when
        something was sent and no answer came.
        """

    async def find(self, work: Work) -> Found:
        """Says what became of it, and never writes."""

    async def bar(self, work: Work) -> Found:
        """Takes the op id itself, so that nothing sent before can land. Only with Fence.BARRED.

        ABSENT: it never happened and never will. Anything else: it was there first.
        """

    async def poll(self, work: Work) -> Progress | Ended: ...

    async def cancel(self, work: Work) -> Left | None:
        """Asks it to stop. Returns what is left; None: it could not be stopped, or goes on."""


@runtime_checkable
class Executor(Operation, Protocol):
    @property
    def capabilities(self) -> Capabilities: ...

    async def points(self, limit: int = 50) -> Points:
        """Newest first. Raises TargetMissing, Denied, Unreachable."""

    async def plan(self, goal: Goal, now: datetime) -> Way:
        """Resolves a point id or a time to one exact point. Raises PointUnavailable and the above."""

    async def measure(self, point: RestorePoint, now: datetime) -> Loss:
        """Measures what going back to `point` would remove now. That no data is touched is said, too."""

    async def verify(self, work: Work) -> tuple[Finding, ...]:
        """Says what the backend itself can see of having arrived exactly there.

        Of a PREPARE: what it can see of the copy; empty where only checks can tell.
        """


@dataclass(frozen=True, slots=True)
class Removal:
    """Says what a run has saved before its restore and what it has restored: what it removed lies between."""

    undo: str  # the id of its undo point
    undo_content: str  # the fingerprint that this had when it was saved
    point: str
    fingerprint: str  # of the restore point, as it was approved


@dataclass(frozen=True, slots=True)
class TableListed:
    """How many rows of one table a run has removed, changed and brought back."""

    table: str
    new: int
    changed: int
    returning: int
    key: tuple[str, ...]  # columns by which a row is the same; empty: whole rows were compared
    removed: tuple[str, ...]  # its columns before the restore; empty: there was no such table
    restored: tuple[str, ...]  # its columns in the restore point; empty: there was no such table
    computed: tuple[str, ...] = ()  # columns that no row shows: they follow from the others
    personal: bool = False  # its rows are about people
    without: tuple[str, ...] = ()  # collations that only the application has: it was compared by bytes


@dataclass(frozen=True, slots=True)
class TableNotListed:
    table: str
    why: str  # the end of a sentence


@dataclass(frozen=True, slots=True)
class RowListed:
    """A row as it was before the restore and as it is in the restore point; None: it was not there."""

    change: Change
    removed: tuple[Cell, ...] | None
    restored: tuple[Cell, ...] | None
    struck: int = 0  # values in which a secret was struck


@runtime_checkable
class Fingerprints(Protocol):
    """Tells what a restore point holds, where the list of them does not say it. An executor may have it."""

    async def fingerprint(self, point: RestorePoint) -> str:
        """Returns the fingerprint of a listed restore point, without a look at what is live.

        Raises PointUnavailable, and StillReading while that takes long.
        """


async def content_of(executor: "Executor", point: RestorePoint) -> str:
    """Returns the fingerprint of a restore point; empty: its id says it, or nobody does. Raises as above."""
    if point.fingerprint or not isinstance(executor, Fingerprints):
        return point.fingerprint
    return await executor.fingerprint(point)


@runtime_checkable
class Lists(Protocol):
    """Is an executor that can also say row by row what a run has removed.

    Both compare the undo point with the restore point, whatever was written since. They raise
    PointUnavailable and StateChanged where one of the two is gone, or holds something else than it did.
    """

    async def list_removed(self, removal: Removal) -> tuple[TableListed | TableNotListed, ...]:
        """Counts in every table. One that cannot be compared is among them, with the reason."""

    def rows_removed(
        self, removal: Removal, table: str, *, personal: bool = False
    ) -> AsyncGenerator[tuple[RowListed, ...], None]:
        """Yields the rows that `list_removed` has counted, some at a time: all are never held at once.

        Raises Denied for a table about people, unless `personal` asks for it, and Unsupported for one that
        cannot be listed.
        """


@runtime_checkable
class Describes(Protocol):
    """An executor that can say what a copy holds, table by table; no executor has to."""

    async def describe(self, work: Work) -> Contents | None:
        """Returns the rows of each table of the copy that a PREPARE has made, with hashes of them.

        None: there are no tables to tell of. Raises PointUnavailable where there is no copy, and Blocked.
        """


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that a person should mend before a rollback needs it."""

    words: str  # what was seen, and what to do next
    serious: bool = True  # False: it works, and will surprise somebody


@runtime_checkable
class Examines(Protocol):
    """An executor that can look closer at itself than planning does; no executor has to."""

    async def examine(self) -> tuple[Trouble, ...]:
        """Says what is wrong, for `doctor`, and changes nothing. Raises what `points` raises."""


@runtime_checkable
class Placed(Protocol):
    """An executor that can name what it changes, whatever the settings call it; no executor has to."""

    async def where(self) -> tuple[str, ...]:
        """Returns a name for each thing that it writes to: two executors that share one write to the same.

        Empty: nobody can tell now.
        """


@runtime_checkable
class Closes(Protocol):
    """An executor that holds something open from its first use on, such as a client; no executor has to."""

    async def close(self) -> None:
        """Lets go of it. It is not used any more, and what was begun at the backend goes on."""


class Check(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def when(self) -> When: ...

    async def look(self, before: Finding | None, now: datetime) -> Finding:
        """One look. What cannot be seen is `inconclusive` with the reason, never an exception."""
