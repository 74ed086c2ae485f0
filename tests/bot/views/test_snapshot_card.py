"""The card of a snapshot: short enough for a phone, and never a word more than was seen."""

import pytest

from bot.views.card import card
from bot.views.snapshot_card import address
from tests.bot.stories import having
from tests.bot.views.copies import COPIES, TAKEN
from tests.bot.views.reading import phone_rows, texts
from tests.bot.views.slack_rules import problems_of_message

ROWS = 20  # as of every card
GONE = ("snapshot_refused", "snapshot_dropped", "snapshot_failed", "snapshot_cancelled")

each_snapshot = pytest.mark.parametrize("name", COPIES)


def said(name: str) -> str:
    return "\n".join(texts(card(*COPIES[name])))


@each_snapshot
def test_it_is_short_enough_for_a_phone(name: str) -> None:
    assert phone_rows(card(*COPIES[name])) <= ROWS


@each_snapshot
def test_slack_accepts_it(name: str) -> None:
    drawn = card(*COPIES[name])
    assert problems_of_message(drawn.text, drawn.blocks) == []


@each_snapshot
def test_verified_is_said_only_while_the_copy_stands_and_is_as_it_was(name: str) -> None:
    assert ("copied, verified" in said(name)) is (name == "snapshot_taken")


@each_snapshot
def test_where_the_copy_stands_is_on_no_card(name: str) -> None:
    assert "/srv/backups" not in said(name)


@each_snapshot
def test_gone_is_said_once_it_was_dropped(name: str) -> None:
    assert ("the copy is gone" in said(name)) is (name == "snapshot_dropped")


@pytest.mark.parametrize("name", GONE)
def test_what_is_gone_is_dropped_by_nobody(name: str) -> None:
    elements = [element for block in card(*COPIES[name]).blocks for element in block.get("elements", [])]
    assert "drop_snapshot" not in {element.get("action_id") for element in elements}


def test_the_gap_between_the_state_and_the_moment_asked_for_is_said() -> None:
    assert "what was written in the 15 min between is NOT in it" in said("snapshot_awaiting")


def test_where_its_backend_does_not_say_where_it_stands_nobody_is_told() -> None:
    assert address(having(TAKEN, work_copies_at={})) is None
