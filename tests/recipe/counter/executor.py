"""Executor `counter`: takes a counter in a file back to a value that it had."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

from backends.choosing import named, point_for
from backends.ended import ended
from backends.references import Resolver
from bot.clock import utc_now
from bot.contract import (
    Capabilities,
    Ended,
    Fate,
    Found,
    Handle,
    Progress,
    StateChanged,
    Taken,
    Work,
)
from bot.model import (
    Current,
    Do,
    Fence,
    Finding,
    Goal,
    Left,
    Loss,
    LossQuality,
    Points,
    Preview,
    RestorePoint,
    Verdict,
    Way,
    When,
)
from tests.recipe.counter.file import CounterFile, CounterState, restored
from tests.recipe.counter.settings import CounterSettings

BARRED = "barred"


class Counter:
    place = None
    capabilities = Capabilities(Fence.BARRED, does=frozenset({Do.SAVE, Do.RESTORE}))

    def __init__(self, file: CounterFile) -> None:
        self._file = file

    async def points(self, limit: int = 50) -> Points:
        listed = _listed(self._file.read())
        return replace(listed, points=listed.points[:limit])

    async def plan(self, goal: Goal, now: datetime) -> Way:
        listed = _listed(self._file.read())
        point = point_for(goal, listed.points)
        blockers = (f"{point.id} is live already.",) if point.current else ()
        return Way(
            point,
            listed.current,
            Loss(LossQuality.NONE),
            preview=Preview.EXACT,
            blockers=blockers,
            downtime=0.0,
        )

    async def measure(self, point: RestorePoint, now: datetime) -> Loss:
        return Loss(LossQuality.NONE)

    async def start(self, work: Work) -> Handle | Taken | Ended:
        return await asyncio.to_thread(self._keep if work.do is Do.SAVE else self._start, work)

    def _keep(self, work: Work) -> Ended:
        """The value that is live: it stays in the file, so there is nothing to save."""
        listed = _listed(self._file.read())
        _refuse_if_moved(work, listed)
        return Ended(True, Left.BEFORE, made=named(listed.current.id, listed.points))

    def _start(self, work: Work) -> Taken | Ended:
        with self._file.alone():
            state = self._file.read()
            if work.op_id in state.taken:
                return Taken.TAKEN
            listed = _listed(state)
            _refuse_if_moved(work, listed)
            point = named(work.point, listed.points)
            self._file.write(restored(state, point.id, work.op_id, work.digest))
        return Ended(True, Left.POINT, f"{point.id} is live.")

    async def find(self, work: Work) -> Found:
        return self._found(self._file.read(), work)

    def _found(self, state: CounterState, work: Work) -> Found:
        if work.op_id not in state.taken:
            return Found(Fate.ABSENT)
        if state.taken[work.op_id] == BARRED:
            return Found(Fate.FAILED, "It never happened.", left=Left.BEFORE)
        if state.taken[work.op_id] != work.digest:
            return Found(Fate.UNKNOWN, "It was started for another plan.")
        return Found(Fate.DONE if state.live == work.point else Fate.OVERTAKEN)

    async def bar(self, work: Work) -> Found:
        return await asyncio.to_thread(self._bar, work)

    def _bar(self, work: Work) -> Found:
        """An op id that is taken for nobody's plan is never begun."""
        with self._file.alone():
            state = self._file.read()
            if work.op_id in state.taken:
                return self._found(state, work)
            self._file.write(replace(state, taken={**state.taken, work.op_id: BARRED}))
        return Found(Fate.ABSENT)

    async def poll(self, work: Work) -> Progress | Ended:
        return ended(await self.find(work), utc_now())

    async def cancel(self, work: Work) -> Left | None:
        """One write is over before anybody could stop it."""
        return None

    async def verify(self, work: Work) -> tuple[Finding, ...]:
        state = self._file.read()
        there = state.value == state.points[work.point][1]
        verdict = Verdict.PASSED if there else Verdict.FAILED
        return (Finding("counter", When.OFFLINE, verdict, state.value, words=f"stands at {state.value}"),)


def _listed(state: CounterState) -> Points:
    newest_first = sorted(state.points.items(), key=lambda item: item[1], reverse=True)
    points = tuple(
        RestorePoint(name, datetime.fromtimestamp(at, UTC), label=str(value), current=name == state.live)
        for name, (at, value) in newest_first
    )
    return Points(points, Current(state.live, token=state.live))


def _refuse_if_moved(work: Work, listed: Points) -> None:
    if work.expected != listed.current.token:
        raise StateChanged(f"{listed.current.id} is live now, not {work.expected}.")


def build(settings: CounterSettings, resolver: Resolver) -> Counter:
    return Counter(CounterFile(resolver.path(settings.file)))
