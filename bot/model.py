"""The nouns, as frozen values: points, loss, plans, steps, findings, people, runs.

What can happen to a run is in `events`, where it may go in `machine`, what is configured in `configuration`.
Times are aware UTC, durations are seconds, sizes are bytes; `None` means "not known", never zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bot.contents import Contents
from bot.outside import OutsideChange
from bot.pins import Pin


class Kind(StrEnum):
    SYSTEM = "system"
    DATABASE = "database"
    DATASET = "dataset"


class Purpose(StrEnum):
    ROLLBACK = "rollback"
    UNDO = "undo"
    DRILL = "drill"
    SNAPSHOT = "snapshot"
    BACKUP = "backup"
    REHEARSAL = "rehearsal"  # a drill that is a whole run, on a target that is there for it


PURPOSES_BESIDE = frozenset({Purpose.DRILL, Purpose.SNAPSHOT, Purpose.BACKUP})  # they change nothing live


class State(StrEnum):
    REQUESTED = "requested"  # a plan is owed
    REFUSED = "refused"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    RUNNING = "running"
    PAUSED = "paused"  # people must decide
    STUCK = "stuck"  # nobody knows what happened in the world
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    VETOED = "vetoed"
    EXPIRED = "expired"
    VOID = "void"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in FINAL


_OPEN = {State.REQUESTED, State.AWAITING_APPROVAL, State.APPROVED, State.RUNNING, State.PAUSED, State.STUCK}
FINAL = frozenset(State) - _OPEN


class Phase(StrEnum):
    PREPARE = "prepare"
    RESTORE = "restore"
    VERIFY = "verify"
    FINISH = "finish"


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    FAILED = "failed"  # the world said no
    LOST = "lost"  # we do not know


class Verdict(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


class When(StrEnum):
    OFFLINE = "offline"  # behind maintenance
    ONLINE = "online"  # needs traffic


class LossQuality(StrEnum):
    NONE = "none"  # no data is touched
    MEASURED = "measured"
    ESTIMATED = "estimated"
    DECLARED = "declared"
    UNKNOWN = "unknown"


class Fence(StrEnum):
    """Says what an op id is worth at a backend, once a request was sent and no answer came."""

    BARRED = "barred"  # taken apart from the effect: after ABSENT it may be started again, one effect at most
    ONCE = "once"  # one effect at most, but what was sent may still land: ABSENT is believed after a while
    NONE = "none"  # nobody can tell but people


class Left(StrEnum):
    """Says what a target is after an effect."""

    BEFORE = "before"  # what stood when the plan was made
    POINT = "point"  # the restore point
    PARTIAL = "partial"  # neither: a part was changed
    UNKNOWN = "unknown"


class UndoMode(StrEnum):
    EXACT = "exact"
    BEST_EFFORT = "best_effort"
    IMPOSSIBLE = "impossible"


class Change(StrEnum):
    """Says what going back does to the rows, commits or files of a figure."""

    NEW = "new"  # written since the restore point: they go
    CHANGED = "changed"  # they get their earlier values
    RETURNS = "returns"  # deleted since: they come back


class Measure(StrEnum):
    COUNT = "count"
    BYTES = "bytes"


class Preview(StrEnum):
    """How much a plan knows of what the restore will do."""

    EXACT = "exact"
    ESTIMATE = "estimate"
    NONE = "none"


class Risk(StrEnum):
    STANDARD = "standard"
    CRITICAL = "critical"  # approval asks for the first four characters of the plan code


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which a state was live."""

    since: datetime
    until: datetime | None  # None: still
    seen: datetime | None = None  # when it was seen last, where nobody saw the end; None: `until` is exact


class PointKind(StrEnum):
    """Says where a restore point comes from."""

    MADE = ""  # by whoever deploys, commits or loads
    BACKUP = "backup"  # a copy of what was live at its time
    UNDO = "undo"  # saved before a run: what that run took back


@dataclass(frozen=True, slots=True)
class RestorePoint:
    """A known earlier state of a target."""

    id: str  # immutable: a commit, a release, a backup; never a branch, a tag or "latest"
    at: datetime | None  # when it was complete; None: the backend does not say
    label: str = ""
    author: str | None = None
    current: bool = False
    kind: PointKind = PointKind.MADE
    live: tuple[Span, ...] = ()  # oldest first; empty: the backend does not know
    fingerprint: str = ""  # of the content, 64 hex digits; empty: the id itself is made from the content
    doubt: str = ""  # why nobody should go there unasked; empty: no reason known
    saved_before: str = ""  # of an undo point: the run before which it was live; empty: not known
    proven_at: datetime | None = None  # when a drill last restored and verified it
    failed_at: datetime | None = None  # when its newest drill ended, if that did not
    failed: tuple[str, ...] = ()  # the names of the checks that failed then
    shown_by: Purpose = Purpose.DRILL  # what has shown that: of a backup also the look as it was taken
    kept_until: datetime | None = None  # when its backend removes it; None: it does not say


@dataclass(frozen=True, slots=True)
class Beside:
    """A copy that PREPARE has made beside the target: a restore switches to it, or a drill looks into it."""

    id: str
    environment: Mapping[str, str] = field(default_factory=dict)  # for checks on the copy; holds no secrets


@dataclass(frozen=True, slots=True)
class Current:
    """Is what is live now. `token` is identity for compare-and-set, never content written by traffic."""

    id: str
    token: str
    label: str = ""
    at: datetime | None = None  # when this state was complete
    since: datetime | None = None  # when it went live; None: not known
    author: str | None = None  # who put it there


@dataclass(frozen=True, slots=True)
class Seen:
    """Says where a target stood when somebody looked."""

    target: str
    current: Current


@dataclass(frozen=True, slots=True)
class Points:
    """Restore points, newest first, the current state among them or apart from them."""

    points: tuple[RestorePoint, ...]
    current: Current
    left_out: tuple[str, ...] = ()  # why something is no restore point, a sentence each
    whole: bool = True  # False: there are more than could be read, so what is not listed may be there


@dataclass(frozen=True, slots=True)
class Unit:
    """One figure of a loss."""

    name: str  # in the plural: orders, commits
    count: int
    change: Change = Change.NEW
    measure: Measure = Measure.COUNT
    limits: bool = True  # False: shown, and sets no ceiling
    personal: bool = False  # rows about people: of those that return somebody may have wanted to be forgotten


@dataclass(frozen=True, slots=True)
class Loss:
    """Says what going back removes: everything since a moment, in units where they can be counted."""

    quality: LossQuality
    since: datetime | None = None  # the restore point, of several the earliest; None: not known
    units: tuple[Unit, ...] = ()  # every figure that was counted, those that are 0 among them
    basis: str = ""  # of an estimate or a declaration: by whom, why; of what is not known: the reason
    measured_at: datetime | None = None

    def window(self, now: datetime) -> float | None:
        """Returns the seconds from the restore point to now; None: not known."""
        if self.quality is LossQuality.NONE:
            return 0.0
        return None if self.since is None else max(0.0, (now - self.since).total_seconds())


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most that may be lost under an approval. An empty `units` limits the window only."""

    seconds: float | None
    units: tuple[Unit, ...] = ()


@dataclass(frozen=True, slots=True)
class Goal:
    """Says where to go: exactly one of `point`, `before`, `undo_of`, `drawn` and `as_of` is set."""

    point: str | None = None
    before: datetime | None = None
    undo_of: str | None = None  # the id of the run to undo
    offline_first: bool = False  # maintenance from the start, not only for the switch to a copy
    drawn: int | None = None  # of a drill: the seed by which a point of its window is drawn
    as_of: datetime | None = None  # of a snapshot: the moment whose state is copied


@dataclass(frozen=True, slots=True)
class Gone:
    """A version that is not live any more after going back."""

    id: str
    label: str = ""
    at: datetime | None = None
    author: str = ""
    note: str = ""  # what somebody should know about it: "security", "fix of RB-12"


@dataclass(frozen=True, slots=True)
class Way:
    """An executor's answer to "could you go there?" for one target."""

    point: RestorePoint
    current: Current
    loss: Loss  # that no data is touched is said, never left out
    gone: tuple[Gone, ...] = ()  # newest first
    diff: str = ""  # what else becomes different, a line each, at most 100 kB
    preview: Preview = Preview.NONE
    warnings: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()
    downtime: float | None = None  # seconds, None: not known
    takes: float | None = None  # seconds to prepare a copy, where that is done first; None: not known
    undo: UndoMode = UndoMode.EXACT
    unlike: Mapping[str, str] = field(default_factory=dict)  # by an earlier fingerprint: what differs from it
    undo_until: datetime | None = None  # how long the BACKEND keeps the way back; None: it does not say


class Do(StrEnum):
    """Says what a step does. The first seven are effects with an op id; the rest only look or ask."""

    PREPARE = "prepare"  # a copy beside, to switch to or to look into; nothing live is touched
    MAINTENANCE_ON = "maintenance_on"
    SAVE = "undo_point"  # the state before the restore; stored under its first name
    RESTORE = "restore"
    MAINTENANCE_OFF = "maintenance_off"
    DROP = "drop"  # what this run has made and nobody needs any more: its copy, its undo point
    HAND_OVER = "hand_over"  # the verified copy of a snapshot, and its manifest, to whoever audits
    BASELINE = "baseline"  # the checks' values before anything is touched
    MEASURE = "measure"  # the loss once more, behind maintenance
    CHECK = "check"
    CONFIRM = "confirm"  # a human checkpoint


MAINTENANCE = frozenset({Do.MAINTENANCE_ON, Do.MAINTENANCE_OFF})
BESIDE = frozenset({Do.PREPARE, Do.DROP, Do.HAND_OVER})  # effects that change nothing of the target itself
EFFECTS = frozenset({*BESIDE, *MAINTENANCE, Do.SAVE, Do.RESTORE})


class OnFailure(StrEnum):
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Step:
    n: int  # from 1, unique in the plan; part of the op id
    phase: Phase
    do: Do
    target: str
    timeout: float = 900.0  # seconds until the driver stops waiting and looks
    on_failure: OnFailure = OnFailure.PAUSE
    text: str = ""  # of a checkpoint: the question
    drops: Do | None = None  # of a DROP: which step of this target has made it, PREPARE or SAVE


@dataclass(frozen=True, slots=True)
class Leg:
    """One target of a plan: from where to where, and what it costs."""

    target: str
    current: Current
    point: RestorePoint
    loss: Loss
    gone: tuple[Gone, ...] = ()
    diff: str = ""
    preview: Preview = Preview.NONE
    undo: UndoMode = UndoMode.EXACT
    pins: tuple[Pin, ...] = ()  # empty: nothing of the settings needs one
    cancels: Left | None = None  # what a restore leaves that is stopped half-way; None: it is waited for
    undo_until: datetime | None = None  # how long its backend keeps the way back; None: it does not say


PLAN_FORMAT = 2  # counted up whenever a plan means more than its fields said before
PINNED_FORMAT = 2  # from this one on, contents and places are pinned, and all that differs is counted


@dataclass(frozen=True, slots=True)
class Plan:
    """Fixed before anybody agrees. Its digest covers every field, so a changed plan is another plan."""

    target: str
    kind: Kind
    environment: str
    purpose: Purpose
    risk: Risk
    legs: tuple[Leg, ...]  # the first is the target that was asked for
    loss: Loss  # of all legs together: the worst
    ceiling: Ceiling
    rpo: float | None  # seconds; None: not declared
    rto: float | None
    outage: float | None  # seconds to expect; None: not known
    outage_range: tuple[float, float] | None  # of earlier runs
    outage_runs: int
    undo_days: int  # how long the undo point is kept
    steps: tuple[Step, ...]
    warnings: tuple[str, ...]
    blockers: tuple[str, ...]
    approvals_needed: int
    approvers: tuple[str, ...]  # group names
    expires: float  # seconds to approve, from when the card was posted
    start_within: float  # seconds to start, from the last approval
    policy_digest: str
    procedure_digest: str
    made_at: datetime
    format: int = 0  # which `PLAN_FORMAT` it was made in; 0: before plans carried one
    as_of: datetime | None = None  # of a snapshot: the moment that was asked for
    keep: float | None = None  # seconds: of a snapshot its copy stands so long, of a backup what was saved
    known: tuple[str, ...] = ()  # of a backup: the newest points that were there before it
    scenario: str = ""  # of a drill: what is taken to have happened
    freshest: datetime | None = None  # of a drill: when the newest restore point of then was complete
    changes: tuple[OutsideChange, ...] = ()  # since the restore point, the newest first; of many some
    changes_told: int = 0  # how many were told of in all; 0: none was, which does not say that there is none

    @property
    def pins(self) -> bool:
        """Whether it pins contents and places: nobody may agree to one that does not any more."""
        return self.format >= PINNED_FORMAT

    @property
    def point(self) -> RestorePoint:
        return self.legs[0].point

    @property
    def current(self) -> Current:
        return self.legs[0].current

    @property
    def within_rpo(self) -> bool | None:
        """None: no objective is declared, or the window is not known."""
        window = self.loss.window(self.made_at)
        return None if self.rpo is None or window is None else window <= self.rpo

    def undo_until(self, since: datetime) -> datetime:
        """Returns until when an undo is offered, at most as long as every backend keeps the way back."""
        kept = (leg.undo_until for leg in self.legs if leg.undo_until is not None)
        return min([since + timedelta(days=self.undo_days), *kept])

    def leg(self, target: str) -> Leg:
        return next(leg for leg in self.legs if leg.target == target)


Value = int | float | str | Contents | None  # of a check; None: nothing could be seen


@dataclass(frozen=True, slots=True)
class Finding:
    """Says what one check saw."""

    name: str
    when: When
    verdict: Verdict | None  # None: a value taken before, judged by nobody
    value: Value = None
    before: Value = None
    words: str = ""  # one sentence for people
    arrived: bool = False  # of a backend itself: whether the point is what is live, or what the copy holds


@dataclass(frozen=True, slots=True)
class Person:
    """A Slack account and the human behind it."""

    id: str  # Slack user id
    human: str  # the configured name, else the verified address, else the id: what quotas count by
    name: str
    email: str | None = None
    timezone: str = "UTC"
    barred: str | None = None  # why this account may neither ask nor approve; None: a full member
    marks: frozenset[str] = frozenset()  # by which one human is recognised: accounts, address, name


# Has drills started and backups taken where the configuration says so, and nothing else.
THE_SCHEDULE = Person("the schedule", "the schedule", "the schedule")
