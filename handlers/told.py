"""What the log tells: a line for each stored event of a run, and one each as an outage begins and ends."""

from collections.abc import Callable
from typing import Any

import structlog

from bot.clock import Clock
from bot.envelope import Event
from bot.errors import words_of
from bot.run import Run, StepRecord

log = structlog.get_logger()


def tells_events(zone: str, process: str) -> Callable[[Run, Event], None]:
    """Returns who writes the line. The kind is the one under which the event stands in the evidence.

    `zone` of the worker, or empty; `process`: host and pid.
    """

    def tell(run: Run, event: Event) -> None:
        line: dict[str, Any] = {
            "run": run.id,
            "target": run.request.target,
            "kind": event.kind.value,
            "seq": event.seq,
        }
        if event.by:
            line["by"] = event.by
        n = getattr(event.fact, "n", None)
        record = next((record for record in run.work.steps if record.step.n == n), None)
        if record is not None:
            line |= {"step": record.step.do.value, "of": record.step.target}
        if (seconds := _duration(record, event)) is not None:
            line["seconds"] = seconds
        log.info("event", **line, zone=zone, process=process)

    return tell


def _duration(record: StepRecord | None, event: Event) -> float | None:
    """Returns the seconds of a step that this event has ended; None: it ends none that was begun."""
    if record is None or record.started_at is None or record.ended_at != event.at:
        return None
    return round((record.ended_at - record.started_at).total_seconds(), 3)


class Outage:
    """Something that others have: told when it begins and when it is over, not at each try in between."""

    def __init__(self, what: str, clock: Clock, **about: str) -> None:
        """`what` as people call it: the database, Slack, a target."""
        self._what = what
        self._clock = clock
        self._about = about
        self._since: float | None = None

    def seen(self, problem: BaseException) -> None:
        if self._since is None:
            self._since = self._clock().timestamp()
            log.warning("does not answer", what=self._what, error=words_of(problem), **self._about)

    def over(self) -> None:
        if self._since is not None:
            seconds = round(self._clock().timestamp() - self._since, 1)
            log.warning("answers again", what=self._what, seconds=seconds, **self._about)
            self._since = None
