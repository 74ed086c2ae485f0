"""Says every few seconds that one role of this process is there, and hears which others are."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.metadata import version

import structlog
from sqlalchemy.exc import DBAPIError

from bot.clock import Clock
from bot.configuration import Configuration
from bot.contract import OutcomeUnknown, answered
from bot.errors import ConfigurationError, TemporaryError, words_of
from bot.planner import Executors
from bot.processes import LiveProcess, pins_digest
from handlers.context import running
from storage.database import CommitUnknown
from storage.processes import ProcessStore

log = structlog.get_logger()

BEATS_EVERY_SECONDS = 5.0
PINS_READ_WITHIN_SECONDS = 2.0  # of one target; a heartbeat waits for the slowest
PinsOfTargets = Callable[[], Awaitable[Mapping[str, str]]]


class Heartbeat:
    """Rows are written only where several processes share a database: see `storage.processes`."""

    def __init__(self, store: ProcessStore, clock: Clock, me: LiveProcess, pins: PinsOfTargets) -> None:
        """`pins` says what the settings and programs of each target come to here, now."""
        self._store = store
        self._clock = clock
        self._pins = pins
        self.me = me
        self.others: tuple[LiveProcess, ...] = ()

    @asynccontextmanager
    async def beating(self, anew: asyncio.Event) -> AsyncIterator[None]:
        """Beats until it is left, and then says that this process is gone. `anew`: see `running`."""
        await self._tried(self.beat())
        try:
            async with running(anew, self._again_and_again()):
                yield
        finally:
            await self._tried(self._store.gone(self.me))

    async def beat(self) -> None:
        """Raises what the database raises."""
        async with asyncio.timeout(BEATS_EVERY_SECONDS):
            pins = await self._pins()
        self.me = replace(self.me, pins=pins, seen_at=self._clock())
        await self._store.beat(self.me)
        self.others = tuple(one for one in await self._store.seen(self._clock()) if one.id != self.me.id)

    async def is_left_to_its_worker(self, place: str) -> bool:
        """Whether a worker of this zone has that spool, or may come back to it. Raises as databases do."""
        return await self._store.is_left_to_its_worker(place, self.me.zone, self._clock())

    async def _again_and_again(self) -> None:
        while True:
            await asyncio.sleep(BEATS_EVERY_SECONDS)
            await self._tried(self.beat())

    async def _tried(self, work: Awaitable[None]) -> None:
        try:
            await work
        except (DBAPIError, TemporaryError, CommitUnknown, TimeoutError) as problem:
            log.warning("heartbeat", error=words_of(problem))


def process_name() -> str:
    """Returns what people call this process: its host and pid."""
    return f"{os.uname().nodename[:32]}:{os.getpid()}"


def this_process(role: str, zone: str, key: str, clock: Clock, place: str = "") -> LiveProcess:
    """Returns this process under an id that no other has, also after a restart under the same pid.

    `place`: the name of its spool; empty: it has none.
    """
    now = clock()
    its_id, program = secrets.token_hex(4), version("rollback-bot")
    return LiveProcess(its_id, process_name(), role, zone, program, key, {}, now, now, place)


async def no_pins() -> Mapping[str, str]:
    """A front reaches no target."""
    return {}


def pins_of(
    zone: str, configuration: Configuration, executors: Executors, within: float = PINS_READ_WITHIN_SECONDS
) -> PinsOfTargets:
    """Returns who says what the settings and programs of each target of the zone come to here.

    One whose files cannot be read now stays as it was seen last: the others are told of all the same.
    """
    targets = [target.name for target in configuration.targets.values() if target.zone == zone]
    seen: dict[str, str] = {}

    async def look(target: str) -> None:
        try:
            seen[target] = pins_digest(await answered(executors.pins(target), within))
        except ConfigurationError:
            seen.pop(target, None)  # planning says why they cannot be found
        except (TemporaryError, OutcomeUnknown) as problem:
            log.warning("pins", target=target, error=words_of(problem))

    async def found() -> dict[str, str]:
        await asyncio.gather(*map(look, targets))
        return dict(seen)

    return found
