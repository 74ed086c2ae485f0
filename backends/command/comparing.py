"""Compares what a program says now with what was approved, and orders what it lists. It calls nobody."""

from collections.abc import Sequence
from typing import Final

from backends.command.answers import PrintedCurrent
from backends.programs.process import printable
from backends.secrecy import Secrets
from bot.contract import StateChanged, Work
from bot.model import Current, Gone, Points, RestorePoint

MOST_GONE: Final = 20  # that are listed


def compare(current: Current, work: Work) -> None:
    """Raises StateChanged. An earlier version knew what is live by its id alone."""
    if not work.expected or work.expected == current.token:
        return
    if work.unsigned and work.expected == current.id:
        return
    was = f"no longer `{work.expected}`" if current.token == current.id else "and not as the plan found it"
    raise StateChanged(f"`{current.id}` is live now, {was}. Nothing was done.")


def compare_content(point: RestorePoint, work: Work) -> None:
    if work.fingerprint and point.fingerprint != work.fingerprint:
        differs = other_content(work.fingerprint, point.fingerprint)
        raise StateChanged(f"`{point.id}` is not what was approved: {differs}. Nothing was done.")


def other_content(was: str, now: str | None) -> str:
    return f"its fingerprint was `{was}` and is {f'`{printable(now)}`' if now else 'not said'} now"


def newest_first(points: Sequence[RestorePoint]) -> tuple[tuple[RestorePoint, ...], tuple[str, ...]]:
    """Returns them in order, and the ids that stand there more than once: of those the newest stays.

    Those with a time go by it, and of one time as the tool gave them; each without one stays in its place.
    """
    dated = [(point.at, point) for point in points if point.at is not None]
    in_order = iter([point for _, point in sorted(dated, key=lambda pair: pair[0], reverse=True)])
    newest: dict[str, RestorePoint] = {}
    twice: dict[str, None] = {}
    for point in points:
        placed = point if point.at is None else next(in_order)
        if newest.setdefault(placed.id, placed) is not placed:
            twice[placed.id] = None
    return tuple(newest.values()), tuple(twice)


def gone_from(points: Points, point: RestorePoint) -> tuple[Gone, ...]:
    """From what is live down to the point: what goes, newest first. On the way forward only what is live.

    Where some points have a time and others have none, nobody knows what lies between two of them.
    """
    ids = [offered.id for offered in points.points]
    if points.current.id not in ids:
        return (Gone(points.current.id),)
    first = ids.index(points.current.id)
    live, *others = points.points[first : max(ids.index(point.id), first + 1)]
    if any(one.at for one in points.points):
        others = [one for one in others if one.at and live.at and point.at]
    going = (live, *others)
    return tuple(Gone(one.id, one.label, one.at, one.author or "") for one in going[:MOST_GONE])


def live_of(current: PrintedCurrent, points: Sequence[RestorePoint], secrets: Secrets) -> Current:
    """Returns what is live, with what the list of points knows of it."""
    live = next((point for point in points if point.current), None)
    since = next((span.since for span in live.live if span.until is None), None) if live else None
    return Current(
        current.id,
        token=current.token or current.id,
        label=live.label if live else "",
        at=live.at if live else None,
        since=current.since or since,
        author=printable(secrets.struck(current.author or ""), 80) or None,
    )
