"""*Approve*: who may, when, and for which plan."""

from datetime import timedelta

import pytest

from bot import presses
from bot.event_kinds import EventKind as E
from bot.events import Approved
from bot.model import Risk
from bot.policy import Entitled
from bot.presses import Click, events_for, stamp, why_not
from bot.signatures import sealed
from tests.bot.presses.examples import AN_HOUR_LATER, OTHER_MARKS, STATES, X, asked, let_through, rights
from tests.bot.stories import ORDERS, Story, later, plan_data, planned, requested
from tests.people import BEN, CY


@rights(awaiting="approver")
def test_approve_and_start_is_for_approvers_while_it_awaits_approval(state: str, who: str, may: bool) -> None:
    assert let_through(presses.APPROVE, state, who) is may


def test_an_approval_names_the_plan_that_it_is_for() -> None:
    run = STATES["awaiting"]().run
    said = events_for(presses.APPROVE, run, BEN, Click(), AN_HOUR_LATER)
    approval = sealed(said[0], "k7f3a91c", run.id, run.approval.digest, None)
    assert approval.fact == Approved(marks=tuple(sorted(BEN.marks)), digest=run.approval.digest)


def test_an_approval_within_a_second_of_the_posting_was_not_read() -> None:
    run = STATES["awaiting"]().run
    assert run.approval.posted_at is not None
    quick = asked(run, presses.APPROVE, BEN, now=run.approval.posted_at + timedelta(milliseconds=999))
    assert quick is not None
    assert "less than a second ago" in quick
    assert asked(run, presses.APPROVE, BEN, now=run.approval.posted_at + timedelta(seconds=1)) is None


def test_an_approval_counts_until_the_time_is_over_and_not_at_its_end() -> None:
    run = STATES["awaiting"]().run
    assert run.approval.approve_by is not None
    assert asked(run, presses.APPROVE, BEN, now=run.approval.approve_by - timedelta(milliseconds=1)) is None
    late = asked(run, presses.APPROVE, BEN, now=run.approval.approve_by)
    assert late == "RB-42 could be approved until 03:32 UTC. Press *Ask again* for a fresh plan."


def test_a_plan_whose_card_is_not_posted_cannot_be_approved() -> None:
    run = Story().tell(E.PLANNED, **plan_data(ORDERS)).run
    reason = asked(run, presses.APPROVE, BEN)
    assert reason is not None
    assert "not posted yet" in reason


@pytest.mark.parametrize(("code", "right"), [("", False), ("0000", False), ("first", True), ("FIRST", True)])
def test_a_critical_plan_asks_for_the_first_four_characters_of_its_code(code: str, right: bool) -> None:
    run = Story(planned(risk=Risk.CRITICAL)).posted().run
    typed = {"first": f" {run.code[:4]} ", "FIRST": run.code[:4].upper()}.get(code, code)
    reason = asked(run, presses.APPROVE, BEN, code=typed)
    assert (reason is None) is right
    assert right or "not the code of this plan" in str(reason)


def test_who_approved_already_cannot_be_the_second() -> None:
    run = Story(planned(approvals_needed=2)).posted().tell(E.APPROVED, BEN).run
    assert asked(run, presses.APPROVE, BEN) == "You have approved RB-42 already. <@U01CY> can."


@pytest.mark.parametrize("how", OTHER_MARKS)
def test_rule_1_the_requester_never_counts_under_any_account(how: str) -> None:
    other = OTHER_MARKS[how]
    run = Story(events=[requested(X)]).posted().run
    entitled = Entitled((other, CY))
    reason = why_not(presses.APPROVE, run, other, entitled, Click(stamp(run)), later(60))
    assert reason == "You asked for this rollback, so you cannot approve it. <@U01CY> can."


@pytest.mark.parametrize("how", OTHER_MARKS)
def test_rule_1_one_human_with_two_accounts_approves_once(how: str) -> None:
    run = Story(planned(approvals_needed=2)).posted().tell(E.APPROVED, X).run
    other = OTHER_MARKS[how]
    reason = why_not(presses.APPROVE, run, other, Entitled((X, other, CY)), Click(stamp(run)), later(60))
    assert reason == "You have approved RB-42 already. <@U01CY> can."


def test_rule_2_an_empty_group_lets_nobody_approve() -> None:
    run = STATES["awaiting"]().run
    assert why_not(presses.APPROVE, run, BEN, Entitled(()), Click(stamp(run)), later(60)) is not None


def test_rule_4_who_left_the_group_cannot_approve() -> None:
    run = STATES["awaiting"]().run
    reason = why_not(presses.APPROVE, run, BEN, Entitled((CY,)), Click(stamp(run)), later(60))
    assert reason == "You are not among the approvers of `orders`. <@U01CY> can."


def test_rule_4_a_group_that_cannot_be_read_lets_nobody_through() -> None:
    run = STATES["awaiting"]().run
    nobody = Entitled((), unread=("managers",))
    reason = why_not(presses.APPROVE, run, BEN, nobody, Click(stamp(run)), later(60))
    assert reason is not None
    assert reason.startswith(
        "Slack could not tell who is in managers just now, so nobody can be let through."
    )


def test_rule_7_a_code_of_another_plan_approves_nothing() -> None:
    other = Story(planned(risk=Risk.CRITICAL, environment="staging")).posted().run
    run = Story(planned(risk=Risk.CRITICAL)).posted().run
    assert asked(run, presses.APPROVE, BEN, code=other.code[:4]) is not None
