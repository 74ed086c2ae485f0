"""Holds what a tool says now against what a plan or a run knows: the same state, the same content."""

from backends.choosing import named
from backends.programs.process import printable
from bot.contract import COPY, Blocked, Busy, PointUnavailable, StateChanged, Work
from bot.model import Beside, Current, Do, Points, RestorePoint

NOT_ALL_IS_READ = "The points command lists more than can be read: let it print fewer, or pages."


def compare_live(current: Current, work: Work) -> None:
    """Raises StateChanged. An earlier version knew what is live by its id alone."""
    if not work.expected or work.expected == current.token:
        return
    if work.unsigned and work.expected == current.id:
        return
    was = f"no longer `{work.expected}`" if current.token == current.id else "and not as the plan found it"
    raise StateChanged(f"`{current.id}` is live now, {was}. Nothing was done.")


def refuse_other(work: Work, points: Points) -> None:
    """Raises what start raises where what is there is not what the work is about."""
    compare_live(points.current, work)
    if work.do in {Do.PREPARE, Do.RESTORE}:
        compare_content(named(work.point, points.points), work.fingerprint, "approved")
    if work.do is Do.DROP and work.prepared and (reason := why_no_copy(work.prepared, points)):
        raise Blocked(f"{reason} It is not dropped.")
    if work.do is Do.DROP and work.undo:
        compare_content(listed_still(work.undo, points), work.undo_content, "saved")


def point_listed(name: str, points: Points) -> RestorePoint | None:
    return next((point for point in points.points if point.id == name), None)


def listed_still(name: str, points: Points) -> RestorePoint:
    """Raises PointUnavailable, and Busy where not all points could be read."""
    found = point_listed(name, points)
    if found is not None:
        return found
    if points.whole:
        raise PointUnavailable(f"`{name}` is not listed any more.")
    raise Busy(f"Nobody knows whether `{name}` is still there. {NOT_ALL_IS_READ}")


def compare_content(point: RestorePoint, known: str, when: str) -> None:
    """Raises StateChanged. `known`: the fingerprint that it had `when`; empty: none was told."""
    if known and point.fingerprint != known:
        differs = other_content(known, point.fingerprint)
        raise StateChanged(f"`{point.id}` is not what was {when}: {differs}. Nothing was done.")


def other_content(was: str, now: str | None) -> str:
    return f"its fingerprint was `{was}` and is {f'`{printable(now)}`' if now else 'not said'} now"


def copy_named(name: str, op_id: str, points: Points) -> Beside | str:
    """Returns the copy that a program says it has made, by its op id without a name; a sentence: it is none.

    Who looks at the copy is told its name: where it is, only its tool knows.
    """
    copy = name or op_id
    return why_no_copy(copy, points) or Beside(copy, {COPY: copy})


def why_no_copy(name: str, points: Points) -> str | None:
    """Says why that is no copy: what is listed or live would be dropped like one."""
    if point_listed(name, points) is None and name != points.current.id:
        return None
    return f"It says that its copy is `{name}`, which is a restore point, or what is live."
