"""What a restored database does not know: found where it left traces, on cards and at the targets.

A card carries its run's id and how far the run was when it was drawn; an operation carries the id that it was
taken under. This only reads: nothing is carried out or ended, whatever is found. People decide.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.configuration import Configuration, Target
from bot.contract import Fate, Operation, OutcomeUnknown, Work
from bot.effects import Operations
from bot.errors import PermanentError, TemporaryError, words_of
from bot.model import MAINTENANCE, Do, Step
from bot.procedures import Aside, steps_for
from bot.run import Run, StepRecord, StepState, op_id
from storage.restored import RestoredDatabase
from storage.runs import Store

RUN_ID = re.compile(r"RB-([1-9][0-9]{0,8})")
NUMBERS_LOOKED_AHEAD = 10  # runs in a row without a trace, until no more are expected
TARGET_ANSWERS_WITHIN_SECONDS = 60.0
MADE_BESIDE = [frozenset(of) for of in ((), (Do.SAVE,), (Do.PREPARE,), (Do.PREPARE, Do.SAVE))]
OPERATIONS: Mapping[Do, str] = {Do.PREPARE: "The copy", Do.RESTORE: "The restore"}
LOOKED_BACK = timedelta(minutes=1)  # for clocks that differ
NO_ANSWER = (TemporaryError, PermanentError, OutcomeUnknown, TimeoutError)
FATES: Mapping[Fate, str] = {
    Fate.IN_FLIGHT: "is under way",
    Fate.DONE: "was done",
    Fate.FAILED: "failed",
    Fate.OVERTAKEN: "was done, and something else came after it",
    Fate.UNKNOWN: "was begun; nobody can say what became of it",
}


@dataclass(frozen=True, slots=True)
class Trace:
    """Something in the world that the database has no record of."""

    run_id: str
    words: str  # one sentence
    target: str | None = None  # of an operation
    fate: Fate | None = None
    channel: str | None = None  # of a card
    ts: str | None = None

    @property
    def number(self) -> int:
        return int(self.run_id.removeprefix("RB-"))


@dataclass(frozen=True, slots=True)
class Forgotten:
    traces: tuple[Trace, ...]
    unasked: tuple[str, ...] = ()  # who did not answer, one sentence each: the list may lack something

    @property
    def highest(self) -> int:
        """The newest run number that was seen anywhere; 0: none."""
        return max((trace.number for trace in self.traces), default=0)

    @property
    def under_way(self) -> tuple[Trace, ...]:
        return tuple(trace for trace in self.traces if trace.fate is Fate.IN_FLIGHT)


@dataclass(slots=True)
class _Found:
    traces: list[Trace] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)


async def look(
    told: RestoredDatabase,
    store: Store,
    configuration: Configuration,
    world: Operations,
    client: AsyncWebClient | None,
) -> Forgotten:
    """`client` None: there is no token, so no card is looked at."""
    known = [await store.load(summary.id) for summary in await store.summaries(only_open=True, limit=10_000)]
    found = _Found()
    if client is None:
        found.unasked.append("Slack was not asked for cards: SLACK_BOT_TOKEN is not set.")
    else:
        await _look_at_cards(client, told, {run.id: run for run in known}, found)
    highest = max([told.newest, *(trace.number for trace in found.traces)])
    asked = [_Asked(told, configuration, world, target, known) for target in configuration.targets.values()]
    for traces, problem in await asyncio.gather(*(one.look(highest) for one in asked)):
        found.traces += traces
        found.unasked += [problem] if problem else []
    traces = sorted(found.traces, key=lambda trace: (trace.number, trace.target or ""))
    return Forgotten(tuple(traces), tuple(found.unasked))


# Cards -----------------------------------------------------------------------------------------


async def _look_at_cards(
    client: AsyncWebClient, told: RestoredDatabase, known: Mapping[str, Run], found: _Found
) -> None:
    asked_for = [run.request.at for run in known.values()]
    since = min([told.since or told.at, *asked_for]) - LOOKED_BACK
    try:
        me = await client.auth_test()
        async for channel in _channels(client):
            async for message in _messages(client, channel, since):
                if message.get("bot_id") == me["bot_id"] and (run_id := _run_of(message)):
                    found.traces += _from_card(told, known, run_id, channel, message)
    except SlackApiError as problem:
        error = problem.response.get("error")
        rights = " It needs channels:history and groups:history for that." if error == "missing_scope" else ""
        found.unasked.append(f"Slack did not show all cards ({error}).{rights}")
    except (OSError, TimeoutError) as problem:
        found.unasked.append(f"Slack did not show all cards ({words_of(problem)}).")


async def _channels(client: AsyncWebClient) -> AsyncIterator[str]:
    cursor = ""
    while True:
        kinds = "public_channel,private_channel"
        page = await client.users_conversations(types=kinds, limit=200, cursor=cursor)
        for channel in page["channels"]:
            yield channel["id"]
        if not (cursor := _next(page)):
            return


def _next(page: AsyncSlackResponse) -> str:
    """The cursor of the next page; empty on the last."""
    more: Mapping[str, Any] = page.data if isinstance(page.data, dict) else {}
    return str(more.get("response_metadata", {}).get("next_cursor") or "")


async def _messages(
    client: AsyncWebClient, channel: str, since: datetime
) -> AsyncIterator[Mapping[str, Any]]:
    """Without threads: a run's card stands on the top level."""
    cursor = ""
    while True:
        page = await client.conversations_history(
            channel=channel,
            oldest=f"{since.timestamp():.6f}",
            include_all_metadata=True,
            limit=200,
            cursor=cursor,
        )
        for message in page["messages"]:
            yield message
        if not (cursor := _next(page)):
            return


def _run_of(message: Mapping[str, Any]) -> str | None:
    metadata = message.get("metadata") or {}
    run_id = metadata.get("event_payload", {}).get("run_id")
    ours = metadata.get("event_type") == "rollback_card" and isinstance(run_id, str)
    return run_id if ours and RUN_ID.fullmatch(run_id) else None


def _from_card(
    told: RestoredDatabase, known: Mapping[str, Run], run_id: str, channel: str, message: Mapping[str, Any]
) -> Iterator[Trace]:
    shown = str(message.get("text", "")).partition("\n")[0]
    trace = Trace(run_id, f"Its card says: {shown}", channel=channel, ts=message["ts"])
    if trace.number > told.newest or (run_id in known and _is_further(told, known[run_id], message)):
        yield trace


def _is_further(told: RestoredDatabase, run: Run, message: Mapping[str, Any]) -> bool:
    """Says whether the card is further, by its own word or else by a change after the backup was made."""
    seq = message["metadata"]["event_payload"].get("seq")
    if isinstance(seq, int):
        return seq > run.seq
    edited = float((message.get("edited") or {}).get("ts", 0))
    return told.since is not None and datetime.fromtimestamp(edited, UTC) > told.since


# Operations ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asked:
    """One target, asked for operations under the old name of this installation."""

    told: RestoredDatabase
    configuration: Configuration
    world: Operations
    target: Target
    known: Sequence[Run]

    async def look(self, highest: int) -> tuple[list[Trace], str | None]:
        traces: list[Trace] = []
        try:
            async with asyncio.timeout(TARGET_ANSWERS_WITHIN_SECONDS):
                async for trace in self._traces(highest):
                    traces.append(trace)
        except NO_ANSWER as problem:
            words = "it does not answer" if isinstance(problem, TimeoutError) else words_of(problem)
            return traces, f"`{self.target.name}` could not be asked for operations: {words}."
        return traces, None

    async def _traces(self, highest: int) -> AsyncIterator[Trace]:
        for run in self.known:
            for record in run.work.steps:
                if self._is_not_ended_here(record) and (trace := await self._of_known(run, record)):
                    yield trace
        number, until = self.told.newest + 1, highest + NUMBERS_LOOKED_AHEAD
        steps = tuple({(step.n, step.do): step for step in self._steps()}.values())
        while number <= until:
            for step in steps:
                if trace := await self._find(step, _unknown_work(self.told, number, step)):
                    until = number + NUMBERS_LOOKED_AHEAD
                    yield trace
            number += 1

    def _is_not_ended_here(self, record: StepRecord) -> bool:
        return self._can_be_asked(record.step) and record.state is not StepState.ENDED

    def _can_be_asked(self, step: Step) -> bool:
        """Says no to what is not configured any more; its run is doubted in any case."""
        if step.target != self.target.name:
            return False
        return step.do in {Do.PREPARE, Do.RESTORE} or (
            step.do in MAINTENANCE and self.target.maintenance is not None
        )

    async def _of_known(self, run: Run, record: StepRecord) -> Trace | None:
        """A step that the backup has not seen begin, or not seen end."""
        op = record.op or op_id(self.told.before, run.id, record.step.n, record.attempt)
        return await self._find(record.step, Work(op, run.id, run.approval.digest, record.step.do, "", ""))

    def _steps(self) -> Iterator[Step]:
        """Yields where operations on this target can stand: by today's procedures and the newest plans."""
        for run in self.known:
            yield from filter(self._can_be_asked, (record.step for record in run.work.steps))
        does = self.world.executor(self.target.name).capabilities.does
        beside = {does & makes for makes in MADE_BESIDE}
        shapes = product(self.configuration.targets.values(), beside, (True, False))
        for asked, makes, touches_data in shapes:
            aside = dict.fromkeys(self.configuration.targets, Aside(makes))
            yield from filter(self._can_be_asked, steps_for(self.configuration, asked, aside, touches_data))

    async def _find(self, step: Step, work: Work) -> Trace | None:
        found = await self._operation(step).find(work)
        if found.fate is Fate.ABSENT:
            return None
        what = OPERATIONS.get(step.do, "Maintenance")
        words = f"{what} of `{self.target.name}` under {work.op_id} {FATES[found.fate]}."
        return Trace(work.run_id, words, self.target.name, found.fate)

    def _operation(self, step: Step) -> Operation:
        if step.do not in MAINTENANCE:
            return self.world.executor(self.target.name)
        return self.world.maintenance(self.target.name, step.do)


def _unknown_work(told: RestoredDatabase, number: int, step: Step) -> Work:
    """Its plan is forgotten too: whoever finds it can say that it was begun, rarely what became of it."""
    run_id = f"RB-{number}"
    return Work(op_id(told.before, run_id, step.n), run_id, "", step.do, "", "")
