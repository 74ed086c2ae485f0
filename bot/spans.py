"""When which state was live, as the bot has seen it: from looks, and from its own runs.

A backend that knows better is believed. Between two looks that saw different states nobody knows the moment
of the change: what lies there is said as "between", and never guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.model import Current, Goal, Points, RestorePoint, Span, Way
from bot.times import moment


@dataclass(frozen=True, slots=True)
class Lived:
    """A state that was seen live, from one change to the next."""

    point: str  # id, as the backend calls what is live
    token: str
    since: datetime  # from when on it was live for certain
    seen: datetime  # when it was seen last
    after: datetime | None = None  # when another state was seen last before it; None: nobody had looked
    label: str = ""
    author: str | None = None
    run: str | None = None  # the id of our run that put it there


def with_lives(listed: Points, lived: Sequence[Lived]) -> Points:
    """Returns the points with what was seen of them, where the backend is silent. `lived`: oldest first."""
    points = tuple(_with_life(point, lived) for point in listed.points)
    return replace(listed, points=points, current=with_since(listed.current, lived))


def way_with_lives(way: Way, lived: Sequence[Lived]) -> Way:
    """Returns the way with what was seen of its point and of what is live."""
    return replace(way, point=_with_life(way.point, lived), current=with_since(way.current, lived))


def with_since(current: Current, lived: Sequence[Lived]) -> Current:
    """Returns what is live with since when and by whom, as far as the backend or a look says so."""
    last = lived[-1] if lived and lived[-1].token == current.token else None
    if last is None:
        return current
    known = last.since if last.after is not None or last.run is not None else None
    return replace(current, since=current.since or known, author=current.author or last.run or last.author)


def _with_life(point: RestorePoint, lived: Sequence[Lived]) -> RestorePoint:
    if point.live or not lived:
        return point
    spans = tuple(
        Span(each.since, after.since if after else None, each.seen if after else None)
        for each, after in zip(lived, (*lived[1:], None), strict=True)
        if each.point == point.id
    )
    return replace(point, live=spans)


def live_at(listed: Points, when: datetime) -> RestorePoint | str | None:
    """Returns the point that was live then; a sentence: nobody knows which; None: the backend has to say."""
    for point in listed.points:
        for span in point.live:
            if span.since <= when and (span.until is None or when < span.until):
                if span.seen is None or when <= span.seen:
                    return point
                name, until = point.label or point.id, moment(span.until or when)
                return (
                    f"Nobody looked between {moment(span.seen)} and {until}, when `{name}` gave way to "
                    "something else. Choose a restore point by its name."
                )
    return None


def other_goal(first: Way, goal: Goal) -> Goal | None:
    """Returns where the further targets of a procedure go: to the end of the good state's life.

    None: nobody knows when that was.
    """
    if goal.undo_of is not None or goal.before is not None:
        return goal
    ends = [span.seen or span.until for span in first.point.live]
    known = [end for end in ends if end is not None]
    end = max(known) if known and len(known) == len(ends) else first.current.since
    return None if end is None else Goal(before=end)
