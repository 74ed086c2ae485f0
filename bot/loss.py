"""What going back costs: how several losses are one, how much an approval covers, and when it is too much.

Every figure counts: new rows that go, changed ones that get their earlier values, deleted ones that return.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from bot.model import Ceiling, Change, Loss, LossQuality, Measure, Plan, Unit
from bot.spelling import listed

WORSE = (
    LossQuality.NONE,
    LossQuality.MEASURED,
    LossQuality.DECLARED,
    LossQuality.ESTIMATED,
    LossQuality.UNKNOWN,
)
SHORT_WINDOW_SECONDS = 60.0  # in less, a rate means nothing
LONGEST_WARNING_CHARACTERS = 80  # a card cuts the rest away


def joint(losses: Sequence[tuple[str, Loss]]) -> Loss:
    """Several targets lose together: the worst quality, the earliest moment, all units by name."""
    if len(losses) == 1:
        return losses[0][1]
    worst = max((loss for _, loss in losses), key=lambda loss: WORSE.index(loss.quality))
    touching = [loss for _, loss in losses if loss.quality is not LossQuality.NONE]
    known = [loss.since for loss in touching if loss.since is not None]
    return Loss(
        worst.quality,
        min(known) if known and len(known) == len(touching) else None,
        tuple(replace(unit, name=_of_target(name, unit)) for name, loss in losses for unit in loss.units),
        "; ".join(f"{name}: {loss.basis}" for name, loss in losses if loss.basis),
        min((loss.measured_at for loss in touching if loss.measured_at), default=None),
    )


def _of_target(target: str, unit: Unit) -> str:
    return unit.name if unit.name == target else f"{target} {unit.name}"


def ceiling_of(loss: Loss, now: datetime, expiry: float, tolerance: float | None) -> Ceiling:
    """Returns what is shown, plus what its rate adds in `expiry` seconds; a tolerance replaces the rate.

    From a window of under a minute no rate is known: at most twice what is shown.
    """
    if loss.quality is LossQuality.NONE:
        return Ceiling(0.0)
    window = loss.window(now)
    if tolerance is not None:
        share = tolerance
    elif window is None:
        share = 0.0
    else:
        share = expiry / max(window, SHORT_WINDOW_SECONDS)
    most = 2 if tolerance is None and is_short(window) else None
    units = tuple(replace(u, count=_grown(u.count, share, most)) for u in loss.units if u.limits)
    return Ceiling(None if window is None else window + expiry, units)


def is_short(window: float | None) -> bool:
    """Whether it is too short, in seconds, for a rate."""
    return window is not None and window < SHORT_WINDOW_SECONDS


def _grown(count: int, share: float, most: int | None) -> int:
    """`most`: times what is shown. A figure of 0, which no card shows, is covered up to 1 without it."""
    grown = count + math.ceil(count * share) if count else min(math.ceil(share), 1)
    return grown if most is None else min(grown, count * most)


def outgrown(plan: Plan, loss: Loss, now: datetime) -> str | None:
    """Why the approval no longer covers this loss; None: it does."""
    if WORSE.index(loss.quality) > WORSE.index(plan.loss.quality):
        why = f" ({loss.basis})" if loss.quality is LossQuality.UNKNOWN and loss.basis else ""
        return f"the loss was {plan.loss.quality} when it was approved and is {loss.quality} now{why}"
    limit, window = plan.ceiling.seconds, loss.window(now)
    if plan.pins and limit is not None and window is None:
        return "since when something is lost is not known any more"
    if limit is not None and window is not None and window > limit:
        return f"the data-loss window has grown to {window:.0f} s, the limit is {limit:.0f} s"
    if plan.within_rpo and plan.rpo is not None and window is not None and window > plan.rpo:
        return f"the data-loss window has crossed the RPO of {plan.rpo / 60:.0f} min"
    return _figures_outgrown(plan, loss) if plan.pins else _inserts_outgrown(plan, loss)


def comparable(plan: Plan, loss: Loss) -> bool:
    """Whether every figure that was shown could be counted again, as well as it was."""
    if loss.quality is LossQuality.UNKNOWN and plan.loss.quality is not LossQuality.UNKNOWN:
        return False
    return {_figure(u) for u in plan.ceiling.units} <= {_figure(u) for u in loss.units} or not plan.pins


def _figures_outgrown(plan: Plan, loss: Loss) -> str | None:
    """A figure that was shown must be shown again, and none may appear that nobody has seen.

    Who agreed to a loss that nobody knew agreed to what is known of it now.
    """
    limits = _summed(plan.ceiling.units)
    counts = _summed(unit for unit in loss.units if unit.limits)
    for figure in limits:
        if figure not in counts:
            return f"{figure[0]} cannot be compared any more"
    for figure, count in counts.items():
        unit = Unit(figure[0], count, figure[1], figure[2])
        if count and figure not in limits and plan.loss.quality is not LossQuality.UNKNOWN:
            return f"{told(unit)}, which nobody was shown"
        if count > limits.get(figure, count):
            return f"{told(unit)}, covered were {limits[figure]:,}"
    return None


def _summed(units: Iterable[Unit]) -> dict[tuple[str, Change, Measure], int]:
    """Two figures of one name are one: a limit of the one is none of the other."""
    counts: dict[tuple[str, Change, Measure], int] = {}
    for unit in units:
        counts[_figure(unit)] = counts.get(_figure(unit), 0) + unit.count
    return counts


def _figure(unit: Unit) -> tuple[str, Change, Measure]:
    return unit.name, unit.change, unit.measure


def _inserts_outgrown(plan: Plan, loss: Loss) -> str | None:
    """The same for a plan of an earlier version, which counted nothing but new rows."""
    limits = {unit.name: unit.count for unit in plan.ceiling.units}
    for unit in loss.units:
        if limits and unit.change is Change.NEW and unit.count > limits.get(unit.name, 0):
            return f"{unit.count} {unit.name} would be lost, the limit is {limits.get(unit.name, 0)}"
    return None


def told(unit: Unit) -> str:
    """Returns `431 new orders`, `1 changed order`, `1,024 bytes of new WAL`, or `2 authors`."""
    how = f"{HOW[unit.change]} " if unit.limits else ""
    if unit.measure is Measure.BYTES:
        return f"{unit.count:,} bytes of {how}{unit.name}"
    return f"{unit.count:,} {how}{noun(unit.name, unit.count)}"


def people_return(units: Iterable[Unit]) -> tuple[Unit, ...]:
    """Returns the figures of rows about people that were deleted and come back."""
    return tuple(u for u in units if u.personal and u.change is Change.RETURNS and u.count)


def erase_again(units: Sequence[Unit]) -> str:
    """Returns `3 deleted customers return: erase them again`. `units`: from `people_return`, at least one."""
    one = sum(unit.count for unit in units) == 1
    end = " returns: erase it again" if one else " return: erase them again"
    return f"{deleted_people(units, LONGEST_WARNING_CHARACTERS - len(end))}{end}"


def deleted_people(units: Sequence[Unit], most: int) -> str:
    """Returns `3 deleted customers and 1 deleted guest`, in at most so many characters.

    Where the tables have no room none is named: a name that is cut off is another one.
    """
    named = listed([f"{unit.count:,} deleted {noun(unit.name, unit.count)}" for unit in units])
    count = sum(unit.count for unit in units)
    return named if len(named) <= most else f"{count:,} deleted {noun('rows', count)} about people"


def noun(name: str, count: int) -> str:
    """Returns the name for so many: `order` for one of the orders. A plural that is not plain stays."""
    return name[:-1] if count == 1 and _PLAIN_PLURAL.fullmatch(name) else name


_PLAIN_PLURAL = re.compile(r".*(?:[^sxzhoi]e|[^esui])s", re.IGNORECASE | re.DOTALL)  # no `boxes`, no `status`


HOW = {Change.NEW: "new", Change.CHANGED: "changed", Change.RETURNS: "returning"}
