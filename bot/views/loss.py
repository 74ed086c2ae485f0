"""How a loss is said: what goes, what gets its earlier values, what comes back. All of it is markup.

Not known is said as not known, never as zero; no data touched is said as that; nothing differs only where
everything was compared.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from bot.loss import HOW, is_short, noun
from bot.model import Ceiling, Change, Loss, LossQuality, Measure, Unit
from bot.views.limits import escape
from bot.views.words import byte_size, clock, duration

FIGURES_ON_A_CARD = 4
NAMES_ON_A_CARD = 3
NAME_CHARACTERS = 20  # of a table, a file or whatever is counted
_NOW = {Change.NEW: "", Change.CHANGED: " go back", Change.RETURNS: " return"}
_THEN = {Change.NEW: "", Change.CHANGED: " went back", Change.RETURNS: " returned"}
_WAS = {**HOW, Change.RETURNS: "deleted"}


# Figures ---------------------------------------------------------------------------------------


def figures(units: Sequence[Unit], *, past: bool = False, most: int = FIGURES_ON_A_CARD) -> str:
    """`212 new orders, 9 refunds; 41 changed orders go back, 3 deleted return`.

    What is 0 is left out. Empty: every figure is 0.
    """
    shown, goes = largest(units, most), _THEN if past else _NOW
    new = [unit for unit in shown if unit.change is Change.NEW]
    names = [unit.name for unit in shown]
    others = sorted((u for u in shown if u.change is not Change.NEW), key=lambda u: names.index(u.name))
    pairs = zip(others, (None, *others), strict=False)
    said = (_new(new), ", ".join(_other(unit, before, goes) for unit, before in pairs))
    left = sum(1 for unit in units if unit.count) - len(shown)
    more = f" and {left} more {noun('figures', left)}" if left > 0 else ""
    return "; ".join(filter(None, said)) + more


def largest(units: Sequence[Unit], most: int = FIGURES_ON_A_CARD) -> list[Unit]:
    """Returns the figures that are not 0 in their own order, of many the largest: those weigh most."""
    counted = [unit for unit in units if unit.count]
    by_size = sorted(counted, key=lambda unit: (unit.measure is Measure.BYTES, unit.count), reverse=True)
    kept = {id(unit) for unit in by_size[:most]}
    return [unit for unit in counted if id(unit) in kept]


def _new(units: Sequence[Unit]) -> str:
    """The first one says that they are new."""
    return ", ".join(_figure(unit, "new " if unit.limits and n == 0 else "") for n, unit in enumerate(units))


def _other(unit: Unit, before: Unit | None, goes: Mapping[Change, str]) -> str:
    """Returns a figure. A name that the figure before has as well is not said again."""
    again = before is not None and before.name == unit.name
    figure = f"{unit.count:,} {_WAS[unit.change]}" if again else _figure(unit, f"{_WAS[unit.change]} ")
    return f"{figure}{goes[unit.change]}"


def _figure(unit: Unit, how: str, most: int = 1) -> str:
    """`most`: the largest of several figures that share the name."""
    name = escape(noun(unit.name, max(unit.count, most)), NAME_CHARACTERS)
    if unit.measure is Measure.BYTES:
        return f"{byte_size(unit.count)} of {how}{name}"
    return f"{unit.count:,} {how}{name}"


def names(units: Sequence[Unit], most: int = NAMES_ON_A_CARD) -> str:
    """`orders, refunds and 2 more`: of what there are figures."""
    each = [escape(name, NAME_CHARACTERS) for name in dict.fromkeys(unit.name for unit in units)]
    return ", ".join(each[:most]) + (f" and {len(each) - most} more" if len(each) > most else "")


def covered(ceiling: Ceiling, shown: Sequence[Unit] | None = None) -> str:
    """`400 new, 80 changed orders, 20 refunds`: the most that an approval covers.

    `shown`: only the limits of these figures, as far as they are not 0. Empty: no figure has a limit.
    """
    seen = None if shown is None else {(unit.name, unit.change) for unit in largest(shown)}
    limits = [u for u in ceiling.units if seen is None or (u.name, u.change) in seen]
    by_name: dict[str, list[Unit]] = {}
    for unit in limits:
        by_name.setdefault(unit.name, []).append(unit)
    return ", ".join(_covered(units, n == 0) for n, units in enumerate(by_name.values()))


def _covered(units: Sequence[Unit], first: bool) -> str:
    """The limits of one name. New ones alone say so only where they stand first."""
    plain = not first and all(unit.change is Change.NEW for unit in units)
    most = max(unit.count for unit in units)
    return ", ".join(
        _figure(unit, "" if plain else f"{HOW[unit.change]} ", most)
        if unit is units[-1]
        else f"{unit.count:,} {HOW[unit.change]}"
        for unit in units
    )


# Sentences -------------------------------------------------------------------------------------


def loses(loss: Loss, now: datetime) -> str:
    """The row that says what goes: the first thing that people weigh."""
    if loss.quality is LossQuality.NONE:
        return "No data is touched" + (f" (declared by {escape(loss.basis, 60)})" if loss.basis else "")
    if loss.quality is LossQuality.UNKNOWN:
        return _not_known(loss, now)
    if loss.units and not any(unit.count for unit in loss.units):
        return f"*Nothing differs from {_moment(loss, now)}* in {names(loss.units)}"
    return f"*Loses since {_moment(loss, now)}:* {amount(loss, now) or _as_declared(loss)}"


def _moment(loss: Loss, now: datetime) -> str:
    return clock(loss.since, now) if loss.since else "that point"


def _not_known(loss: Loss, now: datetime) -> str:
    why = f": {escape(loss.basis, 120)}" if loss.basis else ""
    found = figures(loss.units)
    if found:
        return f"*Loses since {_moment(loss, now)}:* {found}. More is *NOT KNOWN*{why}"
    return f"*NOT KNOWN what is lost* since {_moment(loss, now)}{why}"


def amount(loss: Loss, now: datetime, *, past: bool = False) -> str:
    """In figures, else as time. Empty: there is none."""
    if loss.quality is LossQuality.UNKNOWN:
        return ""
    about = "about " if loss.quality is LossQuality.ESTIMATED else ""
    if loss.units:
        found = figures(loss.units, past=past)
        return f"{about}{found}" if found else f"0 of {names(loss.units)}"
    window = loss.window(loss.measured_at or now)
    return f"{about}{duration(window)} of changes" if window is not None else ""


def _as_declared(loss: Loss) -> str:
    return f"as declared: {escape(loss.basis, 80)}" if loss.quality is LossQuality.DECLARED else "*NOT KNOWN*"


def how_sure(loss: Loss, ceiling: Ceiling | None, rpo: float | None, now: datetime) -> str:
    """The row below: when it was measured, how fast it grows, how much the approval covers, the RPO."""
    if loss.quality is LossQuality.NONE:
        return ""
    said = [_measured(loss, now), *(_limits(loss, ceiling) if ceiling else ())]
    objective = f"RPO {duration(rpo)}" if rpo is not None else ""
    return " · ".join(filter(None, (". ".join(filter(None, said)), objective)))


def _measured(loss: Loss, now: datetime) -> str:
    """`Measured 03:02, 13/min`."""
    if loss.quality is LossQuality.UNKNOWN or (loss.quality is LossQuality.DECLARED and not loss.units):
        return ""
    basis = escape(loss.basis, 60)
    why = f" ({basis})" if basis and loss.quality is not LossQuality.MEASURED else ""
    when = f" {clock(loss.measured_at, now)}" if loss.measured_at else ""
    return f"{loss.quality.value.capitalize()}{when}{why}{_growth(loss, now)}"


def _growth(loss: Loss, now: datetime) -> str:
    """The average since the point of what is new; under a minute of window it would mean nothing."""
    window = loss.window(loss.measured_at or now)
    if window is None or is_short(window):
        return ""
    new = (u.count for u in loss.units if u.limits and u.change is Change.NEW and u.measure is Measure.COUNT)
    rate = sum(new) * 60 / window
    return f", {rate:,.0f}/min" if rate >= 1 else ""


def _limits(loss: Loss, ceiling: Ceiling) -> Iterator[str]:
    """Yields the limits of what is shown; where more may begin to differ, *Details* has the rest."""
    said = covered(ceiling, loss.units)
    if said:
        yield f"Covered: up to {said}"
    elif ceiling.seconds is not None:
        yield f"Covered: up to {duration(ceiling.seconds)} of changes"


def cost(loss: Loss, ceiling: Ceiling | None, rpo: float | None, now: datetime) -> list[str]:
    """Both rows, as far as there is something to say."""
    return [row for row in (loses(loss, now), how_sure(loss, ceiling, rpo, now)) if row]


def in_short(loss: Loss, now: datetime) -> str:
    """One plain sentence for the lock screen."""
    if loss.quality is LossQuality.NONE:
        return "No data is touched."
    if loss.quality is LossQuality.UNKNOWN:
        found = figures(loss.units)
        return f"Loses {found}, and more is NOT KNOWN." if found else "What is lost is NOT KNOWN."
    if found := amount(loss, now):
        return f"Loses {found} so far."
    return f"Loses {_as_declared(loss)}."


def removed(loss: Loss, now: datetime) -> str:
    """Says what a restore has done to the data, afterwards."""
    if loss.quality is LossQuality.NONE:
        return "No data was touched"
    if found := amount(loss, now, past=True):
        return f"Removed {found}"
    if found := figures(loss.units, past=True):
        return f"Removed {found}; what else is *not known*"
    how = _as_declared(loss) if loss.quality is LossQuality.DECLARED else "how much is *not known*"
    return f"Removed everything written since: {how}"
