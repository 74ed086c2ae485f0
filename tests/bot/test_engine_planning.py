"""Before anything is done: a plan is made, and looked at again before it starts."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from bot import codec, presses
from bot.configuration import Rule
from bot.contract import (
    Blocked,
    Busy,
    OutcomeUnknown,
    PointUnavailable,
    StillReading,
    Unreachable,
)
from bot.event_kinds import EventKind as E
from bot.events import HeldUp
from bot.model import Do, Goal, Left, Loss, LossQuality, Plan, State, Unit, Verdict
from bot.pins import Pin
from bot.policy import Entitled
from bot.presses import Click
from tests.bot.configured import CAREFUL, configuration, restoring, target
from tests.bot.scripted import ENTITLED, Play
from tests.bot.stories import LOSS, POINT, later, retold
from tests.people import ANA, BEN, CY

MUCH = replace(LOSS, units=(Unit("orders", 9000),))


# Planning --------------------------------------------------------------------------------------


async def test_a_plan_is_stored_with_its_digest_and_who_is_awaited(play: Play) -> None:
    run = await play.planned()
    assert run.approval.plan is not None
    assert run.approval.digest == codec.plan_digest(run.approval.plan)
    assert run.approval.awaited == (BEN.id, CY.id)


REFUSED: dict[str, tuple[Callable[[Play], object], str]] = {
    "the point is gone": (
        lambda play: play.backend.plans.append(PointUnavailable("p41 is gone; p40 is there")),
        "p41 is gone; p40 is there",
    ),
    "the backend cannot be reached": (
        lambda play: play.backend.plans.append(Unreachable("no route")),
        "`orders` could not be read: no route. Nothing was started; ask again.",
    ),
    "the backend must not be taken back now": (
        lambda play: setattr(play.backend, "blockers", ("a migration runs",)),
        "a migration runs",
    ),
    "the point is what is live": (
        lambda play: setattr(play.backend, "live", "p41"),
        "p41 is what `orders` runs now: choose an earlier restore point",
    ),
    "nobody else can approve": (
        lambda play: setattr(play.register, "now", Entitled((ANA,))),
        "Besides you, nobody else can approve a rollback of `orders`, so nothing was started. "
        "Ask somebody who is in the approver group to request it, or have one more approver added.",
    ),
    "the target is not in the configuration any more": (
        lambda play: setattr(play, "configuration", configuration(target("search"))),
        "`orders` is not in the configuration any more.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_what_cannot_be_planned_is_refused_with_the_reason(name: str, play: Play) -> None:
    sabotage, why = REFUSED[name]
    play.ask()
    sabotage(play)
    run = await play.drive()
    assert (run.state, run.why, play.effects) == (State.REFUSED, why, [])


async def test_a_target_that_cannot_be_read_names_its_failover() -> None:
    play = Play(configuration(target(failover="runbook: failover-orders")))
    play.backend.plans = [Unreachable("no route")]
    run = await play.planned()
    assert run.why.endswith("ask again. Declared failover: runbook: failover-orders")


async def test_an_unknown_loss_needs_one_more_person_at_once(play: Play) -> None:
    play.backend.loss = Loss(LossQuality.UNKNOWN)
    play.register.now = Entitled((BEN,))
    run = await play.planned()
    assert (run.state, "only 1 of the 2 people needed" in run.why) == (State.REFUSED, True)


@pytest.mark.parametrize(
    ("offline", "online", "down"),
    [(None, None, True), (None, Verdict.FAILED, False), (Verdict.FAILED, Verdict.FAILED, False)],
    ids=["nothing can be seen", "one sees that it is bad", "all see that it is bad"],
)
async def test_a_target_is_down_when_no_check_sees_anything(
    play: Play, offline: Verdict | None, online: Verdict | None, down: bool
) -> None:
    play.world.offline.sees, play.world.online.sees = [offline], [online]
    assert (await play.planned()).approval.target_down is down


async def test_a_check_that_reaches_for_nothing_says_nothing_about_the_target(play: Play) -> None:
    for check in (play.world.offline, play.world.online):
        check.sees, check.reaches_target = [None], False
    assert not (await play.planned()).approval.target_down


async def test_a_request_that_was_cancelled_while_it_was_planned_stays_cancelled(play: Play) -> None:
    play.ask()
    play.world.offline.meanwhile = lambda: play.press(ANA, presses.CANCEL)
    assert (await play.drive()).state is State.CANCELLED


# Preflight -------------------------------------------------------------------------------------


def tampered(play: Play) -> None:
    """Somebody changes the stored plan, and leaves its digest."""
    _change_plan(play, digest=None)


def swapped(play: Play) -> None:
    """Somebody changes the stored plan, and its digest with it."""
    assert play.run.approval.plan is not None
    _change_plan(play, digest=codec.plan_digest(replace(play.run.approval.plan, environment="staging")))


def _change_plan(play: Play, digest: str | None, plan: Plan | None = None) -> None:
    events = play.notes.runs[play.run.id]
    told = codec.dump(Plan, plan or replace(play.run.approval.plan, environment="staging"))
    events[1] = retold(events[1], plan=told, **({"digest": digest} if digest else {}))


def forged(play: Play) -> None:
    """Somebody writes an approval into the database."""
    events = play.notes.runs[play.run.id]
    at = next(i for i, event in enumerate(events) if event.kind is E.APPROVED)
    events[at] = replace(retold(events[at], marks=sorted(CY.marks)), by=CY.id)


def shared(play: Play) -> None:
    """Somebody adds the marks of another human to an approval."""
    events = play.notes.runs[play.run.id]
    at = next(i for i, event in enumerate(events) if event.kind is E.APPROVED)
    events[at] = retold(events[at], marks=sorted({*BEN.marks, *CY.marks}))


def elsewhere(play: Play) -> None:
    """Somebody changes where the requester wanted to go."""
    events = play.notes.runs[play.run.id]
    goal = codec.dump(Goal, Goal(point="p40"))
    events[0] = retold(events[0], goal=goal)


def anonymous(play: Play) -> None:
    """The same, in nobody's name."""
    events = play.notes.runs[play.run.id]
    at = next(i for i, event in enumerate(events) if event.kind is E.APPROVED)
    events[at] = replace(events[at], by="", signature="")


VOID: dict[str, tuple[Callable[[Play], object], str]] = {
    "the plan was changed in the database": (
        tampered,
        "the stored plan is not the one that was approved",
    ),
    "the plan and its digest were changed in the database": (
        swapped,
        "the approved of RB-42 by U01BEN carries no valid signature",
    ),
    "an approval was written into the database": (
        forged,
        "the approved of RB-42 by U01CY carries no valid signature",
    ),
    "the marks of an approval were changed in the database": (
        shared,
        "the approved of RB-42 by U01BEN carries no valid signature",
    ),
    "the goal of the request was changed in the database": (
        elsewhere,
        "the requested of RB-42 by U01ANA carries no valid signature",
    ),
    "an approval by nobody was written into the database": (
        anonymous,
        "the approved of RB-42 by nobody carries no valid signature",
    ),
    "the front's key is not known": (
        lambda play: play.keys.clear(),
        "the requested of RB-42 by U01ANA carries no valid signature",
    ),
    "the policy changed": (
        lambda play: setattr(play, "configuration", configuration(target(approval=Rule(from_=("U01BEN",))))),
        "the policy of `orders` changed after the plan was made",
    ),
    "the procedure changed": (
        lambda play: setattr(
            play,
            "configuration",
            configuration(target(procedure="new"), procedures={"new": restoring("orders", document="x")}),
        ),
        "the procedure of `orders` changed after the plan was made",
    ),
    "what is kept off line changed": (
        lambda play: setattr(play, "configuration", configuration(CAREFUL)),
        "the procedure of `orders` changed after the plan was made",
    ),
    "the target is not in the configuration any more": (
        lambda play: setattr(play, "configuration", configuration(target("search"))),
        "`orders` is not in the configuration any more",
    ),
    "the approver left the group": (
        lambda play: setattr(play.register, "now", Entitled((CY,))),
        "Somebody who approved is no longer an approver.",
    ),
    "the group cannot be read": (
        lambda play: setattr(play.register, "now", Entitled((), unread=("managers",))),
        "Slack could not tell who is in managers, so the approval could not be checked again.",
    ),
    "somebody deployed meanwhile": (
        lambda play: setattr(play.backend, "live", "v43"),
        "`orders` changed since the plan was made: it was v42, now it is v43",
    ),
    "the loss outgrew its ceiling": (
        lambda play: setattr(play.backend, "loss", MUCH),
        "9,000 new orders, covered were 649",
    ),
    "the point is gone": (lambda play: play.backend.offered.clear(), "p41 is gone"),
    "the backend must not be taken back now": (
        lambda play: setattr(play.backend, "blockers", ("a migration runs",)),
        "a migration runs",
    ),
    "the backend is blocked": (lambda play: play.backend.plans.append(Blocked("disk full")), "disk full"),
}


@pytest.mark.parametrize("name", VOID)
async def test_an_approval_no_longer_counts_and_nothing_is_done(name: str, play: Play) -> None:
    sabotage, why = VOID[name]
    await play.approved()
    sabotage(play)
    run = await play.drive()
    assert (run.state, run.why, play.effects) == (State.VOID, why, [])


PASSING: dict[str, Callable[[Play], object]] = {
    "the backend cannot be reached": lambda play: play.backend.plans.append(Unreachable("no route")),
    "the backend is busy": lambda play: play.backend.plans.append(Busy("locked by an export")),
    "the backend does not say": lambda play: play.backend.plans.append(OutcomeUnknown("no answer")),
}


@pytest.mark.parametrize("name", PASSING)
async def test_passing_trouble_at_the_start_is_waited_out_and_said(name: str, play: Play) -> None:
    await play.approved()
    PASSING[name](play)
    run = await play.drive()
    assert run.state is State.SUCCEEDED
    assert play.kinds().count("held_up") == 1


async def test_passing_trouble_that_does_not_pass_voids_at_the_end_of_the_time_to_start(play: Play) -> None:
    run = await play.approved()
    play.backend.plans.extend([Busy("locked by an export")] * 100)
    began = play.clock()
    run = await play.drive()
    assert (run.state, run.why, play.effects) == (State.VOID, "locked by an export", [])
    waited = (play.clock() - began).total_seconds()
    assert run.approval.plan.start_within - 10 <= waited < run.approval.plan.start_within
    assert play.kinds().count("held_up") == 1  # said once, however often it was tried


async def test_a_count_that_fails_at_the_start_is_tried_again_and_then_voids(play: Play) -> None:
    await play.approved()
    play.backend.loss = Loss(LossQuality.UNKNOWN, LOSS.since, basis="orders: not finished after 10 s")
    run = await play.drive()
    assert (run.state, play.effects) == (State.VOID, [])
    assert run.why == (
        "the loss was measured when it was approved and is unknown now (orders: not finished after 10 s)"
    )
    assert "held_up" in play.kinds()


async def test_a_plan_waits_for_a_point_that_is_still_being_read_and_says_how_far(play: Play) -> None:
    play.ask()
    for far in ("40 %", "40 %", "90 %"):
        play.backend.plans.append(StillReading(f"The content of p41 is still being read, {far}."))
    run = await play.drive()
    assert (run.state, run.why) == (State.AWAITING_APPROVAL, "")
    said = [event.fact.why for event in play.notes.runs[run.id] if isinstance(event.fact, HeldUp)]
    assert said == [f"The content of p41 is still being read, {far}." for far in ("40 %", "90 %")]


async def test_who_cancels_while_a_point_is_still_being_read_is_heard(play: Play) -> None:
    play.ask()
    play.backend.plans.extend([StillReading("The content of p41 is still being read, 0 %.")] * 100)
    play.clock.meanwhile = lambda: play.press(ANA, presses.CANCEL)
    assert (await play.drive()).state is State.CANCELLED


async def test_who_cancels_while_the_start_is_held_up_is_heard(play: Play) -> None:
    await play.approved()
    play.backend.plans.extend([Busy("locked by an export")] * 100)
    play.clock.meanwhile = lambda: play.press(ANA, presses.CANCEL)
    run = await play.drive()
    assert (run.state, play.effects) == (State.CANCELLED, [])


async def test_a_backup_that_was_replaced_after_the_approval_is_not_restored(play: Play) -> None:
    play.backend.offered["p41"] = replace(POINT, fingerprint="40ab" * 16)
    await play.approved()
    play.backend.offered["p41"] = replace(POINT, fingerprint="7c1e" * 16)
    run = await play.drive()
    assert (run.state, play.effects) == (State.VOID, [])
    assert run.why == "backup p41 of `orders` is not what it was: 40ab40ab… is 7c1e7c1e… now"


async def test_what_is_restored_is_pinned_to_the_backend_as_well(play: Play) -> None:
    play.backend.offered["p41"] = replace(POINT, fingerprint="40ab" * 16)
    await play.approved()
    await play.drive()
    assert {work.fingerprint for work in play.backend.works} == {"40ab" * 16}


async def test_a_reference_that_leads_elsewhere_after_the_approval_voids_it(play: Play) -> None:
    play.world.pinned["orders"] = (Pin("`root`", "a" * 64),)
    await play.approved()
    play.world.pinned["orders"] = (Pin("`root`", "b" * 64),)
    run = await play.drive()
    assert (run.state, play.effects) == (State.VOID, [])
    assert run.why == "`root` of `orders` is another one than when it was approved"


async def test_a_program_that_changes_after_the_start_is_not_run(careful: Play) -> None:
    careful.world.pinned["orders"] = (Pin("program `ctl`", "a" * 64),)
    await careful.approved()

    async def edited() -> None:
        careful.world.pinned["orders"] = (Pin("program `ctl`", "b" * 64),)

    careful.world.maintenance("orders", Do.MAINTENANCE_ON).meanwhile = edited
    run = await careful.drive()
    assert "program `ctl` of `orders` is another one" in run.why
    assert "RESTORE orders" not in careful.effects
    assert run.work.live is Left.BEFORE


async def test_a_plan_that_pins_nothing_ends_void_before_anybody_presses(play: Play) -> None:
    run = await play.planned()
    old = replace(run.approval.plan, format=1)
    _change_plan(play, digest=codec.plan_digest(old), plan=old)
    click = Click()
    assert "older version" in str(presses.why_not(presses.APPROVE, play.run, BEN, ENTITLED, click, later(60)))
    run = await play.drive()
    assert (run.state, play.effects) == (State.VOID, [])
    assert run.why == "it was planned by an older version, which did not look at contents; ask again"


async def test_a_request_that_was_written_into_the_database_is_not_even_planned(play: Play) -> None:
    play.ask()
    elsewhere(play)
    run = await play.drive()
    assert (run.state, run.why) == (
        State.REFUSED,
        "the requested of RB-42 by U01ANA carries no valid signature",
    )
    assert play.backend.goals == []


async def test_an_approval_does_not_start_a_run_after_its_time(play: Play) -> None:
    run = await play.approved()
    assert run.approval.start_by is not None
    play.clock.now = run.approval.start_by  # we were down, and the clock's own tick has not come yet
    run = await play.drive()
    assert (run.state, play.effects) == (State.EXPIRED, [])


async def test_an_approval_starts_a_run_until_the_very_last_moment(play: Play) -> None:
    run = await play.approved()
    assert run.approval.start_by is not None
    play.clock.now = run.approval.start_by - timedelta(milliseconds=1)
    assert (await play.drive()).state is State.SUCCEEDED


async def test_a_preflight_that_outlasts_the_approval_starts_nothing(play: Play) -> None:
    run = await play.approved()
    assert run.approval.start_by is not None
    play.clock.now = run.approval.start_by - timedelta(milliseconds=1)
    play.register = _Slow(play)
    assert (await play.drive()).state is State.EXPIRED


class _Slow:
    """Slack takes its time."""

    def __init__(self, play: Play) -> None:
        self.now = play.register.now
        self._clock = play.clock

    async def entitled(self, target: object) -> Entitled:
        await self._clock.sleep(1)
        return self.now


async def test_a_veto_during_preflight_wins(play: Play) -> None:
    await play.approved()

    class Meanwhile(_Slow):
        async def entitled(self, target: object) -> Entitled:
            if play.run.state is State.APPROVED:
                await play.press(CY, presses.VETO)
            return self.now

    play.register = Meanwhile(play)
    run = await play.drive()
    assert (run.state, play.effects) == (State.VETOED, [])


async def test_a_start_keeps_the_loss_as_it_is_then(play: Play) -> None:
    await play.approved()
    play.backend.loss = replace(LOSS, units=(Unit("orders", 230),))
    run = await play.drive()
    assert run.work.loss is not None
    assert run.work.loss.units == (Unit("orders", 230),)
