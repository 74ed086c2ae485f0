"""From what a program printed to the restore points that people are offered, and what is left out of them.

Texts are struck before they are cut: half a secret is told as well.
"""

from collections.abc import Callable, Sequence
from typing import Final

from backends.choosing import shortened
from backends.command.answers import PrintedCurrent, PrintedPoint
from backends.command.calls import why_not_a_point
from backends.command.listing import Listing
from backends.programs.process import printable
from backends.programs.spool import why_not_an_argument
from bot.model import Current, Gone, Points, RestorePoint

MOST_GONE: Final = 20  # that are listed

Strike = Callable[[str], str]


def offered(listing: Listing, current: PrintedCurrent, struck: Strike, after_dashes: bool) -> Points:
    """`struck`: takes secrets out of a text. `after_dashes`: whether a point may begin with a dash."""
    reasons = [_why_left_out(point, struck, after_dashes) for point in listing.points]
    points, twice = _newest_first(
        [
            _without_secrets(point, struck).point(current.id)
            for point, reason in zip(listing.points, reasons, strict=True)
            if not reason
        ]
    )
    reasons += [
        f"`{printable(struck(name), 60)}` is listed more than once: the newest counts." for name in twice
    ]
    left_out = (*shortened(list(filter(None, reasons))), *listing.left_out)
    return Points(points, _live(current, points, struck), left_out, whole=not listing.left_out)


def gone_by(points: Points, point: RestorePoint) -> tuple[Gone, ...]:
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


def _why_left_out(point: PrintedPoint, struck: Strike, after_dashes: bool) -> str:
    """Returns why it is not offered; empty: it is."""
    name = printable(struck(point.id), 60)
    if reason := why_not_a_point(point.id, after_dashes):
        return f"`{name}` {reason}."
    if point.fingerprint and (reason := why_not_an_argument(point.fingerprint)):
        return f"`{name}`: its fingerprint {reason}."
    return ""


def _without_secrets(point: PrintedPoint, struck: Strike) -> PrintedPoint:
    author = None if point.author is None else struck(point.author)
    return point.model_copy(update={"label": struck(point.label), "author": author})


def _live(current: PrintedCurrent, points: Sequence[RestorePoint], struck: Strike) -> Current:
    live = next((point for point in points if point.current), None)
    since = next((span.since for span in live.live if span.until is None), None) if live else None
    return Current(
        current.id,
        token=current.token or current.id,
        label=live.label if live else "",
        at=live.at if live else None,
        since=current.since or since,
        author=printable(struck(current.author or ""), 80) or None,
    )


def _newest_first(points: Sequence[RestorePoint]) -> tuple[tuple[RestorePoint, ...], tuple[str, ...]]:
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
