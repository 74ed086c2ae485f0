"""The form that asks for a rollback, as pure functions that return the view.

`metadata` is the caller's: it comes back with the submission. Block ids change with the target, since Slack
otherwise keeps the old choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.model import Do, Kind, Plan, Purpose, RestorePoint
from bot.suggesting import Offer
from bot.views.limits import (
    OPTION_VALUE_CHARACTERS,
    Block,
    View,
    actions,
    button,
    channel_select,
    context,
    entry,
    escape,
    fitting,
    grouped_select,
    mention_channel,
    modal,
    option,
    section,
    select,
    text_input,
    unmarked,
)
from bot.views.plan import changed, comes_from, cost, goes_back, others_go_back, outage, undo, warnings
from bot.views.words import ago, date, drill_words, target_name, utc, version

PLAIN = "Restore points"
SAVED_BEFORE = "Saved before a rollback (bad then)"
ON_HOLD = "On hold"
UNDATED = "time not known, order as given"  # by the backend
READING = "Reading restore points{of}… nothing happens yet."
WARNINGS_IN_A_MODAL = 6
FOR_THE_SWITCH, FROM_THE_START = "switch", "start"
OFFLINE = {
    FOR_THE_SWITCH: "only for the switch: they go on working while the copy is made",
    FROM_THE_START: "from the start: nothing more is written that would be lost",
}


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
    """Holds what the start modal shows. Nothing of it decides: the submission is looked at again."""

    targets: tuple[TargetChoice, ...]
    channel: str  # where the card would go
    can_post: bool = True  # in `channel`; False: another one is asked for first
    target: str | None = None
    offer: Offer | None = None  # None: not read yet, or they cannot be read
    why_no_points: str | None = None
    read_at: datetime | None = None  # when the points were read
    point: str | None = None  # id
    plan: Plan | None = None  # for the chosen point; None: still being made
    problems: tuple[str, ...] = ()  # what was wrong with the last choice
    before: str = ""  # as typed
    reason: str = ""
    reachable: tuple[Reachable, ...] = ()
    not_undone: str | None = None
    offline_first: bool = False  # maintenance from the start, as chosen


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
            fitting(choice.name, OPTION_VALUE_CHARACTERS),
        )
        for choice in form.targets
    ]
    chosen = fitting(form.target, OPTION_VALUE_CHARACTERS) if form.target else None
    return entry(
        "target",
        "Target",
        select("target", options, chosen=chosen, placeholder="What to take back"),
        tells=True,
    )


def _point_blocks(form: StartForm, now: datetime) -> list[Block]:
    if form.offer is None or not form.offer.others:
        why = escape(form.why_no_points, 500) if form.why_no_points else _reading(form.target)
        return [section(why)]
    kind = next((choice.kind for choice in form.targets if choice.name == form.target), Kind.DATABASE)
    groups = [
        (title, [point_option(point, kind, form.offer, now) for point in points])
        for title, points in grouped(form.offer)
    ]
    chosen = point_value(form.point) if form.point else None
    before = text_input("before", initial=form.before, placeholder="14:05, your time")
    return [
        entry(f"point {form.target}", "Back to", grouped_select("point", groups, chosen=chosen), tells=True),
        section(*_why_this(form), *_preview(form, now)),
        entry(f"before {form.target}", "Or to the last point before", before, optional=True, tells=True),
        *_offline(form),
        *_ask_first(form),
    ]


def grouped(offer: Offer) -> list[tuple[str, tuple[RestorePoint, ...]]]:
    """The points by what is known against them; a group without points is left out."""
    others = offer.others
    groups = (
        (PLAIN, offer.plain),
        (SAVED_BEFORE, tuple(p for p in others if p.id in offer.saved_before and p.id not in offer.held)),
        (ON_HOLD, tuple(p for p in others if p.id in offer.held)),
    )
    return [(title, points) for title, points in groups if points]


def _why_this(form: StartForm) -> list[str]:
    """Why it is suggested, where it is still chosen."""
    if form.offer is None or form.point is None or form.point != form.offer.suggested:
        return []
    return ["Suggested: the newest that is older than what is live, not on hold, not saved before a rollback"]


def point_option(point: RestorePoint, kind: Kind, offer: Offer, now: datetime) -> Block:
    """`02:45 UTC · 17 min ago · hourly backup · drill 12 Nov ok`; a system's version comes first."""
    name = version(point.label or point.id)
    when = [UNDATED] if point.at is None else [utc(point.at, now), ago(point.at, now)]
    parts = [name, *when] if kind is Kind.SYSTEM else [*when, name]
    if point.proven_at is not None:
        by_drill = point.shown_by is Purpose.DRILL
        parts.append(f"drill {date(point.proven_at, now)} ok" if by_drill else "verified on a copy")
    parts += [drill_words(point, now)] if point.failed_at else []
    about = ", ".join(filter(None, _about(point, offer)))
    return option(unmarked(" · ".join(parts)), point_value(point.id), about)


def _about(point: RestorePoint, offer: Offer) -> tuple[str, ...]:
    held, saved = offer.held.get(point.id), offer.saved_before.get(point.id)
    return (
        "suggested" if point.id == offer.suggested else "",
        f"taken back by {held}" if held else "",
        f"was live before {saved}" if saved and not held else "",
        f"by {point.author}" if point.author else "",
    )


def point_value(point_id: str) -> str:
    """How a point stands in a select: its id, or the digest of an id that Slack has no room for."""
    return fitting(point_id, OPTION_VALUE_CHARACTERS)


def chosen_point(points: Sequence[RestorePoint], value: str) -> RestorePoint | None:
    """The inverse of `point_value`; None: it was not among those."""
    return next((point for point in points if point_value(point.id) == value), None)


def _preview(form: StartForm, now: datetime) -> list[str]:
    plan = form.plan
    if plan is None:
        return ["Working out what would be lost…"]
    return [
        comes_from(plan, now),
        goes_back(plan, now),
        others_go_back(plan, now),
        *cost(plan, now),
        changed(plan, now),
        f"{outage(plan)} · {undo(plan)}",
        *warnings(plan, WARNINGS_IN_A_MODAL),
        *[f"⛔ {escape(blocker, 300)}" for blocker in plan.blockers[:5]],
        f"Stays done: {escape(form.not_undone, 120)}" if form.not_undone else "",
    ]


def _offline(form: StartForm) -> list[Block]:
    """Asked only where a copy is made first, which may take hours, and there is maintenance to put on."""
    does = {step.do for step in form.plan.steps} if form.plan else set[Do]()
    if not {Do.PREPARE, Do.MAINTENANCE_ON} <= does:
        return []
    options = [option(words, value) for value, words in OFFLINE.items()]
    choice = select("offline", options, chosen=FROM_THE_START if form.offline_first else FOR_THE_SWITCH)
    return [entry(f"offline {form.target}", "Customers see maintenance", choice, tells=True)]


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
