"""Texts of people, labels of backends and words of checks can neither break a card nor speak for us."""

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.model import Finding, Live, Loss, LossQuality, Points, RestorePoint, Run, State, Unit, Verdict, When
from bot.views import home, lists, modals
from bot.views.card import CardFacts, card, direct, notice
from bot.views.home import Linked
from bot.views.limits import Message
from tests.bot.views.examples import ANA, AWAITING, CARDS, FACTS, ORDERS, PLAN_FORM, UNDO_PLAN, at, with_loss
from tests.bot.views.reading import phone_rows, texts
from tests.bot.views.slack_rules import problems_of_message, problems_of_view
from tests.bot.views.test_limits import ANYTHING

MENTION = re.compile(r"<[!#@][^>]*>")
OURS = re.compile(r"<@U01(?:ANA|BEN|CY|OWN)>|<!subteam\^S01PAYMGR>|<!date\^\d+\^[^|>]*\|[^>]*>|<#C01INC>")
HOSTILE_ROWS = 34  # everything too long at once: still a card to read, not a wall


def hostile(run: Run, text: str) -> Run:
    """The same run, with the text wherever somebody or something outside supplies one."""
    finding = Finding(text, When.OFFLINE, Verdict.FAILED, text, text, text)
    why = text if run.state is not State.REQUESTED else ""
    changed = replace(run, reason=text, why=why, requester=replace(ANA, name=text))
    if run.findings:
        changed = replace(changed, findings=(finding,) * 6, before=(finding,) * 6)
    if run.plan is None:
        return changed
    point = RestorePoint(text, at("02:45"), text, text)
    loss = Loss(run.plan.loss.quality, 1_020.0, tuple(Unit(text, 5) for _ in range(6)), text, at("03:02"))
    leg = replace(run.plan.legs[0], point=point, loss=loss, changes=(text,) * 100)
    plan = replace(run.plan, legs=(leg,) * 4, loss=loss, warnings=(text,) * 9, blockers=(text,) * 9)
    return replace(changed, plan=plan, undo_points=dict.fromkeys(run.undo_points, text))


def hostile_facts(facts: CardFacts, text: str) -> CardFacts:
    return replace(
        facts,
        holds=(text,) * 5,
        not_undone=text,
        failover=text,
        owner=text,
        look_yourself=text,
    )


def foreign_mentions(message: Message) -> list[str]:
    said = [message.text, *texts(message)]
    return [m for text in said for m in MENTION.findall(text) if not OURS.fullmatch(m)]


EXAMPLES = st.sampled_from(list(CARDS))


@given(EXAMPLES, ANYTHING)
@settings(max_examples=300, deadline=None)
def test_slack_accepts_every_card_and_no_foreign_mention_stands_in_it(name: str, text: str) -> None:
    run, facts, now = CARDS[name]
    for draw in (card, direct, notice):
        drawn = draw(hostile(run, text), hostile_facts(facts, text), now)
        if drawn is not None:
            assert problems_of_message(drawn.text, drawn.blocks) == []
            assert foreign_mentions(drawn) == []


@given(EXAMPLES, ANYTHING)
@settings(max_examples=200, deadline=None)
def test_no_text_makes_a_card_endless(name: str, text: str) -> None:
    run, facts, now = CARDS[name]
    assert phone_rows(card(hostile(run, text), hostile_facts(facts, text), now)) <= HOSTILE_ROWS


@given(ANYTHING)
@settings(deadline=None)
def test_slack_accepts_every_modal(text: str) -> None:
    run = hostile(CARDS["paused_checks_second_wanted"][0], text)
    facts, now = hostile_facts(FACTS, text), at("03:12")
    plan = hostile(AWAITING, text).plan
    assert plan is not None
    assert UNDO_PLAN is not None
    form = replace(
        PLAN_FORM,
        targets=tuple(replace(choice, environment=text) for choice in PLAN_FORM.targets),
        points=tuple(RestorePoint(f"{n}{text}", at("02:00"), text, text) for n in range(50)),
        plan=plan,
        problems=(text,) * 3,
        before=text,
        reason=text,
        reachable=(modals.Reachable("U01BEN", text),),
    )
    views = (
        modals.start_form(form, "", now),
        modals.start_form(replace(form, points=(), why_no_points=text), "", now),
        modals.approve(run, plan, facts, "", now),
        modals.go_online(run, "", now),
        modals.end_it(run, "", now),
        modals.leave_maintenance(run, "", now),
        modals.resolve(replace(run, live=Live.UNKNOWN), facts, "", now),
        modals.undo_form(run, plan, None, "", now),
        modals.refusal(text, text, text),
        modals.details(run, facts, (), (run,), now),
        home.home([Linked(run, text)], [], now),
    )
    assert [problem for view in views for problem in problems_of_view(view)] == []


@given(ANYTHING)
@settings(deadline=None)
def test_slack_accepts_every_list(text: str) -> None:
    points = Points(tuple(RestorePoint(text, None, text, text) for _ in range(200)), ORDERS.current)
    for drawn in (
        lists.points("orders", points, at("03:02")),
        lists.no_points(text, text),
        lists.history(text, [Linked(AWAITING, text)] * 30, at("03:02")),
    ):
        assert problems_of_message(drawn.text, drawn.blocks) == []
        assert foreign_mentions(drawn) == []


@pytest.mark.parametrize("quality", list(LossQuality))
def test_every_quality_of_loss_can_be_said_without_any_figure(quality: LossQuality) -> None:
    drawn = card(replace(AWAITING, plan=with_loss(ORDERS, Loss(quality))), FACTS, at("03:02"))
    assert problems_of_message(drawn.text, drawn.blocks) == []
