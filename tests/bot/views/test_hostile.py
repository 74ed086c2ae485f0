"""Texts of people, labels of backends and words of checks can neither break a card nor speak for us."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.contract import Progress
from bot.duties import Duty, DutyKind
from bot.envelope import Event
from bot.event_kinds import EventKind as E
from bot.model import (
    Current,
    Finding,
    Gone,
    Kind,
    Left,
    Loss,
    LossQuality,
    Points,
    RestorePoint,
    Unit,
    Verdict,
    When,
)
from bot.pins import Pin
from bot.run import Run
from bot.suggesting import Offer
from bot.views import details, home, lists, press_forms, reminder, start_form
from bot.views.card import CardFacts, card, direct, notice
from bot.views.home import Linked
from bot.views.limits import MessageContent, View
from bot.views.reminder import DutyFacts
from tests.bot.stories import any_of, having
from tests.bot.views.examples import (
    ANA,
    AWAITING,
    BEN,
    CARDS,
    FACTS,
    ORDERS,
    PLAN_FORM,
    UNDO_PLAN,
    at,
    with_loss,
)
from tests.bot.views.reading import phone_rows, texts
from tests.bot.views.slack_rules import problems_of_message, problems_of_view
from tests.bot.views.test_limits import ANYTHING

MENTION = re.compile(r"<[!#@][^>]*>")
OURS = re.compile(r"<@U01(?:ANA|BEN|CY|OWN)>|<!subteam\^S01PAYMGR>|<!date\^\d+\^[^|>]*\|[^>]*>|<#C01INC>")
HOSTILE_ROWS = 35  # everything too long at once: still a card to read, not a wall


def hostile(run: Run, text: str) -> Run:
    """The same run, with the text wherever somebody or something outside supplies one."""
    finding = Finding(text, When.OFFLINE, Verdict.FAILED, text, text, text)
    changed = having(
        run,
        request_reason=text,
        why=text,
        request_requester=replace(ANA, name=text),
        request_goal=replace(run.request.goal, point=text)
        if run.request.goal.point is not None
        else run.request.goal,
        work_steps=tuple(
            replace(record, words=text, step=replace(record.step, text=text)) for record in run.work.steps
        ),
        question_proposals=tuple(replace(proposal, reason=text) for proposal in run.question.proposals),
    )
    if run.work.findings:
        changed = having(changed, work_findings=(finding,) * 6, work_before=(finding,) * 6)
    if run.approval.planned is None:
        return changed
    point = RestorePoint(text, at("02:45"), text, text)
    loss = Loss(
        run.approval.plan.loss.quality, at("02:45"), tuple(Unit(text, 5) for _ in range(6)), text, at("03:02")
    )
    current = Current(text, text, text, at("02:58"))
    gone = Gone(text, text, at("02:50"), text, text)
    leg = replace(run.approval.plan.legs[0], current=current, point=point, loss=loss)
    leg = replace(leg, gone=(gone,) * 100, diff=text, pins=(Pin(text, text),) * 9)
    plan = replace(
        run.approval.plan,
        environment=text,
        legs=(leg,) * 4,
        loss=loss,
        ceiling=replace(run.approval.plan.ceiling, units=tuple(Unit(text, 9) for _ in range(6))),
        warnings=(text,) * 9,
        blockers=(text,) * 9,
        approvers=(text,),
    )
    return having(changed, approval_planned=plan, work_undo_points=dict.fromkeys(run.work.undo_points, text))


def hostile_facts(facts: CardFacts, text: str) -> CardFacts:
    return replace(
        facts,
        holds=(text,) * 5,
        not_undone=text,
        failover=text,
        owner=text,
        look_yourself=text,
        progress=Progress(at("03:08"), text, unit=text) if facts.progress else None,
    )


def hostile_events(text: str) -> tuple[Event, ...]:
    """One of each kind, with the text wherever its data hold any."""
    data = {"n": 5, "why": text, "words": text, "answer": text}
    return tuple(Event(any_of(kind, **data), at("03:10"), BEN, n) for n, kind in enumerate(E, 1))


def foreign_mentions(message: MessageContent) -> list[str]:
    said = [message.text, *texts(message)]
    return [m for text in said for m in MENTION.findall(text) if not OURS.fullmatch(m)]


EXAMPLES = st.sampled_from(list(CARDS))


@given(EXAMPLES, ANYTHING)
@settings(max_examples=300)
def test_slack_accepts_every_card_and_no_foreign_mention_stands_in_it(name: str, text: str) -> None:
    run, facts, now = CARDS[name]
    for draw in (card, direct, notice):
        drawn = draw(hostile(run, text), hostile_facts(facts, text), now)
        if drawn is not None:
            assert problems_of_message(drawn.text, drawn.blocks) == []
            assert foreign_mentions(drawn) == []


@given(EXAMPLES, ANYTHING)
@settings(max_examples=200)
def test_no_text_makes_a_card_endless(name: str, text: str) -> None:
    run, facts, now = CARDS[name]
    assert phone_rows(card(hostile(run, text), hostile_facts(facts, text), now)) <= HOSTILE_ROWS


def hostile_duty(text: str) -> Duty:
    past = at("02:00")
    return Duty(
        "d1", DutyKind.DRILL, text, past, at("09:00"), put_off_by="U01ANA", put_off_why=text, run=text
    )


def hostile_offer(text: str) -> Offer:
    points = tuple(RestorePoint(f"{n}{text}", at("02:00"), text, text) for n in range(101))
    held, saved = {points[7].id: text}, {points[9].id: text}
    return Offer(Points(points, ORDERS.current, left_out=(text,)), points[0].id, held, saved)


def modals_of(text: str) -> tuple[View, ...]:
    """Every view that shows something from outside, with the text wherever it does."""
    run = hostile(CARDS["paused_checks_second_wanted"][0], text)
    facts, now = hostile_facts(FACTS, text), at("03:12")
    plan = hostile(AWAITING, text).approval.plan
    assert plan is not None
    assert UNDO_PLAN is not None
    form = replace(
        PLAN_FORM,
        targets=tuple(replace(choice, environment=text) for choice in PLAN_FORM.targets),
        offer=hostile_offer(text),
        plan=plan,
        problems=(text,) * 3,
        before=text,
        reason=text,
        reachable=(start_form.Reachable("U01BEN", text),),
    )
    return (
        start_form.start_form(form, "", now),
        start_form.start_form(replace(form, offer=None, why_no_points=text), "", now),
        press_forms.approve(having(run, approval_planned=plan), facts, "", now),
        press_forms.go_online(run, facts, "", now),
        press_forms.end_it(run, facts, "", now),
        press_forms.leave_maintenance(run, facts, "", now),
        press_forms.resolve(having(run, work_live=Left.UNKNOWN), facts, "", now),
        press_forms.undo_form(run, plan, None, "", now),
        press_forms.undo_form(run, None, text, "", now),
        press_forms.stop(run, replace(facts, progress=Progress(now, text)), "", now),
        details.details(run, facts, hostile_events(text), (run,), now),
        home.home([Linked(run, text)], [], [(hostile_duty(text), DutyFacts(text))], now),
        reminder.later(hostile_duty(text), DutyFacts(text), now, now),
        reminder.hand_over(hostile_duty(text), DutyFacts(text), now),
    )


@given(ANYTHING)
def test_slack_accepts_every_modal(text: str) -> None:
    assert [problem for view in modals_of(text) for problem in problems_of_view(view)] == []


def lists_of(text: str) -> tuple[MessageContent, ...]:
    return (
        lists.points("orders", hostile_offer(text), at("03:02")),
        lists.no_points(text, text),
        lists.history(text, [Linked(AWAITING, text)] * 30, at("03:02")),
        lists.targets([lists.TargetRow(text, Kind.DATABASE, text, Linked(AWAITING))], at("03:02")),
    )


@given(ANYTHING)
def test_slack_accepts_every_list(text: str) -> None:
    for drawn in lists_of(text):
        assert problems_of_message(drawn.text, drawn.blocks) == []
        assert foreign_mentions(drawn) == []


@pytest.mark.parametrize("quality", list(LossQuality))
def test_every_quality_of_loss_can_be_said_without_any_figure(quality: LossQuality) -> None:
    drawn = card(having(AWAITING, approval_planned=with_loss(ORDERS, Loss(quality))), FACTS, at("03:02"))
    assert problems_of_message(drawn.text, drawn.blocks) == []


# Formats ---------------------------------------------------------------------------------------

ATTACKS = (
    "<@U1> approved; *done* _x_ ~y~ `z` <http://a|b> <!channel>",
    "> <@U01BEN> approved",
    "*a",
    "_a *b ~c `d",
    "`",
    "**__~~``",
    "a*b*c ~d~e ```f```",
    "_<!here>_ *<#C01INC|x>* <!date^0^{time}|y> &lt;@U01BEN&gt;",
)
# What has power in Slack's mrkdwn; a closing underscore has none where nothing opens.
POWER = re.compile(r"<[^<>]*>|[*~`]|(?<![A-Za-z0-9])_|^(?:>|&gt;)", re.MULTILINE)
HARMLESS = "harmless"


def powers(texts: Iterable[str]) -> list[str]:
    """All that formats, links or mentions, in order: the same whatever others say."""
    return [sign for text in texts for sign in POWER.findall(text)]


def powerful(speaks: Callable[[str], object]) -> list[str]:
    """Returns the attacks that change what has power in what is drawn of them."""
    usual = speaks(HARMLESS)
    return [attack for attack in ATTACKS if speaks(attack) != usual]


def spoken(message: MessageContent) -> list[str]:
    return [without_code(message.text), *mrkdwn_of(message.blocks)]


def without_code(markup: str) -> str:
    """Nothing formats in a code span."""
    return re.sub("`[^`\n]*`", "``", markup)


def mrkdwn_of(part: object) -> list[str]:
    """Every text that Slack reads as mrkdwn."""
    match part:
        case {"type": "mrkdwn", "text": str(text)}:
            return [without_code(text)]
        case dict():
            return [text for value in part.values() for text in mrkdwn_of(value)]
        case list() | tuple():
            return [text for value in part for text in mrkdwn_of(value)]
        case _:
            return []


@pytest.mark.parametrize("draw", [card, direct, notice])
@pytest.mark.parametrize("name", CARDS)
def test_no_text_has_power_on_a_card(
    name: str, draw: Callable[[Run, CardFacts, datetime], MessageContent | None]
) -> None:
    run, facts, now = CARDS[name]

    def speaks(text: str) -> list[str] | None:
        drawn = draw(hostile(run, text), hostile_facts(facts, text), now)
        return powers(spoken(drawn)) if drawn else None

    assert powerful(speaks) == []


def test_no_text_has_power_in_a_modal() -> None:
    assert powerful(lambda text: powers(mrkdwn_of(modals_of(text)))) == []


def test_no_text_has_power_in_a_list() -> None:
    assert powerful(lambda text: [powers(spoken(one)) for one in lists_of(text)]) == []


@pytest.mark.parametrize("quality", list(LossQuality))
def test_the_basis_of_a_loss_has_no_power(quality: LossQuality) -> None:
    def drawn(text: str) -> MessageContent:
        return card(
            having(AWAITING, approval_planned=with_loss(ORDERS, Loss(quality, basis=text))),
            FACTS,
            at("03:02"),
        )

    assert powerful(lambda text: powers(spoken(drawn(text)))) == []
