"""When which state was live, and what follows from it for a time and for further targets."""

from dataclasses import replace
from datetime import datetime

import pytest

from bot.model import Current, Goal, Loss, LossQuality, Points, RestorePoint, Span, Way
from bot.spans import Lived, live_at, other_goal, way_with_lives, with_lives
from tests.bot.stories import later

V40, V41, V42 = (RestorePoint(name, later(-90_000)) for name in ("v40", "v41", "v42"))
LIVE = Current("v42", "token-42", "v42")
SEEN = (
    Lived("v41", "token-41", later(-4000), later(-3000)),
    Lived("v40", "token-40", later(-2000), later(-1500), after=later(-3000), run="RB-7"),
    Lived("v42", "token-42", later(-900), later(-60), after=later(-1500), author="cy"),
)
LISTED = with_lives(Points((V42, V41, V40), LIVE), SEEN)


def test_a_state_lived_until_the_next_one_was_seen_and_is_sure_up_to_when_it_was_seen_last() -> None:
    lives = {point.id: point.live for point in LISTED.points}
    assert lives == {
        "v42": (Span(later(-900), None),),
        "v41": (Span(later(-4000), later(-2000), later(-3000)),),
        "v40": (Span(later(-2000), later(-900), later(-1500)),),
    }


def test_what_is_live_says_since_when_and_by_whom() -> None:
    assert (LISTED.current.since, LISTED.current.author) == (later(-900), "cy")
    by_a_run = with_lives(Points((V40,), Current("v40", "token-40")), SEEN[:2]).current
    assert (by_a_run.since, by_a_run.author) == (later(-2000), "RB-7")


def test_the_first_look_does_not_know_since_when() -> None:
    assert with_lives(Points((V41,), Current("v41", "token-41")), SEEN[:1]).current.since is None


def test_what_was_seen_of_another_state_says_nothing_about_what_is_live() -> None:
    other = Current("v43", "token-43")
    assert with_lives(Points((), other), SEEN).current == other


def test_a_backend_that_knows_better_is_believed() -> None:
    exact = replace(V41, live=(Span(later(-5000), later(-2500)),))
    found = with_lives(Points((exact,), replace(LIVE, since=later(-800), author="dan")), SEEN)
    assert found.points == (exact,)
    assert (found.current.since, found.current.author) == (later(-800), "dan")


@pytest.mark.parametrize(
    ("when", "point"),
    [
        (later(-4000), "v41"),
        (later(-3000), "v41"),
        (later(-2000), "v40"),
        (later(-1500), "v40"),
        (later(-900), "v42"),
        (later(0), "v42"),
    ],
)
def test_what_was_live_at_a_time_is_what_was_seen_then(when: datetime, point: str) -> None:
    found = live_at(LISTED, when)
    assert isinstance(found, RestorePoint)
    assert found.id == point


def test_between_two_looks_nobody_knows_and_it_is_asked() -> None:
    found = live_at(LISTED, later(-1000))
    assert isinstance(found, str)
    assert "between 2026-11-22 02:37 UTC and 2026-11-22 02:47 UTC, when `v40` gave way" in found
    assert found.endswith("Choose a restore point by its name.")


def test_before_the_first_look_the_backend_has_to_say() -> None:
    assert live_at(LISTED, later(-4001)) is None


def way(point: RestorePoint, current: Current = LIVE) -> Way:
    return Way(point, current, Loss(LossQuality.NONE))


def test_further_targets_go_to_the_end_of_the_good_states_life_and_not_to_its_birth() -> None:
    chosen = way_with_lives(way(V41), SEEN)
    assert other_goal(chosen, Goal(point="v41")) == Goal(before=later(-3000))


def test_of_a_point_that_was_live_twice_the_last_life_counts() -> None:
    twice = replace(V41, live=(Span(later(-9000), later(-8000)), Span(later(-700), later(-300))))
    assert other_goal(way(twice), Goal(point="v41")) == Goal(before=later(-300))


def test_without_a_life_of_the_point_the_moment_counts_when_the_live_state_came() -> None:
    chosen = way(V41, replace(LIVE, since=later(-900)))
    assert other_goal(chosen, Goal(point="v41")) == Goal(before=later(-900))


def test_where_nobody_knows_it_is_asked_and_the_birth_is_not_taken() -> None:
    assert other_goal(way(V41), Goal(point="v41")) is None


@pytest.mark.parametrize("goal", [Goal(before=later(-60)), Goal(undo_of="RB-41")])
def test_a_time_and_an_undo_mean_the_same_for_every_target(goal: Goal) -> None:
    assert other_goal(way(V41), goal) is goal
