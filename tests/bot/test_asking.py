"""What a backend says of its progress: it never falls without a word, and odd figures say nothing."""

from typing import Any

import pytest

from bot.asking import after
from bot.contract import Progress
from tests.bot.stories import T0


def told(*said: tuple[float | None, float | None, str]) -> list[float | None]:
    """How far it had been, each time."""
    furthest: dict[tuple[str, bool], float] = {}
    progress = [Progress(T0, done=done, total=total, unit=unit) for done, total, unit in said]
    return [after(furthest, each).furthest for each in progress]


@pytest.mark.parametrize(
    ("said", "been"),
    [
        ([(90, 100, ""), (10, 100, "")], [None, 0.9]),
        ([(90, 100, ""), (None, None, ""), (10, 100, "")], [None, None, 0.9]),
        ([(90, 100, "files"), (1, 2, "GB"), (10, 100, "files")], [None, None, 0.9]),
        ([(90, 100, ""), (91, 1_000, "")], [None, 0.9]),
        ([(50, 100, ""), (5, 10, "")], [None, None]),
        ([(5e6, None, "bytes"), (3, None, "files"), (1e6, None, "bytes")], [None, None, 5e6]),
        ([(50, 100, ""), (-5, 100, ""), (60, 100, "")], [None, None, None]),
        ([(50, 0, ""), (5, -10, "")], [None, None]),
        ([(150, 100, ""), (100, 100, "")], [None, None]),
    ],
    ids=["falls", "silence", "units", "total", "same share", "no end", "negative", "no total", "too much"],
)
def test_progress_that_falls_says_how_far_it_has_been(said: list[Any], been: list[float | None]) -> None:
    assert told(*said) == been


@pytest.mark.parametrize("rate", [1e-300, -1.0, 0.0, None])
def test_a_rate_that_leads_nowhere_tells_no_time(rate: float | None) -> None:
    assert Progress(T0, done=1, total=10, rate=rate).time_left is None
