"""Drills on a copy: which restore point is drawn, and what earlier ones have shown.

A drill touches nothing that is live: its plan is in `beside`. Pure: who reads backends and past runs is the
planner.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.configuration import Drill, Target
from bot.contract import Trouble
from bot.errors import PermanentError, UserError, words_of
from bot.model import Do, Finding, PointKind, Points, Purpose, RestorePoint, State, Verdict, Way, When
from bot.run import Run
from bot.views.words import duration


def rule_of(target: Target) -> Drill:
    """Raises UserError where the configuration has no drills of this target."""
    if target.drill is None:
        raise UserError(
            f"`{target.name}` has no drills. Whoever keeps the configuration may write "
            "`drill: {mode: beside}` under it."
        )
    return target.drill


def rehearsal_rule_of(of: Target | None, on: Target) -> Drill:
    """Raises UserError where the configuration does not rehearse `of` on `on` any more.

    `of` None: it is not in the configuration any more.
    """
    if of is None:
        raise UserError(f"What was to be rehearsed on `{on.name}` is not in the configuration any more.")
    rule = rule_of(of)
    if rule.mode != "rehearsal" or rule.target != on.name:
        raise UserError(f"The drills of `{of.name}` are not rehearsed on `{on.name}` any more.")
    return rule


def refuse_by_itself(target: Target) -> None:
    """Raises UserError where the configuration has no drills that start by the clock."""
    if not rule_of(target).start.itself or rule_of(target).mode == "rehearsal":
        raise UserError(f"The drills of `{target.name}` do not start by themselves any more.")


@dataclass(frozen=True, slots=True)
class DrillResult:
    """Holds what the newest drill of a restore point has shown of it."""

    run: str
    at: datetime
    content: str  # the fingerprint that it had; empty: its id says it
    failed: tuple[str, ...]  # names of checks; empty: it was restored and verified
    by: Purpose = Purpose.DRILL


def drawn(
    target: Target, listed: Points, seed: int, now: datetime, known: Mapping[str, DrillResult] | None = None
) -> str:
    """Returns the id of the restore point that the seed draws. Raises UserError where there is none.

    `listed`: of where it is restored. `known`: what was shown of the points of a target rehearsed elsewhere.

    Anybody can draw it again: by the names in alphabetical order, round and round. What has failed a drill is
    drawn where there is nothing else.
    """
    within = rule_of(target).points.from_
    since = now - timedelta(seconds=within)
    window = [point for point in listed.points if _can_be_drawn(point, since, now)]
    if not window:
        where = target.name if known is None else target.drill.target if target.drill else ""
        words = f"`{where}` has no restore point of the last {duration(within)} to draw from"
        raise UserError(f"{words}. Name one: `drill {target.name} POINT`.")
    failed = {point for point, shown in (known or {}).items() if shown.failed}
    window = [p for p in window if p.failed_at is None and p.id not in failed] or window
    return sorted(point.id for point in window)[seed % len(window)]


def _can_be_drawn(point: RestorePoint, since: datetime, now: datetime) -> bool:
    is_of_the_window = point.at is not None and since <= point.at <= now
    return is_of_the_window and not point.current and point.kind is not PointKind.UNDO


def why_of_another(point: RestorePoint, own: RestorePoint | None, of: str, on: str) -> tuple[str, ...]:
    """Returns a warning where nobody can say whether a rehearsal shows anything of what it is a drill of.

    `own`: the point of that name of the target `of`; None: it has none. Raises UserError where a rehearsal
    surely shows nothing: the name is not the thing.
    """
    if own is None:
        raise UserError(
            f"`{of}` has no restore point `{point.id}`, so its rehearsal on `{on}` would show nothing of it. "
            f"Name one that both have: `drill {of} POINT`."
        )
    if not point.fingerprint or not own.fingerprint:
        return (f"Nobody can say whether this restore point holds what that of `{of}` does",)
    if point.fingerprint != own.fingerprint:
        raise UserError(
            f"`{point.id}` of `{on}` holds something else than that of `{of}`, so its rehearsal would show "
            f"nothing. Copy it there again, or name another one: `drill {of} POINT`."
        )
    return ()


# What a drill that makes no copy sees ------------------------------------------------------------


def could_begin(way: Way) -> Finding:
    """Whether anything stands against a rollback there."""
    if way.blockers:
        return _seen("plan", Verdict.FAILED, " ".join(way.blockers))
    return _seen("plan", Verdict.PASSED, "A rollback there could begin.")


def still_holds(differs: str | None) -> Finding:
    """Whether the restore point was read, and holds what it held as it was planned."""
    words = f"{differs}." if differs else "The restore point could be read in full."
    return _seen("restore point", Verdict.FAILED if differs else Verdict.PASSED, words)


def as_examined(troubles: Sequence[Trouble]) -> Finding:
    """Returns the finding on what the target's backend says of tools, rights and room."""
    serious = [trouble.words for trouble in troubles if trouble.serious]
    if serious:
        return _seen("backend", Verdict.FAILED, " ".join(serious))
    return _seen("backend", Verdict.PASSED, "Its tools, rights and room were looked at.")


def not_planned(problem: Exception) -> Finding:
    """Says that what cannot be asked now is not known, and that what is refused has failed."""
    verdict = Verdict.FAILED if isinstance(problem, PermanentError) else Verdict.INCONCLUSIVE
    return _seen("plan", verdict, words_of(problem))


def can_be_approved(people: int, quorum: int) -> Finding:
    """Whether enough people can approve a rollback, whoever of them asks. `people`: distinct humans."""
    words = f"{people} can approve, and {quorum} besides who asks {'has' if quorum == 1 else 'have'} to."
    return _seen("approvers", Verdict.PASSED if people > quorum else Verdict.FAILED, words)


def nobody_told(problem: Exception) -> Finding:
    return _seen("approvers", Verdict.INCONCLUSIVE, words_of(problem))


def _seen(name: str, verdict: Verdict, words: str) -> Finding:
    return Finding(name, When.OFFLINE, verdict, words=words)


# What drills have shown ------------------------------------------------------------------------


def has_shown(drill: Run) -> bool:
    """Whether a drill has shown that its restore point comes back and passes, or that it does not."""
    verdict = drill.work.verdict
    return verdict is Verdict.FAILED or (drill.state is State.SUCCEEDED and verdict is Verdict.PASSED)


def shown_by(drills: Iterable[Run]) -> dict[str, DrillResult]:
    """Returns results by id of restore point. `drills`: ended, newest first. One broken off shows nothing.

    A backup may be among them: what it has saved was restored to a copy and looked into, or only looked for.
    """
    found: dict[str, DrillResult] = {}
    for run in drills:
        if run.approval.planned is None or run.end.at is None:
            continue
        if run.looks_only:
            continue
        point, content = _shown_point(run)
        failed = tuple(finding.name for finding in run.work.findings if finding.verdict is Verdict.FAILED)
        verified = run.state is State.SUCCEEDED and run.work.verdict is Verdict.PASSED
        was_restored = any(record.step.do in {Do.PREPARE, Do.RESTORE} for record in run.work.steps)
        if run.is_rehearsal and not content:
            continue  # on another target a name alone says nothing of what it holds
        if point and (failed or (verified and was_restored)):
            by = Purpose.BACKUP if run.is_backup else Purpose.DRILL
            result = DrillResult(run.id, run.end.at, content, failed, by)
            found.setdefault(point, result)
    return found


def _shown_point(run: Run) -> tuple[str, str]:
    """Returns the id of the restore point that a drill has copied or a backup has saved, and its content."""
    if not run.is_backup:
        return run.approval.plan.point.id, run.approval.plan.point.fingerprint
    target = run.request.target
    return run.work.undo_points.get(target, ""), run.work.undo_contents.get(target, "")


def with_proof(point: RestorePoint, shown: DrillResult | None, content: str) -> RestorePoint:
    """A name is not the thing: where the content is another one now, nothing was shown of it.

    `content`: the fingerprint of the point as it is now. Where a drill has seen one and nobody can read it
    now, what failed is held against the point, and what passed is not believed.
    """
    if shown is None or (shown.content and content and content != shown.content):
        return point
    if shown.failed:
        return replace(point, failed_at=shown.at, failed=shown.failed, shown_by=shown.by)
    if shown.content and not content:
        return point
    return replace(point, proven_at=shown.at, shown_by=shown.by)
