"""Which changes are significant, and when a drill follows one."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.changes import APART, asks_for_drill, due_after, is_significant, seen_by_a_look
from bot.configuration import Drill, SignificantChange
from bot.duties import Duty, DutyKind
from bot.model import Current
from bot.outside import OutsideChange
from bot.spans import Lived
from tests.bot.configured import CAREFUL, configuration
from tests.bot.stories import T0, later

MIGRATION = OutsideChange("orders", T0, "migration", "0042", paths=("schema/0042.sql", "README"), size=40)
AFTER = Drill(after="significant")
DUTY = Duty("k", DutyKind.DRILL, "orders", later(86_400), later(86_400))


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        ({"kind": "migration"}, True),
        ({"kind": "migr*"}, True),
        ({"kind": "Migration"}, False),
        ({"target": "orders"}, True),
        ({"target": "shop"}, False),
        ({"label": "004?"}, True),
        ({"label": "43"}, False),
        ({"path": "schema/*"}, True),
        ({"path": "*.py"}, False),
        ({"size": 40}, True),
        ({"size": 41}, False),
        ({"kind": "migration", "size": 41}, False),
    ],
    ids=str,
)
def test_all_that_a_rule_says_has_to_be_so(rule: dict[str, object], fits: bool) -> None:
    known = configuration(CAREFUL).model_copy(
        update={"significant": (SignificantChange(size=9_999), SignificantChange.model_validate(rule))}
    )
    assert is_significant(known, MIGRATION) is fits


def test_what_was_not_told_fits_no_rule_about_it() -> None:
    known = configuration(CAREFUL).model_copy(update={"significant": (SignificantChange(size=1),)})
    assert not is_significant(known, replace(MIGRATION, size=None))


@pytest.mark.parametrize(
    ("drill", "significant", "asks"),
    [
        (Drill(after="significant"), True, True),
        (Drill(after="significant"), False, False),
        (Drill(), True, False),
    ],
)
def test_a_drill_follows_what_is_significant_where_the_configuration_says_so(
    drill: Drill, significant: bool, asks: bool
) -> None:
    known = configuration(CAREFUL.model_copy(update={"drill": drill}))
    assert asks_for_drill(known, replace(MIGRATION, significant=significant)) is asks


@pytest.mark.parametrize(
    ("duty", "due"),
    [
        (None, T0),
        (DUTY, T0),
        (replace(DUTY, due_at=later(-1)), None),
        (replace(DUTY, due_at=later(-1), done_at=later(-1)), T0),
        (replace(DUTY, due_at=later(90 * 86_400), changed_at=later(-86_400)), later(13 * 86_400)),
        (replace(DUTY, due_at=later(2 * 86_400), changed_at=later(-86_400)), None),
    ],
    ids=["none", "not due yet", "due already", "done", "due by one yesterday", "due before that"],
)
def test_of_one_target_one_is_due_by_a_change_in_two_weeks(duty: Duty | None, due: object) -> None:
    assert due_after(duty, MIGRATION, T0) == due
    assert timedelta(days=14) == APART


def test_what_was_changed_before_the_last_drill_that_passed_asks_for_none() -> None:
    passed = replace(DUTY, passed_at=later(10))
    assert due_after(passed, MIGRATION, later(60)) is None
    assert due_after(passed, replace(MIGRATION, at=later(20)), later(60)) == later(60)


BEFORE = Lived("v42", "token-v42", later(-900), later(-600))
NOW = Current("v43", "token-v43", since=later(-300), author="Cy")


def test_a_look_tells_since_when_and_by_whom_as_far_as_the_backend_says() -> None:
    assert seen_by_a_look("orders", BEFORE, NOW, T0, None) == OutsideChange(
        "orders", later(-300), "live", "v43", "Cy"
    )


@pytest.mark.parametrize(
    ("before", "moved_at"),
    [(None, None), (replace(BEFORE, token="token-v43"), None), (BEFORE, later(-500))],
    ids=["never looked", "the same", "a run of ours since"],
)
def test_what_is_not_surely_somebody_elses_is_not_said(before: Lived | None, moved_at: object) -> None:
    assert seen_by_a_look("orders", before, NOW, T0, moved_at) is None  # type: ignore[arg-type]
