"""From a goal to one restore point."""

from datetime import UTC, datetime

import pytest

from backends.choosing import named, point_for, shortened, skew
from bot.contract import PointUnavailable, Unsupported
from bot.model import Goal, RestorePoint, Span


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


def test_of_equal_times_the_one_that_the_backend_lists_first_is_meant() -> None:
    twins = tuple(RestorePoint(name, at(11)) for name in ("a", "c", "b"))
    assert point_for(Goal(before=at(11)), twins).id == "a"


def test_nothing_that_came_after_a_later_time_is_meant_by_a_moment_before_that() -> None:
    points = (RestorePoint("late", at(11)), RestorePoint("bad", at(14)), RestorePoint("good", at(10)))
    chosen = point_for(Goal(before=at(12)), points)
    assert chosen.id == "good"
    assert "`late` is dated 2026-11-22 11:00 UTC" in skew(Goal(before=at(12)), chosen, points)


def test_where_order_and_times_agree_there_is_nothing_to_warn_of() -> None:
    for hour in (10, 11, 12, 23):
        goal = Goal(before=at(hour))
        assert skew(goal, point_for(goal, POINTS), POINTS) == ""
    assert skew(Goal(point="v10"), POINTS[2], POINTS) == ""


def test_a_moment_means_what_was_live_then_where_that_is_known() -> None:
    points = (
        RestorePoint("v42", at(14), live=(Span(at(14), None),)),
        RestorePoint("v41", at(11), live=(Span(at(11), at(12)),)),
        RestorePoint("v40", at(10), live=(Span(at(10), at(11)), Span(at(12), at(14)))),
    )
    meant = {hour: point_for(Goal(before=at(hour)), points).id for hour in (10, 11, 12, 13, 14, 23)}
    assert meant == {10: "v40", 11: "v41", 12: "v40", 13: "v40", 14: "v42", 23: "v42"}
    assert skew(Goal(before=at(13)), points[2], points) == ""


def test_a_name_of_work_is_matched_exactly() -> None:
    with pytest.raises(PointUnavailable, match="`v11`"):
        named("V11", POINTS)


def test_a_name_typed_in_another_case_is_found_when_it_can_be_only_one() -> None:
    assert point_for(Goal(point="V11"), POINTS).id == "v11"


def test_a_name_typed_in_another_case_is_not_guessed_when_it_can_be_two() -> None:
    twins = (RestorePoint("rc", at(11)), RestorePoint("RC", at(10)))
    assert point_for(Goal(point="RC"), twins).id == "RC"
    with pytest.raises(PointUnavailable, match="the nearest are"):
        point_for(Goal(point="Rc"), twins)


def test_a_typo_is_answered_with_the_nearest() -> None:
    with pytest.raises(PointUnavailable, match=r"nearest are .*`v11`"):
        point_for(Goal(point="v1l"), POINTS)


def test_twenty_reasons_are_told_and_how_many_more_there_are() -> None:
    reasons = [f"{n}." for n in range(1_020)]
    assert shortened(reasons[:20]) == tuple(reasons[:20])
    assert shortened(reasons) == (*reasons[:20], "And 1,000 more.")


def test_what_is_repeated_of_an_unknown_name_is_short_and_plain() -> None:
    with pytest.raises(PointUnavailable) as refused:
        named("a`\n\u202e" * 100, POINTS)
    assert "a???a???" in str(refused.value)
    assert len(str(refused.value)) < 200


def test_the_undo_of_a_run_has_to_be_named_by_its_point() -> None:
    with pytest.raises(Unsupported, match="undo point"):
        point_for(Goal(undo_of="RB-1"), POINTS)
