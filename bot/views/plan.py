"""What a plan says about itself: where to, what it costs, what to look out for.

The card, the start modal and the approval show the same rows: nobody agrees to other words than were asked.
"""

from datetime import datetime

from bot.model import Current, Do, Gone, Kind, Leg, Plan, Purpose, UndoMode
from bot.outside import OutsideChange
from bot.views import loss
from bot.views.limits import code, escape
from bot.views.words import (
    both_zones,
    date,
    day_and_clock,
    drill_words,
    duration,
    duration_range,
    local,
    point_name,
    target_name,
    utc,
    version,
)

WARNINGS_ON_A_CARD = 2
BESIDES_CHARACTERS = 24  # of each of what no figure shows
BESIDES_ROW_CHARACTERS = 36  # of all of it: a row on a phone, with how many more there are
_WORST_FIRST = (UndoMode.IMPOSSIBLE, UndoMode.BEST_EFFORT, UndoMode.EXACT)


def place(plan: Plan) -> str:
    """`orders · PRODUCTION`."""
    return f"{target_name(plan.target)} · {escape(plan.environment.upper(), 20)}"


def goal_name(plan: Plan, now: datetime) -> str:
    """Systems go back to a version, data to a moment."""
    if plan.kind is Kind.SYSTEM:
        return version(plan.point.label or plan.point.id)
    return point_name(plan.point, now)


def state_shown(plan: Plan) -> str:
    """Returns the moment of which a snapshot shows the state: that of its restore point."""
    return day_and_clock(plan.point.at) if plan.point.at else version(plan.point.label or plan.point.id)


def course(plan: Plan, now: datetime) -> str:
    """`orders · PRODUCTION: from v42 to v41`, for where the card itself cannot be seen."""
    return f"{place(plan)}: from {current_name(plan.current)} to {goal_name(plan, now)}"


def comes_from(plan: Plan, now: datetime) -> str:
    """`From *v42*, live since 02:50 UTC (Cy)`, as far as the backend says it."""
    current = plan.current
    since = f", live since {utc(current.since, now)}" if current.since else ""
    by = f" ({escape(current.author, 20)})" if current.author else ""
    return f"From *{current_name(current)}*{since}{by}"


def goes_back(plan: Plan, now: datetime) -> str:
    point = plan.point
    name = version(point.label.replace(point.id, "").strip() or point.label or point.id)
    if point.at is None:
        return f"Back to *{name}* (when it was is not known)"
    if plan.kind is Kind.SYSTEM:
        return f"Back to *{name}* of {both_zones(point.at, now)}"
    return f"Back to *{utc(point.at, now)}* ({local(point.at, now)}), {name}"


def others_go_back(plan: Plan, now: datetime) -> str:
    """The further targets of the procedure. Empty: there are none."""
    others = [f"{target_name(leg.target)} to {point_name(leg.point, now)}" for leg in plan.legs[1:]]
    shown = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
    return f"Together with {shown}" if others else ""


def changed(plan: Plan, now: datetime) -> str:
    """`Changed since: migration 0042, Cy 02:50 UTC · 2 more`; empty: nothing that is not said anyway.

    A significant change comes first. That what is live is another state now has a row of its own.
    """
    told = [one for one in plan.changes if not _says_what_is_live(one, plan)]
    if not told:
        return ""
    first = next((one for one in told if one.significant), told[0])
    more = plan.changes_told - first.times - sum(one.times for one in plan.changes if one not in told)
    return f"Changed since: {_change(first, now)}" + (f" · {more:,} more" if more > 0 else "")


def _says_what_is_live(one: OutsideChange, plan: Plan) -> bool:
    return not one.source and one.label in {plan.current.label, plan.current.id}


def _change(one: OutsideChange, now: datetime) -> str:
    what = " ".join(filter(None, (escape(one.kind, 20), escape(one.label, 24))))
    often = f" ({one.times:,} times)" if one.times > 1 else ""
    by = f"{escape(one.author, 20)} " if one.author else ""
    return f"{what}{often}, {by}{utc(one.at, now)}"


def cost(plan: Plan, now: datetime) -> list[str]:
    """Returns the lines that say what goes, how sure that is, and what no figure shows."""
    besides = _besides(plan)
    return [*loss.cost(plan.loss, plan.ceiling, plan.rpo, now), *([besides] if besides else [])]


def _besides(plan: Plan) -> str:
    """Versions that go with what is live, which has a row of its own, and what else becomes different."""
    legs = plan.legs
    skipped = [one for leg in legs for one in leg.gone if one.id != leg.current.id]
    each = [f"{version(one.label or one.id, BESIDES_CHARACTERS)} goes" for one in skipped]
    each += [escape(line, BESIDES_CHARACTERS) for leg in legs for line in leg.diff.splitlines()]
    fits = 1
    while len(", ".join(each[: fits + 1])) <= BESIDES_ROW_CHARACTERS and fits < len(each):
        fits += 1
    more = len(each) - fits
    return f"Also: {', '.join(each[:fits])}{f', {more:,} more' if more > 0 else ''}" if each else ""


def goes(leg: Leg, now: datetime) -> list[str]:
    """Says what is not live any more afterwards, and what else becomes different: a line each."""
    return [*(_gone(one, now) for one in leg.gone), *(escape(line, 200) for line in leg.diff.splitlines())]


def _gone(one: Gone, now: datetime) -> str:
    label = escape(one.label, 120) if one.label != one.id else ""
    about = (label, utc(one.at, now) if one.at else "", escape(one.author, 40), escape(one.note, 60))
    return " · ".join(filter(None, (version(one.id) if label or one.at else escape(one.id, 200), *about)))


def outage(plan: Plan) -> str:
    if plan.outage is None:
        return f"{_outage_is(plan).rstrip(':')}: not known, no earlier run"
    if plan.outage <= 0:
        return "No outage expected"
    said = f"{_outage_is(plan)} about {duration(plan.outage)}"
    if plan.outage_range and plan.outage_runs:
        runs = "1 run" if plan.outage_runs == 1 else f"{plan.outage_runs} runs"
        said += f" ({duration_range(*plan.outage_range)} in {runs})"
    if plan.rto is not None and plan.outage > plan.rto:
        said += f", longer than the RTO of {duration(plan.rto)}"
    return said


def _outage_is(plan: Plan) -> str:
    """Named by what is measured: the time in maintenance, else until it was restored."""
    order = [step.do for step in plan.steps]
    if Do.MAINTENANCE_ON not in order:
        return "Maintenance" if Do.MAINTENANCE_OFF in order else "Outage"
    early = Do.PREPARE in order and order.index(Do.MAINTENANCE_ON) < order.index(Do.PREPARE)
    return "Maintenance, from before the copy is made:" if early else "Maintenance"


def warnings(plan: Plan, most: int = WARNINGS_ON_A_CARD) -> list[str]:
    shown = [f"⚠️ {escape(warning, 80)}" for warning in plan.warnings[:most]]
    more = len(plan.warnings) - most
    return shown + ([f"⚠️ {more} more: press *Details*"] if more > 0 else [])


def undo(plan: Plan) -> str:
    if plan.purpose is Purpose.DRILL:
        return "Nothing to undo: nothing live is touched"
    mode = min((leg.undo for leg in plan.legs), key=_WORST_FIRST.index)
    if mode is UndoMode.IMPOSSIBLE:
        return "⚠️ *Cannot be undone*"
    until = f"Undo possible until {date(plan.undo_until(plan.made_at), plan.made_at)}"
    dropped = any(step.drops is Do.SAVE for step in plan.steps)
    said = f"{until}, then its undo point is dropped" if dropped else until
    return f"{said}, best effort" if mode is UndoMode.BEST_EFFORT else said


def drill(plan: Plan) -> str:
    return drill_words(plan.point, plan.made_at) or "no drill yet"


def approvals(plan: Plan) -> str:
    """`2, from managers`: how many others have to agree, and who they may be."""
    if plan.purpose is Purpose.DRILL and not plan.approvals_needed:
        return "none: the configuration agrees to drills that touch nothing live"
    return f"{plan.approvals_needed}, from {', '.join(plan.approvers)}"


def current_name(current: Current) -> str:
    """Returns what is live, as people call it."""
    return version(current.label or current.id)


def was_live(plan: Plan) -> str:
    """Says what stands before anything is restored."""
    if plan.kind is Kind.SYSTEM:
        return version(plan.current.label or plan.current.id)
    return "its data of before"


def in_full(plan: Plan, now: datetime) -> list[str]:
    """Every row, for the long form: nothing is folded."""
    if plan.purpose is Purpose.DRILL:
        does = "Copied beside" if any(step.do is Do.PREPARE for step in plan.steps) else "Planned only for"
        copied = f"{does} {target_name(plan.target)}: {point_name(plan.point, now)}"
        return [copied, *[f"⚠️ {escape(warning)}" for warning in plan.warnings], undo(plan), *_pinned(plan)]
    rows = [
        goes_back(plan, now),
        *[
            f"Together with {target_name(leg.target)} to {point_name(leg.point, now)}"
            for leg in plan.legs[1:]
        ],
        f"{comes_from(plan, now)}, {code(plan.current.id)}",
        *cost(plan, now),
        *[f"Changed since: {_change(one, now)}{_about(one)}" for one in plan.changes],
        *_untold(plan),
        *_every_figure(plan),
        f"Covered in full: {loss.covered(plan.ceiling)}" if plan.ceiling.units else "",
        outage(plan),
        *[f"⚠️ {escape(warning)}" for warning in plan.warnings],
        *[f"⛔ {escape(blocker)}" for blocker in plan.blockers],
        undo(plan),
        *_pinned(plan),
    ]
    return [row for row in rows if row]


def _about(one: OutsideChange) -> str:
    """Says who has told it, and which paths it has changed."""
    told = f"told by {escape(one.source, 30)}" if one.source else "seen by a look"
    shown = ", ".join(escape(path, 40) for path in one.paths[:3])
    more = f" and {len(one.paths) - 3:,} more" if len(one.paths) > 3 else ""
    mark = ", significant" if one.significant else ""
    return f" · {told}{mark}{f': {shown}{more}' if shown else ''}"


def _untold(plan: Plan) -> list[str]:
    """How many changes there is no room for."""
    more = plan.changes_told - sum(one.times for one in plan.changes)
    return [f"Changed since: {more:,} more were told of"] if more > 0 else []


def _every_figure(plan: Plan) -> list[str]:
    """Returns every figure, if a card has no room for some of them."""
    counted = [unit for unit in plan.loss.units if unit.count]
    if len(counted) <= loss.FIGURES_ON_A_CARD:
        return []
    return [f"In full: {loss.figures(counted, most=len(counted))}"]


def _pinned(plan: Plan) -> list[str]:
    points = [
        f"Pinned: {escape(leg.point.label or leg.point.id, 40)} of {target_name(leg.target)} is "
        f"{code(leg.point.fingerprint)}"
        for leg in plan.legs
        if leg.point.fingerprint
    ]
    pins = [
        f"Pinned: {escape(pin.name, 80)} of {target_name(leg.target)} is {code(pin.digest[:16])}"
        for leg in plan.legs
        for pin in leg.pins
    ]
    return [*points, *pins]
