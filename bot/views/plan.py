"""What a plan says about itself: where to, what it costs, what to look out for.

The card, the start modal and the approval show the same rows: nobody agrees to other words than were asked.
"""

from datetime import datetime

from bot.model import Kind, Loss, Plan, UndoMode
from bot.views.limits import code, escape
from bot.views.words import (
    both_zones,
    date,
    duration,
    duration_range,
    how_much,
    local,
    loses,
    point_name,
    target_name,
    utc,
    version,
)

WARNINGS_ON_A_CARD = 2
_WORST_FIRST = (UndoMode.IMPOSSIBLE, UndoMode.BEST_EFFORT, UndoMode.EXACT)


def place(plan: Plan) -> str:
    """`orders · PRODUCTION`."""
    return f"{target_name(plan.target)} · {escape(plan.environment.upper(), 20)}"


def goal_name(plan: Plan, now: datetime) -> str:
    """Systems go back to a version, data to a moment."""
    if plan.kind is Kind.SYSTEM:
        return version(plan.point.label or plan.point.id)
    return point_name(plan.point, now)


def goes_back(plan: Plan, now: datetime) -> str:
    point = plan.point
    name = version(point.label or point.id)
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


def cost(plan: Plan, loss: Loss, now: datetime) -> list[str]:
    """`loss` is the newest reading: the plan's own, or the one taken since."""
    return [
        row for row in (loses(loss, plan.point.at, now), how_much(loss, plan.ceiling, plan.rpo, now)) if row
    ]


def outage(plan: Plan) -> str:
    if plan.outage is None:
        return "Outage: not known, no earlier run"
    if plan.outage <= 0:
        return "No outage expected"
    said = f"Outage about {duration(plan.outage)}"
    if plan.outage_range and plan.outage_runs:
        runs = "1 run" if plan.outage_runs == 1 else f"{plan.outage_runs} runs"
        said += f" ({duration_range(*plan.outage_range)} in {runs})"
    if plan.rto is not None and plan.outage > plan.rto:
        said += f", longer than the RTO of {duration(plan.rto)}"
    return said


def warnings(plan: Plan, most: int = WARNINGS_ON_A_CARD) -> list[str]:
    shown = [f"⚠️ {escape(warning, 80)}" for warning in plan.warnings[:most]]
    more = len(plan.warnings) - most
    return shown + ([f"⚠️ {more} more: press *Details*"] if more > 0 else [])


def undo(plan: Plan) -> str:
    mode = min((leg.undo for leg in plan.legs), key=_WORST_FIRST.index)
    if mode is UndoMode.IMPOSSIBLE:
        return "⚠️ *Cannot be undone*"
    until = f"Undo possible until {date(plan.undo_until(plan.made_at))}"
    return f"{until}, best effort" if mode is UndoMode.BEST_EFFORT else until


def drill(plan: Plan) -> str:
    """Proven is a date, never an adjective."""
    if plan.point.proven_at is None:
        return "no drill yet"
    return f"drill {date(plan.point.proven_at)}: restored, verified"


def was_live(plan: Plan) -> str:
    """What stands before anything is restored."""
    if plan.kind is Kind.SYSTEM:
        return version(plan.current.label or plan.current.id)
    return "its data of before"


def in_full(plan: Plan, now: datetime) -> list[str]:
    """Every row, for the long form: nothing is folded."""
    return [
        goes_back(plan, now),
        *[
            f"Together with {target_name(leg.target)} to {point_name(leg.point, now)}"
            for leg in plan.legs[1:]
        ],
        f"From {code(plan.current.id)}" + (f" of {utc(plan.current.at, now)}" if plan.current.at else ""),
        *cost(plan, plan.loss, now),
        outage(plan),
        *warnings(plan, len(plan.warnings)),
        *[f"⛔ {escape(blocker)}" for blocker in plan.blockers],
        undo(plan),
    ]
