"""What the modals ask, and what comes back from them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bot.event_kinds import EventKind as E
from bot.model import Kind, Left, RestorePoint
from bot.presses import PRESSES
from bot.presses.details import LONG_FORM
from bot.presses.press import DIALOG
from bot.presses.undo import UNDO_FORM
from bot.views import details, press_forms, refusal, start_form
from bot.views.limits import View
from tests.bot.stories import happened, having
from tests.bot.views.examples import (
    EVENTS,
    FACTS,
    META,
    MODALS,
    NOW,
    OFFER,
    PLAN_FORM,
    RESTORING,
    RUNNING_FACTS,
    SUCCEEDED,
    VERIFYING,
    at,
)
from tests.bot.views.slack_rules import problems_of_view

CALLBACKS = {
    *("start_rollback", "approve_run", "veto_run", "stop_run", "resolve_run"),
    *("later_duty", "hand_over_duty"),
}
INPUTS = {"target", "point", "before", "reason", "plan_code", "answer", "channel", "ask_first", "until", "to"}

each_view = pytest.mark.parametrize("name", MODALS)


def inputs(view: View) -> dict[str, Mapping[str, Any]]:
    return {b["element"]["action_id"]: b for b in view["blocks"] if b["type"] == "input"}


def words_of(view: View) -> str:
    return "\n".join(b["text"]["text"] for b in view["blocks"] if b["type"] == "section")


@each_view
def test_slack_accepts_the_view(name: str) -> None:
    assert problems_of_view(MODALS[name]) == []


@each_view
def test_only_public_names_come_back(name: str) -> None:
    view = MODALS[name]
    assert set(inputs(view)) <= INPUTS
    assert view.get("callback_id", "start_rollback") in CALLBACKS


def test_what_can_be_sent_carries_the_callers_metadata() -> None:
    without = [n for n, view in MODALS.items() if "submit" in view and view.get("private_metadata") != META]
    assert without == []


def test_another_target_gets_other_block_ids() -> None:
    one = inputs(MODALS["start_form"])
    other = inputs(MODALS["start_form_system"])
    assert one["point"]["block_id"] != other["point"]["block_id"]
    assert one["before"]["block_id"] != other["before"]["block_id"]


def test_choosing_is_told_at_once_so_that_the_loss_can_change() -> None:
    form = inputs(MODALS["start_form"])
    assert all(form[name]["dispatch_action"] for name in ("target", "point", "before"))


def test_the_newest_good_point_stands_first_and_is_suggested() -> None:
    options = inputs(MODALS["start_form"])["point"]["element"]["option_groups"][0]["options"]
    assert options[0]["text"]["text"] == "02:45 UTC · 17 min ago · backup 20261122T024500Z · drill 12 Nov ok"
    assert options[0]["description"]["text"] == "suggested"


def test_what_was_taken_back_stands_in_groups_of_its_own_and_says_by_which_run() -> None:
    groups = inputs(MODALS["start_form"])["point"]["element"]["option_groups"]
    said = {
        group["label"]["text"]: [
            about["text"] for option in group["options"] if (about := option.get("description"))
        ]
        for group in groups
    }
    assert said == {
        "Restore points": ["suggested"],
        "Saved before a rollback (bad then)": ["was live before RB-41"],
        "On hold": ["taken back by RB-12, by cy"],
    }


def test_where_nothing_is_suggested_nothing_is_chosen() -> None:
    nothing = replace(PLAN_FORM, offer=replace(OFFER, suggested=None), plan=None, point=None)
    form = inputs(start_form.start_form(nothing, META, NOW))
    assert "initial_option" not in form["point"]["element"]


def test_of_a_system_the_version_stands_first() -> None:
    option = start_form.point_option(RestorePoint("r41", at("02:45"), "v41"), Kind.SYSTEM, OFFER, NOW)
    assert option["text"]["text"] == "v41 · 02:45 UTC · 17 min ago"


@pytest.mark.parametrize("point_id", ["20261122T024500Z", "release-" + "x" * 300])
def test_a_chosen_point_is_found_again_whatever_its_length(point_id: str) -> None:
    points = (RestorePoint("other", None), RestorePoint(point_id, None))
    assert start_form.chosen_point(points, start_form.point_value(point_id)) == points[1]


def test_a_point_that_was_not_offered_is_not_found() -> None:
    assert start_form.chosen_point(OFFER.points.points, "made up") is None


def test_whoever_is_active_is_offered_before_whoever_is_not() -> None:
    options = inputs(MODALS["start_form"])["ask_first"]["element"]["options"]
    assert [option["text"]["text"] for option in options] == ["Ben", "Cy · do-not-disturb"]


def test_a_plan_that_takes_long_can_be_sent_as_a_message() -> None:
    rows = [b for b in MODALS["start_slow"]["blocks"] if b["type"] == "actions"]
    assert rows[0]["elements"][0]["action_id"] == "send_to_me"


def test_while_it_reads_there_is_nothing_to_send() -> None:
    assert "submit" not in MODALS["start_loading"]
    assert "nothing happens yet" in words_of(MODALS["start_loading"])


def test_where_the_bot_is_no_member_that_is_said_before_anything_is_asked() -> None:
    first, second = MODALS["start_form_not_in_channel"]["blocks"][:2]
    assert "I am not in <#C01INC>" in first["text"]["text"]
    assert second["element"]["action_id"] == "channel"


def test_blockers_are_shown() -> None:
    assert PLAN_FORM.plan
    plan = replace(PLAN_FORM.plan, blockers=("orders is locked by a migration",))
    view = start_form.start_form(replace(PLAN_FORM, plan=plan), META, NOW)
    assert "⛔ orders is locked by a migration" in words_of(view)


def test_a_refusal_links_the_card_and_mentions_who_can() -> None:
    url = "https://example.slack.com/archives/C01INC/p1"
    said = words_of(refusal.refusal("Not done", "<@U01BEN> can.", url=url))
    assert ("<@U01BEN> can." in said, f"<{url}|Open its card>" in said) == (True, True)


def test_the_code_to_type_stands_in_the_modal() -> None:
    assert "7f3a91c2" in words_of(MODALS["approve"])


@pytest.mark.parametrize("name", ["go_online", "leave_maintenance"])
def test_against_the_checks_a_reason_must_be_given(name: str) -> None:
    assert inputs(MODALS[name])["reason"]["optional"] is False


def test_the_second_person_sees_what_the_first_one_said() -> None:
    assert "three refunds, mended by hand" in words_of(MODALS["go_online_second"])


@pytest.mark.parametrize(
    ("cancels", "said"),
    [
        (None, "It cannot be stopped half-way: it is waited for."),
        (Left.BEFORE, "It is taken back, as far as it is not done by then: orders is as before."),
        (Left.PARTIAL, "It is cut off: orders is then changed in part."),
        (Left.UNKNOWN, "It is cut off: nobody knows then how much of orders was changed."),
    ],
)
def test_stopping_a_restore_says_beforehand_what_becomes_of_it(cancels: Left | None, said: str) -> None:
    plan = RESTORING.approval.plan
    legs = tuple(replace(leg, cancels=cancels) for leg in plan.legs)
    run = having(RESTORING, approval_planned=replace(plan, legs=legs))
    words = words_of(press_forms.stop(run, RUNNING_FACTS, META, NOW))
    assert f"Restore is at 61 % (1.1 of 1.8 GB). {said}" in words
    assert "orders stays in maintenance" in words


def test_stopping_between_two_steps_waits_for_nothing() -> None:
    assert "half-way" not in words_of(press_forms.stop(VERIFYING, FACTS, META, NOW))


def test_what_is_live_has_three_answers() -> None:
    options = inputs(MODALS["resolve"])["answer"]["element"]["options"]
    assert [option["value"] for option in options] == ["point", "unchanged", "unclear"]


def test_details_tell_everything_newest_first() -> None:
    said = words_of(MODALS["details"])
    assert "7f3a91c2" + "0" * 56 in said
    assert said.index("The checks failed: totals") < said.index("<@U01ANA> asked: roll back orders")


def test_a_long_timeline_is_shown_as_far_as_slack_can() -> None:
    events = tuple(replace(EVENTS[7], seq=n) for n in range(9_000))
    view = details.details(SUCCEEDED, FACTS, (*events, happened(E.SUCCEEDED, at("03:17"))), (), NOW)
    assert problems_of_view(view) == []
    assert "Ended well" in words_of(view)


def test_every_form_that_a_press_names_is_drawn() -> None:
    asked = {ask.form for press in PRESSES.values() for ask in press.asks} - {DIALOG}
    then = {press.then for press in PRESSES.values()} - {None}
    assert asked | then == {*press_forms.DRAWN, LONG_FORM, UNDO_FORM}
