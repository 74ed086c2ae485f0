"""Which approvers are asked to practise, and on whom nobody should count."""

from dataclasses import replace
from datetime import datetime

import pytest

from bot.practice import A_DAY_AT_MOST, YES, Practice, due, is_inactive
from tests.bot.stories import T0, later
from tests.people import BEN, CY, person

DAY = 86_400.0
QUARTER = 90 * DAY
ASKED = Practice(BEN.id, T0, "k1")


def asked(
    decided: dict[str, datetime] | None = None, known: dict[str, Practice] | None = None
) -> tuple[str, ...]:
    return due((BEN, CY), decided or {}, known or {}, QUARTER, T0)


def test_who_has_decided_something_lately_is_not_asked() -> None:
    assert asked({BEN.id: later(-89 * DAY), CY.id: later(-91 * DAY)}) == (CY.id,)


def test_a_decision_under_another_account_of_the_same_human_counts() -> None:
    two = replace(BEN, marks=BEN.marks | {"U09BEN"})
    assert due((two,), {"U09BEN": later(-DAY)}, {}, QUARTER, T0) == ()


def test_nobody_is_asked_twice_in_a_quarter_and_who_waited_longest_first() -> None:
    lately, long_ago = replace(ASKED, asked_at=later(-89 * DAY)), replace(ASKED, asked_at=later(-91 * DAY))
    assert asked(known={BEN.id: lately}) == (CY.id,)
    assert asked(known={BEN.id: long_ago}) == (CY.id, BEN.id)


def test_who_may_not_decide_is_not_asked() -> None:
    assert due((replace(BEN, barred="a guest"),), {}, {}, QUARTER, T0) == ()


def test_of_a_large_group_some_are_asked_a_day() -> None:
    many = [person(f"p{n}") for n in range(50)]
    assert len(due(many, {}, {}, QUARTER, T0)) == A_DAY_AT_MOST


@pytest.mark.parametrize(
    ("practice", "decided", "inactive"),
    [
        (None, None, False),
        (ASKED, None, False),
        (replace(ASKED, silent=1), None, True),
        (replace(ASKED, silent=1, asked_at=later(80 * DAY)), None, False),
        (replace(ASKED, silent=5, answered_at=later(DAY), answer=YES), None, False),
        (replace(ASKED, silent=5), later(50 * DAY), False),
        (replace(ASKED, silent=5), later(-DAY), True),
    ],
    ids=["never asked", "silent once", "twice", "time left", "answered", "decided since", "decided before"],
)
def test_nobody_counts_on_who_was_silent_twice(
    practice: Practice | None, decided: datetime | None, inactive: bool
) -> None:
    assert is_inactive(practice, decided, later(90 * DAY)) is inactive
