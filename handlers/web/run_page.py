"""What stands on a run's page, as values that the template only lays out.

The words are the card's own wherever the card says the same; times stand in full, because a page is
kept and printed. Reading the run and the people's names is for `pages`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.envelope import Event
from bot.event_kinds import EventKind
from bot.loss import HOW
from bot.model import Ceiling, Finding, Leg, Loss, LossQuality, Plan, State, Unit, Value, Verdict, When
from bot.run import Run, StepRecord, StepState
from bot.views.card import card
from bot.views.facts import CardFacts
from bot.views.limits import clean, escape, sentence, unmarked
from bot.views.lines import event_words
from bot.views.live import customers, live
from bot.views.loss import cost, removed
from bot.views.plan import approvals, drill, goes, outage, undo
from bot.views.steps import step_name
from bot.views.words import deed, duration, number, state_words, uncapped
from handlers.web.plot import Bar, bars
from storage.reading import Proof

Name = Callable[[str], str]  # a Slack id to what people call it
Said = Callable[[str], str]  # markup to plain words

_LOCAL_TIME = re.compile(r"\s*\(<!date\^[^<>]*>\)")  # the reader's zone, which only Slack knows
_REFERENCE = re.compile(r"<(?:@|!subteam\^)([A-Z0-9]+)>")
TONES: Mapping[State, str] = {
    State.SUCCEEDED: "good",
    State.FAILED: "bad",
    State.STUCK: "bad",
    State.PAUSED: "decide",
    State.RUNNING: "going",
    State.APPROVED: "going",
    State.AWAITING_APPROVAL: "waits",
    State.REQUESTED: "waits",
}
_VERDICTS: Mapping[Verdict | None, str] = {
    Verdict.PASSED: "passed",
    Verdict.FAILED: "failed",
    Verdict.INCONCLUSIVE: "inconclusive",
    None: "not looked at yet",
}


@dataclass(frozen=True, slots=True)
class FactRow:
    label: str
    words: str = ""
    at: datetime | None = None  # stands before the words
    run_id: str | None = None  # another run, linked for whoever may read it


@dataclass(frozen=True, slots=True)
class LegRow:
    target: str
    current: str
    point: str
    point_at: datetime | None
    label: str
    loss: str
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LossRow:
    """One thing that is lost: when it was asked, when it started, at most. Empty: not known or no limit."""

    name: str
    asked: str
    started: str
    most: str


@dataclass(frozen=True, slots=True)
class StepRow:
    phase: str
    name: str
    tone: str  # good, bad, going, waits
    outcome: str
    began: datetime | None
    ended: datetime | None
    took: str
    words: str


@dataclass(frozen=True, slots=True)
class CheckRow:
    name: str
    when: str
    verdict: str
    tone: str
    before: str
    after: str
    words: str
    plot: tuple[Bar, Bar] | None  # None: not two numbers


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the timeline. `n` is its number in the evidence log, None when the log has none."""

    at: datetime
    n: int | None
    words: str
    refused: bool = False
    hash: str = ""


@dataclass(frozen=True, slots=True)
class RunPage:
    id: str
    title: str
    tone: str
    state: str
    headline: str
    rows: tuple[str, ...]  # what the card says under its headline
    facts: tuple[FactRow, ...]
    plan: tuple[FactRow, ...]
    warnings: tuple[str, ...]
    blockers: tuple[str, ...]
    legs: tuple[LegRow, ...]
    loss: tuple[str, ...]
    loss_rows: tuple[LossRow, ...]
    steps: tuple[StepRow, ...]
    checks: tuple[CheckRow, ...]
    lines: tuple[Line, ...]
    moves: bool  # it is drawn again by itself while it runs
    is_beside: bool  # a drill or a snapshot: nothing goes from one state to another
    now: datetime


def run_page(
    run: Run, events: Sequence[Event], proofs: Sequence[Proof], facts: CardFacts, name: Name, now: datetime
) -> RunPage:
    def said(markup: str) -> str:
        return plain(markup, name)

    headline, *rows = _card_rows(run, facts, now)
    plan = run.approval.planned
    return RunPage(
        id=run.id,
        title=said(deed(run)),
        tone="bad" if run.work.overridden else TONES.get(run.state, "ended"),
        state=state_words(run),
        headline=said(headline),
        rows=tuple(map(said, rows)),
        facts=tuple(_facts(run, facts, name, now)),
        plan=tuple(_plan(run, said)),
        warnings=tuple(map(in_a_line, plan.warnings)) if plan else (),
        blockers=tuple(map(in_a_line, plan.blockers)) if plan else (),
        legs=tuple(_leg(leg, said, now) for leg in plan.legs) if plan else (),
        loss=tuple(_loss(run, said, now)),
        loss_rows=tuple(_loss_rows(run, now)),
        steps=tuple(_step(run, record) for record in run.work.steps),
        checks=tuple(_checks(run)),
        lines=tuple(timeline(run, events, proofs, name)),
        moves=run.state is State.RUNNING,
        is_beside=run.is_beside,
        now=now,
    )


def plain(markup: str, name: Name) -> str:
    """Markup as text for a page: people by name, times in UTC only."""
    in_utc = _LOCAL_TIME.sub("", markup)
    return unmarked(_REFERENCE.sub(lambda found: escape(name(found[1])), in_utc))


def in_a_line(text: str) -> str:
    """A text from outside as it is: on a page it has no power."""
    return clean(text, one_line=True)


def _card_rows(run: Run, facts: CardFacts, now: datetime) -> list[str]:
    """The card's own text: the sections stand above its buttons."""
    blocks = (block for block in card(run, facts, now).blocks if block["type"] == "section")
    return [row for block in blocks for row in block["text"]["text"].split("\n")]


# Facts -----------------------------------------------------------------------------------------


def _facts(run: Run, facts: CardFacts, name: Name, now: datetime) -> list[FactRow]:
    plan = run.approval.planned
    return [
        *_live(run, name, now),
        FactRow(
            "Target",
            f"{run.request.target} · {plan.environment} · {plan.kind}" if plan else run.request.target,
        ),
        FactRow("Asked", f"by {name(run.request.requester.id)}", run.request.at),
        FactRow("Reason", f"“{run.request.reason}”" if run.request.reason.strip() else "no reason given"),
        *_agreed(run, name),
        *_moments(run),
        *_maintenance(run),
        *[FactRow(_saved_as(run), f"{point} of {target}") for target, point in run.work.undo_points.items()],
        *([FactRow("Undoes", run_id=run.request.undo_of)] if run.request.undo_of else []),
        *([FactRow("Undone by", run_id=run.end.undone_by)] if run.end.undone_by else []),
        *([FactRow("Owner", name(facts.owner))] if facts.owner else []),
        *([FactRow("Contact", name(facts.point_of_contact))] if facts.point_of_contact else []),
    ]


def _saved_as(run: Run) -> str:
    return "Backup" if run.is_backup else "Undo point"


def _live(run: Run, name: Name, now: datetime) -> list[FactRow]:
    if run.is_beside:
        beside = "it is saved" if run.is_backup else "a copy is made beside it"
        return [FactRow("What is live", f"is not touched: {beside}")]
    shown = (("Live now", live(run, now)), ("Customers", customers(run, now)))
    return [FactRow(label, plain(words, name)) for label, words in shown]


def _agreed(run: Run, name: Name) -> list[FactRow]:
    given = [
        FactRow("Approved", f"by {name(approval.person)}", approval.at) for approval in run.approval.given
    ]
    if run.approval.planned is None or run.state is not State.AWAITING_APPROVAL:
        return given
    plan = run.approval.plan
    wanted = f"{len(given)} of {plan.approvals_needed} given, from {', '.join(plan.approvers)}"
    until = [FactRow("Approve by", at=run.approval.approve_by)] if run.approval.approve_by else []
    return [*given, FactRow("Approvals", wanted), *until]


def _moments(run: Run) -> list[FactRow]:
    found = [FactRow("Started", at=run.work.started_at)] if run.work.started_at else []
    if run.end.at is None:
        return found
    took = f"took {_between(run.work.started_at, run.end.at)}" if run.work.started_at else ""
    return [*found, FactRow("Ended", took, run.end.at)]


def _maintenance(run: Run) -> list[FactRow]:
    if run.work.maintenance_since is None:
        return []
    on = FactRow("Maintenance on", at=run.work.maintenance_since)
    if run.work.maintenance_until is None:
        return [on, FactRow("Maintenance off", "not yet")]
    lasted = f"outage {_between(run.work.maintenance_since, run.work.maintenance_until)}"
    rto = run.approval.plan.rto if run.approval.planned else None
    goal = f"RTO {duration(rto)}" if rto is not None else "no RTO declared"
    return [on, FactRow("Maintenance off", f"{lasted} · {goal}", run.work.maintenance_until)]


def _between(began: datetime, ended: datetime) -> str:
    return duration(max((ended - began).total_seconds(), 0.0))


# The plan --------------------------------------------------------------------------------------


def _plan(run: Run, said: Said) -> list[FactRow]:
    plan = run.approval.planned
    if plan is None:
        return []
    return [
        FactRow("Plan code", run.code),
        FactRow("Digest (SHA-256)", run.approval.digest),
        FactRow("Made", at=plan.made_at),
        *_cost_of(run, plan, said),
        FactRow("Approvals", approvals(plan)),
        FactRow("Drill", drill(plan)),
        FactRow("Policy digest", plan.policy_digest),
        FactRow("Procedure digest", plan.procedure_digest),
    ]


def _cost_of(run: Run, plan: Plan, said: Said) -> list[FactRow]:
    if plan.as_of is not None:
        return [FactRow("Asked as of", at=plan.as_of), FactRow("State of", at=plan.point.at)]
    if run.is_beside:
        return []
    return [FactRow("Expected", said(outage(plan))), FactRow("Way back", said(undo(plan)))]


def _leg(leg: Leg, said: Said, now: datetime) -> LegRow:
    label = leg.point.label if leg.point.label != leg.point.id else ""
    loss = said(" · ".join(cost(leg.loss, None, None, now)))
    changes = tuple(said(line) for line in goes(leg, now))
    return LegRow(leg.target, leg.current.id, leg.point.id, leg.point.at, label, loss, changes)


# Loss ------------------------------------------------------------------------------------------


def _loss(run: Run, said: Said, now: datetime) -> list[str]:
    plan = run.approval.planned
    if plan is None or run.is_beside:
        return []
    if plan.loss.quality is LossQuality.NONE:
        declared = f" (declared by {plan.loss.basis})" if plan.loss.basis else ""
        return [f"{said(removed(plan.loss, now))}{declared}."]
    rows = [f"When it was asked: {_cost(plan.loss, plan.rpo, said, now)}."]
    if run.work.loss is not None and run.work.loss is not plan.loss:
        rows.append(f"When it started: {_cost(run.work.loss, None, said, now)}.")
    return rows


def _cost(loss: Loss, rpo: float | None, said: Said, now: datetime) -> str:
    return said(". ".join(uncapped(row) for row in cost(loss, None, rpo, now)))


def _loss_rows(run: Run, now: datetime) -> list[LossRow]:
    plan = run.approval.planned
    if plan is None or plan.loss.quality is LossQuality.NONE:
        return []
    later, most = run.work.loss, plan.ceiling
    counted = (of.units for of in (plan.loss, later, most) if of)
    figures = dict.fromkeys(_figure(unit) for units in counted for unit in units)
    asked = _window(plan.loss.window(plan.made_at))
    started = _window(later.window(later.measured_at or now)) if later else ""
    window = LossRow("data-loss window", asked, started, _window(most.seconds))
    return [
        window,
        *(LossRow(f, _count(plan.loss, f), _count(later, f), _count(most, f)) for f in figures),
    ]


def _window(seconds: float | None) -> str:
    return duration(seconds) if seconds is not None else ""


def _figure(unit: Unit) -> str:
    return f"{unit.name}, {HOW[unit.change]}" if unit.limits else unit.name


def _count(loss: Loss | Ceiling | None, figure: str) -> str:
    units = loss.units if loss else ()
    return next((f"{unit.count:,}" for unit in units if _figure(unit) == figure), "")


# Steps and checks ------------------------------------------------------------------------------


def _step(run: Run, record: StepRecord) -> StepRow:
    step = record.step
    of = "" if step.target == run.request.target else f" of {step.target}"
    outcome, tone = _ended(record)
    words = in_a_line(record.words) or (f"“{step.text}”" if step.text else "")
    took = _between(record.started_at, record.ended_at) if record.started_at and record.ended_at else ""
    return StepRow(
        step.phase.value,
        f"{step_name(run, step)}{of}",
        tone,
        outcome + (" (people said so)" if record.by_people else ""),
        record.started_at,
        record.ended_at,
        took,
        words,
    )


def _ended(record: StepRecord) -> tuple[str, str]:
    """The outcome in a word, and its tone."""
    if record.outcome is None:
        return (record.state.value, "going" if record.state is StepState.STARTED else "waits")
    return record.outcome.value, "good" if record.outcome.value == "succeeded" else "bad"


def _checks(run: Run) -> list[CheckRow]:
    """Every check that was looked at, then those of which only the value before is known."""
    before = {(finding.name, finding.when): finding.value for finding in run.work.before}
    where = "on the copy" if run.is_beside else ""
    seen = [_check(found, before.get((found.name, found.when)), where) for found in run.work.findings]
    looked_at = {(finding.name, finding.when) for finding in run.work.findings}
    return [*seen, *(_unseen(f) for f in run.work.before if (f.name, f.when) not in looked_at)]


def _check(finding: Finding, before: Value, where: str) -> CheckRow:
    """`where` it looked; empty: as its `when` says."""
    first = finding.before if finding.before is not None else before
    return CheckRow(
        finding.name,
        where or _when(finding.when),
        _VERDICTS[finding.verdict],
        finding.verdict.value if finding.verdict else "waits",
        _value(first),
        _value(finding.value),
        in_a_line(finding.words),
        bars(first, finding.value),
    )


def _unseen(finding: Finding) -> CheckRow:
    return CheckRow(
        finding.name, _when(finding.when), _VERDICTS[None], "waits", _value(finding.value), "–", "", None
    )


def _when(when: When) -> str:
    return "behind maintenance" if when is When.OFFLINE else "online"


def _value(value: Value) -> str:
    return value if isinstance(value, str) else unmarked(number(value))


# The timeline ----------------------------------------------------------------------------------


def timeline(run: Run, events: Sequence[Event], proofs: Sequence[Proof], name: Name) -> list[Line]:
    """The run's events and what was refused about it, oldest first, with their numbers in the log."""
    logged = {proof.seq: proof for proof in proofs if proof.seq is not None}
    lines = [_event(run, event, logged.get(event.seq), name) for event in events]
    notes = [_note(proof, name) for proof in proofs if proof.seq is None]
    return sorted([*lines, *notes], key=lambda line: (line.at, line.n or 0))


def _event(run: Run, event: Event, proof: Proof | None, name: Name) -> Line:
    words = event_words(event, run, name, in_a_line)
    refused = event.kind in {EventKind.REFUSED, EventKind.VETOED, EventKind.VOIDED, EventKind.EXPIRED}
    return Line(event.at, proof.n if proof else None, words, refused, proof.hash if proof else "")


def _note(proof: Proof, name: Name) -> Line:
    """Something beside the run: a press that was refused, with the reason that the person was told."""
    what = str(proof.body.get("press", proof.kind)).replace("_", " ")
    who = name(proof.by) if proof.by else "The bot"
    why = plain(sentence(str(proof.body.get("why", ""))), name)
    return Line(proof.at, proof.n, f"{who} was refused “{what}”: {why}", True, proof.hash)
