"""A scripted world for the engine: backends that do what the test says, records that keep the store's rules.

Everything that is stored and everything that is done goes into one journal, in the order in which it
happened. `kill_at` ends the driver at one of those moments, as SIGKILL would.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backends.programs.spool import ELSEWHERE
from bot import codec, machine, presses
from bot.configuration import Configuration, Target
from bot.contents import Contents
from bot.contract import (
    COPY,
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
    Work,
)
from bot.drilling import DrillResult, shown_by
from bot.engine import Engine
from bot.envelope import Event
from bot.errors import ClaimLost, ConfigurationError, StaleRun
from bot.event_kinds import EventKind as E
from bot.looking import ChecksOfCopy
from bot.model import (
    Beside,
    Current,
    Do,
    Fence,
    Finding,
    Goal,
    Gone,
    Left,
    Loss,
    Person,
    PointKind,
    Points,
    Purpose,
    RestorePoint,
    State,
    Verdict,
    Way,
    When,
)
from bot.outside import OutsideChange
from bot.pins import Pin
from bot.planner import Planner
from bot.policy import Entitled
from bot.presses import Click, Press
from bot.processes import LiveProcess
from bot.run import Run
from bot.signatures import Signer, sealed
from bot.spans import Lived
from bot.suggesting import Hold
from tests.bot.configured import configuration
from tests.bot.stories import LOSS, T0, happened, later, requested
from tests.people import ANA, BEN, CY, DORA

T = TypeVar("T")
HERE = "k7f3a91c"
ENTITLED = Entitled((BEN, CY), requesters=frozenset({ANA.id}), owners=frozenset({DORA.id}))
FRONT = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


class Killed(BaseException):
    """The process is gone: nothing after this line was run."""


class Journal:
    def __init__(self) -> None:
        self.entries: list[str] = []
        self.moments = 0
        self.kill_at: int | None = None

    def moment(self) -> None:
        """A place where the process may end."""
        self.moments += 1
        if self.moments == self.kill_at:
            raise Killed

    def write(self, entry: str, then: Callable[[], None]) -> None:
        """`then` happens together with it, as the effect and its marker do at a backend."""
        self.moment()
        self.entries.append(entry)
        then()
        self.moment()


class HandClock:
    """Time passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = T0
        self.meanwhile: Callable[[], Awaitable[object]] | None = None  # happens while somebody sleeps next

    def __call__(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        await asyncio.sleep(0)
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            await happens()


# Records ---------------------------------------------------------------------------------------


class Notebook:
    """What the engine needs of the store, in memory. Seq and epoch are checked as the store does."""

    def __init__(self, journal: Journal) -> None:
        self.installation = HERE
        self._journal = journal
        self.runs: dict[str, list[Event]] = {}
        self.epoch = 1
        self.progressed: list[dict[str, Any]] = []
        self.left_by_another: dict[str, Any] | None = None  # the progress that another worker has stored
        self.held: tuple[Hold, ...] = ()
        self.changed: tuple[OutsideChange, ...] = ()
        self.seen_live: dict[str, tuple[Lived, ...]] = {}  # by target
        self.there: tuple[LiveProcess, ...] = ()

    def open(self, event: Event, run_id: str) -> Run:
        self.runs[run_id] = [sealed(event, self.installation, run_id, "", FRONT)]
        return self._load(run_id)

    async def append(self, run: Run, *events: Event, epoch: int | None = None) -> Run:
        stored, moved = [], run
        for event in events:
            placed = replace(event, seq=moved.seq + 1)
            stored.append(sealed(placed, self.installation, run.id, run.approval.digest, FRONT))
            moved = machine.apply(moved, stored[-1])
        if epoch is not None and epoch != self.epoch:
            raise ClaimLost(run.id)
        if run.seq != len(self.runs[run.id]):
            raise StaleRun(run.id)
        self._journal.moment()
        self.runs[run.id] += stored
        self._journal.entries += [_told(event) for event in stored]
        self._journal.moment()
        return moved

    async def load(self, run_id: str) -> Run:
        return self._load(run_id)

    def _load(self, run_id: str) -> Run:
        return machine.fold(run_id, self.runs[run_id])

    async def events(self, run_id: str) -> tuple[Event, ...]:
        return tuple(self.runs[run_id])

    async def progress(self, run_id: str, epoch: int, progress: dict[str, Any]) -> None:
        if epoch == self.epoch:
            self.progressed.append(progress)

    async def progress_of(self, run_id: str) -> dict[str, Any] | None:
        return self.left_by_another

    async def holds(self, targets: Sequence[str]) -> tuple[Hold, ...]:
        return tuple(hold for hold in self.held if hold.target in targets)

    async def outages(self, target: str) -> list[float]:
        return []

    async def moved(self, target: str) -> tuple[Run, ...]:
        newest = [self._load(run_id) for run_id in reversed(self.runs)]
        return tuple(run for run in newest if run.state.final and run.work.live is not Left.BEFORE)

    async def drill_results(self, target: str, points: Collection[str]) -> dict[str, DrillResult]:
        newest = [self._load(run_id) for run_id in reversed(self.runs)]
        return shown_by(run for run in newest if run.state.final and (run.is_drill or run.is_backup))

    async def changes_since(self, target: str, since: datetime) -> tuple[tuple[OutsideChange, ...], int]:
        told = tuple(change for change in self.changed if change.target == target and change.at > since)
        return told, sum(change.times for change in told)

    async def drills(self, target: str) -> tuple[Run, ...]:
        newest = [self._load(run_id) for run_id in reversed(self.runs)]
        return tuple(run for run in newest if run.state.final and run.is_drill)

    async def backups(self, target: str) -> tuple[Run, ...]:
        newest = [self._load(run_id) for run_id in reversed(self.runs)]
        return tuple(run for run in newest if run.is_backup and run.state is State.SUCCEEDED)

    async def beside(self, target: str) -> tuple[Run, ...]:
        return tuple(run for run in map(self._load, self.runs) if run.is_drill and not run.state.final)

    async def lived(self, target: str) -> tuple[Lived, ...]:
        return self.seen_live.get(target, ())

    async def open_run_of(self, target: str) -> str | None:
        runs = [self._load(run_id) for run_id in self.runs]
        others = (run for run in runs if run.request.target == target and not run.is_beside)
        return next((run.id for run in others if not run.state.final), None)

    async def processes(self, now: datetime) -> tuple[LiveProcess, ...]:
        return self.there


def _told(event: Event) -> str:
    step = getattr(event.fact, "n", None)
    return event.kind.value if step is None else f"{event.kind} {step}"


@dataclass(frozen=True, slots=True)
class Claim:
    run: Run
    epoch: int
    history: Sequence[Event]


# The world -------------------------------------------------------------------------------------


class Scripted:
    """An operation. `starts`: what the next calls of `start` do, then `takes`:

    takes · ends (at once) · takes_long (3 polls) · answer_lost (done, and nobody heard) · never_arrives ·
    taken · hangs · an error.
    `finds` and `polls`: answers that are given before the truth is.
    """

    def __init__(self, name: str, journal: Journal, clock: HandClock) -> None:
        self.name = name
        self._journal = journal
        self._clock = clock
        self.starts: list[str | BaseException] = []
        self.finds: list[Found | Exception] = []
        self.polls: list[Progress | Ended | Exception] = []
        self.bars: list[Found | Exception] = []
        self.cancels: list[Left | Exception | None] = []
        self.fates: dict[str, Fate] = {}
        self.asked: list[str] = []  # every call, by name
        self.handles: list[Handle | None] = []  # that were given to poll
        self.meanwhile: Callable[[], Awaitable[object]] | None = None  # happens during the next call
        self.hangs: set[str] = set()  # calls that are never answered
        self.place: str | None = None  # with one, this worker sees only what was begun there
        self._left = 0

    async def start(self, work: Work) -> Handle | Taken | Ended:
        self.asked.append("start")
        how = self.starts.pop(0) if self.starts else "takes"
        if isinstance(how, BaseException):
            raise how
        if how == "hangs":
            await for_ever()
        if how == "taken" or work.op_id in self.fates:
            return Taken.TAKEN
        if how == "never_arrives":
            raise OutcomeUnknown("the connection broke")
        if how == "takes_long":
            self._left = 3
            self._journal.write(f"{self.name} begins", lambda: self._becomes(work, Fate.IN_FLIGHT))
        else:
            self._done(work)
        await self._happen()
        if how == "answer_lost":
            raise OutcomeUnknown("no answer")
        if how == "ends":
            return Ended(True, Left.POINT, "done", self.made(work))
        return {"job": work.op_id}

    def _done(self, work: Work) -> None:
        self._journal.write(self.told(work), lambda: self._becomes(work, Fate.DONE))

    def told(self, work: Work) -> str:
        """How the journal calls it."""
        return f"{self.name} {work.point}".strip()

    def made(self, work: Work) -> RestorePoint | Beside | None:
        """What SAVE has kept, or PREPARE copied."""
        return None

    def _becomes(self, work: Work, fate: Fate) -> None:
        self.fates[work.op_id] = fate
        if fate is Fate.DONE:
            self.arrive(work)

    def arrive(self, work: Work) -> None:
        """What changes when it is done."""

    async def find(self, work: Work) -> Found:
        self.asked.append("find")
        if "find" in self.hangs:
            await for_ever()
        if self.finds:
            return _raised(self.finds.pop(0))
        fate = self.fates.get(work.op_id, Fate.ABSENT)
        if fate is Fate.ABSENT and work.place not in (None, self.place):
            return Found(Fate.UNKNOWN, ELSEWHERE)
        handle = {"job": work.op_id} if fate is Fate.IN_FLIGHT else None
        made = self.made(work) if fate is Fate.DONE else None
        return Found(fate, f"it is {fate}", handle, left=Left.BEFORE, made=made)

    async def bar(self, work: Work) -> Found:
        self.asked.append("bar")
        if self.bars:
            return _raised(self.bars.pop(0))
        found = await self.find(work)
        if found.fate is Fate.ABSENT:
            self.fates[work.op_id] = Fate.FAILED
        return found

    async def poll(self, work: Work) -> Progress | Ended:
        self.asked.append("poll")
        self.handles.append(work.handle)
        if "poll" in self.hangs:
            await for_ever()
        await self._happen()
        if self.polls:
            answer = self.polls.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        if self.fates[work.op_id] is Fate.IN_FLIGHT:
            self._left -= 1
            if self._left > 0:
                return Progress(self._clock(), "copying", 3.0 - self._left, 3.0, "files")
            self._done(work)
        if self.fates[work.op_id] is Fate.DONE:
            return Ended(True, Left.POINT, "done", self.made(work))
        return Ended(False, Left.BEFORE, "cancelled")

    async def cancel(self, work: Work) -> Left | None:
        self.asked.append("cancel")
        if self.cancels:
            return _raised(self.cancels.pop(0))
        self.fates[work.op_id] = Fate.FAILED
        return Left.BEFORE

    async def _happen(self) -> None:
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            await happens()


async def for_ever() -> None:
    await asyncio.Event().wait()


def _raised(answer: T | Exception) -> T:
    if isinstance(answer, Exception):
        raise answer
    return answer


class Backend(Scripted):
    """An executor of one target."""

    def __init__(self, target: str, journal: Journal, clock: HandClock) -> None:
        super().__init__(f"RESTORE {target}", journal, clock)
        self.capabilities = Capabilities(
            Fence.BARRED, does=frozenset({Do.SAVE, Do.RESTORE}), cancels=Left.BEFORE
        )
        self.target = target
        self.saving = Saving(self, journal, clock)
        self.preparing = Preparing(self, journal, clock)
        self.dropping = Dropping(self, journal, clock)
        self._parts: dict[Do, Scripted] = {
            Do.SAVE: self.saving,
            Do.PREPARE: self.preparing,
            Do.DROP: self.dropping,
        }
        self.copies: list[str] = []  # beside it
        self.takes: float | None = None  # seconds to make one
        self.live = "v42"
        self.offered = {"p41": RestorePoint("p41", later(-1020)), "p40": RestorePoint("p40", later(-9000))}
        self.works: list[Work] = []  # that were started
        self.gone: tuple[Gone, ...] = ()
        self.since: datetime | None = later(-600)  # when what is live came
        self.diff = ""
        self.loss: Loss = LOSS
        self.measured: list[Loss | Exception] = []  # answers behind maintenance, before `loss`
        self.plans: list[Exception] = []  # that the next calls of `plan` raise
        self.blockers: tuple[str, ...] = ()
        self.verified: list[Finding | Exception] = []
        self.holds: Contents | Exception | None = None  # what its copies hold
        self.goals: list[Goal] = []

    @property
    def current(self) -> Current:
        return Current(self.live, f"token-{self.live}", self.live, since=self.since)

    def part(self, do: Do) -> Scripted:
        """Returns what carries that out: itself the restore."""
        return self._parts.get(do, self)

    def arrive(self, work: Work) -> None:
        self.live = work.point

    async def points(self, limit: int = 50) -> Points:
        return Points(tuple(self.offered.values())[:limit], self.current)

    async def plan(self, goal: Goal, now: datetime) -> Way:
        self.goals.append(goal)
        if self.plans:
            raise self.plans.pop(0)
        point = self.offered.get(goal.point or "p41")
        if point is None:
            raise PointUnavailable(f"{goal.point} is gone")
        way = Way(point, self.current, self.loss, blockers=self.blockers, gone=self.gone, diff=self.diff)
        return replace(way, takes=self.takes)

    async def describe(self, work: Work) -> Contents | None:
        return self.holds if self.holds is None else _raised(self.holds)

    async def measure(self, point: RestorePoint, now: datetime) -> Loss:
        return _raised(self.measured.pop(0)) if self.measured else self.loss

    async def start(self, work: Work) -> Handle | Taken | Ended:
        part = self.part(work.do)
        if part is not self:
            return await part.start(work)
        if work.op_id not in self.fates and work.expected != self.current.token:
            raise StateChanged(f"{self.live} is live now")
        self.works.append(work)
        return await super().start(work)

    async def find(self, work: Work) -> Found:
        part = self.part(work.do)
        return await (super().find(work) if part is self else part.find(work))

    async def bar(self, work: Work) -> Found:
        part = self.part(work.do)
        return await (super().bar(work) if part is self else part.bar(work))

    async def poll(self, work: Work) -> Progress | Ended:
        part = self.part(work.do)
        return await (super().poll(work) if part is self else part.poll(work))

    async def cancel(self, work: Work) -> Left | None:
        part = self.part(work.do)
        return await (super().cancel(work) if part is self else part.cancel(work))

    async def verify(self, work: Work) -> tuple[Finding, ...]:
        if self.verified:
            return (_raised(self.verified.pop(0)),)
        if work.do is Do.PREPARE:
            made = self.preparing.made(work).id
            there = Verdict.PASSED if made in self.copies else Verdict.FAILED
            return (Finding("copy", When.OFFLINE, there, made),)
        verdict = Verdict.PASSED if self.live == work.point else Verdict.FAILED
        return (Finding(f"{self.target} arrived", When.OFFLINE, verdict, self.live, arrived=True),)


SAVED = "5a5e" * 16  # what an undo point holds


class Saving(Scripted):
    """What an executor does to keep the state before. `cannot`: it ends well, and has kept none."""

    def __init__(self, backend: Backend, journal: Journal, clock: HandClock) -> None:
        super().__init__(f"SAVE {backend.target}", journal, clock)
        self._backend = backend
        self.kept: dict[str, RestorePoint] = {}  # by op id
        self.works: list[Work] = []  # that were started

    async def start(self, work: Work) -> Handle | Taken | Ended:
        self.works.append(work)
        if self.starts[:1] == ["cannot"]:
            self.starts.pop(0)
            return Ended(True, Left.BEFORE)
        return await super().start(work)

    def told(self, work: Work) -> str:
        return self.name

    def made(self, work: Work) -> RestorePoint | None:
        return self.kept.get(work.op_id)

    def arrive(self, work: Work) -> None:
        point = RestorePoint(f"undo-{self._backend.live}", T0, kind=PointKind.UNDO, fingerprint=SAVED)
        self.kept[work.op_id] = self._backend.offered[point.id] = point


class Preparing(Scripted):
    """What an executor does to make a copy beside."""

    def __init__(self, backend: Backend, journal: Journal, clock: HandClock) -> None:
        super().__init__(f"PREPARE {backend.target}", journal, clock)
        self._backend = backend
        self.works: list[Work] = []  # that were started

    async def start(self, work: Work) -> Handle | Taken | Ended:
        self.works.append(work)
        return await super().start(work)

    def made(self, work: Work) -> Beside:
        return Beside(f"copy-{work.op_id}", {COPY: f"/copies/{work.op_id}"})

    def arrive(self, work: Work) -> None:
        self._backend.copies.append(self.made(work).id)


class Dropping(Scripted):
    """What an executor does to remove what a run has made."""

    def __init__(self, backend: Backend, journal: Journal, clock: HandClock) -> None:
        super().__init__(f"DROP {backend.target}", journal, clock)
        self._backend = backend

    def told(self, work: Work) -> str:
        return f"{self.name} {_what_goes(work)}"

    def arrive(self, work: Work) -> None:
        gone = _what_goes(work)
        self._backend.offered.pop(gone, None)
        self._backend.copies = [copy for copy in self._backend.copies if copy != gone]


def _what_goes(work: Work) -> str:
    return work.undo or work.prepared or "nothing"


@dataclass
class Check:
    """Sees what it is told to, then that all is well."""

    name: str
    when: When
    sees: list[Verdict | None] = field(default_factory=list)  # None: nothing at all
    meanwhile: Callable[[], Awaitable[object]] | None = None  # happens during the next look
    stable: int = 1
    every: float = 1.0
    wait: float = 0.0
    reaches_target: bool = True

    def called(self, name: str) -> "Check":
        return replace(self, name=name)

    async def look(self, before: Finding | None, now: datetime) -> Finding:
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            await happens()
        seen = self.sees.pop(0) if self.sees else Verdict.PASSED
        value = None if seen is None else seen.value
        known = before.value if before else None
        return Finding(self.name, self.when, seen or Verdict.INCONCLUSIVE, value, known, f"saw {value}")


class World:
    def __init__(self, known: Configuration, journal: Journal, clock: HandClock) -> None:
        self.told_of_copy: list[dict[str, str]] = []  # what the checks on copies were told
        self.backends = {name: Backend(name, journal, clock) for name in known.targets}
        self.maintenances = {
            (name, do): Scripted(f"{do.name} {name}", journal, clock)
            for name in known.targets
            for do in (Do.MAINTENANCE_ON, Do.MAINTENANCE_OFF)
        }
        self.handing_over = Scripted("HAND_OVER", journal, clock)
        self.handed_over: list[tuple[str, Mapping[str, Any]]] = []  # what it was given, each time
        self.no_hand_over: str | None = None
        self.misconfigured: set[str] = set()  # targets whose executor cannot be built
        self.pinned: dict[str, tuple[Pin, ...]] = {}  # by target
        self.offline = Check("totals", When.OFFLINE)
        self.online = Check("errors", When.ONLINE)

    def executor(self, target: str) -> Backend:
        if target in self.misconfigured:
            raise ConfigurationError((f"a secret of {target} is missing",))
        return self.backends[target]

    async def pins(
        self, target: str, agreed: Sequence[Pin] = (), *, handed_over: bool = False
    ) -> tuple[Pin, ...]:
        return self.pinned.get(target, ())

    async def why_no_hand_over(self, target: str) -> str | None:
        return self.no_hand_over

    def hand_over(self, target: str, copy: str, manifest: Mapping[str, Any]) -> Scripted:
        self.handed_over.append((copy, manifest))
        return self.handing_over

    def maintenance(self, target: str, do: Do) -> Scripted:
        return self.maintenances[target, do]

    def checks(self, targets: Sequence[str]) -> tuple[Check, ...]:
        return (self.offline, self.online)

    def checks_of_copy(self, target: str, environment: Mapping[str, str]) -> ChecksOfCopy:
        self.told_of_copy.append(dict(environment))
        return ChecksOfCopy((self.offline,), (self.online.name,))


class Directory(Protocol):
    now: Entitled

    async def entitled(self, target: Target) -> Entitled: ...


@dataclass
class Register:
    """Who stands where; read each time."""

    now: Entitled = ENTITLED

    async def entitled(self, target: Target) -> Entitled:
        return self.now


# The play --------------------------------------------------------------------------------------


class Play:
    """One configuration, one world, one notebook, and engines that come and go."""

    def __init__(self, known: Configuration | None = None) -> None:
        self.configuration = known or configuration()
        self.journal = Journal()
        self.clock = HandClock()
        self.notes = Notebook(self.journal)
        self.world = World(self.configuration, self.journal, self.clock)
        self.register: Directory = Register()
        self.keys = [FRONT.public]

    @property
    def backend(self) -> Backend:
        """Of the first target."""
        return next(iter(self.world.backends.values()))

    @property
    def run(self) -> Run:
        """The newest."""
        return self.notes._load(list(self.notes.runs)[-1])

    @property
    def effects(self) -> list[str]:
        """What was done to the world, in order."""
        return [entry for entry in self.journal.entries if entry[0].isupper()]

    def kinds(self) -> list[str]:
        return [event.kind.value for event in self.notes.runs[self.run.id]]

    def ask(self, goal: Goal | None = None, purpose: Purpose | None = None, by: Person = ANA) -> Run:
        number = 42 + len(self.notes.runs)
        name = next(iter(self.configuration.targets))
        data = {
            "target": name,
            "goal": codec.dump(Goal, goal or Goal(point="p41")),
            "purpose": (purpose or (Purpose.UNDO if goal and goal.undo_of else Purpose.ROLLBACK)).value,
        }
        return self.notes.open(requested(by, self.clock(), **data), f"RB-{number}")

    async def drive(self, alive: Callable[[], bool] = lambda: True) -> Run:
        """A new driver takes it over, from what is stored."""
        self.notes.epoch += 1
        return await self.engine().drive(self.claim(), alive)

    def claim(self, run: Run | None = None, epoch: int | None = None) -> Claim:
        """Returns the newest claim of the run as it is stored; or of another one, or an older one."""
        of = run or self.run
        history = self.notes.runs[of.id][: of.seq]
        return Claim(of, self.notes.epoch if epoch is None else epoch, history)

    def planner(self) -> Planner:
        return Planner(self.configuration, self.notes, self.world, self.clock)

    def engine(self) -> Engine:
        return Engine(
            self.configuration,
            self.notes,
            self.world,
            self.planner(),
            self.register,
            self.keys,
            self.clock,
            self.clock.sleep,
        )

    async def drive_though_killed(self) -> Run:
        """Whoever is killed is followed by another."""
        while True:
            try:
                return await self.drive()
            except Killed:
                continue

    async def press(self, who: Person, press: Press, why: str = "because", answer: str = "") -> Run:
        click = Click(why=why, answer=answer)
        reason = presses.why_not(press, self.run, who, self.register.now, click, self.clock())
        assert reason is None, reason
        return await self.notes.append(
            self.run, *presses.events_for(press, self.run, who, click, self.clock())
        )

    async def planned(self, goal: Goal | None = None, purpose: Purpose | None = None) -> Run:
        self.ask(goal, purpose)
        return await self.drive()

    async def approved(self, goal: Goal | None = None, purpose: Purpose | None = None) -> Run:
        run = await self.planned(goal, purpose)
        assert run.approval.plan is not None, run.why
        await self.notes.append(self.run, happened(E.POSTED, self.clock()))
        await self.clock.sleep(2)
        for who in (BEN, CY)[: run.approval.plan.approvals_needed]:
            await self.press(who, presses.APPROVE)
        return self.run

    async def strike(self) -> None:
        """The clock has its turn."""
        due = machine.due(self.run)
        assert due is not None, "the clock has nothing to say"
        self.clock.now = max(self.clock.now, due[0])
        await self.notes.append(self.run, Event(due[1], self.clock()))

    async def due(self) -> Run:
        """The clock has its turn, and a driver does what follows."""
        await self.strike()
        return await self.drive()

    async def give_up(self, problem: Exception) -> Run:
        """The driver has failed time after time."""
        self.notes.epoch += 1
        return await self.engine().give_up(self.claim(), problem)

    async def write_by_hand(self, kind: E, by: Person | None = None, **data: Any) -> None:
        """Somebody who may write the database adds a row, as if a person had said so."""
        said = {"marks": sorted(by.marks)} if by else {}
        event = happened(
            kind, self.clock(), by.id if by else "", {**said, **data}, self.run.seq + 1, "00" * 64
        )
        self.notes.runs[self.run.id].append(event)

    async def driven(self) -> Run:
        """Asked, approved, and driven as far as it goes."""
        await self.approved()
        return await self.drive()
