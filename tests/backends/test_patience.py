"""A long reading goes on while whoever asked is told how far it is."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from backends.file_digests import FileDigests
from backends.patience import HowFar, Readings
from bot.contract import StillReading

ENDS_WITHIN = 30.0  # seconds, for a thread that is let go


class Slow:
    """Something that is read in steps, each when it is let go."""

    def __init__(self, *steps: tuple[int, int | None]) -> None:
        self.read_times = 0
        self._steps = steps
        self._goes_on = threading.Event()
        self._told = threading.Event()

    def __call__(self, told: HowFar) -> str:
        self.read_times += 1
        for step in self._steps:
            told(*step)
        self._told.set()
        self._goes_on.wait(ENDS_WITHIN)
        return "all of it"

    def let_go(self) -> None:
        self._goes_on.set()

    def wait_until_told(self) -> None:
        assert self._told.wait(ENDS_WITHIN)


def _words(readings: Readings, read: Callable[[HowFar], str], unit: str = "bytes") -> str:
    with pytest.raises(StillReading) as told:
        readings.of("v41", unit, read)
    return str(told.value)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([(0, 1_000)], "0 %"),
        ([(499, 1_000)], "40 %"),
        ([(1_000, 1_000)], "90 %"),
        ([(12_345, None)], "10,000 paths so far"),
    ],
    ids=["at the beginning", "in tens", "not all of it before its end", "without a known end"],
)
def test_whoever_waits_too_long_hears_how_far_it_is(steps: list[tuple[int, int | None]], words: str) -> None:
    readings, slow = Readings(patience=0), Slow(*steps)
    _words(readings, slow, "paths")
    slow.wait_until_told()
    assert _words(readings, slow, "paths") == f"The content of v41 is still being read, {words}."
    slow.let_go()


def test_who_asks_again_gets_what_was_read_meanwhile() -> None:
    readings, slow = Readings(patience=0), Slow((1, 2))
    _words(readings, slow)
    slow.let_go()
    readings.patience = ENDS_WITHIN
    assert readings.of("v41", "bytes", slow) == "all of it"
    assert slow.read_times == 1


def test_what_was_fetched_is_read_anew_for_the_next() -> None:
    readings, slow = Readings(patience=ENDS_WITHIN), Slow()
    slow.let_go()
    assert [readings.of("v41", "bytes", slow) for _ in range(2)] == ["all of it"] * 2
    assert slow.read_times == 2


def test_what_goes_wrong_while_it_is_read_is_raised_to_who_waits() -> None:
    def broken(told: HowFar) -> str:
        raise FileNotFoundError("gone")

    with pytest.raises(FileNotFoundError, match="gone"):
        Readings(patience=ENDS_WITHIN).of("v41", "bytes", broken)


def test_a_digest_tells_how_much_of_a_file_was_read(tmp_path: Path) -> None:
    file, told = tmp_path / "backup.db", list[tuple[int, int | None]]()
    file.write_bytes(b"x" * (3 << 19))
    FileDigests().of(file, lambda done, total: told.append((done, total)))
    assert told == [(1 << 20, 3 << 19), (3 << 19, 3 << 19)]
