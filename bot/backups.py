"""Backups that the clock has taken: when the next one is due, and what a quick look at one says. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.configuration import Backups, Configuration, Target
from bot.errors import UserError
from bot.model import Finding, RestorePoint, Verdict, When

AGAIN_AFTER_SECONDS = 900.0  # one that failed is tried again, unless the next one is due before
LISTED = "listed"  # the finding of a quick look


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a backup of a target is taken."""

    target: str
    every: float  # seconds
    due_at: datetime
    begun: int = 0  # how often one was; counted up by whoever begins it, so that nobody else does


def rule_of(target: Target) -> Backups:
    """Raises UserError where the configuration has no backups of this target."""
    if target.backup is None:
        raise UserError(
            f"The configuration has no backups of `{target.name}` any more: under it stands no `backup`."
        )
    return target.backup


def wanted(configuration: Configuration) -> dict[str, float]:
    """Returns how often a backup of each target is taken, in seconds."""
    return {
        target.name: target.backup.every
        for target in configuration.targets.values()
        if target.backup is not None
    }


def next_after(schedule: Schedule, now: datetime) -> datetime:
    """Returns the first moment after now, counted from when it was due: what was missed is taken once."""
    if is_astray(schedule, now):
        return now + timedelta(seconds=schedule.every)
    rounds = max(0.0, (now - schedule.due_at).total_seconds()) // schedule.every + 1
    return schedule.due_at + timedelta(seconds=rounds * schedule.every)


def is_astray(schedule: Schedule, now: datetime) -> bool:
    """Whether it is due later than can be meant: a clock that was wrong for a moment has moved it."""
    return schedule.due_at > now + timedelta(seconds=schedule.every)


def again_at(every: float, failed_at: datetime) -> datetime:
    """Returns when one that failed is tried again. `every`: seconds from one to the next."""
    return failed_at + timedelta(seconds=min(every, AGAIN_AFTER_SECONDS))


def quick_look(listed: RestorePoint | None, saved: str, content: str) -> Finding:
    """Returns whether what was saved is listed and holds that. `saved`: the content of then.

    `content`: of what is there now. Both are empty where the backend tells of none.
    """
    if listed is None:
        return _finding(Verdict.FAILED, None, "It is not among the restore points.")
    if saved != content:
        return _finding(Verdict.FAILED, content, "It is not what was saved: somebody has changed it since.")
    if listed.doubt:
        return _finding(Verdict.FAILED, content, listed.doubt)
    words = "It is listed, and holds what was saved." if content else "It is listed; its content is not told."
    return _finding(Verdict.PASSED, content or None, words)


def not_seen(why: str) -> Finding:
    return _finding(Verdict.INCONCLUSIVE, None, why)


def _finding(verdict: Verdict, value: str | None, words: str) -> Finding:
    return Finding(LISTED, When.OFFLINE, verdict, value, words=words)
