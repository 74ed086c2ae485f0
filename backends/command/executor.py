"""Executor `command`: a backend that is driven by somebody's own command line tool.

The tool lists points, says what is current, restores, and may find, cancel and measure; it is called by argv,
never through a shell, and answers in JSON on standard output. The restore itself is a `CommandOperation`:
the spool starts it once and knows it again after our death. What the tool's own `find` says decides where
the spool cannot know: what another worker began, or when machine and supervisor died together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import PurePath
from typing import Annotated, Final, TypeVar

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError

from backends.choosing import named, point_for
from backends.command.settings import ArgvCall, CommandSettings
from backends.programs.process import MOST_OUTPUT_BYTES, Said, printable, run
from backends.programs.spool import CommandOperation, filled, why_not_an_argument
from backends.references import Resolver
from backends.surroundings import Surroundings
from bot.clock import Clock, utc_now
from bot.contract import (
    CancelAnswer,
    Capabilities,
    Denied,
    Fate,
    Found,
    Handle,
    OutcomeUnknown,
    Progress,
    StateChanged,
    Taken,
    TargetMissing,
    Unreachable,
    Work,
)
from bot.errors import PermanentError, TemporaryError
from bot.model import (
    Current,
    Finding,
    Goal,
    Loss,
    LossQuality,
    Points,
    RestorePoint,
    UndoMode,
    Unit,
    Verdict,
    Way,
    When,
)

MOST_CHANGES_LINES: Final = 20  # about what goes

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProgramCall:
    argv: tuple[str, ...]
    timeout: float = 30.0  # seconds


class _Point(BaseModel):
    id: str
    label: str = ""
    created_at: AwareDatetime | None = None
    author: str | None = None


class _Current(BaseModel):
    id: str


class _FoundState(StrEnum):
    ABSENT = "absent"
    IN_FLIGHT = "in_flight"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


class _Find(BaseModel):
    state: _FoundState


class _Unit(BaseModel):
    name: str
    count: Annotated[int, Field(ge=0)]


class _Measure(BaseModel):
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    units: tuple[_Unit, ...] = ()


_POINTS = TypeAdapter(list[_Point])
_CURRENT = TypeAdapter(_Current)
_FIND = TypeAdapter(_Find)
_MEASURE = TypeAdapter(_Measure)


class Command:
    def __init__(
        self,
        *,
        points: ProgramCall,
        current: ProgramCall,
        restore: ProgramCall,
        surroundings: Surroundings,
        find: ProgramCall | None = None,
        cancel: ProgramCall | None = None,
        measure: ProgramCall | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._points = points
        self._current = current
        self._find = find
        self._cancel = cancel
        self._measure = measure
        self._surroundings = surroundings
        self._clock = clock
        self._operation = CommandOperation(restore.argv, restore.timeout, surroundings, clock=clock)

    @property
    def capabilities(self) -> Capabilities:
        """`fenced` on the spool's word, which `place` names; of other spools only `find` can tell.

        Not `compare_and_set`: we compare just before, the tool itself does not. Undo is going back to the
        point that was live, and only the tool knows what else that leaves behind.
        """
        return Capabilities(fenced=True, cancel=True, undo=UndoMode.BEST_EFFORT, progress=True)

    @property
    def place(self) -> str | None:
        return self._operation.place

    async def restore_points(self, limit: int = 50) -> Points:
        points = await self._read_points()
        return Points(points.points[:limit], points.current)

    async def plan(self, goal: Goal, now: datetime) -> Way:
        points = await self._read_points()
        point = point_for(goal, points.points)
        known = any(offered.current for offered in points.points)
        return Way(
            point=point,
            current=points.current,
            loss=await self.measure(point, now),
            changes=_changes(points, point),
            blockers=(f"{point.id} is live already.",) if point.current else (),
            undo=UndoMode.BEST_EFFORT if known else UndoMode.IMPOSSIBLE,
        )

    async def measure(self, point: RestorePoint, now: datetime) -> Loss | None:
        if self._measure is None:
            return Loss(LossQuality.UNKNOWN, basis="no measure command is configured")
        lost = await self._ask(_MEASURE, "measure", self._measure, point=point.id)
        units = tuple(Unit(printable(unit.name, 40), unit.count) for unit in lost.units)
        if lost.seconds is None and not units:
            return Loss(LossQuality.UNKNOWN, basis="the measure command said nothing", measured_at=now)
        return Loss(LossQuality.MEASURED, lost.seconds, units, measured_at=now)

    async def undo_point(self, work: Work) -> RestorePoint | None:
        """Nothing is saved: the point that is live is the way back, if the tool offers it."""
        points = await self._read_points()
        _compare(points.current, work.expected)
        return next((point for point in points.points if point.current), None)

    async def start(self, work: Work) -> Handle | Taken:
        if (await self._operation.find(work)).fate not in (Fate.ABSENT, Fate.UNKNOWN):
            return Taken.TAKEN  # even when the tool cannot be asked now
        points = await self._read_points()
        # After reading: what moved the world meanwhile may be this very operation, started by somebody else.
        found = await self._find_anywhere(work)
        if found.fate is not Fate.ABSENT:
            return Taken.TAKEN
        _compare(points.current, work.expected)
        named(work.point, points.points)
        return await self._operation.start(work, after=found.handle)

    async def find(self, work: Work) -> Found:
        try:
            found = await self._find_anywhere(work)
        except PermanentError as error:
            return Found(Fate.UNKNOWN, str(error))
        if found.fate is Fate.DONE and await self._is_overtaken(work):
            return Found(Fate.OVERTAKEN, "It was done, and something else is live now.")
        return found

    async def poll(self, work: Work, handle: Handle) -> Progress:
        if "attempt" in handle:
            return await self._operation.poll(work, handle)
        found = await self.find(work)
        if found.fate in (Fate.ABSENT, Fate.UNKNOWN):
            raise OutcomeUnknown(found.words)
        ended = {Fate.IN_FLIGHT: None, Fate.FAILED: False}.get(found.fate, True)
        return Progress(ended, self._clock(), found.words, retry_after=1.0)

    async def cancel(self, work: Work, handle: Handle) -> CancelAnswer:
        """The tool's own way where it has one; nothing is killed then, not even when it refuses: the
        restore may be past the point where stopping is safe."""
        if (await self._find_anywhere(work)).fate is not Fate.IN_FLIGHT:
            return CancelAnswer.IMPOSSIBLE
        if self._cancel is not None:
            said = await self._run(self._cancel, op=work.op_id)
            return CancelAnswer.LEAVES_PARTIAL if said.rc == 0 else CancelAnswer.IMPOSSIBLE
        if "attempt" not in handle:
            return CancelAnswer.IMPOSSIBLE
        return await self._operation.cancel(work, handle)

    async def verify(self, work: Work) -> tuple[Finding, ...]:
        try:
            current = await self._read_current()
        except (TemporaryError, PermanentError) as error:
            return (Finding("current point", When.OFFLINE, Verdict.INCONCLUSIVE, words=str(error)),)
        verdict = Verdict.PASSED if current == work.point else Verdict.FAILED
        words = f"`{current}` is live" + ("." if current == work.point else f", not `{work.point}`.")
        return (Finding("current point", When.OFFLINE, verdict, current, work.expected or None, words),)

    async def _find_anywhere(self, work: Work) -> Found:
        """ABSENT comes with the handle of a dead attempt, when the tool says that it changed nothing."""
        found = await self._operation.find(work)
        if self._find is None or not _spool_cannot_know(found):
            return found
        state = (await self._ask(_FIND, "find", self._find, op=work.op_id)).state
        words = f"{found.words} The find command says {state}.".strip()
        return Found(Fate(state), words, found.handle if state is _FoundState.ABSENT else _ELSEWHERE)

    async def _is_overtaken(self, work: Work) -> bool:
        """The old point still live is no overtaking: the tool says done and did nothing. `verify` tells
        that, and also when nobody can say what is live."""
        try:
            return await self._read_current() not in (work.point, work.expected)
        except (TemporaryError, PermanentError):
            return False

    async def _read_points(self) -> Points:
        offered = await self._ask(_POINTS, "points", self._points)
        current = await self._read_current()
        offered = [self._told(point) for point in offered if why_not_an_argument(point.id) is None]
        points = [_point(point, current) for point in offered]
        live = next((point for point in points if point.current), None)
        label, at = (live.label, live.at) if live else ("", None)
        return Points(_newest_first(points), Current(current, token=current, label=label, at=at))

    def _told(self, point: _Point) -> _Point:
        """Struck before it is cut: half a secret is told as well."""
        struck = self._surroundings.secrets.struck
        author = None if point.author is None else struck(point.author)
        return point.model_copy(update={"label": struck(point.label), "author": author})

    async def _read_current(self) -> str:
        current = (await self._ask(_CURRENT, "current", self._current)).id
        if reason := why_not_an_argument(current):
            raise PermanentError(f"The id that `{_name(self._current)}` prints {reason}.")
        return current

    async def _ask(self, expected: TypeAdapter[T], what: str, call: ProgramCall, **values: str) -> T:
        said = await self._run(call, **values)
        who = f"The {what} command `{_name(call)}`"
        if said.rc is None:
            raise Unreachable(f"{who} was stopped: no answer within {call.timeout:g} s.")
        if said.rc != 0:
            raise Unreachable(f"{who} ended with {said.rc}: {said.last or 'it says nothing'}")
        if len(said.out) > MOST_OUTPUT_BYTES:
            raise PermanentError(f"{who} must print {_SHAPES[what]}: it prints more than 1 MiB.")
        try:
            return expected.validate_json(said.out)
        except ValidationError as error:
            raise PermanentError(f"{who} must print {_SHAPES[what]}: {_first_problem(error)}.") from error

    async def _run(self, call: ProgramCall, **values: str) -> Said:
        try:
            return await run(filled(call.argv, **values), call.timeout, self._surroundings)
        except FileNotFoundError as error:
            raise TargetMissing(f"`{_name(call)}` cannot be run: {error}.") from error
        except PermissionError as error:
            raise Denied(f"`{_name(call)}` may not be run: {error}.") from error
        except OSError as error:
            raise Unreachable(f"`{_name(call)}` cannot be run now: {error}.") from error


_ELSEWHERE: Final[Handle] = {}  # the tool knows the operation, our spool does not

_SHAPES: Final = {
    "points": '[{"id": "v41", "label": "…", "created_at": "2026-11-22T10:00:00Z", "author": "…"}]',
    "current": '{"id": "v42"}',
    "find": '{"state": "absent|in_flight|done|failed|unknown"}',
    "measure": '{"seconds": 1020, "units": [{"name": "orders", "count": 212}]}',
}


def _spool_cannot_know(found: Found) -> bool:
    """Never seen here, or dead without a word. What was started for another plan has no handle."""
    return found.fate is Fate.ABSENT or (found.fate is Fate.UNKNOWN and found.handle is not None)


def _name(call: ProgramCall) -> str:
    """The program alone: arguments may be secrets."""
    return printable(PurePath(call.argv[0]).name, 40)


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return printable(f"{place}: {first['msg']}" if place else first["msg"])


def _point(point: _Point, current: str) -> RestorePoint:
    author = None if point.author is None else printable(point.author, 80)
    return RestorePoint(point.id, point.created_at, printable(point.label), author, point.id == current)


def _newest_first(points: Sequence[RestorePoint]) -> tuple[RestorePoint, ...]:
    """By time where every point has one, else as the tool gave them. Of equal ids the newest stays."""
    dated = [(point.at, point) for point in points if point.at is not None]
    if len(dated) == len(points):
        points = [point for _, point in sorted(dated, key=lambda pair: pair[0], reverse=True)]
    newest: dict[str, RestorePoint] = {}
    for point in points:
        newest.setdefault(point.id, point)
    return tuple(newest.values())


def _compare(current: Current, expected: str) -> None:
    if expected and current.token != expected:
        raise StateChanged(f"`{current.id}` is live now, no longer `{expected}`. Nothing was done.")


def _changes(points: Points, point: RestorePoint) -> tuple[str, ...]:
    """From what is live down to the point: what goes, newest first. On the way forward only what is live."""
    ids = [offered.id for offered in points.points]
    if points.current.id not in ids:
        return (points.current.id,)
    live = ids.index(points.current.id)
    going = points.points[live : max(ids.index(point.id), live + 1)]
    return tuple(f"{gone.id} {gone.label}".strip() for gone in going[:MOST_CHANGES_LINES])


def build(settings: CommandSettings, resolver: Resolver) -> Command:
    """Raises ConfigurationError when a reference cannot be resolved."""
    return Command(
        points=_call(settings.points),
        current=_call(settings.current),
        restore=_call(settings.restore),
        find=_call(settings.find) if settings.find else None,
        cancel=_call(settings.cancel) if settings.cancel else None,
        measure=_call(settings.measure) if settings.measure else None,
        surroundings=resolver.with_variables(settings.environment),
    )


def _call(settings: ArgvCall) -> ProgramCall:
    return ProgramCall(settings.argv, settings.timeout)
