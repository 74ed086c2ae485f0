"""The one checker: compares the three histories after faults have stopped and everything is quiet.

Each invariant of the specification is one function that yields what contradicts it. I12 and I13 are measured
over time and over a backup, by their own tests.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot import machine
from bot.canonical_json import from_iso
from bot.envelope import Event
from bot.event_kinds import EventKind as E
from bot.model import EFFECTS, Do, Outcome, State
from bot.run import Run, StepRecord, StepState
from tests.bot.stories import happened
from tests.chaos.histories import Answer, Effect, Histories, Row, Shown, Stored, of_kind

WAITS_FOR_PEOPLE = frozenset({State.AWAITING_APPROVAL, State.PAUSED, State.STUCK})
WENT_ON = frozenset({E.RETRIED, E.CONFIRMED, E.CONTINUED, E.RESOLVED_POINT, E.LEAVE_AGREED})


@dataclass(frozen=True, slots=True)
class Violation:
    invariant: str
    words: str


@dataclass(frozen=True, slots=True)
class Canaries:
    """Secrets that were planted, and every text in which none of them may stand, by its name."""

    secrets: tuple[str, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


Broken = Iterator[str]  # one sentence for each contradiction


def violations(histories: Histories, canaries: Canaries = Canaries()) -> list[Violation]:
    """Everything that should never have happened; empty: all is well."""
    found = [Violation(name, words) for name, rule in RULES.items() for words in rule(histories)]
    return found + [Violation("I9", words) for words in _canaries(canaries)]


# What was done ---------------------------------------------------------------------------------


def _approved(histories: Histories) -> Broken:
    """I1: every effect belongs to an approved plan, with a quorum of humans none of whom asked."""
    for effect in histories.done:
        events = histories.stored.of_run(effect.run)
        intents = [event for event in of_kind(events, E.STEP_STARTED) if event["data"].get("op") == effect.op]
        if not intents:
            yield f"{effect.op} was done without an intent"
            continue
        before = [event for event in events if event["seq"] < intents[0]["seq"]]
        yield from _why_not_approved(effect, before)


def _why_not_approved(effect: Effect, before: list[Row]) -> Broken:
    asked, planned = of_kind(before, E.REQUESTED), of_kind(before, E.PLANNED)
    if not asked or not planned or not of_kind(before, E.QUORUM_REACHED):
        yield f"{effect.op} was done before its run was approved"
        return
    plan = planned[-1]["data"]
    if effect.digest not in {None, plan["digest"]}:
        yield f"{effect.op} was done for another plan than the approved one"
    points = {leg["target"]: leg["point"]["id"] for leg in plan["plan"]["legs"]}
    if effect.do == "restore" and effect.point != points.get(effect.target):
        yield f"{effect.op} went to {effect.point}, approved was {points.get(effect.target)}"
    humans = _humans(asked[0], of_kind(before, E.APPROVED))
    if humans < plan["plan"]["approvals_needed"]:
        yield f"{effect.op} was done with {humans} of {plan['plan']['approvals_needed']} approvals"


def _humans(asked: Row, approvals: list[Row]) -> int:
    """How many different people agreed, the requester under no account among them."""
    requester = asked["data"]["requester"]
    known = [{requester["id"], *requester["marks"]}]
    for approval in approvals:
        marks = {approval["by"], *approval["data"]["marks"]}
        if not any(marks & others for others in known):
            known.append(marks)
    return len(known) - 1


def _done_once(histories: Histories) -> Broken:
    """I2: effects per op id are at most one."""
    for op, times in Counter(effect.op for effect in histories.done).items():
        if times > 1:
            yield f"{op} was done {times} times"


def _none_lost(histories: Histories) -> Broken:
    """I2: what is stored as done by the bot was done."""
    done = {effect.op for effect in histories.done}
    for run in _runs(histories.stored):
        intents = of_kind(histories.stored.of_run(run.id), E.STEP_STARTED)
        ops = {intent["data"]["n"]: intent["data"].get("op") for intent in intents}
        for record in run.work.steps:
            if _was_an_effect(run, record) and ops.get(record.step.n) not in done:
                yield f"{run.id} step {record.step.n} is stored as done and was not"


def _was_an_effect(run: Run, record: StepRecord) -> bool:
    """Nothing is done for an undo point that cannot be had, nor for one that is what is live already."""
    step = record.step
    if record.outcome is not Outcome.SUCCEEDED or record.by_people or step.do not in EFFECTS:
        return False
    if step.do is not Do.SAVE:
        return True
    assert run.approval.plan is not None  # its steps come from there
    return run.work.undo_points.get(step.target) not in {None, run.approval.plan.leg(step.target).current.id}


def _fenced(histories: Histories) -> Broken:
    """I7: of the effects on one target by one run, the epoch never goes down."""
    newest: dict[tuple[str, str], int] = {}
    for effect in histories.done:
        place = (effect.run, effect.target)
        if effect.epoch is None:
            continue
        if effect.epoch < newest.get(place, 0):
            yield f"{effect.op} was done under epoch {effect.epoch}, after epoch {newest[place]}"
        newest[place] = max(effect.epoch, newest.get(place, 0))


# What was told ---------------------------------------------------------------------------------


def _kept(histories: Histories) -> Broken:
    """I3: every accepted command is stored; a refused one and one that was not accepted have no effect.

    Whoever heard nothing tries again, and may then be refused because the first try was stored.
    """
    known = histories.stored.deliveries
    unanswered = {told.delivery for told in histories.told if told.answer is Answer.NONE}
    for told in histories.told:
        stored = told.delivery in known
        if told.answer is Answer.ACCEPTED and not stored:
            yield f"{told.what} of {told.person} was accepted and is not stored"
        if told.answer is Answer.NOT_ACCEPTED and stored:
            yield f"{told.what} of {told.person} was not accepted and had an effect"
        if told.answer is Answer.REFUSED and stored and told.delivery not in unanswered:
            yield f"{told.what} of {told.person} was refused and had an effect"


# What is stored --------------------------------------------------------------------------------


def _none_silent(histories: Histories) -> Broken:
    """I4: each run has ended, or waits for people."""
    for run in _runs(histories.stored):
        if not run.state.final and run.state not in WAITS_FOR_PEOPLE:
            yield f"{run.id} is silent: {run.state}"


def _nothing_half(histories: Histories) -> Broken:
    """I5: no step is merely started: done, not done, or in doubt and held."""
    for run in _runs(histories.stored):
        if run.state is State.STUCK:
            continue
        for record in run.work.steps:
            if record.state is StepState.STARTED:
                yield f"{run.id} step {record.step.n} is merely started"


def _chained(histories: Histories) -> Broken:
    """I6: the log has no gap and verifies."""
    prev = "0" * 64
    for number, entry in enumerate(histories.stored.evidence, start=1):
        link = hashlib.sha256(f"{prev}{entry['body']}".encode()).hexdigest()
        if entry["n"] != number or entry["prev"] != prev or entry["hash"] != link:
            yield f"the log does not verify from entry {number} on"
            return
        prev = entry["hash"]


def _one_entry_each(histories: Histories) -> Broken:
    """I6: one entry for each event, and a projection that is the fold of the events."""
    logged: Counter[tuple[str, int, str]] = Counter()
    for entry in histories.stored.evidence:
        body = json.loads(entry["body"])
        if entry["run_id"] and "seq" in body:
            logged[entry["run_id"], body["seq"], entry["kind"]] += 1
    happened = Counter((e["run_id"], e["seq"], e["kind"]) for e in histories.stored.events)
    for (run_id, seq, kind), times in (logged - happened).items():
        yield f"{run_id} {seq} {kind} stands {times} times more in the log than it happened"
    for run_id, seq, kind in happened - logged:
        yield f"{run_id} {seq} {kind} happened and is not in the log"


def _projected(histories: Histories) -> Broken:
    """I6: the row of a run is the fold of its events."""
    rows = {row["run_id"]: row for row in histories.stored.runs}
    for run in _runs(histories.stored):
        row = rows.get(run.id)
        if row is None or (row["state"], row["seq"]) != (run.state.value, run.seq):
            yield f"the row of {run.id} is not what its events say"


def _no_intent_after_a_no(histories: Histories) -> Broken:
    """I8: after a committed veto, cancel or stop no new intent is written, but to drop what was made."""
    for events in _by_run(histories.stored):
        said_no: str | None = None
        for event in events:
            if event["kind"] in {E.VETOED, E.CANCELLED, E.STOP_REQUESTED}:
                said_no = event["kind"]
            elif event["kind"] in WENT_ON:
                said_no = None
            elif event["kind"] == E.STEP_STARTED and said_no and event["data"].get("do") != Do.DROP:
                yield f"{event['run_id']} began step {event['data']['n']} after it was {said_no}"


def _in_time(histories: Histories) -> Broken:
    """I10: no approval and no start after its expiry."""
    for events in _by_run(histories.stored):
        planned, posted = of_kind(events, E.PLANNED), of_kind(events, E.POSTED)
        plan = planned[-1]["data"]["plan"] if planned else {}
        for approval in of_kind(events, E.APPROVED):
            if not posted or _at(approval) >= _at(posted[0]) + timedelta(seconds=plan["expires"]):
                yield f"{approval['run_id']} was approved after its time"
        for start in of_kind(events, E.STARTED):
            reached = of_kind(events, E.QUORUM_REACHED)
            if not reached or _at(start) >= _at(reached[-1]) + timedelta(seconds=plan["start_within"]):
                yield f"{start['run_id']} was started after its time"


# What is shown ---------------------------------------------------------------------------------


def _shown(histories: Histories) -> Broken:
    """I11: cards show the stored state; one live card for each run and channel."""
    for row in histories.stored.runs:
        if row["shown_seq"] < row["seq"]:
            yield f"the cards of {row['run_id']} are behind: {row['shown_seq']} of {row['seq']}"
    for card in histories.stored.cards:
        if card["kind"] in {"card", "direct"} and card["gone"] is None:
            yield from _why_not_shown(card, histories.shown)


def _why_not_shown(card: Row, shown: tuple[Shown, ...]) -> Broken:
    name = f"the {card['kind']} of {card['run_id']} for {card['recipient']}"
    if card["ts"] is None:
        yield f"{name} was never posted"
        return
    there = [m for m in shown if (m.run, m.channel, m.in_thread) == (card["run_id"], card["channel"], False)]
    live = [message for message in there if message.ts == card["ts"]]
    older = [message for message in there if message.ts != card["ts"]]
    if not live:
        yield f"{name} is not where it should stand"
    elif live[0].drawn != card["drawn"]:
        yield f"{name} shows something else than was drawn for it"
    if any(message.has_buttons for message in older):
        yield f"{name} stands there {len(there)} times, each with buttons"
    if len(older) > 1:
        yield f"{name} has {len(older)} duplicates"


def _canaries(canaries: Canaries) -> Broken:
    """I9: planted secrets appear nowhere."""
    for name, text in canaries.texts.items():
        for secret in canaries.secrets:
            if secret in text:
                yield f"a planted secret stands in {name}"


RULES: Mapping[str, Callable[[Histories], Broken]] = {
    "I1": _approved,
    "I2 twice": _done_once,
    "I2 lost": _none_lost,
    "I3": _kept,
    "I4": _none_silent,
    "I5": _nothing_half,
    "I6 chain": _chained,
    "I6 entries": _one_entry_each,
    "I6 projection": _projected,
    "I7": _fenced,
    "I8": _no_intent_after_a_no,
    "I10": _in_time,
    "I11": _shown,
}


# Reading ---------------------------------------------------------------------------------------


def _by_run(found: Stored) -> Iterator[tuple[Row, ...]]:
    for run_id in dict.fromkeys(event["run_id"] for event in found.events):
        yield found.of_run(run_id)


def _runs(found: Stored) -> Iterator[Run]:
    for events in _by_run(found):
        yield machine.fold(events[0]["run_id"], map(_event, events))


def _event(row: Row) -> Event:
    return happened(row["kind"], _at(row), row["by"], row["data"], row["seq"], row["signature"])


def _at(row: Row) -> datetime:
    return from_iso(row["at"])
