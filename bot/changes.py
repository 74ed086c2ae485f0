"""What was done to a target without the bot: which changes are significant, and when a drill follows.

Pure. The way back may not fit any more what a significant change has left, so it is walked again.
"""

from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from bot.configuration import Configuration, SignificantChange
from bot.duties import Duty
from bot.model import Current
from bot.outside import OutsideChange
from bot.spans import Lived

LIVE = "live"  # the kind of a change that a look has seen
APART = timedelta(days=14)  # of two drills that become due by a change of one target


def is_significant(configuration: Configuration, change: OutsideChange) -> bool:
    """Whether a rule of the configuration fits it."""
    return any(_fits(rule, change) for rule in configuration.significant)


def _fits(rule: SignificantChange, change: OutsideChange) -> bool:
    """Whether all that the rule says is so. What its source has not told fits no rule about that."""
    return (
        (rule.target is None or rule.target == change.target)
        and (rule.kind is None or fnmatchcase(change.kind, rule.kind))
        and (rule.label is None or fnmatchcase(change.label, rule.label))
        and (rule.path is None or any(fnmatchcase(path, rule.path) for path in change.paths))
        and (rule.size is None or (change.size is not None and change.size >= rule.size))
    )


def asks_for_drill(configuration: Configuration, change: OutsideChange) -> bool:
    """Whether a drill of its target follows it."""
    target = configuration.targets.get(change.target)
    drill = target.drill if target is not None else None
    return change.significant and drill is not None and drill.after is not None


def due_after(duty: Duty | None, change: OutsideChange, now: datetime) -> datetime | None:
    """Returns when a drill becomes due by a change; None: it is due already, or will be by then.

    So it is where a drill has passed since the change. `duty`: that of its drills, open or done; None: there
    is none.
    """
    if duty is None:
        return now
    passed_at = duty.passed_at or (duty.done_at if duty.done_by else None)
    if passed_at is not None and change.at <= passed_at:
        return None
    due = now if duty.changed_at is None else max(now, duty.changed_at + APART)
    return None if duty.done_at is None and duty.due_at <= due else due


def why_due(change: OutsideChange) -> str:
    """`migration 0042`, for where it is said why a drill is due."""
    return " ".join(filter(None, (change.kind, change.label)))


def seen_by_a_look(
    target: str, before: Lived | None, current: Current, at: datetime, moved_at: datetime | None
) -> OutsideChange | None:
    """Returns what a look has seen that nobody of ours has done; None: nothing, or nobody can tell.

    `before`: what was seen live last. `moved_at`: when a run of ours last ended that changed what is live.
    """
    if before is None or before.token == current.token:
        return None
    if moved_at is not None and moved_at >= before.seen:
        return None
    label = current.label or current.id
    return OutsideChange(target, current.since or at, LIVE, label, current.author or "")
