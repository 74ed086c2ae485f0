"""What holds for every press: rights, refusals, what is recorded."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from bot import machine, presses
from bot.event_kinds import EventKind as E
from bot.model import State
from bot.policy import Entitled, PersonRole
from bot.presses import PRESSES, Click, Press, events_for, stamp, why_not
from bot.presses.press import Right
from tests.bot.presses.examples import AN_HOUR_LATER, ENTITLED, STATES, asked
from tests.bot.stories import Story, later, planned
from tests.people import ANA, BEN, FINN


def test_every_state_has_an_example() -> None:
    assert {story().run.state for story in STATES.values()} == set(State)


def test_every_press_has_a_right_and_a_word() -> None:
    assert all(press.right.roles and press.right.states and press.verb for press in PRESSES.values())


@pytest.mark.parametrize("press", [press for press in PRESSES.values() if not press.for_everybody])
@pytest.mark.parametrize("state", STATES)
def test_a_refusal_says_one_sentence_and_what_to_do(press: Press, state: str) -> None:
    reason = asked(STATES[state]().run, press, FINN)
    assert reason is not None
    assert reason.endswith(".")
    assert len(reason) < 250


RECORDED: dict[str, tuple[Press, Callable[[], Story], list[E]]] = {
    "the last approval": (presses.APPROVE, STATES["awaiting"], [E.APPROVED, E.QUORUM_REACHED]),
    "the first of two approvals": (
        presses.APPROVE,
        lambda: Story(planned(approvals_needed=2)).posted(),
        [E.APPROVED],
    ),
    "a rejection": (presses.VETO, STATES["awaiting"], [E.VETOED]),
    "a rejection at the first checkpoint": (presses.VETO, STATES["at-the-first-checkpoint"], [E.VETOED]),
    "a cancellation before the plan": (presses.CANCEL, STATES["requested"], [E.CANCELLED]),
    "a cancellation before the first intent": (presses.CANCEL, STATES["running-untouched"], [E.CANCELLED]),
    "a cancellation at the first checkpoint": (
        presses.CANCEL,
        STATES["at-the-first-checkpoint"],
        [E.CANCELLED],
    ),
    "a stop": (presses.CANCEL, STATES["running"], [E.STOP_REQUESTED]),
    "a look again": (presses.RETRY, STATES["step-failed"], [E.RETRIED]),
    "a look again at a stuck run": (presses.RETRY, STATES["stuck"], [E.RETRIED]),
    "an end": (presses.STOP, STATES["step-failed"], [E.ENDED]),
    "a yes at a checkpoint": (presses.CONTINUE, STATES["at-a-later-checkpoint"], [E.CONFIRMED]),
    "a yes after a stop": (presses.CONTINUE, STATES["stopped"], [E.CONFIRMED]),
    "the first word for going online": (presses.CONTINUE, STATES["checks-failed"], [E.CONTINUE_PROPOSED]),
    "the second word for going online": (
        presses.CONTINUE,
        lambda: Story().doubt().tell(E.CONTINUE_PROPOSED, ANA, why="…"),
        [E.CONTINUED],
    ),
    "the first word for leaving maintenance": (
        presses.CONTINUE,
        STATES["failed-in-maintenance"],
        [E.LEAVE_PROPOSED],
    ),
    "the second word for leaving maintenance": (
        presses.CONTINUE,
        lambda: STATES["failed-in-maintenance"]().tell(E.LEAVE_PROPOSED, ANA, why="…"),
        [E.LEAVE_AGREED],
    ),
    "details": (presses.DETAILS, STATES["awaiting"], []),
    "an undo, which is a run of its own": (presses.UNDO, STATES["succeeded"], []),
    "asking again, which is a run of its own": (presses.ASK_AGAIN, STATES["void"], []),
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


@pytest.mark.parametrize("press", [press for press in PRESSES.values() if not press.for_everybody])
def test_rule_5_who_is_barred_can_press_nothing_even_as_an_approver(press: Press) -> None:
    barred = replace(BEN, barred="this account is deactivated")
    run = STATES["awaiting"]().run
    reason = why_not(press, run, barred, ENTITLED, Click(stamp(run)), later(60))
    assert reason is not None
    assert reason.endswith("this rollback: this account is deactivated.")


def test_rule_9_nothing_can_be_pressed_after_a_veto_but_ask_again_and_details() -> None:
    run = STATES["vetoed"]().run
    open_to_all = Entitled((BEN,), owners=frozenset({BEN.id}))
    possible = [
        press
        for press in PRESSES.values()
        if why_not(press, run, BEN, open_to_all, Click(stamp(run), why="…"), AN_HOUR_LATER) is None
    ]
    assert possible == [presses.ASK_AGAIN, presses.DETAILS]


@pytest.mark.parametrize(
    ("roles", "who"),
    [
        ({PersonRole.OWNER}, "only the owner of `orders` can."),
        ({PersonRole.REQUESTER}, "<@U01ANA> can."),
        ({PersonRole.REQUESTER, PersonRole.OWNER}, "<@U01ANA> can."),
        ({PersonRole.APPROVER}, "<@U01BEN> or <@U01CY> can."),
    ],
)
def test_only_people_who_have_the_right_are_named_in_a_refusal(roles: set[PersonRole], who: str) -> None:
    right = Right(frozenset(roles), frozenset(State))
    assert right.who_can(STATES["awaiting"]().run, ENTITLED) == who
