"""One drill for every state that its card can show, as values only: of the database of the other examples."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from bot.beside import NOTHING_LOST
from bot.contract import Progress
from bot.lessons import Lessons
from bot.model import (
    Ceiling,
    Do,
    Finding,
    Goal,
    Outcome,
    Phase,
    Plan,
    Purpose,
    RestorePoint,
    State,
    Step,
    Verdict,
    When,
)
from bot.procedures import Aside, steps_beside
from bot.run import Run, StepRecord, StepState
from bot.views.facts import CardFacts
from tests.bot.stories import having
from tests.bot.views.examples import AWAITING, FACTS, ORDERS, REQUESTED, at

POINT = RestorePoint("20261119T040000Z", at("04:00", 19), "backup 20261119T040000Z", fingerprint="40ab" * 16)
STEPS = steps_beside("orders", Aside(frozenset({Do.PREPARE}), frozenset({Do.PREPARE})))
PLAN = replace(
    ORDERS,
    purpose=Purpose.DRILL,
    legs=(replace(ORDERS.legs[0], point=POINT, loss=NOTHING_LOST),),
    loss=NOTHING_LOST,
    ceiling=Ceiling(None),
    rto=900.0,
    rpo=3_600.0,
    freshest=at("02:48"),
    steps=STEPS,
    approvals_needed=0,
    approvers=(),
    warnings=(),
)
COPY = Finding("copy", When.OFFLINE, Verdict.PASSED, "40ab", None, "Byte for byte the backup.")
WHOLE = Finding("integrity", When.OFFLINE, Verdict.PASSED, "ok", None, "The file is whole.")
TOTALS = Finding("totals", When.OFFLINE, Verdict.PASSED, 0, None, "0")
BAD = Finding("totals", When.OFFLINE, Verdict.FAILED, 3, None, "3, not 0")
UNSEEN = Finding("totals", When.OFFLINE, Verdict.INCONCLUSIVE, None, None, "no answer within 10 s")
NOT_LOOKED = ("error rate", "front page")


def _drill(run: Run, **changes: Any) -> Run:
    goal = Goal(drawn=20261122)
    request = replace(run.request, purpose=Purpose.DRILL, goal=goal, reason="it is due")
    return having(replace(run, id="RB-57", request=request), **changes)


def _record(step: Step, outcome: Outcome | None, ended: datetime | None) -> StepRecord:
    if outcome is None:
        return StepRecord(step)
    began = at("10:12:10") if step.do is Do.PREPARE else None
    return StepRecord(
        step, StepState.ENDED, outcome, f"k7f3a91c.RB-57.{step.n}", started_at=began, ended_at=ended
    )


def worked(plan: Plan, *outcomes: Outcome | None) -> tuple[StepRecord, ...]:
    ends = (at("10:16:20"), at("10:18"), at("10:19"))
    return tuple(_record(*each) for each in zip(plan.steps, outcomes, ends, strict=True))


OK, NO = Outcome.SUCCEEDED, Outcome.FAILED
ASKED = _drill(REQUESTED)
WAITING = _drill(
    AWAITING,
    state=State.APPROVED,
    approval_planned=PLAN,
    work_steps=worked(PLAN, None, None, None),
    why="RB-42 is under way on `orders`, and a drill gives way to it",
)
RUNNING = having(
    WAITING,
    state=State.RUNNING,
    phase=Phase.RESTORE,
    why="",
    work_started_at=at("10:12:02"),
    work_steps=(
        StepRecord(STEPS[0], StepState.STARTED, op="k7f3a91c.RB-57.1", started_at=at("10:12:10"), begun=1),
        *worked(PLAN, None, None, None)[1:],
    ),
)
SUCCEEDED = having(
    RUNNING,
    state=State.SUCCEEDED,
    phase=Phase.FINISH,
    work_steps=worked(PLAN, OK, OK, OK),
    work_prepared={"orders": "k7f3a91c.RB-57.1"},
    work_findings=(COPY, WHOLE, TOTALS),
    work_unchecked=NOT_LOOKED,
    end_at=at("10:18"),
)
FAILED = having(
    SUCCEEDED,
    state=State.FAILED,
    phase=Phase.VERIFY,
    work_steps=worked(PLAN, OK, NO, None),
    work_findings=(COPY, WHOLE, BAD),
    why="totals: 3, not 0",
)
BROKEN_OFF = having(
    FAILED,
    phase=Phase.RESTORE,
    work_steps=worked(PLAN, NO, None, None),
    work_findings=(),
    work_unchecked=(),
    why="The disk of /srv/backups has 0.2 GB free, and the copy needs 1.8 GB: free some space.",
)
LESSONS = Lessons(
    deviation="3 totals below 0",
    why="the backup runs before the batch ends",
    participants=("U01CY", "U01ANA"),
    assumption="the backup runs after the batch",
    to_do="backup at 04:30",
    owner="U01CY",
    due=at("10:00", 30),
)
WRITTEN_DOWN = {
    "end_lessons": LESSONS,
    "end_lessons_by": "U01CY",
    "end_lessons_at": at("11:00"),
    "end_lessons_seq": 14,
}
FACTS_OF_RUNNING = replace(
    FACTS,
    progress=Progress(at("10:14"), "Copying.", 1_100_000_000.0, 1_800_000_000.0, "bytes", rate=5_000_000.0),
    next_news_by=at("10:15"),
)

DRILLS: dict[str, tuple[Run, CardFacts, datetime]] = {
    "drill_requested": (ASKED, FACTS, at("10:12")),
    "drill_refused": (
        having(ASKED, state=State.REFUSED, why="`orders` has no drills.", end_at=at("10:12")),
        FACTS,
        at("10:12"),
    ),
    "drill_waiting": (WAITING, FACTS, at("10:12")),
    "drill_running": (RUNNING, FACTS_OF_RUNNING, at("10:14")),
    "drill_succeeded": (SUCCEEDED, FACTS, at("10:19")),
    "drill_nothing_checked": (
        having(SUCCEEDED, work_findings=(), work_unchecked=(*NOT_LOOKED, "totals", "customers", "health")),
        FACTS,
        at("10:19"),
    ),
    "drill_failed": (FAILED, FACTS, at("10:19")),
    "drill_with_lessons": (having(FAILED, **WRITTEN_DOWN), FACTS, at("11:02")),
    "drill_with_lessons_closed": (
        having(FAILED, **{**WRITTEN_DOWN, "end_lessons": replace(LESSONS, closed="it runs at 04:00")}),
        FACTS,
        at("11:30"),
    ),
    "drill_inconclusive": (having(FAILED, work_findings=(COPY, WHOLE, UNSEEN)), FACTS, at("10:19")),
    "drill_broken_off": (BROKEN_OFF, FACTS, at("10:19")),
    "drill_cancelled": (
        having(WAITING, state=State.CANCELLED, why="", end_at=at("10:13"), end_by="U01ANA"),
        FACTS,
        at("10:13"),
    ),
}
