"""The world that is rolled back, outside of the bot: backends that take the op id with the effect, and the
bot's side of them.

What is done here stays done when the bot is killed. A backend can be told to be busy or silent, to be
late, or to lose the answer of what it did.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from bot.canonical_json import iso
from bot.contract import (
    Busy,
    Capabilities,
    Ended,
    Fate,
    Found,
    Handle,
    OutcomeUnknown,
    PointUnavailable,
    Progress,
    StateChanged,
    Taken,
    Unreachable,
    Work,
)
from bot.errors import PermanentError
from bot.looking import ChecksOfCopy
from bot.model import (
    Beside,
    Current,
    Do,
    Fence,
    Finding,
    Goal,
    Left,
    Loss,
    LossQuality,
    PointKind,
    Points,
    RestorePoint,
    Unit,
    Verdict,
    Way,
    When,
)
from bot.pins import Pin
from tests.bot.stories import later
from tests.chaos.histories import Effect, Journal
from tests.chaos.wire import Later

SLOW = 3.0  # seconds
COPIED = "archive"  # the target that is copied before it is switched, and whose undo points are dropped
POLLS = {"slow": 3, "takes minutes": 300}  # how often it goes on yet
RESTORES = Capabilities(Fence.BARRED, does=frozenset({Do.SAVE, Do.RESTORE}))
COPIES = replace(
    RESTORES,
    does=RESTORES.does | {Do.PREPARE},
    switches=True,
    drops=frozenset({Do.PREPARE, Do.SAVE}),
    backs_up=True,
)
OF_NOTHING_LIVE = ""  # a drill expects nothing of what is live
LOSS = Loss(LossQuality.MEASURED, later(-1020), (Unit("rows", 212),))
Ask = Callable[[str, str, Any], Awaitable[Any]]  # place, what, given


# Outside ---------------------------------------------------------------------------------------


@dataclass(slots=True)
class Backend:
    """One target. `troubles`: what goes wrong at the next calls, by method."""

    name: str
    journal: Journal
    now: Callable[[], datetime]
    pid: Callable[[], int]  # of the bot that lives now
    live: str = "v42"
    offered: dict[str, RestorePoint] = field(default_factory=dict)
    taken: dict[str, Work] = field(default_factory=dict)  # op ids
    saved: dict[str, RestorePoint] = field(default_factory=dict)  # undo points by op id
    copies: dict[str, Beside] = field(default_factory=dict)  # beside it, by op id
    barred: set[str] = field(default_factory=set)  # op ids under which nothing may begin any more
    troubles: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    polls_left: dict[str, int] = field(default_factory=dict)  # of operations in flight
    healthy: bool = True

    def __post_init__(self) -> None:
        self.offered = {"p41": RestorePoint("p41", later(-1020)), "p40": RestorePoint("p40", later(-9000))}

    def answer(self, what: str, given: Any, epoch: int | None) -> Any:
        trouble = self.troubles[what].pop(0) if self.troubles[what] else ""
        match trouble:
            case "busy":
                raise Busy(f"{self.name} works on something else")
            case "unreachable":
                raise Unreachable(f"{self.name} does not answer")
            case "never arrives":
                raise OutcomeUnknown("the connection broke")
        done = getattr(self, what)(*given, **({"epoch": epoch} if what == "start" else {}))
        if trouble == "answer lost":
            raise OutcomeUnknown("no answer came")
        if trouble in POLLS:
            self.polls_left[given[1].op_id] = POLLS[trouble]
        return Later(SLOW, done) if trouble == "late" else done

    @property
    def current(self) -> Current:
        return Current(self.live, f"token-{self.live}", self.live, since=later(-600))

    def points(self) -> Points:
        return Points(tuple(self.offered.values()), self.current)

    def plan(self, goal: Goal) -> Way:
        point = self.offered.get(goal.point or "p41")
        if point is None:
            raise PointUnavailable(f"{goal.point} is not there")
        return Way(point, self.current, LOSS)

    def measure(self) -> Loss:
        return LOSS

    def start(self, do: Do, work: Work, epoch: int | None) -> Handle | Taken:
        if work.op_id in self.taken or work.op_id in self.barred:
            return Taken.TAKEN
        if do in {Do.PREPARE, Do.RESTORE} and work.expected not in {self.current.token, OF_NOTHING_LIVE}:
            raise StateChanged(f"{self.live} is live now")
        self._done(do, work, epoch)
        if do is Do.RESTORE:
            self.live = work.point
        if do is Do.SAVE:
            point = RestorePoint(f"undo-{self.live}-{work.run_id}", later(0))
            if work.is_backup:
                kind = PointKind.BACKUP
                point = RestorePoint(f"backup-{work.run_id}", self.now(), kind=kind, fingerprint=work.run_id)
            self.saved[work.op_id] = self.offered[point.id] = point
        if do is Do.PREPARE:
            self.copies[work.op_id] = Beside(f"copy-{work.op_id}")
        if do is Do.DROP:
            self.offered.pop(work.undo or "", None)
            self.copies = {op: copy for op, copy in self.copies.items() if copy.id != work.prepared}
        return {"job": work.op_id}

    def _made(self, work: Work) -> RestorePoint | Beside | None:
        return self.saved.get(work.op_id) or self.copies.get(work.op_id)

    def _done(self, do: Do, work: Work, epoch: int | None) -> None:
        self.taken[work.op_id] = work
        self.journal.append(
            Effect(
                work.run_id,
                work.op_id,
                do.value,
                self.name,
                work.point,
                work.digest,
                epoch,
                iso(self.now()),
                self.pid(),
            )
        )

    def find(self, do: Do, work: Work) -> Found:
        if work.op_id in self.barred:
            return Found(Fate.FAILED, "it was called off", left=Left.BEFORE)
        if work.op_id not in self.taken:
            return Found(Fate.ABSENT, "it never arrived")
        if self.polls_left.get(work.op_id):
            return Found(Fate.IN_FLIGHT, "it goes on", {"job": work.op_id})
        return Found(Fate.DONE, "it is done", made=self._made(work))

    def bar(self, do: Do, work: Work) -> Found:
        found = self.find(do, work)
        if found.fate is Fate.ABSENT:
            self.barred.add(work.op_id)
        return found

    def poll(self, do: Do, work: Work) -> Progress | Ended:
        left = self.polls_left.get(work.op_id, 0)
        if left:
            self.polls_left[work.op_id] = left - 1
            return Progress(self.now(), "copying")
        return Ended(True, Left.POINT, "done", self._made(work))

    def verify(self, work: Work) -> tuple[Finding, ...]:
        if work.do is Do.PREPARE:
            verdict = Verdict.PASSED if work.op_id in self.copies else Verdict.FAILED
            return (Finding("copy", When.OFFLINE, verdict, work.point, arrived=True),)
        verdict = Verdict.PASSED if self.live == work.point else Verdict.FAILED
        return (Finding(f"{self.name} arrived", When.OFFLINE, verdict, self.live),)

    def look(self) -> bool:
        return self.healthy


# The bot's side --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RemoteOperation:
    """An operation on a backend that is somewhere else."""

    place = None

    target: str
    ask: Ask

    async def start(self, work: Work) -> Handle | Taken | Ended:
        answer: Handle | Taken = await self._asked("start", work)
        return answer

    async def find(self, work: Work) -> Found:
        found: Found = await self._asked("find", work)
        return found

    async def bar(self, work: Work) -> Found:
        found: Found = await self._asked("bar", work)
        return found

    async def poll(self, work: Work) -> Progress | Ended:
        answer: Progress | Ended = await self._asked("poll", work)
        return answer

    async def cancel(self, work: Work) -> Left | None:
        return None

    async def _asked(self, what: str, work: Work) -> Any:
        return await self.ask(self.target, what, (work.do, work))


class RemoteExecutor(RemoteOperation):
    @property
    def capabilities(self) -> Capabilities:
        return COPIES if self.target == COPIED else RESTORES

    async def points(self, limit: int = 50) -> Points:
        points: Points = await self.ask(self.target, "points", ())
        return points

    async def plan(self, goal: Goal, now: datetime) -> Way:
        way: Way = await self.ask(self.target, "plan", (goal,))
        return way

    async def measure(self, point: RestorePoint, now: datetime) -> Loss:
        loss: Loss = await self.ask(self.target, "measure", ())
        return loss

    async def verify(self, work: Work) -> tuple[Finding, ...]:
        found: tuple[Finding, ...] = await self.ask(self.target, "verify", (work,))
        return found


@dataclass(frozen=True, slots=True)
class RemoteCheck:
    target: str
    name: str
    when: When
    ask: Ask
    stable: int = 1
    every: float = 1.0
    wait: float = 0.0

    def called(self, name: str) -> "RemoteCheck":
        return RemoteCheck(self.target, name, self.when, self.ask)

    async def look(self, before: Finding | None, now: datetime) -> Finding:
        try:
            healthy = await self.ask(self.target, "look", ())
        except PermanentError as problem:
            return Finding(self.name, self.when, Verdict.INCONCLUSIVE, words=str(problem))
        verdict = Verdict.PASSED if healthy else Verdict.FAILED
        return Finding(self.name, self.when, verdict, verdict.value, words=f"saw {verdict}")


@dataclass(frozen=True, slots=True)
class RemoteWorld:
    """Fulfils the engine's World."""

    ask: Ask

    def executor(self, target: str) -> RemoteExecutor:
        return RemoteExecutor(target, self.ask)

    async def pins(
        self, target: str, agreed: Sequence[Pin] = (), *, handed_over: bool = False
    ) -> tuple[Pin, ...]:
        return ()

    async def why_no_hand_over(self, target: str) -> str | None:
        return None

    def hand_over(self, target: str, copy: str, manifest: Mapping[str, Any]) -> RemoteOperation:
        return RemoteOperation(target, self.ask)

    def maintenance(self, target: str, do: Do) -> RemoteOperation:
        return RemoteOperation(target, self.ask)

    def checks(self, targets: Any) -> tuple[RemoteCheck, ...]:
        return tuple(
            RemoteCheck(target, f"{target} {when}", when, self.ask)
            for target in targets
            for when in (When.OFFLINE, When.ONLINE)
        )

    def checks_of_copy(self, target: str, environment: Mapping[str, str]) -> ChecksOfCopy:
        offline, online = self.checks([target])
        return ChecksOfCopy((offline,), (online.name,))
