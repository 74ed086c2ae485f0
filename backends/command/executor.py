"""Executor `command`: a backend that is driven by somebody's own command line tool.

The tool lists points, says what is current, restores, and may find, cancel and measure; it is called by argv,
never through a shell, and answers in JSON on standard output. The restore itself is a `CommandOperation`:
the spool starts it once and knows it again after our death. What the tool's own `find` says decides where
the spool cannot know: what another worker began, or when machine and supervisor died together.
"""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from backends.choosing import point_for
from backends.command.answers import (
    CURRENT,
    FIND,
    MADE,
    MEASURE,
    SHAPES,
    OtherShape,
    PrintedCurrent,
    PrintedState,
    read,
)
from backends.command.calls import ProgramCall, Programs, why_not_a_point
from backends.command.comparing import (
    NOT_ALL_IS_READ,
    compare_live,
    copy_named,
    other_content,
    point_listed,
    refuse_other,
)
from backends.command.examining import NEVER_BEGUN, NO_FIND, about_answers, about_find, cannot_run
from backends.command.listing import listed
from backends.command.offering import gone_by, offered
from backends.command.settings import ActingCall, ArgvCall, CommandSettings
from backends.ended import ended
from backends.programs.process import MOST_OUTPUT_BYTES, printable
from backends.programs.spool import CommandOperation, filled, why_not_an_argument
from backends.references import Resolver
from backends.surroundings import Surroundings
from backends.threads import Threads
from bot.clock import Clock, utc_now
from bot.contract import (
    Capabilities,
    Ended,
    Fate,
    Found,
    Handle,
    OutcomeUnknown,
    Progress,
    Taken,
    Trouble,
    Work,
)
from bot.errors import PermanentError, TemporaryError
from bot.model import (
    Beside,
    Do,
    Fence,
    Finding,
    Goal,
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

SETTLES_SECONDS: Final = 15.0  # in which a platform may still switch after the tool has ended
ASKED_EVERY_SECONDS: Final = 1.0  # what is live, until then


class Command:
    def __init__(
        self,
        *,
        points: ProgramCall,
        current: ProgramCall,
        restore: ProgramCall,
        resolver: Resolver,
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
        self._threads = Threads()
        self._programs = Programs(resolver, self._threads)
        self._clock = clock
        self._settles = settles
        self._asked_every = asked_every
        acting = {Do.PREPARE: prepare, Do.SAVE: save, Do.RESTORE: restore, Do.DROP: drop}
        self._acting = {do: call for do, call in acting.items() if call is not None}
        calls = {"points": points, "current": current, "restore": restore, "find": find, "cancel": cancel}
        calls |= {"measure": measure, "prepare": prepare, "save": save, "drop": drop}
        self._calls = {setting: call for setting, call in calls.items() if call is not None}
        told_points = [call for call in (restore, prepare, measure) if call is not None]
        self._after_dashes = all(call.takes_dashes for call in told_points)
        self._is_told_expected = any("{expected}" in call.argv for call in self._acting.values())
        self._has_several = len({call.title for call in self._acting.values()}) > 1

    @property
    def capabilities(self) -> Capabilities:
        """Barred on the spool's word, which `place` names; of other spools only `find` can tell.

        We compare just before, the tool itself does not. What a tool leaves that is cut off nobody knows.
        Without `save` the way back is a point of the tool's own, which nobody drops.
        """
        made = self._acting.keys() & {Do.PREPARE, Do.SAVE}
        around = self._programs.surroundings
        return Capabilities(
            Fence.BARRED,
            does=frozenset({Do.SAVE, *self._acting} - {Do.DROP}),
            switches=Do.PREPARE in self._acting,
            drops=frozenset(made) if Do.DROP in self._acting else frozenset(),
            backs_up=Do.SAVE in self._acting,
            cancels=Left.UNKNOWN,
            timeouts={do: self._spooled(call, around).ends_within for do, call in self._acting.items()},
        )

    @property
    def place(self) -> str | None:
        return self._programs.surroundings.place

    def _call(self, work: Work) -> ProgramCall:
        """Returns the program of this work; op ids of others are taken in the spool as well."""
        return self._acting.get(work.do, self._acting[Do.RESTORE])

    def _operation(self, work: Work) -> CommandOperation:
        """Returns what our spool knows of it. It runs nothing, so it holds no credentials."""
        return self._spooled(self._call(work), self._programs.surroundings)

    def _spooled(self, call: ProgramCall, surroundings: Surroundings, point: str = "") -> CommandOperation:
        return CommandOperation(call.argv_for(point), call.timeout, surroundings, clock=self._clock)

    def _only_looks(self, work: Work) -> bool:
        return work.do is Do.SAVE and Do.SAVE not in self._acting

    async def points(self, limit: int = 50) -> Points:
        points = await self._read_points()
        more = len(points.points) - limit
        if more <= 0:
            return points
        words = f"{more:,} more points are not shown here: a name or a time finds them all the same."
        return replace(points, points=points.points[:limit], left_out=(*points.left_out, words))

    async def plan(self, goal: Goal, now: datetime) -> Way:
        points = await self._read_points()
        point = point_for(goal, points.points)
        live = next((offered for offered in points.points if offered.current), None)
        return Way(
            point=point,
            current=points.current,
            loss=await self.measure(point, now),
            gone=gone_by(points, point),
            blockers=(f"{point.id} is live already.",) if point.current else (),
            undo=UndoMode.BEST_EFFORT if live or Do.SAVE in self._acting else UndoMode.IMPOSSIBLE,
            undo_until=live.kept_until if live and Do.SAVE not in self._acting else None,
        )

    async def measure(self, point: RestorePoint, now: datetime) -> Loss:
        if self._measure is None:
            return Loss(LossQuality.UNKNOWN, basis="no measure command is configured")
        lost = await self._programs.ask(MEASURE, "measure", self._measure, point=point.id)
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
        compare_live(points.current, work)
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
        refuse_other(work, points)
        call = self._call(work)
        surroundings = await self._programs.surroundings_of(call)
        return await self._spooled(call, surroundings, work.point).start(work, after=found.handle)

    async def find(self, work: Work) -> Found:
        if self._only_looks(work):
            return Found(Fate.ABSENT, "It only looks what is live.")
        try:
            return await self._found(work)
        except PermanentError as error:
            return Found(Fate.UNKNOWN, self._said_by(work, str(error)))

    async def _found(self, work: Work) -> Found:
        found = await self._find_anywhere(work)
        if found.fate is not Fate.DONE:
            return found
        if work.do is Do.SAVE and found.handle == _ELSEWHERE:
            words = f"{found.words} What it has kept can be told by the worker that began it."
            return Found(Fate.UNKNOWN, words)
        if work.do is Do.RESTORE and await self._is_overtaken(work):
            words = self._said_by(work, "It was done, and something else is live now.")
            return Found(Fate.OVERTAKEN, words)
        made = await self._made(work)
        if isinstance(made, str):
            return Found(Fate.FAILED, self._said_by(work, made), left=Left.BEFORE)
        return replace(found, made=made)

    def _said_by(self, work: Work, words: str) -> str:
        """Returns the words with the program that they are about, where the target has several."""
        if not self._has_several:
            return words
        name = f"`{self._call(work).title}`"
        return f"{name}: {words}" if words else name

    async def _made(self, work: Work) -> RestorePoint | Beside | str | None:
        """Returns what a program has made that ended well; a sentence: it has not made what it should.

        Its word is believed where `points` lists it. A copy that has no name goes by the op id.
        """
        if work.do is Do.DROP:
            return await self._why_not_gone(work)
        if work.do not in {Do.PREPARE, Do.SAVE}:
            return None
        try:
            name = read(MADE, self._operation(work).last_said(work).encode()).id
        except OtherShape:
            name = ""
        if reason := why_not_an_argument(name) if name else None:
            return f"The id that it prints {reason}."
        if work.do is Do.PREPARE:
            return copy_named(name, work.op_id, await self._read_points())
        if not name:
            return f"The save command must print {SHAPES['save']} as its last line."
        points = await self._read_points()
        unread = "" if points.whole else ", as far as that can be read"
        words = f"It says that it has kept `{name}`, which the points command does not list{unread}."
        return point_listed(name, points) or words

    async def _why_not_gone(self, work: Work) -> str | None:
        """A copy beside is listed nowhere: of that the program's word is all there is."""
        if not work.undo:
            return None
        points = await self._read_points()
        if point_listed(work.undo, points) is not None:
            return f"It says that `{work.undo}` is gone, which the points command still lists."
        return None if points.whole else f"It says that `{work.undo}` is gone. {NOT_ALL_IS_READ}"

    async def bar(self, work: Work) -> Found:
        """Only in this spool: what another one has begun is not ours to bar."""
        found = await self.find(work)
        if found.fate is not Fate.ABSENT:
            return found
        return await self._operation(work).bar(work, found.handle)

    async def poll(self, work: Work) -> Progress | Ended:
        if "attempt" in (work.handle or {}):
            answer = await self._operation(work).poll(work)
            answer = replace(answer, words=self._said_by(work, answer.words))
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
        if isinstance(made, str):
            return Ended(False, Left.BEFORE, self._said_by(work, made))
        return Ended(True, Left.BEFORE, made=made)

    async def cancel(self, work: Work) -> Left | None:
        """The tool's own way where it has one; nothing is killed then, not even when it refuses: the
        restore may be past the point where stopping is safe."""
        if (await self._find_anywhere(work)).fate is not Fate.IN_FLIGHT:
            return None
        if self._cancel is not None:
            argv = filled(self._cancel.argv, op=work.op_id)
            said = await self._programs.run(self._cancel, argv, self._cancel.timeout, MOST_OUTPUT_BYTES)
            return Left.UNKNOWN if said.rc == 0 else None
        if "attempt" not in (work.handle or {}):
            return None
        return await self._operation(work).cancel(work)

    async def verify(self, work: Work) -> tuple[Finding, ...]:
        """Asks again for a while: a platform may switch some time after its tool has ended.

        No longer than half of the step's time, so that it can still be said.
        """
        if work.do is Do.PREPARE:
            return ()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(self._settles, work.timeout / 2)
        while True:
            finding = await self._arrived(work)
            if finding.verdict is Verdict.PASSED or loop.time() + self._asked_every > deadline:
                return (finding,)
            await asyncio.sleep(self._asked_every)

    async def examine(self) -> tuple[Trouble, ...]:
        """Runs what only looks, once each, and nothing that acts.

        What cannot be run is said first, and alone.
        """
        missing = await cannot_run(self._calls, self._programs, self._threads)
        if missing:
            return missing
        points, find = await asyncio.gather(self._examined_points(), self._examined_find())
        return (*points, *find)

    async def _examined_points(self) -> tuple[Trouble, ...]:
        now = self._clock()
        try:
            points = await self._read_points()
            earlier = next((point for point in points.points if not point.current), None)
            if earlier is not None:
                await self.measure(earlier, now)
        except (TemporaryError, PermanentError) as problem:
            return (Trouble(str(problem)),)
        return tuple(about_answers(points, Do.SAVE in self._acting, now))

    async def _examined_find(self) -> tuple[Trouble, ...]:
        if self._find is None:
            return (Trouble(NO_FIND, serious=False),)
        try:
            answer = await self._programs.ask(FIND, "find", self._find, op=NEVER_BEGUN)
        except (TemporaryError, PermanentError) as problem:
            return (Trouble(str(problem)),)
        return tuple(about_find(self._find, answer.state))

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
            words = f"`{current.id}` is live, but {other_content(work.fingerprint, current.fingerprint)}."
        else:
            verdict, words = Verdict.PASSED, f"`{current.id}` is live."
        return Finding(name, When.OFFLINE, verdict, current.id, work.expected or None, words, arrived=True)

    async def _find_anywhere(self, work: Work) -> Found:
        """ABSENT comes with the handle of a dead attempt, when the tool says that it changed nothing."""
        found = await self._operation(work).find(work)
        if self._find is None or not _spool_cannot_know(found):
            is_said = found.fate is not Fate.ABSENT
            return replace(found, words=self._said_by(work, found.words)) if is_said else found
        state = (await self._programs.ask(FIND, "find", self._find, op=work.op_id)).state
        words = self._said_by(work, f"{found.words} The find command says {state}.".strip())
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
        listing = await listed(self._points, self._programs, self._threads)
        current = await self._read_current()
        struck = self._programs.surroundings.secrets.struck
        return await self._threads.run(offered, listing, current, struck, self._after_dashes)

    async def _read_current(self) -> PrintedCurrent:
        current = await self._programs.ask(CURRENT, "current", self._current)
        token = current.token or current.id
        is_argument = current.token or self._is_told_expected
        reasons = {
            "id": why_not_a_point(current.id, self._after_dashes),
            "token": why_not_a_point(token, not is_argument and self._after_dashes),
        }
        for what, reason in reasons.items():
            if reason:
                raise PermanentError(f"The {what} that `{self._current.title}` prints {reason}.")
        return current


_ELSEWHERE: Final[Handle] = {}  # the tool knows the operation, our spool does not


def _spool_cannot_know(found: Found) -> bool:
    """Never seen here, or dead without a word. What was started for another plan has no handle."""
    return found.fate is Fate.ABSENT or (found.fate is Fate.UNKNOWN and found.handle is not None)


def build(settings: CommandSettings, resolver: Resolver) -> Command:
    """Raises ConfigurationError when a reference cannot be resolved."""
    calls = (settings.restore, settings.prepare, settings.save, settings.drop, settings.cancel)
    for variables in (settings.environment, *(call.variables for call in calls if call is not None)):
        resolver.with_variables(variables)  # all secrets are known before anything is heard
    return Command(
        points=_looking(settings.points, settings),
        current=_looking(settings.current, settings),
        restore=_acting(settings.restore, settings),
        find=_looking(settings.find, settings) if settings.find else None,
        cancel=_acting(settings.cancel, settings) if settings.cancel else None,
        measure=_looking(settings.measure, settings) if settings.measure else None,
        prepare=_acting(settings.prepare, settings) if settings.prepare else None,
        save=_acting(settings.save, settings) if settings.save else None,
        drop=_acting(settings.drop, settings) if settings.drop else None,
        resolver=resolver,
    )


def _looking(call: ArgvCall, settings: CommandSettings) -> ProgramCall:
    return ProgramCall(call.argv, call.timeout, call.name or "", settings.environment)


def _acting(call: ActingCall, settings: CommandSettings) -> ProgramCall:
    environment = {**settings.environment, **call.variables}
    return ProgramCall(call.argv, call.timeout, call.name or "", environment)
