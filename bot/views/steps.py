"""The steps of a run and its checks, a row each, folded where there are many."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bot.contract import Progress
from bot.loss import noun
from bot.made import drop_due_at, has_made, may_be_live
from bot.model import Do, Finding, Outcome, Phase, State, Step, Verdict, When
from bot.run import Run, StepRecord, StepState
from bot.views.limits import code, escape
from bot.views.words import clock_seconds, date, duration, number, of_total, so_far, target_name

STEPS_ON_A_CARD = 8
CHECKS_ON_A_CARD = 3
_QUIET = frozenset({Do.BASELINE, Do.MEASURE})  # they only look: shown while they do, and in the long form
_SIGNS: Mapping[Outcome | None, str] = {
    Outcome.SUCCEEDED: "✅",
    Outcome.FAILED: "❌",
    Outcome.LOST: "❔",
    None: "✅",
}
_HERE: Mapping[State, str] = {State.RUNNING: "▶️", State.PAUSED: "⏸️", State.STUCK: "❔"}
_VERDICTS: Mapping[Verdict | None, str] = {
    Verdict.FAILED: "❌",
    Verdict.INCONCLUSIVE: "❔",
    Verdict.PASSED: "✅",
    None: "▫️",
}


KEPT_COPY = "stands: nobody knows whether it is what is live"


class _StepWords(NamedTuple):
    name: str  # whether it is done or not
    will: str
    does: str
    did: str


_READING = "Reading the checks before"
_MEASURING = "Measuring the loss again"
_WORDS: Mapping[Do, _StepWords] = {
    Do.PREPARE: _StepWords("Copy beside", "Prepare a copy", "Preparing a copy", "Copy prepared"),
    Do.MAINTENANCE_ON: _StepWords(
        "Maintenance on", "Maintenance on", "Putting maintenance on", "Maintenance on"
    ),
    Do.SAVE: _StepWords("Undo point", "Save an undo point", "Saving an undo point", "Undo point saved"),
    Do.RESTORE: _StepWords("Restore", "Restore", "Restoring", "Restored"),
    Do.MAINTENANCE_OFF: _StepWords(
        "Maintenance off", "Maintenance off", "Taking maintenance off", "Maintenance off"
    ),
    Do.BASELINE: _StepWords(_READING, "Read the checks before", _READING, "Checks read before"),
    Do.MEASURE: _StepWords(_MEASURING, "Measure the loss again", _MEASURING, "Loss measured again"),
    Do.CHECK: _StepWords("Checks", "Verify", "Verifying", "Verified"),
    Do.HAND_OVER: _StepWords("Hand-over", "Hand the copy over", "Handing the copy over", "Copy handed over"),
    Do.CONFIRM: _StepWords("Checkpoint", "Ask", "Waiting for a yes", "Yes said"),
}
_DROPS: Mapping[Do | None, _StepWords] = {
    Do.SAVE: _StepWords(
        "Dropping the undo point", "Drop the undo point", "Dropping the undo point", "Undo point dropped"
    ),
    Do.PREPARE: _StepWords("Dropping the copy", "Drop the copy", "Dropping the copy", "Copy dropped"),
}


_OF_BACKUPS: Mapping[Do | None, _StepWords] = {  # by what is done, or dropped
    Do.SAVE: _StepWords("Backup", "Take a backup", "Taking a backup", "Backup taken"),
    Do.DROP: _StepWords("Dropping the backup", "Drop the backup", "Dropping the backup", "Backup dropped"),
}


def _words_of(run: Run, step: Step) -> _StepWords:
    if run.is_backup and Do.SAVE in {step.do, step.drops}:
        return _OF_BACKUPS[step.do]
    return _DROPS[step.drops] if step.do is Do.DROP else _WORDS[step.do]


# Steps -----------------------------------------------------------------------------------------


def step_rows(run: Run, progress: Progress | None) -> list[str]:
    """At most STEPS_ON_A_CARD rows: of many steps those around the current one."""
    records = [r for r in run.work.steps if _is_shown(run, r)]
    if len(records) <= STEPS_ON_A_CARD:
        return [step_row(run, record, progress) for record in records]
    done = _done_first(records)
    shown = records[done : done + STEPS_ON_A_CARD - 2]
    left = len(records) - done - len(shown)
    return [
        *([f"✅ {done} steps done"] if done else []),
        *[step_row(run, record, progress) for record in shown],
        *([f"▫️ {left} more {noun('steps', left)}"] if left else []),
    ]


def _is_shown(run: Run, record: StepRecord) -> bool:
    """Says whether a step is shown here. A drop long after the run has its own sentence, in the long form."""
    if record.step.do is Do.DROP:
        return False
    return record.step.do not in _QUIET or record is run.work.current


def _done_first(records: Sequence[StepRecord]) -> int:
    """How many steps at the beginning ended well."""
    others = (n for n, record in enumerate(records) if record.outcome is not Outcome.SUCCEEDED)
    return next(others, len(records))


def step_row(run: Run, record: StepRecord, progress: Progress | None) -> str:
    """`✅ Restored 03:10:00`, `▶️ Restoring 62 % (1.1 of 1.8 GB)`."""
    ended = record.state is StepState.ENDED
    here = record is run.work.current and run.state in _HERE
    sign = _HERE[run.state] if here else _SIGNS[record.outcome] if ended else "▫️"
    when = f" {clock_seconds(record.ended_at)}" if ended and record.ended_at else ""
    far = ""
    if here and progress is not None and record.state is StepState.STARTED:
        far = f" {progress_words(progress)}"
    if here and record.state is StepState.STARTED and (times := len(record.tried) + record.begun) > 1:
        far = f", begun {times} times:{far}" if far else f", begun {times} times"
    said = " (people said so)" if record.by_people else ""
    return f"{sign} {_verb(run, record)}{when}{_object(run, record)}{far}{said}"


def step_name(run: Run, step: Step) -> str:
    return _words_of(run, step).name


def _verb(run: Run, record: StepRecord) -> str:
    words = _words_of(run, record.step)
    if record.outcome is Outcome.SUCCEEDED:
        return _saved(run, record.step.target, words.did) if record.step.do is Do.SAVE else words.did
    # what failed or was lost keeps the name of the attempt: "Restored" is said only when it is true
    return words.does if record is run.work.current and run.state is State.RUNNING else words.will


def _saved(run: Run, target: str, did: str) -> str:
    """A backend that keeps what was live anyway has only said what it is called."""
    point = run.work.undo_points.get(target)
    if point is None:
        return "No undo point"
    if run.is_backup:
        return did
    return "Undo point noted" if point == run.approval.plan.leg(target).current.id else did


def _object(run: Run, record: StepRecord) -> str:
    step = record.step
    other = f" ({target_name(step.target)})" if step.target != run.request.target else ""
    match step.do:
        case Do.CHECK:
            return _check_names(run, When.ONLINE if step.phase is Phase.FINISH else When.OFFLINE)
        case Do.CONFIRM:
            return f": “{escape(step.text, 60)}”"
        case Do.HAND_OVER:
            return f" {escape(step.text, 60)}"
        case Do.SAVE if step.target in run.work.undo_points:
            return f"{other}: {code(run.work.undo_points[step.target], 30)}"
        case Do.MAINTENANCE_ON if record.outcome is Outcome.SUCCEEDED:
            return f"{other}, customers see it"
        case Do.DROP if record.outcome is None:
            return f"{other}{_later(run, record)}"
        case _:
            return other


def _later(run: Run, drop: StepRecord) -> str:
    """When something is dropped, which is after the run; and why it stands longer than it was to."""
    if run.state.final and not has_made(run, drop.step):
        kept = drop.step.drops is Do.PREPARE and may_be_live(run, drop.step.target)
        return f": it {KEPT_COPY}" if kept else ": there is nothing to drop"
    due = drop_due_at(run, drop)
    if due is None or not run.state.final:
        if drop.step.drops is not Do.SAVE:
            return ", at the end"
        days = run.approval.plan.keep if run.is_backup else None
        return f", after {duration(days)}" if days else f", after {run.approval.plan.undo_days} days"
    why = f": {escape(drop.words, 160)}" if drop.kept_until is not None else ""
    return f", from {date(due, run.end.at or due)} on{why}"


def _check_names(run: Run, when: When) -> str:
    """Before a check has looked, the values read before say which there are."""
    names = dict.fromkeys(f.name for f in (*run.work.before, *run.work.findings) if f.when is when)
    shown = [escape(name, 24) for name in list(names)[:3]] + (["…"] if len(names) > 3 else [])
    online = " online" if when is When.ONLINE else ""
    return online + (f": {', '.join(shown)}" if shown else "")


def progress_words(progress: Progress) -> str:
    """`62 % (1.1 of 1.8 GB), about 2 min left`; without a known end only how far."""
    if progress.done is None or progress.far is None:
        return f"– {escape(progress.words, 60)}" if progress.words else ""
    been = "" if progress.furthest is None else f", has been at {_furthest(progress, progress.furthest)}"
    if not progress.total:
        return f"{so_far(progress.done, progress.unit)}{been}"
    if progress.done > progress.total:
        return f"{so_far(progress.done, progress.unit)}, more than expected"
    left = f", {_about(progress.time_left)} left" if progress.time_left else ""
    return f"{_percent(progress.far)} ({of_total(progress.done, progress.total, progress.unit)}){been}{left}"


def _about(seconds: float) -> str:
    return duration(seconds) if seconds < 1 else f"about {duration(seconds)}"


def _furthest(progress: Progress, furthest: float) -> str:
    return _percent(furthest) if progress.total else so_far(furthest, progress.unit).removesuffix(" so far")


def _percent(share: float) -> str:
    """Never more than was done: 100 % is the end."""
    return f"{math.floor(share * 100 + 1e-9)} %"


# Checks ----------------------------------------------------------------------------------------


def check_rows(run: Run) -> list[str]:
    """Returns a row for each check that did not pass, then what passed, then what has not been looked at."""
    bad = [f for f in run.work.findings if f.verdict in {Verdict.FAILED, Verdict.INCONCLUSIVE}]
    good = [f for f in run.work.findings if f.verdict is Verdict.PASSED]
    seen = {(f.name, f.when) for f in run.work.findings}
    later = [f for f in run.work.before if (f.name, f.when) not in seen and f.when is When.ONLINE]
    rows = [finding_row(finding, 80) for finding in bad[:CHECKS_ON_A_CARD]]
    if len(bad) > CHECKS_ON_A_CARD:
        more = len(bad) - CHECKS_ON_A_CARD
        rows.append(f"❌ {more} more {noun('checks', more)} did not pass: press *Details*")
    if good:
        rows.append(f"✅ {passed(good)}")
    if later and not run.state.final:
        rows.append(f"▫️ {', '.join(escape(f.name, 24) for f in later[:3])}: once online")
    return rows


def finding_row(finding: Finding, limit: int) -> str:
    words = escape(finding.words, limit) or change(finding)
    return f"{_VERDICTS[finding.verdict]} {escape(finding.name, 30)}: {words}"


def passed(findings: Sequence[Finding]) -> str:
    """`totals 41→0 · integrity`: what became better comes first."""
    by_news = sorted(findings, key=lambda finding: not _moved(finding))
    shown = [_passed(finding) for finding in by_news[:4]]
    more = len(findings) - 4
    return " · ".join(shown) + (f" · {more} more" if more > 0 else "")


def _passed(finding: Finding) -> str:
    name = escape(finding.name, 24)
    return f"{name} {change(finding)}" if _moved(finding) else name


def _moved(finding: Finding) -> bool:
    return finding.before is not None and finding.value is not None and finding.before != finding.value


def change(finding: Finding) -> str:
    """`41→0`; only the newer value when there was none before."""
    if finding.before is None:
        return number(finding.value)
    return f"{number(finding.before)}→{number(finding.value)}"
