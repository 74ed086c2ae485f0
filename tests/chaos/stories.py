"""What people and backends do while the bot is killed: each story is told from outside, to its quiet end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.configuration import Backups, Configuration, Drill, HandOver, Hours, Rule, Snapshots
from tests.bot.configured import MAINTENANCE, OFFLINE, ONLINE, configuration, restoring, target
from tests.chaos.backends import COPIED
from tests.chaos.histories import Answer
from tests.chaos.outside import Outside

TRIES = 4
EXPIRES = 60.0  # seconds to approve


@dataclass(frozen=True, slots=True)
class Story:
    tell: Callable[[Outside], None]
    configuration: Configuration
    ends: tuple[str, ...]  # states in which the newest run may end


def _known(quorum: int) -> Configuration:
    """Two targets that go back together, each with maintenance and checks."""
    rule = Rule(from_=("managers",), quorum=quorum, expires=EXPIRES)
    how = {
        "owner": "U01DORA",
        "approval": rule,
        "maintenance": MAINTENANCE,
        "checks": (OFFLINE, ONLINE),
        "procedure": "both",
    }
    return configuration(
        target("orders", **how),
        target("stock", **how),
        procedures={"both": restoring("orders", "stock")},
    )


GIVEN_AWAY = Snapshots(to=HandOver(folder="/srv/audit"))


def _archive() -> Configuration:
    """A target that is copied before it is switched, and whose undo point may go as soon as its run is over.

    A file could not say 0 days; here nobody waits for one.
    """
    rule = Rule(from_=("managers",), expires=EXPIRES)
    how = {"owner": "U01DORA", "approval": rule, "maintenance": MAINTENANCE, "checks": (OFFLINE, ONLINE)}
    beside = {"drill": Drill(every=90 * 86_400.0), "snapshots": GIVEN_AWAY, "undo_days": 0}
    return configuration(target(COPIED, **how).model_copy(update=beside))


def _backed_up() -> Configuration:
    """A target of which the clock takes backups, more often than a file may say: nobody waits here."""
    rule = Rule(from_=("managers",), expires=EXPIRES)
    how = {"owner": "U01DORA", "approval": rule, "checks": (OFFLINE, ONLINE)}
    backup = Backups(every=120.0, keep=150.0)
    return configuration(target(COPIED, **how).model_copy(update={"backup": backup}))


def _reminded() -> Configuration:
    """A drill is due from the beginning, and its owner is told at any time of the day."""
    hours = Hours(**{"from": "00:00", "until": "23:59"})
    return _archive().model_copy(update={"reminders": hours})


def rollback(outside: Outside) -> None:
    outside.says("ana", "orders to p41 because totals are broken")
    _approved(outside, "ben", "cy")
    outside.reaches("succeeded")


def _approved(outside: Outside, *people: str) -> None:
    for who in people:
        outside.reaches("awaiting_approval")
        _presses(outside, who, "approve")


def _presses(outside: Outside, who: str, action: str, values: Mapping[str, str] | None = None) -> None:
    """Reads the card first, and tries again when told "try again in a moment"."""
    outside.until(lambda: outside.card(action), f"a card with {action}")
    for _ in range(TRIES):
        outside.wait(2.0)
        if outside.card(action) is None:
            return  # a try that was answered by nobody has counted
        outside.presses(who, action, values)
        outside.wait(1.0)
        if outside.told[-1].answer not in {Answer.REFUSED, Answer.ASKED}:
            return


def veto(outside: Outside) -> None:
    outside.says("ana", "orders to p41 because totals are broken")
    outside.reaches("awaiting_approval")
    _presses(outside, "ben", "veto")
    outside.reaches("vetoed")


def cancel(outside: Outside) -> None:
    outside.says("ana", "orders to p41 because totals are broken")
    _approved(outside, "ben")
    _presses(outside, "ana", "cancel")
    outside.reaches("cancelled")


def expiry(outside: Outside) -> None:
    outside.says("ana", "orders to p41 because totals are broken")
    outside.reaches("expired")


def retry(outside: Outside) -> None:
    outside.backends["stock"].troubles["start"] += ["", "busy"]  # maintenance goes well, the restore does not
    outside.says("ana", "orders to p41 because totals are broken")
    _approved(outside, "ben")
    if (
        outside.reaches("paused", "succeeded") == "paused"
    ):  # killed at the right moment, it is simply done again
        _presses(outside, "ana", "retry")
    outside.reaches("succeeded")


def resolve(outside: Outside) -> None:
    stock = outside.backends["stock"].troubles
    stock["start"] += ["", "answer lost"]
    stock["find"] += ["unreachable"] * 6
    outside.says("ana", "orders to p41 because totals are broken")
    _approved(outside, "ben")
    if outside.reaches("stuck", "succeeded") == "stuck":
        for who in ("ana", "ben"):
            _presses(outside, who, "resolve", {"answer": "point", "reason": "the dashboard shows p41"})
    outside.reaches("succeeded")


def undo(outside: Outside) -> None:
    outside.says("ana", "orders to p41 because totals are broken")
    _approved(outside, "ben")
    outside.reaches("succeeded")
    outside.says("ana", "undo RB-1 because it was another fault")
    _approved(outside, "cy")
    outside.reaches("succeeded")


def copied(outside: Outside) -> None:
    """Switched to a copy; the undo point is dropped as soon as its time is over, which is at once."""
    archive = outside.backends[COPIED]
    archive.troubles["start"] += ["slow"]
    outside.says("ana", f"{COPIED} to p41 because totals are broken")
    _approved(outside, "ben")
    outside.reaches("succeeded")
    outside.until(lambda: None if "undo-v42-RB-1" in archive.offered else True, "the drop of the undo point")


def called_off(outside: Outside) -> None:
    """Cancelled while the copy is made: nothing was touched, and the copy goes."""
    archive = outside.backends[COPIED]
    archive.troubles["start"] += ["takes minutes"]
    outside.says("ana", f"{COPIED} to p41 because totals are broken")
    _approved(outside, "ben")
    outside.until(lambda: True if archive.copies else None, "a copy beside")
    _presses(outside, "ana", "cancel")
    if outside.reaches("cancelled", "succeeded") == "cancelled":
        outside.until(lambda: None if archive.copies else True, "the drop of the copy")


def drill(outside: Outside) -> None:
    """Walks the way back on a copy, by one word, and the copy goes."""
    archive = outside.backends[COPIED]
    archive.troubles["start"] += ["slow"]
    outside.says("ana", f"drill {COPIED} p41 because it is due")
    outside.reaches("succeeded")
    outside.until(lambda: None if archive.copies else True, "the drop of the copy")


def failed_drill(outside: Outside) -> None:
    """The copy does not pass, and is kept for a look."""
    outside.backends[COPIED].healthy = False
    outside.says("ana", f"drill {COPIED} p41 because it is due")
    outside.reaches("failed")


def snapshot(outside: Outside) -> None:
    """Two people agree to a copy of then, it is looked at again, and dropped before its time."""
    archive = outside.backends[COPIED]
    archive.troubles["start"] += ["slow"]
    outside.says("ana", f"snapshot {COPIED} as of 1 min ago because audit")
    _approved(outside, "ben")
    outside.reaches("succeeded")
    _presses(outside, "ana", "retry")
    _presses(outside, "ana", "drop_snapshot")
    outside.until(lambda: None if archive.copies else True, "the drop of the copy")


def backup(outside: Outside) -> None:
    """Two are taken by the clock and looked into; the first goes when its time is over."""
    archive = outside.backends[COPIED]
    archive.troubles["start"] += ["slow"]
    outside.until(lambda: True if _taken(outside) >= 2 else None, "two backups", 600.0)
    outside.until(lambda: None if archive.copies else True, "the drop of the copy")
    outside.until(lambda: None if "backup-BK-1" in archive.offered else True, "the drop of the first", 600.0)


def _taken(outside: Outside) -> int:
    return sum(name.startswith("backup-") for name in outside.backends[COPIED].offered)


def reminder(outside: Outside) -> None:
    """A drill is due: its owner is told once, somebody walks the way back, and the message shows it."""
    outside.until(lambda: True if outside.reminders("dora") else None, "a reminder")
    outside.says("ana", f"drill {COPIED} p41 because it is due")
    outside.reaches("succeeded")
    outside.until(lambda: True if _is_done(outside) else None, "a reminder that shows the drill")
    outside.until(lambda: True if len(outside.reminders("dora")) == 1 else None, "one reminder and no more")


def _is_done(outside: Outside) -> bool:
    return any("next by" in message.plain() for message in outside.reminders("dora"))


def slow(outside: Outside) -> None:
    outside.backends["orders"].troubles["plan"] += ["late"]
    outside.backends["orders"].troubles["start"] += ["", "slow"]
    outside.backends["stock"].troubles["start"] += ["answer lost", "never arrives"]
    outside.says("ana", "orders to p41 because totals are broken")
    _approved(outside, "ben")
    outside.reaches("succeeded")


STORIES: Mapping[str, Story] = {
    "rollback": Story(rollback, _known(2), ("succeeded",)),
    "veto": Story(veto, _known(2), ("vetoed",)),
    "cancel": Story(cancel, _known(2), ("cancelled",)),
    "expiry": Story(expiry, _known(2), ("expired",)),
    "retry": Story(retry, _known(1), ("succeeded",)),
    "resolve": Story(resolve, _known(1), ("succeeded",)),
    "undo": Story(undo, _known(1), ("succeeded",)),
    "slow": Story(slow, _known(1), ("succeeded",)),
    "copied": Story(copied, _archive(), ("succeeded",)),
    "called off": Story(called_off, _archive(), ("cancelled", "succeeded")),
    "drill": Story(drill, _archive(), ("succeeded",)),
    "snapshot": Story(snapshot, _archive(), ("succeeded",)),
    "backup": Story(backup, _backed_up(), ("succeeded",)),
    "reminder": Story(reminder, _reminded(), ("succeeded",)),
    "failed drill": Story(failed_drill, _archive(), ("failed",)),
}
