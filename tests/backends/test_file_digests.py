"""A digest is of the content; what is remembered never outlives a change."""

import hashlib
import os
from io import FileIO
from pathlib import Path

import pytest

from backends.file_digests import TICK_NANOSECONDS, FileDigests, open_file


class CountedFile(FileIO):
    """Counts how often it is read to its end, and lets something happen then."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.times = 0
        self.writes: bytes | None = None

    def readinto(self, buffer: bytearray | memoryview, /) -> int | None:  # type: ignore[override]
        length = super().readinto(buffer)
        if not length:
            self.times += 1
            if self.writes is not None:
                Path(os.fsdecode(str(self.name))).write_bytes(self.writes)
        return length


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Long unchanged."""
    path = tmp_path / "backup.db"
    path.write_bytes(b"content")
    _rests(path)
    return path


def _rests(path: Path) -> None:
    """Until any further change must move a stamp."""
    while True:
        probe = path.with_name("probe")
        probe.touch()
        now = probe.stat().st_ctime_ns
        probe.unlink()
        if now - path.stat().st_ctime_ns > TICK_NANOSECONDS * 2:
            return


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_it_is_the_sha256_of_the_whole_content(tmp_path: Path) -> None:
    for content in (b"", b"a", bytes(3 << 20)):
        (tmp_path / "file").write_bytes(content)
        assert FileDigests().of(tmp_path / "file") == _sha256(content)


def test_what_did_not_move_is_read_once(file: Path) -> None:
    digests = FileDigests()
    with CountedFile(file) as counted:
        assert digests.of_open(counted) == digests.of_open(counted) == digests.of(file) == _sha256(b"content")
        assert counted.times == 1


def test_other_content_is_seen_even_when_size_and_time_are_put_back(file: Path) -> None:
    digests = FileDigests()
    digests.of(file)
    before = file.stat()
    file.write_bytes(b"CONTENT")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert digests.of(file) == _sha256(b"CONTENT")


def test_another_file_of_the_same_name_is_seen(file: Path, tmp_path: Path) -> None:
    digests = FileDigests()
    digests.of(file)
    (tmp_path / "other").write_bytes(b"CONTENT")
    os.replace(tmp_path / "other", file)
    assert digests.of(file) == _sha256(b"CONTENT")


def test_stamps_that_moved_make_no_other_digest(file: Path, tmp_path: Path) -> None:
    digests = FileDigests()
    before = digests.of(file)
    os.link(file, tmp_path / "linked")
    file.touch()
    assert digests.of(file) == before


def test_what_was_changed_a_moment_ago_is_not_remembered(tmp_path: Path) -> None:
    """A second change may leave the same stamps: the kernel's clock ticks slowly."""
    digests = FileDigests()
    (tmp_path / "file").write_bytes(b"content")
    with CountedFile(tmp_path / "file") as counted:
        digests.of_open(counted)
        digests.of_open(counted)
        assert counted.times == 2


def test_what_was_changed_while_it_was_read_is_not_remembered(file: Path) -> None:
    digests = FileDigests()
    with CountedFile(file) as counted:
        counted.writes = b"CONTENT"
        digests.of_open(counted)
    assert digests.of(file) == _sha256(b"CONTENT")


def test_a_file_that_is_held_open_is_read_whatever_its_name_leads_to(file: Path) -> None:
    with open_file(file) as held:
        file.unlink()
        file.write_bytes(b"CONTENT")
        assert FileDigests().of_open(held) == _sha256(b"content")


def test_a_link_is_not_followed(file: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(file)
    with pytest.raises(OSError, match="symbolic link"):
        FileDigests().of(tmp_path / "link")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="seek"):
        FileDigests().of(tmp_path / "pipe")
