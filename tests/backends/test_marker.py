"""How an op id is taken with files."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from backends.marker import FOLDER, UNREADABLE, Marker, Markers, MarkerStage, Slot, file_errors
from backends.worker_key import WorkerKey
from bot.contract import Blocked, Denied, Fate, Found, TargetMissing, Work
from bot.model import Do

OP = "k7f3a91c.RB-42.3"
KEY = WorkerKey.fresh()
MARKER = Marker("d" * 64, "v41", "v42", MarkerStage.TAKEN, {"version": 7}, "words")


def test_an_op_id_has_one_holder_even_inside_one_process(tmp_path: Path) -> None:
    first = Markers(tmp_path, KEY).take(OP)
    assert first is not None
    assert Markers(tmp_path, KEY).take(OP) is None
    first.close()
    second = Markers(tmp_path, KEY).take(OP)
    assert second is not None
    second.close()


def test_the_kernel_lets_go_when_the_holder_is_killed(tmp_path: Path) -> None:
    program = f"""
import pathlib, sys
from backends.marker import Markers
from backends.worker_key import WorkerKey
slot = Markers(pathlib.Path(sys.argv[1]), WorkerKey.fresh()).take({OP!r})
print("held", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert Markers(tmp_path, KEY).take(OP) is None
        holder.kill()
        holder.wait()
    slot = Markers(tmp_path, KEY).take(OP)
    assert slot is not None
    slot.close()


def test_what_was_written_is_read_by_the_next_holder(tmp_path: Path) -> None:
    for stage in MarkerStage:
        with _taken(tmp_path) as slot:
            slot.write(Marker(MARKER.digest, "v41", "v42", stage, {"version": 7}, "words"))
        with _taken(tmp_path) as slot:
            assert slot.read() == Marker(MARKER.digest, "v41", "v42", stage, {"version": 7}, "words")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"stage": "eaten"}', b'{"stage": "done"}', b"\xff"])
def test_a_marker_that_cannot_be_read_belongs_to_no_plan(tmp_path: Path, content: bytes) -> None:
    with _taken(tmp_path) as slot:
        (tmp_path / ".rollback" / f"{OP}.json").write_bytes(content)
        assert slot.read() == UNREADABLE
    work = Work(OP, "RB-42", "d" * 64, Do.RESTORE, "v41", "v42")
    assert not UNREADABLE.is_of(work)


def test_to_ask_whether_an_op_id_is_known_leaves_no_trace(tmp_path: Path) -> None:
    assert not Markers(tmp_path, KEY).known(OP)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("op_id", ["", ".", "..", "../up", "a/b", "-x", ".hidden", "a\0b", "a" * 121])
def test_nothing_but_an_op_id_becomes_the_name_of_a_file(tmp_path: Path, op_id: str) -> None:
    with pytest.raises(ValueError, match="op id"):
        Markers(tmp_path, KEY).take(op_id)


@pytest.mark.parametrize(
    ("refusal", "in_our_words"),
    [
        (PermissionError(13, "no", "f"), Denied),
        (FileNotFoundError(2, "no", "f"), TargetMissing),
        (OSError(28, "full"), Blocked),
        (OSError(5, "input/output error"), Blocked),
    ],
)
def test_refusals_of_the_operating_system_become_the_contract_s(
    refusal: OSError, in_our_words: type[Exception]
) -> None:
    with pytest.raises(in_our_words), file_errors():
        raise refusal


# Who wrote it


def _written(folder: Path, marker: Marker = MARKER, key: WorkerKey = KEY) -> Path:
    """As a worker with this key does; returns the marker's file."""
    slot = Markers(folder, key).take(OP)
    assert slot is not None
    with slot:
        slot.write(marker)
    return folder / FOLDER / f"{OP}.json"


def _work(*, accepted: bool = False, unsigned: bool = False) -> Work:
    handle = {"op_id": OP} if accepted else None
    return Work(OP, "RB-42", MARKER.digest, Do.RESTORE, "v41", "v42", handle=handle, unsigned=unsigned)


def _found(folder: Path, work: Work, key: WorkerKey = KEY) -> Fate:
    """What an executor is told that believes every marker of the plan to be done."""
    return Markers(folder, key).find(work, lambda marker: Found(Fate.DONE)).fate


def test_a_marker_of_this_zone_is_believed(tmp_path: Path) -> None:
    _written(tmp_path)
    assert _found(tmp_path, _work()) is Fate.DONE


def test_a_marker_under_an_older_key_of_the_zone_is_still_believed(tmp_path: Path) -> None:
    _written(tmp_path)
    newer = WorkerKey((*WorkerKey.fresh().keys, *KEY.keys))
    assert _found(tmp_path, _work(), newer) is Fate.DONE


def test_a_marker_of_another_key_is_not_believed(tmp_path: Path) -> None:
    _written(tmp_path, key=WorkerKey.fresh())
    assert _found(tmp_path, _work()) is Fate.UNKNOWN


def test_a_marker_of_another_operation_is_not_believed(tmp_path: Path) -> None:
    """The one of the undo point, say, under the name of the restore."""
    other = Markers(tmp_path, KEY).take("k7f3a91c.RB-42.2")
    assert other is not None
    with other:
        other.write(MARKER)
    _taken(tmp_path).close()
    shutil.copy(tmp_path / FOLDER / "k7f3a91c.RB-42.2.json", tmp_path / FOLDER / f"{OP}.json")
    assert _found(tmp_path, _work()) is Fate.UNKNOWN


@pytest.mark.parametrize("field", ["digest", "point", "expected", "stage", "facts", "words", "mac"])
def test_a_marker_in_which_anything_was_changed_is_not_believed(tmp_path: Path, field: str) -> None:
    path = _written(tmp_path)
    content = json.loads(path.read_text())
    others = {"stage": "done", "facts": {"version": 8}, "mac": "0" * 64}
    path.write_text(json.dumps({**content, field: others.get(field, "other")}))
    assert _found(tmp_path, _work()) is Fate.UNKNOWN


def test_a_marker_without_a_signature_is_believed_only_of_a_run_that_an_earlier_version_planned(
    tmp_path: Path,
) -> None:
    path = _written(tmp_path)
    content = json.loads(path.read_text())
    del content["mac"]
    path.write_text(json.dumps(content))
    assert _found(tmp_path, _work()) is Fate.UNKNOWN
    assert _found(tmp_path, _work(unsigned=True)) is Fate.DONE


@pytest.mark.parametrize("gone", [["json"], ["lock"], ["json", "lock"]])
def test_a_marker_that_vanished_after_it_was_accepted_is_unknown(tmp_path: Path, gone: list[str]) -> None:
    _written(tmp_path)
    for suffix in gone:
        (tmp_path / FOLDER / f"{OP}.{suffix}").unlink()
    assert _found(tmp_path, _work(accepted=True)) is Fate.UNKNOWN


def test_what_was_never_accepted_and_left_nothing_was_never_started(tmp_path: Path) -> None:
    assert _found(tmp_path, _work()) is Fate.ABSENT
    _taken(tmp_path).close()
    assert _found(tmp_path, _work()) is Fate.ABSENT


# What others plant


@pytest.mark.parametrize("there", [True, False], ids=["of a file", "of nothing"])
@pytest.mark.parametrize("suffix", ["lock", "json", "json.new"])
def test_a_planted_link_makes_and_changes_nothing_elsewhere(tmp_path: Path, suffix: str, there: bool) -> None:
    backend, outside = tmp_path / "backend", tmp_path / "outside"
    backend.mkdir()
    if there:
        outside.write_text("nobody may touch this")
    Markers(backend, KEY).make_folder()
    (backend / FOLDER / f"{OP}.{suffix}").symlink_to(outside)
    with suppress(OSError):
        _written(backend)
    assert outside.exists() is there
    assert not there or outside.read_text() == "nobody may touch this"


@pytest.mark.parametrize("left", ["of somebody who was killed", "a link"])
def test_what_is_left_in_the_place_of_a_marker_to_be_does_not_hinder(tmp_path: Path, left: str) -> None:
    Markers(tmp_path, KEY).make_folder()
    new = tmp_path / FOLDER / f"{OP}.json.new"
    if left == "a link":
        new.symlink_to(tmp_path / "outside")
    else:
        new.write_text("half a mark")
    _written(tmp_path)
    assert _found(tmp_path, _work()) is Fate.DONE
    assert not new.is_symlink()
    assert not (tmp_path / "outside").exists()


def test_a_link_in_the_place_of_the_lock_is_not_taken_and_says_nothing(tmp_path: Path) -> None:
    Markers(tmp_path, KEY).make_folder()
    (tmp_path / FOLDER / f"{OP}.lock").symlink_to(tmp_path / "outside")
    with pytest.raises(OSError, match="symbolic link"):
        Markers(tmp_path, KEY).take(OP)
    assert _found(tmp_path, _work()) is Fate.UNKNOWN


def test_a_link_in_the_place_of_the_marker_is_not_read(tmp_path: Path) -> None:
    path = _written(tmp_path)
    os.replace(path, tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    assert _found(tmp_path, _work()) is Fate.UNKNOWN


def test_the_folder_is_made_for_us_alone_and_one_that_lets_others_in_is_closed(tmp_path: Path) -> None:
    markers = Markers(tmp_path, KEY)
    for mode in (0o700, 0o755, 0o777):
        markers.folder.mkdir(exist_ok=True)
        markers.folder.chmod(mode)
        _taken(tmp_path).close()
        assert markers.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("planted", ["a link", "a file"])
def test_what_is_no_folder_of_ours_is_refused(tmp_path: Path, planted: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    folder = Markers(tmp_path, KEY).folder
    if planted == "a link":
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.touch()
    with pytest.raises(Blocked, match="no folder of ours"):
        Markers(tmp_path, KEY).take(OP)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    folder = Markers(tmp_path, KEY).folder
    folder.mkdir()
    os.chown(folder, 65_534, 65_534)
    with pytest.raises(Blocked, match="no folder of ours"):
        Markers(tmp_path, KEY).take(OP)


@pytest.mark.parametrize(("mode", "warned"), [(0o700, 0), (0o755, 0), (0o775, 1), (0o777, 1)])
def test_that_others_may_write_above_it_is_said(tmp_path: Path, mode: int, warned: int) -> None:
    tmp_path.chmod(mode)
    assert len(Markers(tmp_path, KEY).warnings()) == warned


def _taken(folder: Path) -> Slot:
    slot = Markers(folder, KEY).take(OP)
    assert slot is not None
    return slot
