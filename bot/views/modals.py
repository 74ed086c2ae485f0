"""Every modal, as pure functions that return the view.

`metadata` is the caller's: it comes back with the submission and says which run or request it was about.
Block ids change with the target, since Slack otherwise keeps the old choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.contract import Progress
from bot.events import Event
from bot.model import Kind, Phase, Plan, RestorePoint, Run, State, StepState
from bot.views.card import CardFacts, request_rows
from bot.views.decision import answer_words, asks_what_is_live, proposal_rows
from bot.views.limits import (
    OPTION_VALUE,
    Block,
    View,
    actions,
    button,
    channel_select,
    code,
    context,
    cut,
    entry,
    escape,
    fitting,
    link,
    mention,
    mention_channel,
    modal,
    option,
    section,
    sections,
    select,
    sentence,
    text_input,
    unmarked,
)
from bot.views.lines import event_words
from bot.views.live import customers, live
from bot.views.plan import cost, goes_back, in_full, others_go_back, outage, undo, warnings
from bot.views.steps import check_rows, finding_row, progress_words, step_name, step_row
from bot.views.words import clock_seconds, date, duration, people, state_words, target_name, utc, version

READING = "Reading restore points{of}… nothing happens yet."
WARNINGS_IN_A_MODAL = 6


# Asking ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TargetChoice:
    name: str
    kind: Kind
    environment: str


@dataclass(frozen=True, slots=True)
class Reachable:
    """Somebody who could approve."""

    id: str
    name: str
    dnd: bool = False


@dataclass(frozen=True, slots=True)
class StartForm:
    """What the start modal shows. Nothing of it decides: the submission is looked at again."""

    targets: tuple[TargetChoice, ...]
    channel: str  # where the card would go
    can_post: bool = True  # in `channel`; False: another one is asked for first
    target: str | None = None
    points: tuple[RestorePoint, ...] = ()  # newest good one first, without the current state
    why_no_points: str | None = None
    read_at: datetime | None = None  # when the points were read
    point: str | None = None  # id
    plan: Plan | None = None  # for the chosen point; None: still being made
    problems: tuple[str, ...] = ()  # what was wrong with the last choice
    before: str = ""  # as typed
    reason: str = ""
    reachable: tuple[Reachable, ...] = ()
    not_undone: str | None = None


def start_loading(target: str | None, metadata: str) -> View:
    return modal("Roll back", [section(_reading(target))], close="Cancel", metadata=metadata)


def start_slow(target: str, metadata: str) -> View:
    """After 10 s without an answer."""
    later = button("Send it to me", "send_to_me", style="primary")
    rows = [f"{target_name(target)} has not answered for 10 s. You can wait here, or get it as a message."]
    blocks = [section(_reading(target), *rows), *actions("slow", [later])]
    return modal("Roll back", blocks, close="Cancel", metadata=metadata)


def _reading(target: str | None) -> str:
    return READING.format(of=f" of {target_name(target)}" if target else "")


def start_form(form: StartForm, metadata: str, now: datetime) -> View:
    """Also what the message shortcut opens: without a target only that is asked."""
    blocks = [
        *[section(f"⚠️ {escape(problem, 500)}") for problem in form.problems[:5]],
        *_where_to_post(form),
        _target_entry(form),
        *(_point_blocks(form, now) if form.target else []),
        entry(
            "reason",
            "Why",
            text_input("reason", initial=form.reason, placeholder="no reason given"),
            optional=True,
        ),
        context(_what_happens(form, now)),
    ]
    return modal(
        "Roll back",
        blocks,
        callback_id="start_rollback",
        submit="Ask for approval",
        close="Cancel",
        metadata=metadata,
    )


def _where_to_post(form: StartForm) -> list[Block]:
    if form.can_post:
        return []
    text = f"I am not in {mention_channel(form.channel)}. Type `/invite @rollback` there, or post in:"
    return [section(f"⚠️ {text}"), entry("channel", "Post the card in", channel_select("channel"))]


def _target_entry(form: StartForm) -> Block:
    options = [
        option(
            f"{choice.name} · {choice.environment.upper()} · {choice.kind.value}",
            fitting(choice.name, OPTION_VALUE),
        )
        for choice in form.targets
    ]
    chosen = fitting(form.target, OPTION_VALUE) if form.target else None
    return entry(
        "target",
        "Target",
        select("target", options, chosen=chosen, placeholder="What to take back"),
        tells=True,
    )


def _point_blocks(form: StartForm, now: datetime) -> list[Block]:
    if not form.points:
        why = escape(form.why_no_points, 500) if form.why_no_points else _reading(form.target)
        return [section(why)]
    kind = next((choice.kind for choice in form.targets if choice.name == form.target), Kind.DATABASE)
    options = [point_option(point, kind, n == 0, now) for n, point in enumerate(form.points)]
    chosen = point_value(form.point) if form.point else None
    before = text_input("before", initial=form.before, placeholder="14:05, your time")
    return [
        entry(f"point {form.target}", "Back to", select("point", options, chosen=chosen), tells=True),
        section(*_preview(form, now)),
        entry(f"before {form.target}", "Or to the last point before", before, optional=True, tells=True),
        *_ask_first(form),
    ]


def point_option(point: RestorePoint, kind: Kind, suggested: bool, now: datetime) -> Block:
    """`02:45 UTC · 17 min ago · hourly backup · drill 12 Nov ok`; a system's version comes first."""
    name = version(point.label or point.id)
    if point.at is None:
        when = ["time not known"]
    else:
        when = [utc(point.at, now), f"{duration((now - point.at).total_seconds())} ago"]
    parts = [name, *when] if kind is Kind.SYSTEM else [*when, name]
    parts += [f"drill {date(point.proven_at)} ok"] if point.proven_at else []
    about = ", ".join(
        filter(None, ("suggested" if suggested else "", f"by {point.author}" if point.author else ""))
    )
    return option(unmarked(" · ".join(parts)), point_value(point.id), about)


def point_value(point_id: str) -> str:
    """How a point stands in a select: its id, or the digest of an id that Slack has no room for."""
    return fitting(point_id, OPTION_VALUE)


def chosen_point(points: Sequence[RestorePoint], value: str) -> RestorePoint | None:
    """The inverse of `point_value`; None: it was not among those."""
    return next((point for point in points if point_value(point.id) == value), None)


def _preview(form: StartForm, now: datetime) -> list[str]:
    plan = form.plan
    if plan is None:
        return ["Working out what would be lost…"]
    return [
        goes_back(plan, now),
        others_go_back(plan, now),
        *cost(plan, plan.loss, now),
        f"{outage(plan)} · {undo(plan)}",
        *warnings(plan, WARNINGS_IN_A_MODAL),
        *[f"⛔ {escape(blocker, 300)}" for blocker in plan.blockers[:5]],
        f"Stays done: {escape(form.not_undone, 120)}" if form.not_undone else "",
    ]


def _ask_first(form: StartForm) -> list[Block]:
    if not form.reachable:
        return []
    by_quiet = sorted(form.reachable, key=lambda person: person.dnd)
    options = [
        option(person.name + (" · do-not-disturb" if person.dnd else ""), person.id) for person in by_quiet
    ]
    return [
        entry("ask_first", "Ask first", select("ask_first", options, placeholder="Anybody"), optional=True)
    ]


def _what_happens(form: StartForm, now: datetime) -> str:
    goes = f"Card goes to {mention_channel(form.channel)}. " if form.can_post else ""
    read = f" Restore points read {utc(form.read_at, now)}." if form.read_at else ""
    return f"{goes}Nothing runs until somebody else approves.{read}"


def not_in_channel(channel: str, metadata: str) -> View:
    """A typed request from where no card can stand."""
    text = (
        f"I am not in {mention_channel(channel)}. Type `/invite @rollback` there and ask again, or post in:"
    )
    return modal(
        "Where to post?",
        [section(text), entry("channel", "Post the card in", channel_select("channel"))],
        callback_id="start_rollback",
        submit="Ask for approval",
        close="Cancel",
        metadata=metadata,
    )


def undo_form(run: Run, plan: Plan | None, problem: str | None, metadata: str, now: datetime) -> View:
    """`plan` is of the undo, with its own loss; None: still being made, or `problem` says why not."""
    if problem or plan is None:
        said = (
            f"⚠️ {escape(problem)}" if problem else "Working out what an undo would lose… nothing happens yet."
        )
        return modal(f"Undo {run.id}", [section(said)], metadata=metadata)
    ends = f"{run.id} ends failed, and the undo is a run of its own." if run.state is State.PAUSED else ""
    blocks = [
        section(
            f"*Undo {run.id} on {target_name(run.target)}?*",
            goes_back(plan, now),
            *cost(plan, plan.loss, now),
        ),
        section(outage(plan), *warnings(plan, WARNINGS_IN_A_MODAL), ends),
        _reason("Why", optional=True),
        context("Nothing runs until somebody else approves."),
    ]
    return modal(
        f"Undo {run.id}",
        blocks,
        callback_id="start_rollback",
        submit="Ask for approval",
        close="Cancel",
        metadata=metadata,
    )


# Agreeing and refusing -------------------------------------------------------------------------


def approve(run: Run, plan: Plan, facts: CardFacts, metadata: str, now: datetime) -> View:
    """Critical targets: a modal covers the card on a phone, so it repeats the card and shows the code."""
    code_input = text_input("plan_code", longest=8)
    blocks = [
        section(*request_rows(run, plan, facts, now)),
        section(f"This is plan `{run.code}`. {'It starts at once.' if _last(run, plan) else ''}"),
        entry("plan_code", "Type the first four characters of the plan code", code_input),
    ]
    return modal(
        f"Approve {run.id}",
        blocks,
        callback_id="approve_run",
        submit="Approve and start" if _last(run, plan) else "Approve",
        close="Not yet",
        metadata=metadata,
    )


def _last(run: Run, plan: Plan) -> bool:
    return len(run.approvals) + 1 >= plan.approvals_needed


def veto_reason(run: Run, metadata: str) -> View:
    """After the click, which has ended the request already."""
    text = f"*{run.id} is rejected. Nothing was changed, nothing will run.*"
    return modal(
        "Rejected",
        [section(text), _reason("Why? It helps whoever asked", optional=True)],
        callback_id="veto_run",
        submit="Keep the reason",
        close="No reason",
        metadata=metadata,
    )


def refusal(title: str, reason: str, next_step: str = "", url: str | None = None) -> View:
    """A click that was not let through. `reason` and `next_step` are sentences that we composed."""
    return modal(title, [section(sentence(reason), sentence(next_step), to_card(url))])


def to_card(url: str | None) -> str:
    """Empty when the card's address is not known."""
    return link(url, "Open its card") if url else ""


# Deciding --------------------------------------------------------------------------------------


def stop(run: Run, progress: Progress | None, metadata: str) -> View:
    return _decide(f"Stop {run.id}", run, _stops(run, progress), "Stop", "Let it run", metadata)


def _stops(run: Run, progress: Progress | None) -> list[str]:
    if not run.touched:
        return ["Nothing was changed yet: it is cancelled and nothing will run."]
    stays = f" {target_name(run.target)} stays in maintenance." if run.in_maintenance else ""
    return [*_in_flight(run, progress), f"No next step starts.{stays} People decide how it goes on."]


def _in_flight(run: Run, progress: Progress | None) -> list[str]:
    record = run.current
    if record is None or record.state is not StepState.STARTED:
        return []
    far = progress_words(progress) if progress else ""
    at = f"is at {far}" if far else "is under way"
    return [f"{step_name(record.step)} {at}. It cannot be taken back half-way: it is waited for."]


def end_it(run: Run, metadata: str, now: datetime) -> View:
    rows = [
        f"{live(run, now)}. {customers(run, now)}.",
        "It ends failed, and stays exactly like that.",
        "*Leave maintenance* can be pressed afterwards, by two people." if run.in_maintenance else "",
    ]
    return _decide(f"End {run.id}", run, rows, "End it", "Keep it", metadata)


def go_online(run: Run, metadata: str, now: datetime) -> View:
    """Against the checks. The same modal for the first and the second person."""
    online = run.phase is Phase.FINISH
    rows = [
        *check_rows(run),
        f"It is accepted as it is: {live(run, now)}."
        if online
        else f"Customers get it as it is: {live(run, now)}.",
        "The card stays red for ever. One of the two people must be an approver.",
        *proposal_rows(run, now),
    ]
    return _decide(
        "Against the checks", run, rows, "Accept it" if online else "Go online", "Not yet", metadata, why=True
    )


def leave_maintenance(run: Run, metadata: str, now: datetime) -> View:
    rows = [
        f"{live(run, now)}. Customers will see that.",
        "One of the two people must be an approver.",
        *proposal_rows(run, now),
    ]
    return _decide("Leave maintenance", run, rows, "Leave maintenance", "Not yet", metadata, why=True)


def _decide(
    title: str, run: Run, rows: Sequence[str], yes: str, no: str, metadata: str, *, why: bool = False
) -> View:
    """`why`: a reason must be given."""
    return modal(
        title,
        [section(f"*{run.id} · {target_name(run.target)}*", *rows), _reason("Why", optional=not why)],
        callback_id="stop_run",
        submit=yes,
        close=no,
        metadata=metadata,
    )


def resolve(run: Run, facts: CardFacts, metadata: str, now: datetime) -> View:
    """The answers are those of the command: point, unchanged, unclear."""
    options = [
        option(unmarked(answer_words(run, answer, now)), answer)
        for answer in ("point", "unchanged", "unclear")
    ]
    rows = [
        f"*{run.id} · {target_name(run.target)}*",
        "Look at the target itself, not at this card. Two people must say the same.",
        f"Look yourself: {code(facts.look_yourself)}" if facts.look_yourself else "",
        *proposal_rows(run, now),
    ]
    return modal(
        "What is live?" if asks_what_is_live(run) else "What was done?",
        [
            section(*rows),
            entry("answer", "I have looked", select("answer", options)),
            _reason("How do you know", optional=True),
        ],
        callback_id="resolve_run",
        submit="Say so",
        close="Not yet",
        metadata=metadata,
    )


def _reason(label: str, *, optional: bool) -> Block:
    return entry("reason", label, text_input("reason", multiline=True, longest=500), optional=optional)


# Reading ---------------------------------------------------------------------------------------


def details(
    run: Run, facts: CardFacts, events: Sequence[Event], earlier: Sequence[Run], now: datetime
) -> View:
    """The long form: nothing is folded. The timeline, newest first, goes as far back as Slack can show."""
    blocks = [
        *sections(_identity(run, facts, now)),
        *(sections(["*Plan*", *in_full(run.plan, now)]) if run.plan else []),
        *_titled("What goes", [f"• {escape(line, 200)}" for leg in _legs(run) for line in leg]),
        *_titled("Steps", [step_row(run, record, facts.progress) for record in run.steps]),
        *_titled("Checks", [finding_row(finding, 300) for finding in run.findings]),
        *_titled("Earlier runs", [_earlier(one, now) for one in earlier[:10]]),
        *_titled("Timeline", [_line(event, run) for event in reversed(events)]),
    ]
    return modal(f"{run.id} · Details", blocks)


def _titled(title: str, rows: Sequence[str]) -> list[Block]:
    return sections([f"*{title}*", *rows]) if rows else []


def _legs(run: Run) -> list[tuple[str, ...]]:
    return [leg.changes for leg in run.plan.legs] if run.plan else []


def _identity(run: Run, facts: CardFacts, now: datetime) -> list[str]:
    why = escape(run.reason, 1_000) or "no reason given"
    rows = [
        f"*{run.id} · {target_name(run.target)} · {state_words(run)}*",
        f"Asked by {mention(run.requester.id)} {utc(run.requested_at, now)}: {why}",
        f"Plan {code(run.digest)}" if run.digest else "",
        f"Approved by {people(a.person for a in run.approvals)}" if run.approvals else "",
        f"Approve by {utc(run.approve_by, now)}" if run.approve_by else "",
        f"Owner: {escape(facts.owner, 100)}" if facts.owner else "",
        f"Contact: {mention(facts.point_of_contact)}" if facts.point_of_contact else "",
        f"{link(facts.url, 'The page of this run')}: for you, for 15 minutes" if facts.url else "",
    ]
    return [row for row in rows if row]


def _earlier(run: Run, now: datetime) -> str:
    at = utc(run.ended_at or run.requested_at, now)
    return f"• {run.id} {run.purpose.value} {state_words(run)} {at}"


def _line(event: Event, run: Run) -> str:
    return f"`{clock_seconds(event.at)}` {cut(event_words(event, run, mention, escape), 300)}"
