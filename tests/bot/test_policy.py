"""The rules about people, each of the ten where it can be asked with values only."""

from dataclasses import replace

import pytest

from bot import policy
from bot.model import Person
from bot.policy import (
    MESSAGED_AT_MOST_PEOPLE,
    OPEN_REQUESTS_A_PERSON,
    Entitled,
    awaited,
    why_nobody_else,
    why_not_ask,
    why_not_start,
)
from tests.bot.presses.examples import ENTITLED, OTHER_MARKS, STATES, X
from tests.bot.stories import Story, having, planned, requested
from tests.people import ANA, BEN, CY, DORA, FINN, GUEST, person

# Rule 1: one human -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", OTHER_MARKS)
def test_rule_1_the_worker_counts_humans_too(how: str) -> None:
    other = OTHER_MARKS[how]
    run = Story(planned(approvals_needed=2)).approved(X, other).run
    assert why_not_start(run, Entitled((X, other, CY))) is not None


@pytest.mark.parametrize("how", OTHER_MARKS)
def test_rule_1_the_worker_does_not_count_the_requester(how: str) -> None:
    run = Story(events=[requested(X)]).approved(OTHER_MARKS[how]).run
    assert why_not_start(run, Entitled((X, OTHER_MARKS[how]))) is not None


# Rules 2 and 3: somebody else, said at once ----------------------------------------------------


def test_rule_2_an_empty_group_lets_nobody_ask() -> None:
    reason = why_not_ask(ANA, "orders", Entitled(()), 0, 1)
    assert reason is not None
    assert reason.startswith("Besides you, nobody else can approve a rollback of `orders`")


def test_rule_3_too_few_others_are_said_at_once() -> None:
    reason = why_not_ask(ANA, "orders", Entitled((ANA, BEN)), 0, 2)
    assert reason is not None
    assert "only 1 of the 2 people needed can" in reason


@pytest.mark.parametrize(
    "others",
    [
        (ANA,),
        (replace(ANA, id="U09ANA", marks=frozenset({"U09ANA", "person:ana"})),),
        (replace(BEN, barred="this account is deactivated"),),
        (GUEST,),
    ],
    ids=["only the requester", "only another account", "deactivated", "guest"],
)
def test_rule_3_nobody_who_counts_is_nobody(others: tuple[Person, ...]) -> None:
    assert why_nobody_else(ANA, "orders", Entitled(others), 1) is not None


def test_rule_3_two_accounts_of_one_human_are_one_of_two() -> None:
    home = replace(BEN, id="U09BEN", marks=frozenset({"U09BEN", "person:ben"}))
    assert why_nobody_else(ANA, "orders", Entitled((BEN, home)), 2) is not None


def test_rule_3_a_human_whose_first_account_is_deactivated_still_counts_by_the_second() -> None:
    gone = replace(BEN, barred="this account is deactivated")
    home = replace(BEN, id="U09BEN", marks=frozenset({"U09BEN", "person:ben"}))
    assert why_nobody_else(ANA, "orders", Entitled((gone, home)), 1) is None


def test_rule_3_groups_that_could_not_be_read_are_named() -> None:
    reason = why_nobody_else(ANA, "orders", Entitled((), unread=("managers", "leads")), 1)
    assert reason is not None
    assert "managers or leads could not be read from Slack just now: try again." in reason


# Rule 4: read again, and closed when it cannot be read -----------------------------------------


def test_rule_4_who_approved_and_left_no_longer_counts_at_the_start() -> None:
    run = STATES["approved"]().run
    assert why_not_start(run, Entitled((BEN, CY))) is None
    assert why_not_start(run, Entitled((CY,))) == "Somebody who approved is no longer an approver."


def test_rule_4_who_approved_and_was_deactivated_no_longer_counts_at_the_start() -> None:
    run = STATES["approved"]().run
    gone = replace(BEN, barred="this account is deactivated")
    assert why_not_start(run, Entitled((gone, CY))) == "Somebody who approved is no longer an approver."


def test_rule_4_a_group_that_cannot_be_read_at_the_start_starts_nothing() -> None:
    reason = why_not_start(STATES["approved"]().run, Entitled((), unread=("managers",)))
    assert reason == "Slack could not tell who is in managers, so the approval could not be checked again."


def test_rule_4_an_approver_who_now_uses_another_account_still_counts() -> None:
    home = replace(BEN, id="U09BEN", marks=frozenset({"U09BEN", "person:ben"}))
    assert why_not_start(STATES["approved"]().run, Entitled((home,))) is None


def test_rule_4_more_approvals_than_needed_bear_a_loss() -> None:
    run = Story().approved(BEN, CY).run
    assert why_not_start(run, Entitled((CY,))) is None


def test_rule_4_the_quorum_counts_again_at_the_start() -> None:
    run = Story(planned(approvals_needed=2)).approved(BEN, CY).run
    assert why_not_start(run, Entitled((BEN, CY))) is None
    assert why_not_start(run, Entitled((BEN,))) is not None


# Rule 5: people who may nothing ----------------------------------------------------------------


def test_rule_5_who_is_barred_cannot_ask() -> None:
    reason = why_not_ask(GUEST, "orders", ENTITLED, 0, 1)
    assert reason is not None
    assert reason.startswith("You cannot ask for a rollback: guests may neither ask nor approve.")


# Rule 6: an approval is an event, whatever was said --------------------------------------------


def test_rule_6_a_run_starts_with_no_words_but_its_approvals() -> None:
    story = Story(planned(approvals_needed=1)).posted()
    story.run = having(story.run, request_reason="approve approve approve", approval_given=())
    assert why_not_start(story.run, ENTITLED) is not None


# Rule 8: not too many at once ------------------------------------------------------------------


@pytest.mark.parametrize(("open_requests", "may"), [(0, True), (2, True), (3, False), (4, False)])
def test_rule_8_a_person_has_at_most_three_open_requests(open_requests: int, may: bool) -> None:
    assert OPEN_REQUESTS_A_PERSON == 3
    assert (why_not_ask(ANA, "orders", ENTITLED, open_requests, 1) is None) is may


def test_rule_8_who_may_not_ask_is_told_so() -> None:
    reason = why_not_ask(FINN, "orders", ENTITLED, 0, 1)
    assert reason == "You are not in a group that may ask for a rollback of `orders`. Ask somebody who is."


# Who gets a direct copy ------------------------------------------------------------------------

CROWD = tuple(person(name) for name in ("gus", "hal", "ian", "joe", "kim", "lea", "moe"))


def test_at_most_five_are_messaged() -> None:
    assert MESSAGED_AT_MOST_PEOPLE == 5
    assert awaited(ANA, Entitled(CROWD), None) == tuple(p.id for p in CROWD[:5])


def test_who_should_be_asked_first_is_first() -> None:
    lea = CROWD[5]
    assert awaited(ANA, Entitled(CROWD), lea.id)[0] == lea.id


def test_who_should_be_asked_first_by_another_account_is_first_too() -> None:
    lea = replace(CROWD[5], marks=CROWD[5].marks | {"U09LEA"})
    assert awaited(ANA, Entitled((*CROWD[:5], lea)), "U09LEA")[0] == lea.id


def test_who_is_asked_first_and_cannot_approve_gets_no_copy() -> None:
    assert awaited(ANA, Entitled((BEN, CY)), FINN.id) == (BEN.id, CY.id)


def test_neither_the_requester_nor_the_barred_nor_a_second_account_gets_a_copy() -> None:
    home = replace(BEN, id="U09BEN", marks=frozenset({"U09BEN", "person:ben"}))
    entitled = Entitled((ANA, BEN, home, replace(CY, barred="this account is deactivated"), GUEST))
    assert awaited(ANA, entitled, None) == (BEN.id,)


# Roles -----------------------------------------------------------------------------------------


def test_one_human_may_stand_in_several_places() -> None:
    everything = Entitled((ANA,), requesters=frozenset({ANA.id}), owners=frozenset({ANA.id}))
    run = STATES["awaiting"]().run
    assert everything.roles(ANA, run) == set(policy.PersonRole)


def test_the_owner_is_recognised_by_every_account() -> None:
    home = replace(DORA, id="U09DORA", marks=frozenset({"U09DORA", DORA.id}))
    assert policy.PersonRole.OWNER in ENTITLED.roles(home, None)
