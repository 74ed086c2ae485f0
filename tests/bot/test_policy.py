"""Who may do what: each row of the rights table and each of the ten rules, with values only."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot import events, machine, policy
from bot.events import Event
from bot.events import EventKind as E
from bot.model import Do, Person, Phase, Risk, Run, State, Step
from bot.policy import (
    MESSAGED_AT_MOST,
    OPEN_REQUESTS_A_PERSON,
    RIGHTS,
    Click,
    Entitled,
    Press,
    awaited,
    events_for,
    stamp,
    why_nobody_else,
    why_not,
    why_not_ask,
    why_not_start,
)
from bot.signatures import sealed
from tests.bot.stories import (
    ANA,
    BEN,
    CY,
    DORA,
    EVE,
    FINN,
    GUEST,
    ORDERS,
    T0,
    Story,
    later,
    person,
    plan_data,
    planned,
    requested,
)

ENTITLED = Entitled((BEN, CY), requesters=frozenset({ANA.id, EVE.id}), owners=frozenset({DORA.id}))
WHO = {
    "requester": ANA,
    "approver": BEN,
    "owner": DORA,
    "somebody-who-may-ask": EVE,
    "bystander": FINN,
    "guest": GUEST,
}
AN_HOUR_LATER = later(3600)


def asked(run: Run, press: Press, who: Person, *, now: datetime | None = None, **click: str) -> str | None:
    """What policy says to a press on the card as it is drawn now, a minute after the newest event."""
    at = now or (run.changed_at or T0) + timedelta(minutes=1)
    return why_not(press, run, who, ENTITLED, Click(**{"stamp": stamp(run), "why": "because", **click}), at)


# Runs in every state that people see -----------------------------------------------------------

CHECKPOINTS = (
    Step(1, Phase.PREPARE, Do.CONFIRM, "orders", text="Drained?"),
    Step(2, Phase.PREPARE, Do.UNDO_POINT, "orders"),
    Step(3, Phase.RESTORE, Do.CONFIRM, "orders", text="Sure?"),
    Step(4, Phase.RESTORE, Do.RESTORE, "orders"),
    Step(5, Phase.VERIFY, Do.CHECK, "orders"),
)


def checkpoint() -> Story:
    return Story(planned(steps=CHECKPOINTS)).started().tell(E.CHECKPOINT_REACHED)


def later_checkpoint() -> Story:
    return checkpoint().tell(E.CONFIRMED, BEN).start(Do.UNDO_POINT).tell(
        E.STEP_SUCCEEDED, n=2, undo_point="u42"
    ).tell(E.PREPARED).tell(E.CHECKPOINT_REACHED)  # fmt: skip


STATES: dict[str, Callable[[], Story]] = {
    "requested": Story,
    "refused": lambda: Story().tell(E.REFUSED, why="no such point"),
    "awaiting": lambda: Story().posted(),
    "approved": lambda: Story().approved(),
    "running-untouched": lambda: Story().started(),
    "running": lambda: Story().up_to(Do.RESTORE),
    "at-the-first-checkpoint": checkpoint,
    "at-a-later-checkpoint": later_checkpoint,
    "stopped": lambda: Story().up_to(Do.RESTORE).tell(E.STOP_REQUESTED, BEN).tell(E.HALTED),
    "step-failed": lambda: Story().fail(Do.RESTORE),
    "checks-failed": lambda: Story().doubt(),
    "loss-outgrown": lambda: Story().up_to(Do.MEASURE).tell(
        E.LOSS_OUTGROWN, n=3, why="…", loss=plan_data(ORDERS)["plan"]["loss"]
    ),
    "as-before": lambda: Story().lose(Do.RESTORE).tell(E.RESOLVED_UNCHANGED, BEN),
    "stuck": lambda: Story().lose(Do.RESTORE),
    "succeeded": lambda: Story().succeeded(),
    "failed-in-maintenance": lambda: Story().fail(Do.RESTORE).tell(E.ENDED, BEN),
    "failed": lambda: Story(planned(steps=CHECKPOINTS)).started().tell(E.CHECKPOINT_REACHED)
    .tell(E.CONFIRMED, BEN).start(Do.UNDO_POINT).tell(E.STEP_SUCCEEDED, n=2, undo_point="u42")
    .tell(E.PREPARED).tell(E.CHECKPOINT_REACHED).tell(E.ENDED, BEN),
    "vetoed": lambda: Story().posted().tell(E.VETOED, BEN),
    "expired": lambda: Story().posted().tell(E.EXPIRED),
    "void": lambda: Story().approved().tell(E.VOIDED, why="moved"),
    "cancelled": lambda: Story().posted().tell(E.CANCELLED, ANA),
}  # fmt: skip
PAUSED = [name for name in STATES if STATES[name]().run.state is State.PAUSED]


def rights(**allowed: str) -> pytest.MarkDecorator:
    """Every state with everybody. `allowed`: who may, by state; whoever is not named there may not."""
    cases = []
    for state in STATES:
        may = allowed.get(state.replace("-", "_"), "").split()
        assert set(may) <= set(WHO)
        cases += [pytest.param(state, who, who in may, id=f"{state}-by-{who}") for who in WHO]
    return pytest.mark.parametrize(("state", "who", "may"), cases)


def let_through(press: Press, state: str, who: str) -> bool:
    return asked(STATES[state]().run, press, WHO[who]) is None


def test_every_state_has_an_example() -> None:
    assert {story().run.state for story in STATES.values()} == set(State)


def test_every_press_has_a_right_and_a_word() -> None:
    assert set(RIGHTS) == set(policy.WHAT) == set(Press)


# The rights table of product.md, row by row ----------------------------------------------------

THREE = "requester approver owner"


@rights(awaiting="approver")
def test_approve_and_start_is_for_approvers_while_it_awaits_approval(state: str, who: str, may: bool) -> None:
    assert let_through(Press.APPROVE, state, who) is may


@rights(
    awaiting="approver owner",
    approved="approver owner",
    running_untouched="approver owner",
    at_the_first_checkpoint="approver owner",
)
def test_reject_is_for_approvers_and_the_owner_until_the_first_intent(
    state: str, who: str, may: bool
) -> None:
    assert let_through(Press.VETO, state, who) is may


@rights(
    requested=THREE,
    awaiting=THREE,
    approved=THREE,
    running_untouched=THREE,
    running=THREE,
    at_the_first_checkpoint=THREE,
)
def test_cancel_and_stop_are_for_requester_approvers_and_owner(state: str, who: str, may: bool) -> None:
    assert let_through(Press.CANCEL, state, who) is may


@rights(
    at_the_first_checkpoint="requester approver",
    at_a_later_checkpoint="requester approver",
    stopped="requester approver",
    checks_failed=THREE,
    failed_in_maintenance=THREE,
)
def test_yes_go_on_is_for_requester_and_approvers_and_going_online_anyway_for_the_owner_too(
    state: str, who: str, may: bool
) -> None:
    assert let_through(Press.CONTINUE, state, who) is may


@rights(step_failed=THREE, checks_failed=THREE, loss_outgrown=THREE, as_before=THREE, stuck=THREE)
def test_check_again_is_for_requester_approvers_and_owner(state: str, who: str, may: bool) -> None:
    assert let_through(Press.RETRY, state, who) is may


@rights(**{name.replace("-", "_"): THREE for name in PAUSED})
def test_end_it_is_for_requester_approvers_and_owner_of_a_paused_run(state: str, who: str, may: bool) -> None:
    assert let_through(Press.STOP, state, who) is may


@rights(
    at_a_later_checkpoint="requester somebody-who-may-ask",
    stopped="requester somebody-who-may-ask",
    step_failed="requester somebody-who-may-ask",
    checks_failed="requester somebody-who-may-ask",
    as_before="requester somebody-who-may-ask",
    succeeded="requester somebody-who-may-ask",
    failed="requester somebody-who-may-ask",
    failed_in_maintenance="requester somebody-who-may-ask",
)
def test_undo_is_for_who_may_ask_where_there_is_an_undo_point(state: str, who: str, may: bool) -> None:
    assert let_through(Press.UNDO, state, who) is may


@rights(stuck=THREE)
def test_say_what_is_live_is_for_owner_requester_and_approvers_of_a_stuck_run(
    state: str, who: str, may: bool
) -> None:
    assert let_through(Press.RESOLVE, state, who) is may


@rights(**dict.fromkeys(("refused", "void", "expired", "vetoed"), "requester somebody-who-may-ask"))
def test_ask_again_is_for_who_may_ask_of_a_run_that_changed_nothing(state: str, who: str, may: bool) -> None:
    assert let_through(Press.ASK_AGAIN, state, who) is may


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("state", STATES)
def test_details_are_for_everybody_at_any_time(state: str, who: str) -> None:
    assert let_through(Press.DETAILS, state, who)


def test_whoever_no_group_of_requesters_is_named_for_may_ask_as_every_member() -> None:
    anybody = replace(ENTITLED, requesters=None)
    run = STATES["void"]().run
    assert why_not(Press.ASK_AGAIN, run, FINN, anybody, Click(stamp(run)), AN_HOUR_LATER) is None


@pytest.mark.parametrize("press", [press for press in Press if press is not Press.DETAILS])
@pytest.mark.parametrize("state", STATES)
def test_a_refusal_says_one_sentence_and_what_to_do(press: Press, state: str) -> None:
    reason = asked(STATES[state]().run, press, FINN)
    assert reason is not None
    assert reason.endswith(".")
    assert len(reason) < 250


# What a press records --------------------------------------------------------------------------

RECORDED: dict[str, tuple[Press, Callable[[], Story], list[E]]] = {
    "the last approval": (Press.APPROVE, STATES["awaiting"], [E.APPROVED, E.QUORUM_REACHED]),
    "the first of two approvals": (
        Press.APPROVE,
        lambda: Story(planned(approvals_needed=2)).posted(),
        [E.APPROVED],
    ),
    "a rejection": (Press.VETO, STATES["awaiting"], [E.VETOED]),
    "a rejection at the first checkpoint": (Press.VETO, STATES["at-the-first-checkpoint"], [E.VETOED]),
    "a cancellation before the plan": (Press.CANCEL, STATES["requested"], [E.CANCELLED]),
    "a cancellation before the first intent": (Press.CANCEL, STATES["running-untouched"], [E.CANCELLED]),
    "a cancellation at the first checkpoint": (
        Press.CANCEL,
        STATES["at-the-first-checkpoint"],
        [E.CANCELLED],
    ),
    "a stop": (Press.CANCEL, STATES["running"], [E.STOP_REQUESTED]),
    "a look again": (Press.RETRY, STATES["step-failed"], [E.RETRIED]),
    "a look again at a stuck run": (Press.RETRY, STATES["stuck"], [E.RETRIED]),
    "an end": (Press.STOP, STATES["step-failed"], [E.ENDED]),
    "a yes at a checkpoint": (Press.CONTINUE, STATES["at-a-later-checkpoint"], [E.CONFIRMED]),
    "a yes after a stop": (Press.CONTINUE, STATES["stopped"], [E.CONFIRMED]),
    "the first word for going online": (Press.CONTINUE, STATES["checks-failed"], [E.CONTINUE_PROPOSED]),
    "the second word for going online": (
        Press.CONTINUE,
        lambda: Story().doubt().tell(E.CONTINUE_PROPOSED, ANA, why="…"),
        [E.CONTINUED],
    ),
    "the first word for leaving maintenance": (
        Press.CONTINUE,
        STATES["failed-in-maintenance"],
        [E.LEAVE_PROPOSED],
    ),
    "the second word for leaving maintenance": (
        Press.CONTINUE,
        lambda: STATES["failed-in-maintenance"]().tell(E.LEAVE_PROPOSED, ANA, why="…"),
        [E.LEAVE_AGREED],
    ),
    "details": (Press.DETAILS, STATES["awaiting"], []),
    "an undo, which is a run of its own": (Press.UNDO, STATES["succeeded"], []),
    "asking again, which is a run of its own": (Press.ASK_AGAIN, STATES["void"], []),
}


@pytest.mark.parametrize("name", RECORDED)
def test_what_a_press_records(name: str) -> None:
    press, story, kinds = RECORDED[name]
    said = events_for(press, story().run, BEN, Click(why="because"), AN_HOUR_LATER)
    assert [event.kind for event in said] == kinds


@pytest.mark.parametrize("name", RECORDED)
def test_what_a_press_records_is_possible(name: str) -> None:
    press, story, _ = RECORDED[name]
    run = story().run
    for event in events_for(press, run, BEN, Click(why="because"), AN_HOUR_LATER):
        run = machine.apply(run, event)


def test_a_word_is_kept_with_who_said_it_by_which_marks_and_why() -> None:
    run = STATES["checks-failed"]().run
    (said,) = events_for(Press.CONTINUE, run, BEN, Click(why="customers wait"), AN_HOUR_LATER)
    expected = events.ContinueProposed(marks=tuple(sorted(BEN.marks)), why="customers wait")
    assert said == Event(expected, AN_HOUR_LATER, BEN.id)


def test_an_approval_names_the_plan_that_it_is_for() -> None:
    run = STATES["awaiting"]().run
    said = events_for(Press.APPROVE, run, BEN, Click(), AN_HOUR_LATER)
    approval = sealed(said[0], "k7f3a91c", run.id, run.digest, None)
    assert approval.fact == events.Approved(marks=tuple(sorted(BEN.marks)), digest=run.digest)


# Clicks on what is no longer so ----------------------------------------------------------------


def test_a_click_on_an_old_card_is_refused() -> None:
    story = Story().fail(Do.RESTORE)
    old = stamp(story.run)
    run = story.tell(E.RETRIED, ANA).tell(E.STEP_FAILED, n=5).run
    reason = why_not(Press.STOP, run, BEN, ENTITLED, Click(old), AN_HOUR_LATER)
    assert reason is not None
    assert "has moved on since this card was drawn" in reason


def test_a_button_of_a_running_run_stays_good_while_it_goes_on_by_itself() -> None:
    story = Story().started()
    drawn = stamp(story.run)
    assert stamp(story.up_to(Do.RESTORE).run) == drawn


def test_where_people_decide_each_drawing_has_its_own_stamp() -> None:
    story = Story().doubt()
    drawn = stamp(story.run)
    assert stamp(story.tell(E.CONTINUE_PROPOSED, ANA, why="…").run) != drawn


def test_what_was_typed_has_no_stamp_and_counts_for_the_run_as_it_is() -> None:
    run = STATES["step-failed"]().run
    assert why_not(Press.STOP, run, BEN, ENTITLED, Click(stamp=None), AN_HOUR_LATER) is None


def test_a_rejection_after_the_first_intent_points_to_stop() -> None:
    reason = asked(STATES["running"]().run, Press.VETO, BEN)
    assert reason is not None
    assert "too late" in reason
    assert "*Stop…*" in reason


def test_an_undo_comes_in_time_or_is_refused() -> None:
    run = Story().succeeded().run
    assert run.ended_at is not None
    over = run.ended_at + timedelta(days=7)
    assert asked(run, Press.UNDO, EVE, now=over - timedelta(milliseconds=1)) is None
    assert asked(run, Press.UNDO, EVE, now=over) == (
        "RB-42 could be undone for 7 days. Use `/rollback orders` to choose a restore point."
    )


def test_a_second_stop_is_told_that_it_stops_already() -> None:
    run = Story().up_to(Do.RESTORE).tell(E.STOP_REQUESTED, BEN).run
    assert asked(run, Press.CANCEL, CY) == (
        "Somebody asked RB-42 to stop already: no next step starts. The card shows how it goes on."
    )


def halted() -> Run:
    return Story().up_to(Do.RESTORE).tell(E.HALTED, why="the configuration changed").run


def test_what_the_bot_may_not_go_on_with_is_looked_at_or_ended() -> None:
    assert asked(halted(), Press.RETRY, BEN) is None
    assert asked(halted(), Press.STOP, BEN) is None
    assert asked(halted(), Press.CONTINUE, BEN) == (
        "RB-42 cannot go on from here. The card shows what is possible."
    )


def forgotten() -> Story:
    story = Story().start(Do.RESTORE)
    (doubted,) = machine.forgotten(story.run, story.now, "put back from a backup", "k7f3")
    return story.add(doubted.fact)


def test_a_run_from_before_a_restored_backup_is_resolved_by_two_and_not_by_looking() -> None:
    run = forgotten().run
    assert asked(run, Press.RESOLVE, BEN, answer="point") is None
    assert asked(run, Press.RETRY, BEN) == (
        "RB-42 was under way in a backup that our database was put back from, so looking at one step cannot "
        "tell what is live. Look at the target yourself, and press *Say what is live…*."
    )


def test_a_run_from_before_a_restored_backup_that_is_as_before_can_only_be_ended() -> None:
    run = forgotten().tell(E.RESOLVED_UNCHANGED, BEN).run
    assert asked(run, Press.STOP, BEN) is None
    said = asked(run, Press.RETRY, BEN)
    assert said is not None
    assert said.endswith("cannot tell what is live. Press *End it…*, and ask again.")


def test_an_undo_that_is_under_way_is_named() -> None:
    run = Story().fail(Do.RESTORE).tell(E.ENDED, BEN, undone_by="RB-43").run
    assert asked(run, Press.UNDO, EVE) == "RB-42 is being undone by RB-43 already."


# Approving -------------------------------------------------------------------------------------


def test_an_approval_within_a_second_of_the_posting_was_not_read() -> None:
    run = STATES["awaiting"]().run
    assert run.posted_at is not None
    quick = asked(run, Press.APPROVE, BEN, now=run.posted_at + timedelta(milliseconds=999))
    assert quick is not None
    assert "less than a second ago" in quick
    assert asked(run, Press.APPROVE, BEN, now=run.posted_at + timedelta(seconds=1)) is None


def test_an_approval_counts_until_the_time_is_over_and_not_at_its_end() -> None:
    run = STATES["awaiting"]().run
    assert run.approve_by is not None
    assert asked(run, Press.APPROVE, BEN, now=run.approve_by - timedelta(milliseconds=1)) is None
    late = asked(run, Press.APPROVE, BEN, now=run.approve_by)
    assert late == "RB-42 could be approved until 03:32 UTC. Press *Ask again* for a fresh plan."


def test_a_plan_whose_card_is_not_posted_cannot_be_approved() -> None:
    run = Story().tell(E.PLANNED, **plan_data(ORDERS)).run
    reason = asked(run, Press.APPROVE, BEN)
    assert reason is not None
    assert "not posted yet" in reason


@pytest.mark.parametrize(("code", "right"), [("", False), ("0000", False), ("first", True), ("FIRST", True)])
def test_a_critical_plan_asks_for_the_first_four_characters_of_its_code(code: str, right: bool) -> None:
    run = Story(planned(risk=Risk.CRITICAL)).posted().run
    typed = {"first": f" {run.code[:4]} ", "FIRST": run.code[:4].upper()}.get(code, code)
    reason = asked(run, Press.APPROVE, BEN, code=typed)
    assert (reason is None) is right
    assert right or "not the code of this plan" in str(reason)


def test_who_approved_already_cannot_be_the_second() -> None:
    run = Story(planned(approvals_needed=2)).posted().tell(E.APPROVED, BEN).run
    assert asked(run, Press.APPROVE, BEN) == "You have approved RB-42 already. <@U01CY> can."


# Rule 1: one human -----------------------------------------------------------------------------

OTHER_MARKS = {
    "the same account": person("x", email=None),
    "two accounts in the configuration": Person(
        "U09X", "x", "X", marks=frozenset({"U09X", "U01X", "person:x"})
    ),
    "the same verified address": Person(
        "U08X", "u08x", "X", marks=frozenset({"U08X", "mailto:x@example.com"})
    ),
    "the configured name alone": Person("U07X", "x", "X", marks=frozenset({"U07X", "person:x"})),
}
X = Person("U01X", "x", "X", marks=frozenset({"U01X", "person:x", "mailto:x@example.com"}))


@pytest.mark.parametrize("how", OTHER_MARKS)
def test_rule_1_the_requester_never_counts_under_any_account(how: str) -> None:
    other = OTHER_MARKS[how]
    run = Story(events=[requested(X)]).posted().run
    entitled = Entitled((other, CY))
    reason = why_not(Press.APPROVE, run, other, entitled, Click(stamp(run)), later(60))
    assert reason == "You asked for this rollback, so you cannot approve it. <@U01CY> can."


@pytest.mark.parametrize("how", OTHER_MARKS)
def test_rule_1_one_human_with_two_accounts_approves_once(how: str) -> None:
    run = Story(planned(approvals_needed=2)).posted().tell(E.APPROVED, X).run
    other = OTHER_MARKS[how]
    reason = why_not(Press.APPROVE, run, other, Entitled((X, other, CY)), Click(stamp(run)), later(60))
    assert reason == "You have approved RB-42 already. <@U01CY> can."


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


def test_rule_2_an_empty_group_lets_nobody_approve() -> None:
    run = STATES["awaiting"]().run
    assert why_not(Press.APPROVE, run, BEN, Entitled(()), Click(stamp(run)), later(60)) is not None


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


def test_rule_4_who_left_the_group_cannot_approve() -> None:
    run = STATES["awaiting"]().run
    reason = why_not(Press.APPROVE, run, BEN, Entitled((CY,)), Click(stamp(run)), later(60))
    assert reason == "You are not among the approvers of `orders`. <@U01CY> can."


def test_rule_4_a_group_that_cannot_be_read_lets_nobody_through() -> None:
    run = STATES["awaiting"]().run
    nobody = Entitled((), unread=("managers",))
    reason = why_not(Press.APPROVE, run, BEN, nobody, Click(stamp(run)), later(60))
    assert reason is not None
    assert reason.startswith(
        "Slack could not tell who is in managers just now, so nobody can be let through."
    )


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


@pytest.mark.parametrize("press", [press for press in Press if press is not Press.DETAILS])
def test_rule_5_who_is_barred_can_press_nothing_even_as_an_approver(press: Press) -> None:
    barred = replace(BEN, barred="this account is deactivated")
    run = STATES["awaiting"]().run
    reason = why_not(press, run, barred, ENTITLED, Click(stamp(run)), later(60))
    assert reason is not None
    assert reason.endswith("this rollback: this account is deactivated.")


# Rule 6: an approval is an event, whatever was said --------------------------------------------


def test_rule_6_a_run_starts_with_no_words_but_its_approvals() -> None:
    story = Story(planned(approvals_needed=1)).posted()
    story.run = replace(story.run, reason="approve approve approve", approvals=())
    assert why_not_start(story.run, ENTITLED) is not None


# Rule 7: the approval is for this plan ---------------------------------------------------------


def test_rule_7_a_code_of_another_plan_approves_nothing() -> None:
    other = Story(planned(risk=Risk.CRITICAL, environment="staging")).posted().run
    run = Story(planned(risk=Risk.CRITICAL)).posted().run
    assert asked(run, Press.APPROVE, BEN, code=other.code[:4]) is not None


# Rule 8: not too many at once ------------------------------------------------------------------


@pytest.mark.parametrize(("open_requests", "may"), [(0, True), (2, True), (3, False), (4, False)])
def test_rule_8_a_person_has_at_most_three_open_requests(open_requests: int, may: bool) -> None:
    assert OPEN_REQUESTS_A_PERSON == 3
    assert (why_not_ask(ANA, "orders", ENTITLED, open_requests, 1) is None) is may


def test_rule_8_who_may_not_ask_is_told_so() -> None:
    reason = why_not_ask(FINN, "orders", ENTITLED, 0, 1)
    assert reason == "You are not in a group that may ask for a rollback of `orders`. Ask somebody who is."


# Rule 9: a veto wins until the first intent ----------------------------------------------------


def test_rule_9_nothing_can_be_pressed_after_a_veto_but_ask_again_and_details() -> None:
    run = STATES["vetoed"]().run
    open_to_all = Entitled((BEN,), owners=frozenset({BEN.id}))
    possible = [
        press
        for press in Press
        if why_not(press, run, BEN, open_to_all, Click(stamp(run), why="…"), AN_HOUR_LATER) is None
    ]
    assert possible == [Press.ASK_AGAIN, Press.DETAILS]


def test_rule_9_one_click_of_one_person_is_a_veto() -> None:
    run = STATES["awaiting"]().run
    assert asked(run, Press.VETO, BEN, why="") is None
    assert [e.kind for e in events_for(Press.VETO, run, BEN, Click(), later(60))] == [E.VETOED]


# Rule 10: a refusal is a sentence --------------------------------------------------------------


def test_rule_10_a_refusal_names_who_can() -> None:
    assert asked(STATES["awaiting"]().run, Press.VETO, FINN) == (
        "You cannot reject RB-42: <@U01BEN> or <@U01CY> can."
    )


def test_rule_10_a_refusal_names_nobody_who_is_barred() -> None:
    run = STATES["awaiting"]().run
    entitled = Entitled((replace(BEN, barred="this account is deactivated"), CY))
    reason = why_not(Press.VETO, run, FINN, entitled, Click(stamp(run)), later(60))
    assert reason == "You cannot reject RB-42: <@U01CY> can."


def test_rule_10_when_nobody_can_that_is_said() -> None:
    run = STATES["awaiting"]().run
    reason = why_not(Press.VETO, run, FINN, Entitled(()), Click(stamp(run)), later(60))
    assert reason == "You cannot reject RB-42: nobody can at the moment."


# Two people ------------------------------------------------------------------------------------

AGREEING: dict[str, tuple[Press, Callable[[], Story], E, str]] = {
    "going online": (Press.CONTINUE, STATES["checks-failed"], E.CONTINUE_PROPOSED, ""),
    "leaving maintenance": (Press.CONTINUE, STATES["failed-in-maintenance"], E.LEAVE_PROPOSED, ""),
    "what is live": (Press.RESOLVE, STATES["stuck"], E.RESOLVE_PROPOSED, "point"),
}


def after_the_first(what: str, first: Person) -> Run:
    press, story, proposed, answer = AGREEING[what]
    assert asked(story().run, press, first, answer=answer) is None
    return story().tell(proposed, first, why="…", answer=answer).run


@pytest.mark.parametrize("what", AGREEING)
@pytest.mark.parametrize(("first", "second"), [(ANA, BEN), (BEN, ANA), (DORA, BEN), (BEN, DORA), (BEN, CY)])
def test_two_who_may_and_an_approver_among_them_agree_in_either_order(
    what: str, first: Person, second: Person
) -> None:
    press, _, proposed, answer = AGREEING[what]
    run = after_the_first(what, first)
    assert asked(run, press, second, answer=answer) is None
    said = events_for(press, run, second, Click(why="…", answer=answer), AN_HOUR_LATER)
    assert [event.kind for event in said] != [proposed]


@pytest.mark.parametrize("what", AGREEING)
def test_the_first_of_two_decides_nothing(what: str) -> None:
    press, story, proposed, answer = AGREEING[what]
    run = story().run
    (said,) = events_for(press, run, BEN, Click(why="…", answer=answer), AN_HOUR_LATER)
    assert said.kind is proposed
    assert machine.apply(run, said).state is run.state


@pytest.mark.parametrize("what", AGREEING)
@pytest.mark.parametrize("how", ["the same account", "another account"])
def test_one_human_is_not_two_people(what: str, how: str) -> None:
    press, _, _, answer = AGREEING[what]
    run = after_the_first(what, BEN)
    home = replace(BEN, id="U09BEN", marks=frozenset({"U09BEN", "person:ben"}))
    again = BEN if how == "the same account" else home
    reason = asked(run, press, again, answer=answer)
    assert reason is not None
    assert reason.startswith("You have said so already. Somebody else has to agree:")


@pytest.mark.parametrize("what", ["going online", "leaving maintenance"])
@pytest.mark.parametrize(("first", "second"), [(ANA, DORA), (DORA, ANA)])
def test_without_an_approver_two_do_not_go_against_the_checks(
    what: str, first: Person, second: Person
) -> None:
    reason = asked(after_the_first(what, first), Press.CONTINUE, second)
    assert reason == "One of the two must be an approver: <@U01BEN> or <@U01CY> can."


def test_a_requester_who_is_an_approver_is_not_the_approver_among_two() -> None:
    run = after_the_first("going online", DORA)
    among = replace(ENTITLED, approvers=(ANA, BEN))
    reason = why_not(Press.CONTINUE, run, ANA, among, Click(stamp(run), why="…"), AN_HOUR_LATER)
    assert reason == "One of the two must be an approver: <@U01BEN> can."


def test_an_approver_who_was_deactivated_since_is_not_the_approver_among_two() -> None:
    run = after_the_first("going online", BEN)
    gone = replace(ENTITLED, approvers=(replace(BEN, barred="this account is deactivated"), CY))
    reason = why_not(Press.CONTINUE, run, ANA, gone, Click(stamp(run), why="…"), AN_HOUR_LATER)
    assert reason == "One of the two must be an approver: <@U01CY> can."


def test_owner_and_requester_may_say_what_is_live() -> None:
    run = after_the_first("what is live", ANA)
    assert asked(run, Press.RESOLVE, DORA, answer="point") is None


def test_two_who_see_different_things_do_not_agree() -> None:
    run = after_the_first("what is live", ANA)
    (said,) = events_for(Press.RESOLVE, run, BEN, Click(answer="unchanged"), AN_HOUR_LATER)
    assert said.kind is E.RESOLVE_PROPOSED


def test_a_third_who_agrees_with_either_of_two_settles_it() -> None:
    story = STATES["stuck"]()
    story.tell(E.RESOLVE_PROPOSED, ANA, answer="point").tell(E.RESOLVE_PROPOSED, BEN, answer="unchanged")
    (said,) = events_for(Press.RESOLVE, story.run, CY, Click(answer="point"), AN_HOUR_LATER)
    assert said.kind is E.RESOLVED_POINT


@pytest.mark.parametrize("what", ["going online", "leaving maintenance"])
@pytest.mark.parametrize("why", ["", "   "])
def test_going_against_the_checks_needs_a_reason(what: str, why: str) -> None:
    press, story, _, _ = AGREEING[what]
    assert asked(story().run, press, BEN, why=why) == "Say why in one sentence: it is kept with the run."


# Who gets a direct copy ------------------------------------------------------------------------

CROWD = tuple(person(name) for name in ("gus", "hal", "ian", "joe", "kim", "lea", "moe"))


def test_at_most_five_are_messaged() -> None:
    assert MESSAGED_AT_MOST == 5
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
    assert everything.roles(ANA, run) == set(policy.Role)


def test_the_owner_is_recognised_by_every_account() -> None:
    home = replace(DORA, id="U09DORA", marks=frozenset({"U09DORA", DORA.id}))
    assert policy.Role.OWNER in ENTITLED.roles(home, None)
