"""Times, durations, sizes, people and things, as they are said."""

from datetime import timedelta

import pytest

from bot.contract import Progress
from bot.model import RestorePoint, Value
from bot.views import words
from bot.views.steps import progress_words
from tests.bot.views.examples import at

NOW = at("03:02")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "not known"),
        (0.0, "under 1 s"),
        (0.4, "under 1 s"),
        (45, "45 s"),
        (59.7, "1 min"),
        (60, "1 min"),
        (350, "5 min 50 s"),
        (599.6, "10 min"),
        (1_020, "17 min"),
        (3_599, "1 h"),
        (7_500, "2 h 5 min"),
        (3 * 86_400, "3 days"),
    ],
)
def test_a_duration_is_said_in_two_units_at_most(seconds: float | None, said: str) -> None:
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(120, 360, "2–6 min"), (20, 44.2, "20–45 s"), (0.2, 0.4, "0–1 s"), (240, 240, "4 min")],
)
def test_a_range_is_rounded_outwards(low: float, high: float, said: str) -> None:
    assert words.duration_range(low, high) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (1.8e9, "1.8 GB"), (2.5e14, "250.0 TB")],
)
def test_a_size_has_a_unit(count: float, said: str) -> None:
    assert words.byte_size(count) == said


def test_progress_says_a_shared_unit_once() -> None:
    assert words.of_total(1.1e9, 1.8e9, "bytes") == "1.1 of 1.8 GB"
    assert words.of_total(9e8, 1.8e9, "bytes") == "900 MB of 1.8 GB"
    assert words.of_total(31, 50, "files") == "31 of 50 files"


def test_today_needs_no_date() -> None:
    assert words.utc(at("23:59"), NOW) == "23:59 UTC"


def test_shortly_before_midnight_needs_no_date_either() -> None:
    assert words.utc(at("23:45", 21), at("00:05")) == "23:45 UTC"


def test_another_day_is_dated_and_another_year_too() -> None:
    assert words.utc(at("18:02", 21), NOW) == "21 Nov 18:02 UTC"
    assert words.utc(NOW - timedelta(days=400), NOW) == "18 Oct 2025 03:02 UTC"


@pytest.mark.parametrize(
    ("days", "said"), [(0, "22 Nov"), (299, "27 Jan"), (300, "26 Jan 2026"), (-400, "27 Dec 2027")]
)
def test_a_date_of_another_year_names_its_year(days: int, said: str) -> None:
    assert words.date(NOW - timedelta(days=days), NOW) == said


def test_a_drill_of_another_year_is_not_taken_for_one_of_this_year() -> None:
    proven = RestorePoint("b1", NOW, proven_at=NOW - timedelta(days=400))
    assert words.drill_words(proven, NOW) == "drill 18 Oct 2025: restored, verified"


def test_the_readers_own_zone_is_filled_in_by_slack_and_falls_back_to_utc() -> None:
    assert words.local(at("02:45"), NOW) == "<!date^1795315500^{time} your time|02:45 UTC>"


def test_of_a_long_hash_only_the_beginning_is_said() -> None:
    assert words.version("7f3a91c2" * 5) == "7f3a91c27f"
    assert words.version("v41") == "v41"


def test_people_are_mentioned_only_by_their_ids() -> None:
    assert words.people(["U01BEN", "U01CY"], "or") == "<@U01BEN> or <@U01CY>"
    assert words.people(["!channel"]) == "!channel"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (9_007_199_254_740_993, "9,007,199,254,740,993"),
        (41, "41"),
        (1_234.5, "1,234.5"),
        (2.0, "2"),
        (0.125, "0.125"),
        (None, "nothing seen"),
    ],
)
def test_the_value_of_a_check_is_shown_as_it_was_seen(value: Value, shown: str) -> None:
    assert words.number(value) == shown


@pytest.mark.parametrize(
    ("done", "total", "rate", "said"),
    [
        (31, 50, 1, "62 % (31 of 50 files), about 19 s left"),
        (31, 50, 100, "62 % (31 of 50 files), under 1 s left"),
        (31, None, 1, "31 files so far"),
        (53, 50, 1, "53 files so far, more than expected"),
    ],
)
def test_progress_says_how_far_it_is_and_what_is_left(
    done: int, total: int | None, rate: int, said: str
) -> None:
    assert progress_words(Progress(at("03:00"), "", done, total, "files", rate)) == said
