"""Which restore points are offered, in which groups, and which one is suggested. One rule for everybody.

Suggested is the newest point that is older than what is live, on no hold, not saved before a rollback, not of
a time that a rollback took back, and without a doubt of its backend or of its newest drill. Where there is
none such, nothing is chosen for anybody.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.model import Current, Left, PointKind, Points, RestorePoint
from bot.run import Run
from bot.times import is_of_the_future


@dataclass(frozen=True, slots=True)
class Hold:
    """This version was rolled back: shown whenever somebody plans to go there, until lifted."""

    target: str
    point: str
    run: str
    placed_at: datetime


@dataclass(frozen=True, slots=True)
class Abandoned:
    """The time that an earlier rollback took back: what was saved in it may hold what was rolled back."""

    run: str
    since: datetime  # when the restore point was
    until: datetime  # when the run ended


def taken_back(target: str, moved: Sequence[Run]) -> tuple[Abandoned, ...]:
    """Returns the times that runs have taken back. `moved`: those that changed what is live, newest first.

    What counts is what is live and not how a run ended: one that failed its checks has taken back, too. An
    undo takes back as well; whose run was undone has not, unless that undo was undone itself.
    """
    undone: set[str | None] = set()
    found: list[Abandoned] = []
    for run in moved:
        if not _arrived(run) or run.id in undone:
            continue
        undone.add(run.request.undo_of)
        until = run.end.at or run.changed_at or run.request.at
        found += [
            Abandoned(run.id, leg.point.at, until)
            for leg in run.approval.plan.legs
            if leg.target == target and leg.point.at is not None
        ]
    return tuple(found)


def _arrived(run: Run) -> bool:
    return run.work.live is Left.POINT


@dataclass(frozen=True, slots=True)
class Offer:
    """Holds what may be chosen. A point that is in none of the mappings is a plain one."""

    points: Points
    suggested: str | None = None  # id; None: nobody chooses for anybody
    held: Mapping[str, str] = field(default_factory=dict)  # id to the run that took it back
    saved_before: Mapping[str, str] = field(default_factory=dict)  # id to the run before which it was live

    @property
    def plain(self) -> tuple[RestorePoint, ...]:
        """Neither live, nor held, nor of a time that was taken back: newest first."""
        return tuple(p for p in self.others if p.id not in self.held and p.id not in self.saved_before)

    @property
    def others(self) -> tuple[RestorePoint, ...]:
        """All but what is live."""
        return tuple(point for point in self.points.points if not is_live(point, self.points))


def offer(listed: Points, holds: Sequence[Hold], abandoned: Sequence[Abandoned], now: datetime) -> Offer:
    """`holds` and `abandoned` are of this target."""
    held = {hold.point: hold.run for hold in holds}
    saved = dict(_saved_before(listed, abandoned))
    return Offer(
        listed,
        next((point.id for point in earlier(listed) if _is_good(point, {*held, *saved}, now)), None),
        {point.id: held[point.id] for point in listed.points if point.id in held},
        saved,
    )


def _is_good(point: RestorePoint, bad: set[str], now: datetime) -> bool:
    """A point without a time may be newer than what is live, as may one whose time cannot be right; a doubted
    one, or one that did not come back in a drill, is nobody's default."""
    dated = point.at is not None and not is_of_the_future(point.at, now)
    return dated and point.id not in bad and not point.doubt and point.failed_at is None


def _saved_before(listed: Points, abandoned: Sequence[Abandoned]) -> Iterator[tuple[str, str]]:
    for point in listed.points:
        took_back = [each.run for each in abandoned if _is_of(each, point)]
        if point.kind is PointKind.UNDO:
            yield point.id, point.saved_before or (took_back or [UNKNOWN_RUN])[0]
        elif took_back:
            yield point.id, took_back[0]


UNKNOWN_RUN = "a run"  # that nobody remembers


def _is_of(time: Abandoned, point: RestorePoint) -> bool:
    return point.at is not None and time.since < point.at <= time.until


def why_none_suggested(target: str, listed: Points) -> str:
    """Returns why no restore point is chosen beforehand, and what to do."""
    if all(is_live(point, listed) for point in listed.points):
        return f"`{target}` has no earlier restore point to go back to."
    return (
        f"No restore point of `{target}` is suggested: each is newer than what is live, on hold, saved "
        "before a rollback, in doubt, or nobody knows which of both is older. Choose one yourself."
    )


def earlier(listed: Points) -> Iterator[RestorePoint]:
    """Yields what is known to be older than the live state: points stand newest first.

    Of two with the same time the backend's own order says which is older.
    """
    place = next((n for n, point in enumerate(listed.points) if is_live(point, listed)), None)
    if place is None:
        yield from (point for point in listed.points if _was_live_before(point, listed.current))
        return
    since = listed.points[place].at or listed.current.at
    for point in listed.points[place + 1 :]:
        if since is None or (point.at is not None and point.at <= since):
            yield point


def _was_live_before(point: RestorePoint, current: Current) -> bool:
    """Whether its life is over; where nobody knows its life, whether it was complete before what is live."""
    if point.live:
        return all(span.until is not None for span in point.live)
    return current.at is not None and point.at is not None and point.at < current.at


def is_live(point: RestorePoint, listed: Points) -> bool:
    return point.current or point.id == listed.current.id
