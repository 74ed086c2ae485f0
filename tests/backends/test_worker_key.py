"""The secret of a zone's workers: made once, never told, and an older one is still believed."""

from pathlib import Path, PosixPath
from typing import Self

import pytest

from backends.worker_key import WorkerKey
from bot.errors import ConfigurationError


def test_it_is_made_where_it_is_missing_for_us_alone(tmp_path: Path) -> None:
    made = WorkerKey.at(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert WorkerKey.at(tmp_path / "key") == made
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_processes_that_start_at_once_take_the_same(tmp_path: Path) -> None:
    other = WorkerKey.fresh()
    assert WorkerKey.at(RacedPath(tmp_path / "key", other)) == other
    assert WorkerKey.at(tmp_path / "key") == other
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


class RacedPath(PosixPath):
    """Another process makes its key as soon as this one has seen that there is none."""

    other: WorkerKey

    def __new__(cls, path: Path, other: WorkerKey) -> Self:
        made = super().__new__(cls, path)
        made.other = other
        return made

    def exists(self) -> bool:
        there = super().exists()
        self.write_text(f"{self.other.keys[0].hex()}\n")
        return there


def test_no_two_are_alike_and_none_is_told(tmp_path: Path) -> None:
    one, other = WorkerKey.fresh(), WorkerKey.fresh()
    assert (one.keys, one.id) != (other.keys, other.id)
    assert one.keys[0].hex() not in repr(one)
    assert one.id not in one.keys[0].hex()


def test_what_it_made_is_known_again_and_what_another_made_is_not() -> None:
    key, other = WorkerKey.fresh(), WorkerKey.fresh()
    mac = key.mac("marker", b"done")
    assert key.made("marker", b"done", mac)
    assert not key.made("marker", b"done", other.mac("marker", b"done"))
    assert not key.made("marker", b"absent", mac)
    assert not key.made("marker", b"done", "")


def test_what_was_made_for_one_purpose_is_nothing_for_another() -> None:
    key = WorkerKey.fresh()
    assert not key.made("place", b"done", key.mac("marker", b"done"))


def test_the_first_line_makes_and_the_others_are_still_believed(tmp_path: Path) -> None:
    old, new = WorkerKey.fresh(), WorkerKey.fresh()
    (tmp_path / "key").write_text(f"{new.keys[0].hex()}\n{old.keys[0].hex()}\n")
    both = WorkerKey.at(tmp_path / "key")
    assert both.made("marker", b"done", old.mac("marker", b"done"))
    assert both.mac("marker", b"done") == new.mac("marker", b"done")
    assert both.id == new.id


@pytest.mark.parametrize("content", [b"", b"\n", b"secret", b"ab" * 31, b"AB" * 32, b"\xff" * 64])
def test_what_is_no_key_is_refused_by_the_name_of_its_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ConfigurationError, match=str(tmp_path / "key")):
        WorkerKey.at(tmp_path / "key")


def test_a_key_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        WorkerKey.at(tmp_path / "key")
