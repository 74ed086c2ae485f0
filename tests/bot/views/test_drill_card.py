"""The card of a drill: short enough for a phone, and never a word more than was seen."""

from dataclasses import replace

import pytest

from bot.model import Verdict
from bot.run import Run
from bot.views.card import card
from tests.bot.stories import having
from tests.bot.views.drills import DRILLS, FAILED, SUCCEEDED
from tests.bot.views.examples import FACTS, at
from tests.bot.views.reading import phone_rows, texts
from tests.bot.views.slack_rules import problems_of_message

ROWS = 20  # as of every card

each_drill = pytest.mark.parametrize("name", DRILLS)


def said(name: str) -> str:
    return "\n".join(texts(card(*DRILLS[name])))


@each_drill
def test_it_is_short_enough_for_a_phone(name: str) -> None:
    assert phone_rows(card(*DRILLS[name])) <= ROWS


@each_drill
def test_slack_accepts_it(name: str) -> None:
    drawn = card(*DRILLS[name])
    assert problems_of_message(drawn.text, drawn.blocks) == []


@each_drill
def test_it_says_that_nothing_live_is_touched(name: str) -> None:
    assert "not touched by a drill" in said(name)


@each_drill
def test_nobody_is_asked_to_approve_it(name: str) -> None:
    elements = [element for block in card(*DRILLS[name]).blocks for element in block.get("elements", [])]
    buttons = {element["action_id"] for element in elements if "action_id" in element}
    assert buttons <= {"details", "cancel", "ask_again", "learn"}


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.INCONCLUSIVE])
@pytest.mark.parametrize("run", [SUCCEEDED, FAILED])
def test_verified_is_said_only_where_everything_passed(run: Run, verdict: Verdict) -> None:
    first, *_, last = FAILED.work.findings
    doubtful = having(run, work_findings=(first, replace(last, verdict=verdict)))
    assert "verified" not in "\n".join(texts(card(doubtful, FACTS, at("10:19"))))
