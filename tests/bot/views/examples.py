"""One run for every state that a card can show, as values only. The story is the one of the drafts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.contract import Progress
from bot.duties import Duty, DutyKind
from bot.event_kinds import EventKind as E
from bot.model import (
    PLAN_FORMAT,
    Ceiling,
    Current,
    Do,
    Finding,
    Goal,
    Kind,
    Left,
    Leg,
    Loss,
    LossQuality,
    Outcome,
    Phase,
    Plan,
    PointKind,
    Points,
    Purpose,
    RestorePoint,
    Risk,
    State,
    Step,
    UndoMode,
    Unit,
    Verdict,
    When,
)
from bot.run import Approval, Matter, Pause, Proposal, Request, Run, StepRecord, StepState
from bot.suggesting import Offer
from bot.views import details, home, lists, press_forms, refusal, reminder, start_form
from bot.views.facts import CardFacts
from bot.views.home import Linked
from bot.views.limits import MessageContent, View
from bot.views.reminder import DutyFacts
from bot.views.start_form import Reachable, StartForm, TargetChoice
from tests import people
from tests.bot.stories import happened, having, plan_data, requested


def at(clock: str, day: int = 22) -> datetime:
    """`"03:02"` or `"03:02:10"` on that day of November 2026."""
    hour, minute, second = [*map(int, clock.split(":")), 0][:3]
    return datetime(2026, 11, day, hour, minute, second, tzinfo=UTC)


ANA = replace(people.ANA, email="ana@example.com", timezone="Europe/Berlin")
BEN, CY = people.BEN.id, people.CY.id


# Plans -----------------------------------------------------------------------------------------

POINT = RestorePoint("20261122T024500Z", at("02:45"), "backup 20261122T024500Z", proven_at=at("10:00", 12))
CURRENT = Current("live", "schema:4f1c", "", None)
MEASURED = Loss(LossQuality.MEASURED, at("02:45"), (Unit("orders", 212), Unit("refunds", 9)), "", at("03:02"))

STEPS = (
    Step(1, Phase.PREPARE, Do.BASELINE, "orders"),
    Step(2, Phase.PREPARE, Do.MAINTENANCE_ON, "orders"),
    Step(3, Phase.PREPARE, Do.MEASURE, "orders"),
    Step(4, Phase.PREPARE, Do.SAVE, "orders"),
    Step(5, Phase.RESTORE, Do.RESTORE, "orders"),
    Step(6, Phase.VERIFY, Do.CHECK, "orders"),
    Step(7, Phase.FINISH, Do.MAINTENANCE_OFF, "orders"),
    Step(8, Phase.FINISH, Do.CHECK, "orders"),
)

ORDERS = Plan(
    target="orders",
    kind=Kind.DATABASE,
    environment="production",
    purpose=Purpose.ROLLBACK,
    risk=Risk.STANDARD,
    legs=(Leg("orders", CURRENT, POINT, MEASURED),),
    loss=MEASURED,
    ceiling=Ceiling(3_120.0, (Unit("orders", 400), Unit("refunds", 20))),
    rpo=900.0,
    rto=600.0,
    outage=240.0,
    outage_range=(120.0, 360.0),
    outage_runs=9,
    undo_days=7,
    steps=STEPS,
    warnings=("Also removes the fix of INC-381 (02:50)",),
    blockers=(),
    approvals_needed=1,
    approvers=("payments-managers",),
    expires=1_800.0,
    start_within=300.0,
    policy_digest="p",
    procedure_digest="q",
    made_at=at("03:02"),
    format=PLAN_FORMAT,
)

NO_LOSS = Loss(LossQuality.NONE, None, (), "payments: stateless")
SHOP_POINT = RestorePoint("r41", at("18:02", 21), "v41", "cy")
SHOP = replace(
    ORDERS,
    target="checkout-api",
    kind=Kind.SYSTEM,
    legs=(Leg("checkout-api", Current("r42", "r42", "v42", at("02:50")), SHOP_POINT, NO_LOSS),),
    loss=NO_LOSS,
    ceiling=Ceiling(0.0),
    rpo=None,
    rto=300.0,
    outage=0.0,
    outage_range=None,
    outage_runs=0,
    warnings=(),
    steps=tuple(
        replace(step, target="checkout-api", n=n)
        for n, step in enumerate((STEPS[0], STEPS[3], STEPS[4], STEPS[5]), start=1)
    ),
)


def with_loss(plan: Plan, loss: Loss, ceiling: Ceiling | None = None) -> Plan:
    """The same plan with another loss."""
    legs = (replace(plan.legs[0], loss=loss), *plan.legs[1:])
    return replace(plan, legs=legs, loss=loss, ceiling=ceiling or Ceiling(None))


# Checks ----------------------------------------------------------------------------------------

BEFORE = (
    Finding("totals", When.OFFLINE, None, 41.0),
    Finding("integrity", When.OFFLINE, None, "ok"),
    Finding("error rate", When.ONLINE, None, "4.1 %"),
)
TOTALS_BAD = Finding(
    "totals", When.OFFLINE, Verdict.FAILED, 3.0, 41.0, "3 orders below 0 (was 41, must be 0)"
)
TOTALS = Finding("totals", When.OFFLINE, Verdict.PASSED, 0.0, 41.0, "0 orders below 0")
INTEGRITY = Finding("integrity", When.OFFLINE, Verdict.PASSED, "ok", "ok")
ERRORS = Finding("error rate", When.ONLINE, Verdict.PASSED, "0.2 %", "4.1 %")
ERRORS_UNSEEN = Finding(
    "error rate", When.ONLINE, Verdict.INCONCLUSIVE, None, "4.1 %", "no scrape since 03:12 UTC"
)

# Runs ------------------------------------------------------------------------------------------


def _records(steps: tuple[Step, ...]) -> tuple[StepRecord, ...]:
    return tuple(StepRecord(step) for step in steps)


ENDS = ("03:06:02", "03:06:10", "03:06:12", "03:07:00", "03:10:00", "03:11:20", "03:12:00", "03:17:00")
LOOKS = {Do.BASELINE, Do.MEASURE, Do.CHECK}  # no effect, so no intent


def progressed(run: Run, done: int, started: bool = False) -> Run:
    """The first `done` steps ended well; the next one has begun when `started`."""

    def moved(n: int, record: StepRecord) -> StepRecord:
        if n < done:
            end = at(ENDS[n])
            begun = None if record.step.do in LOOKS else end - timedelta(seconds=5)
            record = replace(record, started_at=begun, ended_at=end, left=_left(record, Left.POINT))
            return replace(record, state=StepState.ENDED, outcome=Outcome.SUCCEEDED)
        if n == done and started:
            left = _left(record, Left.UNKNOWN)
            return replace(record, state=StepState.STARTED, started_at=at("03:07:02"), left=left)
        return record

    return having(run, work_steps=tuple(moved(n, record) for n, record in enumerate(run.work.steps)))


def _left(record: StepRecord, left: Left) -> Left | None:
    return left if record.step.do is Do.RESTORE else None


def ended(run: Run, n: int, outcome: Outcome) -> Run:
    """Step n ended so."""

    def moved(record: StepRecord) -> StepRecord:
        begun = replace(record, state=StepState.ENDED, started_at=at("03:07:02"), ended_at=at("03:09"))
        return replace(begun, outcome=outcome) if record.step.n == n else record

    return having(run, work_steps=tuple(map(moved, run.work.steps)))


REQUESTED = Run(
    "RB-42",
    Request(
        target="orders",
        purpose=Purpose.ROLLBACK,
        goal=Goal(point="20261122T024500Z"),
        requester=ANA,
        channel="C01INC",
        reason="migration 0042 broke totals",
        at=at("03:01:50"),
    ),
    changed_at=at("03:01:50"),
)
PLANNED = having(
    REQUESTED,
    state=State.AWAITING_APPROVAL,
    approval_planned=ORDERS,
    approval_digest="7f3a91c2" + "0" * 56,
    work_steps=_records(STEPS),
    changed_at=at("03:02"),
    seq=1,
)
AWAITING = having(PLANNED, approval_posted_at=at("03:02"), approval_approve_by=at("03:32"), seq=2)
APPROVED = having(
    AWAITING,
    state=State.APPROVED,
    approval_given=(Approval(BEN, frozenset({"ben"}), at("03:06")),),
    approval_start_by=at("03:11"),
    changed_at=at("03:06"),
    seq=4,
)
PREPARING = progressed(
    having(
        APPROVED,
        state=State.RUNNING,
        phase=Phase.PREPARE,
        work_started_at=at("03:06"),
        work_before=BEFORE,
        work_loss=MEASURED,
    ),
    1,
    started=True,
)
LOST_AT_START = Loss(
    LossQuality.MEASURED, at("02:45"), (Unit("orders", 251), Unit("refunds", 11)), "", at("03:06:12")
)
RESTORING = progressed(
    having(
        PREPARING,
        phase=Phase.RESTORE,
        work_maintenance_since=at("03:06:10"),
        work_undo_points={"orders": "pre-RB-42"},
        work_loss=LOST_AT_START,
        work_live=Left.UNKNOWN,
        changed_at=at("03:07:02"),
    ),
    4,
    started=True,
)
VERIFYING = progressed(having(RESTORING, phase=Phase.VERIFY, work_live=Left.POINT), 5)
FINISHING = progressed(
    having(
        VERIFYING, phase=Phase.FINISH, work_findings=(TOTALS, INTEGRITY), work_maintenance_until=at("03:12")
    ),
    7,
)
STOPPING = having(RESTORING, work_stop_requested=True)

NOT_ONLINE = having(
    VERIFYING,
    state=State.PAUSED,
    question_pause=Pause.CHECKS,
    work_findings=(TOTALS_BAD, INTEGRITY),
    question_since=at("03:11"),
    changed_at=at("03:11"),
    seq=20,
)
SECOND_WANTED = having(
    NOT_ONLINE,
    question_proposals=(
        Proposal(Matter.CONTINUE, CY, frozenset({"cy"}), "", at("03:13"), "three refunds, mended by hand"),
    ),
    changed_at=at("03:13"),
)
ONLINE_UNSURE = having(
    FINISHING,
    state=State.PAUSED,
    question_pause=Pause.CHECKS,
    work_findings=(TOTALS, INTEGRITY, ERRORS_UNSEEN),
    changed_at=at("03:17"),
)
QUESTION = "Is traffic drained? Look at the dashboard."
CHECKPOINT = having(
    PLANNED,
    state=State.PAUSED,
    phase=Phase.PREPARE,
    approval_given=APPROVED.approval.given,
    question_pause=Pause.CHECKPOINT,
    why=QUESTION,
    work_steps=_records((Step(9, Phase.PREPARE, Do.CONFIRM, "orders", text=QUESTION), *STEPS)),
    changed_at=at("03:06"),
)
LATER_CHECKPOINT = having(
    VERIFYING,
    state=State.PAUSED,
    question_pause=Pause.CHECKPOINT,
    why="Do the books add up?",
    changed_at=at("03:10"),
)
STOPPED = having(VERIFYING, state=State.PAUSED, question_pause=Pause.STOPPED, changed_at=at("03:10"))
STEP_FAILED = ended(
    having(
        RESTORING,
        state=State.PAUSED,
        question_pause=Pause.STEP_FAILED,
        work_live=Left.BEFORE,
        why="the backup is not a database: file is encrypted",
        changed_at=at("03:09"),
    ),
    5,
    Outcome.FAILED,
)
LOSS_OUTGROWN = progressed(
    having(
        RESTORING,
        state=State.PAUSED,
        phase=Phase.PREPARE,
        question_pause=Pause.LOSS,
        work_live=Left.BEFORE,
        work_undo_points={},
        why="431 orders would be lost, the limit is 400",
        work_loss=replace(LOST_AT_START, units=(Unit("orders", 431), Unit("refunds", 11))),
        changed_at=at("03:06"),
    ),
    3,
)
AS_BEFORE = having(STEP_FAILED, question_pause=Pause.AS_BEFORE, why="")
STUCK = ended(
    having(
        RESTORING, state=State.STUCK, why="no answer", changed_at=at("03:09"), question_times_asked=6, seq=18
    ),
    5,
    Outcome.LOST,
)
STUCK_ONE_SAID = having(
    STUCK,
    question_proposals=(
        Proposal(Matter.RESOLVE, BEN, frozenset({"ben"}), "point", at("03:12"), "row count is that of 02:45"),
    ),
    changed_at=at("03:12"),
)
STUCK_MAINTENANCE = ended(
    having(PREPARING, state=State.STUCK, why="no answer", changed_at=at("03:09"), question_times_asked=6),
    2,
    Outcome.LOST,
)
CHANGED = (
    "The configuration of `orders` changed while RB-42 was under way. "
    "Put it back and press “Look again”, or end it."
)
HALTED = having(LOSS_OUTGROWN, question_pause=Pause.HALTED, why=CHANGED, work_loss=LOST_AT_START)
HALTED_UNTOUCHED = having(
    CHECKPOINT,
    question_pause=Pause.HALTED,
    why="`orders` changed since the plan was made: it was 0042, now it is 0043",
)
MAINTENANCE_FAILED = ended(
    having(
        PREPARING,
        state=State.PAUSED,
        question_pause=Pause.STEP_FAILED,
        why="exit code 3",
        changed_at=at("03:09"),
    ),
    2,
    Outcome.FAILED,
)
MAINTENANCE_AS_BEFORE = having(
    MAINTENANCE_FAILED,
    question_pause=Pause.AS_BEFORE,
    why="",
    work_steps=tuple(
        replace(record, by_people=record.step.n == 2) for record in MAINTENANCE_FAILED.work.steps
    ),
)
DOUBTED = having(STUCK, why=CHANGED, question_times_asked=None)
FORGOTTEN = having(
    STUCK,
    why="Our database was put back from a backup of 03:08 UTC while RB-42 was under way.",
    question_times_asked=None,
    work_forgotten=True,
)

SUCCEEDED = progressed(
    having(
        FINISHING,
        state=State.SUCCEEDED,
        work_findings=(TOTALS, INTEGRITY, ERRORS),
        end_at=at("03:17"),
        changed_at=at("03:17"),
    ),
    8,
)
OVERRIDDEN = having(SUCCEEDED, work_overridden=True, work_findings=(TOTALS_BAD, INTEGRITY, ERRORS))
FAILED_IN_MAINTENANCE = having(
    NOT_ONLINE,
    state=State.FAILED,
    question_pause=None,
    why="we restore the older backup instead",
    end_at=at("03:20"),
    end_by=BEN,
    changed_at=at("03:20"),
)
FAILED_LEAVING = having(
    FAILED_IN_MAINTENANCE,
    question_proposals=(
        Proposal(Matter.LEAVE, BEN, frozenset({"ben"}), "", at("03:22"), "customers must at least read"),
    ),
)
FAILED_BEFORE = having(
    STEP_FAILED,
    state=State.FAILED,
    question_pause=None,
    work_maintenance_until=at("03:15"),
    end_at=at("03:14"),
    changed_at=at("03:15"),
)
FAILED_UNKNOWN = having(STUCK, state=State.FAILED, why="", end_at=at("03:20"), end_by=BEN)
VETOED = having(
    AWAITING, state=State.VETOED, why="0042 is innocent, look at the cache", end_at=at("03:05"), end_by=CY
)
EXPIRED = having(AWAITING, state=State.EXPIRED, end_at=at("03:32"))
VOID = having(
    APPROVED,
    state=State.VOID,
    why="`orders` changed since the plan was made: it was 0042, now it is 0043",
    end_at=at("03:06"),
)
CANCELLED = having(AWAITING, state=State.CANCELLED, end_at=at("03:04"), end_by=ANA.id)
REFUSED = having(
    REQUESTED,
    state=State.REFUSED,
    why="There is no restore point before 02:00 UTC. The oldest one kept is of 02:15 UTC.",
    end_at=at("03:02"),
)

SHOP_AWAITING = having(
    AWAITING,
    request_target="checkout-api",
    approval_planned=SHOP,
    work_steps=_records(SHOP.steps),
    request_reason="",
)
SHOP_SUCCEEDED = having(
    SHOP_AWAITING,
    state=State.SUCCEEDED,
    phase=Phase.FINISH,
    approval_given=APPROVED.approval.given,
    work_live=Left.POINT,
    work_loss=NO_LOSS,
    work_started_at=at("03:06"),
    end_at=at("03:06:41"),
    work_findings=(Finding("health", When.OFFLINE, Verdict.PASSED, 200.0, 500.0),),
    work_undo_points={"checkout-api": "r42"},
)
BEFORE_IT = RestorePoint("pre-RB-42", at("03:06:50"))
UNDO_AWAITING = having(
    AWAITING,
    id="RB-43",
    request_purpose=Purpose.UNDO,
    request_undo_of="RB-42",
    request_goal=Goal(undo_of="RB-42"),
    approval_planned=replace(
        with_loss(
            ORDERS,
            replace(MEASURED, since=at("03:12"), units=(Unit("orders", 88),), measured_at=at("03:22")),
            Ceiling(2_700.0, (Unit("orders", 340),)),
        ),
        purpose=Purpose.UNDO,
        legs=(Leg("orders", CURRENT, BEFORE_IT, MEASURED, undo=UndoMode.BEST_EFFORT),),
        warnings=(),
        rpo=None,
    ),
    request_reason="the backup was older than we thought",
    request_at=at("03:22"),
    approval_posted_at=at("03:22"),
    approval_approve_by=at("03:52"),
)
TWO_NEEDED = having(AWAITING, approval_planned=replace(ORDERS, approvals_needed=2), approval_given=())
ONE_OF_TWO = having(TWO_NEEDED, approval_given=(Approval(BEN, frozenset({"ben"}), at("03:04")),))
CRITICAL = having(AWAITING, approval_planned=replace(ORDERS, risk=Risk.CRITICAL))
UNKNOWN_LOSS = having(
    TWO_NEEDED,
    approval_planned=replace(
        with_loss(ORDERS, Loss(LossQuality.UNKNOWN)),
        approvals_needed=2,
        warnings=("What is lost is not known, so one more approval is needed",),
    ),
)

# What the caller knows beside the run ----------------------------------------------------------

FACTS = CardFacts(
    button_value="opaque-7",
    awaited=(BEN, CY),
    messaged_at=at("03:02"),
    dnd=frozenset({CY}),
    usergroups=("S01PAYMGR",),
    not_undone="e-mails and payments already sent",
    failover="runbook failover-orders",
    owner="payments",
    point_of_contact="U01OWN",
)
RUNNING_FACTS = replace(
    FACTS,
    progress=Progress(at("03:08:19"), "copying pages", 1.1e9, 1.8e9, "bytes"),
    next_news_by=at("03:09:20"),
)
STUCK_FACTS = replace(FACTS, look_yourself="ctl current")
DONE_FACTS = replace(FACTS, holds=("migration 0042 is on hold; deploying it brings the fault back",))

# Every card: the run, what is known beside it, and when it is drawn.
CARDS: dict[str, tuple[Run, CardFacts, datetime]] = {
    "requested": (REQUESTED, FACTS, at("03:01:51")),
    "requested_still_reading": (
        having(REQUESTED, why="The content of 20261122T024500Z is still being read, 40 %."),
        FACTS,
        at("03:02:20"),
    ),
    "refused": (REFUSED, FACTS, at("03:02")),
    "awaiting_approval": (AWAITING, FACTS, at("03:02:10")),
    "awaiting_not_posted": (PLANNED, replace(FACTS, awaited=(), messaged_at=None), at("03:02")),
    "awaiting_two_needed": (TWO_NEEDED, replace(FACTS, others_can=3), at("03:02:10")),
    "awaiting_one_of_two": (ONE_OF_TWO, FACTS, at("03:04:10")),
    "awaiting_critical": (CRITICAL, FACTS, at("03:02:10")),
    "awaiting_unknown_loss": (UNKNOWN_LOSS, FACTS, at("03:02:10")),
    "awaiting_system": (SHOP_AWAITING, CardFacts("opaque-7"), at("03:02:10")),
    "awaiting_target_down": (having(AWAITING, approval_target_down=True), FACTS, at("03:02:10")),
    "awaiting_undo": (UNDO_AWAITING, FACTS, at("03:22:10")),
    "approved": (APPROVED, FACTS, at("03:06:01")),
    "running_prepare": (PREPARING, replace(RUNNING_FACTS, progress=None), at("03:06:05")),
    "running_restore": (RESTORING, RUNNING_FACTS, at("03:08:20")),
    "running_restore_stopping": (STOPPING, RUNNING_FACTS, at("03:08:20")),
    "running_verify": (VERIFYING, RUNNING_FACTS, at("03:10:20")),
    "running_finish": (FINISHING, RUNNING_FACTS, at("03:12:20")),
    "paused_checks": (NOT_ONLINE, FACTS, at("03:11:10")),
    "paused_checks_second_wanted": (
        SECOND_WANTED,
        FACTS,
        at("03:13:10"),
    ),
    "paused_checks_online": (ONLINE_UNSURE, FACTS, at("03:17:10")),
    "paused_checkpoint": (CHECKPOINT, FACTS, at("03:06:10")),
    "paused_checkpoint_later": (LATER_CHECKPOINT, FACTS, at("03:10:10")),
    "paused_stopped": (STOPPED, FACTS, at("03:10:10")),
    "paused_step_failed": (STEP_FAILED, FACTS, at("03:09:10")),
    "paused_loss": (LOSS_OUTGROWN, FACTS, at("03:06:30")),
    "paused_as_before": (AS_BEFORE, FACTS, at("03:15:10")),
    "paused_as_before_maintenance": (MAINTENANCE_AS_BEFORE, FACTS, at("03:15:10")),
    "paused_maintenance_failed": (MAINTENANCE_FAILED, FACTS, at("03:09:10")),
    "paused_halted": (HALTED, FACTS, at("03:06:30")),
    "paused_halted_untouched": (HALTED_UNTOUCHED, FACTS, at("03:06:10")),
    "stuck_doubted": (DOUBTED, STUCK_FACTS, at("03:09:10")),
    "stuck_forgotten": (FORGOTTEN, STUCK_FACTS, at("03:09:10")),
    "stuck_restore": (STUCK, STUCK_FACTS, at("03:09:10")),
    "stuck_one_said": (STUCK_ONE_SAID, STUCK_FACTS, at("03:12:10")),
    "stuck_maintenance": (STUCK_MAINTENANCE, STUCK_FACTS, at("03:09:10")),
    "succeeded": (SUCCEEDED, DONE_FACTS, at("03:17:10")),
    "succeeded_overridden": (OVERRIDDEN, DONE_FACTS, at("03:17:10")),
    "succeeded_system": (SHOP_SUCCEEDED, FACTS, at("03:07")),
    "succeeded_undo_is_over": (SUCCEEDED, DONE_FACTS, at("03:17:10", 30)),
    "succeeded_undone": (having(SUCCEEDED, end_undone_by="RB-43"), DONE_FACTS, at("03:30")),
    "failed_in_maintenance": (FAILED_IN_MAINTENANCE, FACTS, at("03:20:10")),
    "failed_leaving_maintenance": (FAILED_LEAVING, FACTS, at("03:22:10")),
    "failed_as_before": (FAILED_BEFORE, FACTS, at("03:15:10")),
    "failed_unknown": (FAILED_UNKNOWN, FACTS, at("03:20:10")),
    "vetoed": (VETOED, FACTS, at("03:05:10")),
    "expired": (EXPIRED, FACTS, at("03:32:10")),
    "void": (VOID, FACTS, at("03:06:10")),
    "cancelled": (CANCELLED, FACTS, at("03:04:10")),
    "superseded": (AWAITING, replace(FACTS, superseded=True), at("03:04:10")),
}

EVENTS = (
    requested(ANA, at("03:01:50")),
    happened(E.PLANNED, at("03:02:00"), data=plan_data(ORDERS), seq=2),
    happened(E.POSTED, at("03:02:01"), seq=3),
    happened(E.APPROVED, at("03:06:00"), BEN, {"marks": ["U01BEN"]}, seq=4),
    happened(E.QUORUM_REACHED, at("03:06:00"), seq=5),
    happened(E.STARTED, at("03:06:01"), seq=6),
    happened(E.STEP_STARTED, at("03:06:05"), data={"n": 2}, seq=7),
    happened(E.STEP_SUCCEEDED, at("03:06:10"), data={"n": 2}, seq=8),
    happened(E.STEP_STARTED, at("03:07:02"), data={"n": 5}, seq=9),
    happened(E.STEP_SUCCEEDED, at("03:10:00"), data={"n": 5, "words": "1.8 GB in 3 min"}, seq=10),
    happened(E.CHECKS_FAILED, at("03:11:00"), data={"n": 6, "why": "totals"}, seq=11),
)

# Everything else that people read ---------------------------------------------------------------

OFFER = Offer(
    Points(
        (
            RestorePoint(
                "pre-RB-41", at("02:50"), "saved before RB-41", kind=PointKind.UNDO, saved_before="RB-41"
            ),
            POINT,
            RestorePoint("20261122T014500Z", at("01:45"), "backup 20261122T014500Z"),
            RestorePoint("20261121T234500Z", at("23:45", 21), "backup 20261121T234500Z", "cy"),
        ),
        CURRENT,
        left_out=("orders-2026-11-20.sqlite3: not named like 20261122T024500Z.db",),
    ),
    POINT.id,
    held={"20261121T234500Z": "RB-12"},
    saved_before={"pre-RB-41": "RB-41"},
)
PLAN_FORM = StartForm(
    targets=(
        TargetChoice("orders", Kind.DATABASE, "production"),
        TargetChoice("checkout-api", Kind.SYSTEM, "production"),
        TargetChoice("catalog", Kind.DATASET, "staging"),
    ),
    channel="C01INC",
    target="orders",
    offer=OFFER,
    read_at=at("03:01"),
    point=POINT.id,
    plan=ORDERS,
    reachable=(Reachable(CY, "Cy", dnd=True), Reachable(BEN, "Ben")),
    not_undone="e-mails and payments already sent",
)
SHOP_FORM = replace(
    PLAN_FORM,
    target="checkout-api",
    offer=Offer(
        Points((SHOP_POINT, RestorePoint("r40", None, "v40")), Current("r42", "r42", "v42")), SHOP_POINT.id
    ),
    point="r41",
    plan=SHOP,
    reachable=(),
    not_undone=None,
)
UNDO_PLAN = UNDO_AWAITING.approval.plan
META = '{"run":"RB-42"}'
NOW = at("03:02:10")

DUE = Duty(META, DutyKind.DRILL, "orders", at("02:00"), at("10:00"), every=90 * 86_400.0)
MODALS: dict[str, View] = {
    "start_loading": start_form.start_loading("orders", META),
    "start_loading_no_target": start_form.start_loading(None, META),
    "start_slow": start_form.start_slow("orders", META),
    "start_form": start_form.start_form(PLAN_FORM, META, NOW),
    "start_form_system": start_form.start_form(SHOP_FORM, META, NOW),
    "start_form_no_target": start_form.start_form(
        replace(PLAN_FORM, target=None, reason="page 500"), META, NOW
    ),
    "start_form_planning": start_form.start_form(replace(PLAN_FORM, plan=None), META, NOW),
    "start_form_no_points": start_form.start_form(
        replace(PLAN_FORM, offer=None, plan=None, why_no_points="`orders` has no backups in backups/."),
        META,
        NOW,
    ),
    "start_form_problem": start_form.start_form(
        replace(PLAN_FORM, before="25:00", problems=("25:00 is not a time. Type it like 14:05.",)), META, NOW
    ),
    "start_form_not_in_channel": start_form.start_form(replace(PLAN_FORM, can_post=False), META, NOW),
    "not_in_channel": start_form.not_in_channel("C01INC", META),
    "approve": press_forms.approve(CRITICAL, FACTS, META, NOW),
    "veto_reason": press_forms.veto_reason(VETOED, FACTS, META, NOW),
    "stop_before_the_first_intent": press_forms.stop(APPROVED, FACTS, META, NOW),
    "stop_while_restoring": press_forms.stop(RESTORING, RUNNING_FACTS, META, NOW),
    "stop_between_steps": press_forms.stop(VERIFYING, FACTS, META, NOW),
    "end_it": press_forms.end_it(NOT_ONLINE, FACTS, META, at("03:12")),
    "go_online": press_forms.go_online(NOT_ONLINE, FACTS, META, at("03:12")),
    "go_online_second": press_forms.go_online(SECOND_WANTED, FACTS, META, at("03:14")),
    "accept_it": press_forms.go_online(ONLINE_UNSURE, FACTS, META, at("03:18")),
    "leave_maintenance": press_forms.leave_maintenance(FAILED_LEAVING, FACTS, META, at("03:23")),
    "resolve": press_forms.resolve(STUCK, STUCK_FACTS, META, at("03:10")),
    "resolve_second": press_forms.resolve(STUCK_ONE_SAID, STUCK_FACTS, META, at("03:13")),
    "resolve_maintenance": press_forms.resolve(STUCK_MAINTENANCE, STUCK_FACTS, META, at("03:10")),
    "undo_loading": press_forms.undo_form(SUCCEEDED, None, None, META, at("03:20")),
    "undo_impossible": press_forms.undo_form(SUCCEEDED, None, "The undo point is gone.", META, at("03:20")),
    "undo": press_forms.undo_form(SUCCEEDED, UNDO_PLAN, None, META, at("03:20")),
    "undo_of_paused": press_forms.undo_form(NOT_ONLINE, UNDO_PLAN, None, META, at("03:12")),
    "refusal": refusal.refusal(
        "Not by you",
        "You asked for this rollback, so you cannot approve it. <@U01BEN> or <@U01CY> can.",
        "Both were messaged at 03:02.",
    ),
    "details": details.details(SUCCEEDED, DONE_FACTS, EVENTS, (replace(SUCCEEDED, id="RB-40"),), at("03:20")),
    "details_requested": details.details(REQUESTED, FACTS, EVENTS[:1], (), at("03:02")),
    "home": home.home(
        [Linked(AWAITING, "https://example.slack.com/archives/C01INC/p1")], [Linked(RESTORING)], [], NOW
    ),
    "later": reminder.later(DUE, DutyFacts("production"), at("10:00"), NOW),
    "hand_over": reminder.hand_over(DUE, DutyFacts("production"), NOW),
    "home_empty": home.home([], [], [], NOW),
    "home_due": home.home([], [], [(DUE, DutyFacts("production"))], NOW),
}

LISTS: dict[str, MessageContent] = {
    "reminder": reminder.reminder(
        [
            DUE,
            replace(DUE, key="d2", put_off_by="U01BEN", put_off_why="quarter end", next_at=at("10:00", 25)),
        ],
        {"orders": DutyFacts("production")},
        "/rollback",
        timedelta(hours=3),
        NOW,
    ),
    "reminder_older": reminder.reminder([], {}, "/rollback", timedelta(), NOW),
    "points": lists.points("orders", OFFER, NOW),
    "points_unreachable": lists.no_points("orders", "`orders` does not answer. Try again in a minute."),
    "targets": lists.targets(
        [
            lists.TargetRow("orders", Kind.DATABASE, "production", Linked(AWAITING)),
            lists.TargetRow("catalog", Kind.DATASET, "staging"),
        ],
        NOW,
    ),
    "status": lists.status([Linked(AWAITING), Linked(STUCK)], NOW),
    "status_empty": lists.status([], NOW),
    "history": lists.history("orders", [Linked(replace(SUCCEEDED, id=f"RB-{n}")) for n in range(25)], NOW),
    "help": lists.help_(
        [
            ("/rollback", "opens the form"),
            ("/rollback TARGET [to POINT|before TIME] [because REASON]", "asks for a rollback"),
        ]
    ),
}
