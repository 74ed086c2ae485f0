"""Time never runs back, whatever somebody does to the wall clock."""

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock import SteadyClock
from tests.bot.stories import T0, later


class Sources:
    """A wall clock that somebody sets, and a monotonic one that nobody can."""

    def __init__(self) -> None:
        self.wall = T0
        self.monotonic = 5_000.0

    def clock(self, newest_stored: datetime | None = None) -> SteadyClock:
        return SteadyClock(newest_stored, lambda: self.wall, lambda: self.monotonic)

    def passes(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.monotonic += seconds

    def is_set(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)


def test_it_is_the_wall_clock_while_nobody_sets_that() -> None:
    sources = Sources()
    clock = sources.clock()
    sources.passes(7.5)
    assert clock() == later(7.5)


def test_a_wall_clock_that_is_set_back_is_ignored() -> None:
    sources = Sources()
    clock = sources.clock()
    sources.is_set(-3600)
    sources.passes(2)
    assert clock() == later(2)


def test_a_wall_clock_that_is_set_forward_is_followed() -> None:
    sources = Sources()
    clock = sources.clock()
    sources.is_set(3600)
    assert clock() == later(3600)


def test_time_goes_on_from_the_latest_when_a_jump_is_taken_back() -> None:
    sources = Sources()
    clock = sources.clock()
    sources.is_set(3600)
    clock()
    sources.is_set(-3600)
    sources.passes(2)
    assert clock() == later(3602)


def test_after_a_start_it_is_never_before_what_is_stored() -> None:
    sources = Sources()
    clock = sources.clock(newest_stored=later(60))
    assert clock() == later(60)
    sources.passes(2)
    assert clock() == later(62)


def test_what_was_stored_long_ago_does_not_matter() -> None:
    assert Sources().clock(newest_stored=later(-60))() == T0


def test_it_is_cut_to_milliseconds_as_what_is_stored() -> None:
    sources = Sources()
    sources.wall = T0 + timedelta(microseconds=1_999)
    assert sources.clock()() == T0 + timedelta(milliseconds=1)


@given(st.lists(st.tuples(st.booleans(), st.floats(-1e6, 1e6)), max_size=20))
@settings(max_examples=60)
def test_it_never_runs_back(happenings: list[tuple[bool, float]]) -> None:
    sources = Sources()
    clock = sources.clock()
    seen = [clock()]
    for is_set, seconds in happenings:
        if is_set:
            sources.is_set(seconds)
        else:
            sources.passes(abs(seconds))
        seen.append(clock())
    assert seen == sorted(seen)


def test_without_other_sources_it_is_the_real_time() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    assert before <= SteadyClock()() <= datetime.now(UTC)
