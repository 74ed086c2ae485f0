"""From a goal to one restore point."""

from datetime import UTC, datetime

import pytest

from backends.choosing import named, point_for
from bot.contract import PointUnavailable, Unsupported
from bot.model import Goal, RestorePoint


def at(hour: int) -> datetime:
    return datetime(2026, 11, 22, hour, tzinfo=UTC)


POINTS = tuple(RestorePoint(f"v{hour}", at(hour)) for hour in (12, 11, 10))


def test_a_moment_exactly_at_a_point_means_that_point() -> None:
    assert point_for(Goal(before=at(11)), POINTS).id == "v11"


def test_a_moment_after_all_points_means_the_newest() -> None:
    assert point_for(Goal(before=at(23)), POINTS).id == "v12"


def test_points_without_a_time_are_never_meant_by_a_moment() -> None:
    with pytest.raises(PointUnavailable, match="2026-11-22 23:00 UTC"):
        point_for(Goal(before=at(23)), (RestorePoint("v1", None),))


def test_a_name_is_matched_exactly() -> None:
    with pytest.raises(PointUnavailable, match="`v11`"):
        named("V11", POINTS)


def test_what_is_repeated_of_an_unknown_name_is_short_and_plain() -> None:
    with pytest.raises(PointUnavailable) as refused:
        named("a`\n\u202e" * 100, POINTS)
    assert "a???a???" in str(refused.value)
    assert len(str(refused.value)) < 200


def test_the_undo_of_a_run_has_to_be_named_by_its_point() -> None:
    with pytest.raises(Unsupported, match="undo point"):
        point_for(Goal(undo_of="RB-1"), POINTS)
