"""One snapshot for every state that its card can show, as values only."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bot.contents import Contents, Rows
from bot.looking import CONTENTS
from bot.model import (
    Finding,
    Goal,
    Purpose,
    RestorePoint,
    State,
    Verdict,
    When,
)
from bot.run import Run
from bot.views.facts import CardFacts
from tests.bot.stories import having
from tests.bot.views.drills import COPY, FACTS_OF_RUNNING, NO, OK, WHOLE, worked
from tests.bot.views.drills import PLAN as DRILL
from tests.bot.views.examples import AWAITING, FACTS, REQUESTED, at

ASKED = datetime(2026, 9, 30, 22, 0, tzinfo=UTC)
POINT = RestorePoint(
    "20260930T214500Z",
    datetime(2026, 9, 30, 21, 45, tzinfo=UTC),
    "backup 20260930T214500Z",
    fingerprint="40ab" * 16,
)
PLAN = replace(
    DRILL,
    purpose=Purpose.SNAPSHOT,
    legs=(replace(DRILL.legs[0], point=POINT),),
    approvals_needed=1,
    approvers=("payments-managers",),
    as_of=ASKED,
    keep=30 * 86_400.0,
)
HOLDS = Contents(
    {"orders": Rows(31_114, "9e07" * 16), "refunds": Rows(902, "51d0" * 16), "notes": Rows(0, "0" * 64)},
    "51d0" * 16,
)
SEEN = Finding(CONTENTS, When.OFFLINE, Verdict.PASSED, HOLDS, None, "3 tables", arrived=True)
OTHER = replace(
    SEEN, verdict=Verdict.FAILED, before=HOLDS, words="orders is not what it was when the copy was made"
)
UNSEEN = replace(
    SEEN,
    verdict=Verdict.INCONCLUSIVE,
    value=None,
    before=HOLDS,
    words="no answer within 900 s",
    arrived=False,
)


def _snapshot(run: Run, **changes: Any) -> Run:
    request = replace(run.request, purpose=Purpose.SNAPSHOT, goal=Goal(as_of=ASKED), reason="audit Q3, 14")
    return having(replace(run, id="RB-60", request=request), **changes)


ASKED_FOR = _snapshot(REQUESTED)
AGREES = _snapshot(AWAITING, approval_planned=PLAN)
APPROVED = having(AGREES, state=State.APPROVED)
RUNNING = having(
    APPROVED,
    state=State.RUNNING,
    work_started_at=at("10:38"),
    work_steps=worked(PLAN, None, None, None),
)
TAKEN = having(
    RUNNING,
    state=State.SUCCEEDED,
    work_steps=worked(PLAN, OK, OK, None),
    work_prepared={"orders": "k7f3a91c.RB-60.1"},
    work_copies_at={"orders": "/srv/backups/.rollback/k7f3a91c.RB-60.1.copy.db"},
    work_findings=(COPY, WHOLE, SEEN),
    work_looked_at=at("10:41"),
    end_at=at("10:41"),
)
FAILED = having(
    TAKEN,
    state=State.FAILED,
    work_steps=worked(PLAN, OK, NO, None),
    work_findings=(replace(COPY, verdict=Verdict.FAILED, words="It is not the backup that was approved."),),
    why="copy: It is not the backup that was approved.",
)

COPIES: dict[str, tuple[Run, CardFacts, datetime]] = {
    "snapshot_requested": (ASKED_FOR, FACTS, at("10:30")),
    "snapshot_refused": (
        having(ASKED_FOR, state=State.REFUSED, why="`orders` has no snapshots.", end_at=at("10:30")),
        FACTS,
        at("10:30"),
    ),
    "snapshot_awaiting": (AGREES, FACTS, at("10:31")),
    "snapshot_approved": (APPROVED, FACTS, at("10:38")),
    "snapshot_running": (RUNNING, FACTS_OF_RUNNING, at("10:39")),
    "snapshot_taken": (TAKEN, FACTS, at("10:42")),
    "snapshot_changed": (
        having(TAKEN, work_findings=(COPY, WHOLE, OTHER), work_looked_at=at("11:00")),
        FACTS,
        at("11:01"),
    ),
    "snapshot_unseen": (
        having(TAKEN, work_findings=(COPY, WHOLE, UNSEEN), work_looked_at=at("11:00")),
        FACTS,
        at("11:01"),
    ),
    "snapshot_to_go": (
        having(
            TAKEN,
            work_steps=(*worked(PLAN, OK, OK, None)[:2], replace(worked(PLAN, OK, OK, None)[2], due=True)),
        ),
        FACTS,
        at("12:00"),
    ),
    "snapshot_dropped": (having(TAKEN, work_steps=worked(PLAN, OK, OK, OK)), FACTS, at("12:00")),
    "snapshot_failed": (FAILED, FACTS, at("10:42")),
    "snapshot_cancelled": (
        having(AGREES, state=State.CANCELLED, end_at=at("10:33"), end_by="U01ANA"),
        FACTS,
        at("10:33"),
    ),
}
