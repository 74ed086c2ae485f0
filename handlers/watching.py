"""Looks at what is live every now and then and notes it, so that somebody knows since when it is.

Runs and looks see what is live anyway; what they have seen is noted here as well.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import DBAPIError

from bot.changes import LIVE, asks_for_drill, is_significant, seen_by_a_look
from bot.clock import Clock, Sleep
from bot.configuration import Configuration, Target
from bot.duties import backups_seen
from bot.errors import words_of
from bot.model import Current, Points
from bot.planner import Planner
from bot.run import Run
from handlers.told import Outage
from storage.changes import ChangeStore, ToldChange
from storage.database import CommitUnknown, NotAccepted
from storage.duties import DutyStore
from storage.runs import Store
from storage.spans import SpanStore

log = structlog.get_logger()

WATCH_SECONDS = 30 * 60.0  # where the settings say nothing
ROUND_AT_LEAST_SECONDS, ROUND_AT_MOST_SECONDS = 1.0, 60.0
BETWEEN_LOOKS_SECONDS = 0.1  # many targets are not all looked at in a moment in which people wait
DATABASE = (DBAPIError, NotAccepted, CommitUnknown, TimeoutError)  # what it raises when it is away


class Watching:
    """The targets of one zone, as its worker sees them."""

    def __init__(
        self,
        configuration: Configuration,
        zone: str,
        planner: Planner,
        store: Store,
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._every = watched(configuration, zone)
        self._planner = planner
        self._spans = SpanStore(store.database)
        self._duties = DutyStore(store)
        self._changes = ChangeStore(store)
        self._clock = clock
        self._sleep = sleep
        self._away = {target: Outage("a target", clock, target=target) for target in self._every}

    async def run(self) -> None:
        """Until cancelled. How often it goes round is for the target that is watched most often."""
        while True:
            await self._sleep(round_every(self._every))
            await self.look_around()

    async def look_around(self) -> None:
        """Looks at each target that nobody has looked at for as long as its settings say."""
        for target, seconds in self._every.items():
            try:
                lived = await self._spans.lived(target)
                if not lived or lived[-1].seen + timedelta(seconds=seconds) <= self._clock():
                    await self.points(target)
                    self._away[target].over()
                    await self._sleep(BETWEEN_LOOKS_SECONDS)
            except Exception as problem:  # noqa: BLE001 - who cannot be seen now is looked at the next time
                self._away[target].seen(problem)

    async def points(self, target: str) -> Points:
        """Returns what it can go back to. Notes what is live, and whether the newest point is too old.

        Raises what executors raise.
        """
        points, now = await self._planner.points(target), self._clock()
        await self._hear_of_others(target, points.current, now)
        await self._spans.saw({target: points.current}, now)
        configured = self._planner.configuration.targets[target]
        if points.whole:
            backs_up = self._planner.executors.executor(target).capabilities.backs_up
            await self._duties.saw(target, backups_seen(points, backs_up, now), configured.rpo, now)
        return points

    async def _hear_of_others(self, target: str, current: Current, now: datetime) -> None:
        """Notes that somebody has changed it without the bot, where that is sure."""
        lived = await self._spans.lived(target)
        if not lived or lived[-1].token == current.token or await self._planner.under_way(target):
            return
        moved = await self._planner.past.moved(target)
        moved_at = next((run.end.at for run in moved if run.end.at is not None), None)
        seen = seen_by_a_look(target, lived[-1], current, now, moved_at)
        if seen is not None:
            configuration = self._planner.configuration
            change = replace(seen, significant=is_significant(configuration, seen))
            once = f"{LIVE}:{target}:{lived[-1].seen.timestamp():.3f}"
            await self._changes.hear([ToldChange(change, once, asks_for_drill(configuration, change))], now)

    async def note_what_it_found(self, run: Run) -> None:
        """Notes what planning has seen live, without another look."""
        plan = run.approval.plan
        try:
            for leg in plan.legs:
                await self._hear_of_others(leg.target, leg.current, plan.made_at)
        except DATABASE as problem:
            log.warning("what was changed", run=run.id, error=words_of(problem))
        await self._note({leg.target: leg.current for leg in plan.legs}, plan.made_at, run, None)

    async def note_what_it_brought(self, run: Run) -> None:
        """Best effort: the next look at the target sees it as well, and knows less of since when."""
        live: dict[str, Current] = {}
        for leg in run.approval.plan.legs:
            try:
                live[leg.target] = await self._planner.live(leg.target)
            except Exception as problem:  # noqa: BLE001 - the run itself has ended well and is released
                log.warning("what is live", run=run.id, target=leg.target, error=words_of(problem))
        await self._note(live, self._clock(), run, run.id)

    async def _note(self, live: Mapping[str, Current], at: datetime, run: Run, by: str | None) -> None:
        try:
            await self._spans.saw(live, at, by)
        except DATABASE as problem:
            log.warning("what is live", run=run.id, error=words_of(problem))


def watched(configuration: Configuration, zone: str) -> dict[str, float]:
    """Returns how often each target of a zone is looked at unasked, in seconds."""
    mine = [target for target in configuration.targets.values() if target.zone == zone]
    return {target.name: every for target in mine if (every := _watched_every(target)) is not None}


def _watched_every(target: Target) -> float | None:
    """Seconds; None: nobody looks unasked. A program of somebody's own is run only where they say so."""
    if target.watch is not None:
        return target.watch
    return None if target.executor.type == "command" else WATCH_SECONDS


def round_every(every: Mapping[str, float]) -> float:
    """Returns how long to wait between two rounds, in seconds."""
    return max(ROUND_AT_LEAST_SECONDS, min([ROUND_AT_MOST_SECONDS, *every.values()]))
