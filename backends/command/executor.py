"""Executor `command`: a backend that is driven by somebody's own command line tool.

The tool lists points, says what is current, restores, and may find, cancel and measure; it is called by argv,
never through a shell, and answers in JSON on standard output. The restore itself is a `CommandOperation`:
the spool starts it once and knows it again after our death. What the tool's own `find` says decides where
the spool cannot know: what another worker began, or when machine and supervisor died together.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Final, TypeVar

from pydantic import TypeAdapter

from backends.choosing import named, point_for, shortened
from backends.command.answers import (
    CURRENT,
    FIND,
    MADE,
    MEASURE,
    SHAPES,
    OtherShape,
    PrintedCurrent,
    PrintedPoint,
    PrintedState,
    read,
    read_points,
)
from backends.command.settings import ArgvCall, CommandSettings
from backends.ended import ended
from backends.programs.process import Said, printable, run
from backends.programs.spool import CommandOperation, filled, why_not_an_argument
from backends.references import Resolver
from backends.surroundings import Surroundings
from bot.clock import Clock, utc_now
from bot.contract import (
    Capabilities,
    Denied,
    Ended,
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
    Beside,
    Current,
    Do,
    Fence,
    Finding,
    Goal,
    Gone,
    Left,
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

MOST_GONE: Final = 20  # that are listed
SETTLES_SECONDS: Final = 15.0  # in which a platform may still switch after the tool has ended
ASKED_EVERY_SECONDS: Final = 1.0  # what is live, until then

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProgramCall:
    argv: tuple[str, ...]
    timeout: float = 30.0  # seconds


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
        prepare: ProgramCall | None = None,
        save: ProgramCall | None = None,
        drop: ProgramCall | None = None,
        clock: Clock = utc_now,
        settles: float = SETTLES_SECONDS,
        asked_every: float = ASKED_EVERY_SECONDS,
    ) -> None:
        self._points = points
        self._current = current
        self._find = find
        self._cancel = cancel
        self._measure = measure
        self._surroundings = surroundings
        self._clock = clock
        self._settles = settles
        self._asked_every = asked_every
        calls = {Do.PREPARE: prepare, Do.SAVE: save, Do.RESTORE: restore, Do.DROP: drop}
        self._operations = {
            do: CommandOperation(call.argv, call.timeout, surroundings, clock=clock)
            for do, call in calls.items()
            if call is not None
        }

    @property
    def capabilities(self) -> Capabilities:
        """Barred on the spool's word, which `place` names; of other spools only `find` can tell.

        We compare just before, the tool itself does not. What a tool leaves that is cut off nobody knows.
        Without `save` the way back is a point of the tool's own, which nobody drops.
        """
        made = self._operations.keys() & {Do.PREPARE, Do.SAVE}
        return Capabilities(
            Fence.BARRED,
            does=frozenset({Do.SAVE, *self._operations} - {Do.DROP}),
            drops=frozenset(made) if Do.DROP in self._operations else frozenset(),
            cancels=Left.UNKNOWN,
            timeouts={do: operation.ends_within for do, operation in self._operations.items()},
        )

    @property
    def place(self) -> str | None:
        return self._operations[Do.RESTORE].place

    def _operation(self, work: Work) -> CommandOperation:
        """Returns the program of this work in our spool; op ids of others are taken there as well."""
        return self._operations.get(work.do, self._operations[Do.RESTORE])

    def _only_looks(self, work: Work) -> bool:
        return work.do is Do.SAVE and Do.SAVE not in self._operations

    async def points(self, limit: int = 50) -> Points:
        points = await self._read_points()
        return replace(points, points=points.points[:limit])

    async def plan(self, goal: Goal, now: datetime) -> Way:
        points = await self._read_points()
        point = point_for(goal, points.points)
        known = any(offered.current for offered in points.points)
        return Way(
            point=point,
            current=points.current,
            loss=await self.measure(point, now),
            gone=_gone(points, point),
            blockers=(f"{point.id} is live already.",) if point.current else (),
            undo=UndoMode.BEST_EFFORT if known else UndoMode.IMPOSSIBLE,
        )

    async def measure(self, point: RestorePoint, now: datetime) -> Loss:
        if self._measure is None:
            return Loss(LossQuality.UNKNOWN, basis="no measure command is configured")
        lost = await self._ask(MEASURE, "measure", self._measure, point=point.id)
        units = tuple(
            Unit(printable(unit.name, 40), unit.count, unit.change, unit.measure) for unit in lost.units
        )
        if lost.seconds is None and not units:
            return Loss(LossQuality.UNKNOWN, basis="the measure command said nothing", measured_at=now)
        since = None if lost.seconds is None else now - timedelta(seconds=lost.seconds)
        return Loss(LossQuality.MEASURED, since, units, measured_at=now)

    async def start(self, work: Work) -> Handle | Taken | Ended:
        return await self._keep(work) if self._only_looks(work) else await self._begin(work)

    async def _keep(self, work: Work) -> Ended:
        """Nothing is saved: the point that is live is the way back, if the tool offers it."""
        points = await self._read_points()
        _compare(points.current, work)
        live = next((point for point in points.points if point.current), None)
        return Ended(True, Left.BEFORE, made=live)

    async def _begin(self, work: Work) -> Handle | Taken | Ended:
        if (await self._operation(work).find(work)).fate not in (Fate.ABSENT, Fate.UNKNOWN):
            return Taken.TAKEN  # even when the tool cannot be asked now
        points = await self._read_points()
        # After reading: what moved the world meanwhile may be this very operation, started by somebody else.
        found = await self._find_anywhere(work)
        if found.fate is not Fate.ABSENT:
            return Taken.TAKEN
        _compare(points.current, work)
        if work.do in {Do.PREPARE, Do.RESTORE}:
            _compare_content(named(work.point, points.points), work)
        return await self._operation(work).start(work, after=found.handle)

    async def find(self, work: Work) -> Found:
        if self._only_looks(work):
            return Found(Fate.ABSENT, "It only looks what is live.")
        try:
            return await self._found(work)
        except PermanentError as error:
            return Found(Fate.UNKNOWN, str(error))

    async def _found(self, work: Work) -> Found:
        found = await self._find_anywhere(work)
        if found.fate is not Fate.DONE:
            return found
        if work.do is Do.SAVE and found.handle == _ELSEWHERE:
            return Found(
                Fate.UNKNOWN, f"{found.words} What it has kept can be told by the worker that began it."
            )
        if work.do is Do.RESTORE and await self._is_overtaken(work):
            return Found(Fate.OVERTAKEN, "It was done, and something else is live now.")
        made = await self._made(work)
        return (
            Found(Fate.FAILED, made, left=Left.BEFORE) if isinstance(made, str) else replace(found, made=made)
        )

    async def _made(self, work: Work) -> RestorePoint | Beside | str | None:
        """Returns what a program has made that ended well; a sentence: it has not made what it should.

        Its word is believed where `points` lists it. A copy that has no name goes by the op id.
        """
        if work.do not in {Do.PREPARE, Do.SAVE}:
            return None
        try:
            name = read(MADE, self._operation(work).last_said(work).encode()).id
        except OtherShape:
            name = ""
        if reason := why_not_an_argument(name) if name else None:
            return f"The id that it prints {reason}."
        if work.do is Do.PREPARE:
            return Beside(name or work.op_id)
        if not name:
            return f"The save command must print {SHAPES['save']} as its last line."
        listed = (await self._read_points()).points
        saved = next((point for point in listed if point.id == name), None)
        return saved or f"It says that it has kept `{name}`, which the points command does not list."

    async def bar(self, work: Work) -> Found:
        """Only in this spool: what another one has begun is not ours to bar."""
        found = await self.find(work)
        if found.fate is not Fate.ABSENT:
            return found
        return await self._operation(work).bar(work, found.handle)

    async def poll(self, work: Work) -> Progress | Ended:
        if "attempt" in (work.handle or {}):
            answer = await self._operation(work).poll(work)
            return await self._with_made(work, answer) if isinstance(answer, Ended) else answer
        found = await self.find(work)
        if found.fate is Fate.ABSENT:
            raise OutcomeUnknown(found.words)
        told = ended(found, self._clock())
        return replace(told, retry_after=ASKED_EVERY_SECONDS) if isinstance(told, Progress) else told

    async def _with_made(self, work: Work, end: Ended) -> Ended:
        if not end.ok or work.do is Do.RESTORE:
            return end
        made = await self._made(work)
        return (
            Ended(False, Left.BEFORE, made) if isinstance(made, str) else Ended(True, Left.BEFORE, made=made)
        )

    async def cancel(self, work: Work) -> Left | None:
        """The tool's own way where it has one; nothing is killed then, not even when it refuses: the
        restore may be past the point where stopping is safe."""
        if (await self._find_anywhere(work)).fate is not Fate.IN_FLIGHT:
            return None
        if self._cancel is not None:
            said = await self._run(self._cancel, op=work.op_id)
            return Left.UNKNOWN if said.rc == 0 else None
        if "attempt" not in (work.handle or {}):
            return None
        return await self._operation(work).cancel(work)

    async def verify(self, work: Work) -> tuple[Finding, ...]:
        """Asks again for a while: a platform may switch some time after its tool has ended.

        No longer than half of the step's time, so that it can still be said.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(self._settles, work.timeout / 2)
        while True:
            finding = await self._arrived(work)
            if finding.verdict is Verdict.PASSED or loop.time() + self._asked_every > deadline:
                return (finding,)
            await asyncio.sleep(self._asked_every)

    async def _arrived(self, work: Work) -> Finding:
        name = "current point"
        try:
            current = await self._read_current()
        except (TemporaryError, PermanentError) as error:
            return Finding(name, When.OFFLINE, Verdict.INCONCLUSIVE, words=str(error))
        if current.id != work.point:
            verdict, words = Verdict.FAILED, f"`{current.id}` is live, not `{work.point}`."
        elif work.fingerprint and current.fingerprint not in {None, "", work.fingerprint}:
            verdict = Verdict.FAILED
            words = f"`{current.id}` is live, but {_other_content(work.fingerprint, current.fingerprint)}."
        else:
            verdict, words = Verdict.PASSED, f"`{current.id}` is live."
        return Finding(name, When.OFFLINE, verdict, current.id, work.expected or None, words)

    async def _find_anywhere(self, work: Work) -> Found:
        """ABSENT comes with the handle of a dead attempt, when the tool says that it changed nothing."""
        found = await self._operation(work).find(work)
        if self._find is None or not _spool_cannot_know(found):
            return found
        state = (await self._ask(FIND, "find", self._find, op=work.op_id)).state
        words = f"{found.words} The find command says {state}.".strip()
        return Found(Fate(state), words, found.handle if state is PrintedState.ABSENT else _ELSEWHERE)

    async def _is_overtaken(self, work: Work) -> bool:
        """The old point still live is no overtaking: the tool says done and did nothing. `verify` tells
        that, and also when nobody can say what is live."""
        try:
            current = await self._read_current()
        except (TemporaryError, PermanentError):
            return False
        return current.id != work.point and work.expected not in {current.id, current.token or current.id}

    async def _read_points(self) -> Points:
        answer = await self._say("points", self._points)
        try:
            offered, left_out = read_points(answer.out)
        except OtherShape as problem:
            raise self._misprinted("points", self._points, problem) from problem
        current = await self._read_current()
        reasons = [self._left_out(point) for point in offered]
        points = _newest_first(
            [
                self._told(point).point(current.id)
                for point, reason in zip(offered, reasons, strict=True)
                if not reason
            ]
        )
        return Points(
            points, self._live(current, points), (*shortened(list(filter(None, reasons))), *left_out)
        )

    def _left_out(self, point: PrintedPoint) -> str:
        """Returns why it is not offered; empty: it is."""
        name = printable(self._surroundings.secrets.struck(point.id), 60)
        if reason := why_not_an_argument(point.id):
            return f"`{name}` {reason}."
        if point.fingerprint and (reason := why_not_an_argument(point.fingerprint)):
            return f"`{name}`: its fingerprint {reason}."
        return ""

    def _live(self, current: PrintedCurrent, points: Sequence[RestorePoint]) -> Current:
        live = next((point for point in points if point.current), None)
        since = next((span.since for span in live.live if span.until is None), None) if live else None
        author = self._surroundings.secrets.struck(current.author or "")
        return Current(
            current.id,
            token=current.token or current.id,
            label=live.label if live else "",
            at=live.at if live else None,
            since=current.since or since,
            author=printable(author, 80) or None,
        )

    def _told(self, point: PrintedPoint) -> PrintedPoint:
        """Struck before it is cut: half a secret is told as well."""
        struck = self._surroundings.secrets.struck
        author = None if point.author is None else struck(point.author)
        return point.model_copy(update={"label": struck(point.label), "author": author})

    async def _read_current(self) -> PrintedCurrent:
        current = await self._ask(CURRENT, "current", self._current)
        for what, value in (("id", current.id), ("token", current.token or current.id)):
            if reason := why_not_an_argument(value):
                raise PermanentError(f"The {what} that `{_name(self._current)}` prints {reason}.")
        return current

    async def _ask(self, expected: TypeAdapter[T], what: str, call: ProgramCall, **values: str) -> T:
        said = await self._say(what, call, **values)
        try:
            return read(expected, said.out)
        except OtherShape as problem:
            raise self._misprinted(what, call, problem) from problem

    async def _say(self, what: str, call: ProgramCall, **values: str) -> Said:
        said = await self._run(call, **values)
        who = f"The {what} command `{_name(call)}`"
        if said.rc is None:
            raise Unreachable(f"{who} was stopped: no answer within {call.timeout:g} s.")
        if said.rc != 0:
            raise Unreachable(f"{who} ended with {said.rc}: {said.last or 'it says nothing'}")
        return said

    def _misprinted(self, what: str, call: ProgramCall, problem: OtherShape) -> PermanentError:
        return PermanentError(f"The {what} command `{_name(call)}` must print {SHAPES[what]}: {problem}.")

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


def _spool_cannot_know(found: Found) -> bool:
    """Never seen here, or dead without a word. What was started for another plan has no handle."""
    return found.fate is Fate.ABSENT or (found.fate is Fate.UNKNOWN and found.handle is not None)


def _name(call: ProgramCall) -> str:
    """The program alone: arguments may be secrets."""
    return printable(PurePath(call.argv[0]).name, 40)


def _newest_first(points: Sequence[RestorePoint]) -> tuple[RestorePoint, ...]:
    """Those with a time by it, and of one time as the tool gave them; each without one stays in its place.

    Of equal ids the newest stays.
    """
    dated = [(point.at, point) for point in points if point.at is not None]
    in_order = iter([point for _, point in sorted(dated, key=lambda pair: pair[0], reverse=True)])
    newest: dict[str, RestorePoint] = {}
    for point in points:
        placed = point if point.at is None else next(in_order)
        newest.setdefault(placed.id, placed)
    return tuple(newest.values())


def _compare(current: Current, work: Work) -> None:
    """Raises StateChanged. An earlier version knew what is live by its id alone."""
    if not work.expected or work.expected == current.token:
        return
    if work.unsigned and work.expected == current.id:
        return
    was = f"no longer `{work.expected}`" if current.token == current.id else "and not as the plan found it"
    raise StateChanged(f"`{current.id}` is live now, {was}. Nothing was done.")


def _compare_content(point: RestorePoint, work: Work) -> None:
    if work.fingerprint and point.fingerprint != work.fingerprint:
        differs = _other_content(work.fingerprint, point.fingerprint)
        raise StateChanged(f"`{point.id}` is not what was approved: {differs}. Nothing was done.")


def _other_content(was: str, now: str | None) -> str:
    return f"its fingerprint was `{was}` and is {f'`{printable(now)}`' if now else 'not said'} now"


def _gone(points: Points, point: RestorePoint) -> tuple[Gone, ...]:
    """From what is live down to the point: what goes, newest first. On the way forward only what is live.

    Where some points have a time and others have none, nobody knows what lies between two of them.
    """
    ids = [offered.id for offered in points.points]
    if points.current.id not in ids:
        return (Gone(points.current.id),)
    first = ids.index(points.current.id)
    live, *others = points.points[first : max(ids.index(point.id), first + 1)]
    if any(one.at for one in points.points):
        others = [one for one in others if one.at and live.at and point.at]
    going = (live, *others)
    return tuple(Gone(one.id, one.label, one.at, one.author or "") for one in going[:MOST_GONE])


def build(settings: CommandSettings, resolver: Resolver) -> Command:
    """Raises ConfigurationError when a reference cannot be resolved."""
    return Command(
        points=_call(settings.points),
        current=_call(settings.current),
        restore=_call(settings.restore),
        find=_call(settings.find) if settings.find else None,
        cancel=_call(settings.cancel) if settings.cancel else None,
        measure=_call(settings.measure) if settings.measure else None,
        prepare=_call(settings.prepare) if settings.prepare else None,
        save=_call(settings.save) if settings.save else None,
        drop=_call(settings.drop) if settings.drop else None,
        surroundings=resolver.with_variables(settings.environment),
    )


def _call(settings: ArgvCall) -> ProgramCall:
    return ProgramCall(settings.argv, settings.timeout)
