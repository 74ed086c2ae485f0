"""How an op id is taken with files."""

import subprocess
import sys
from pathlib import Path

import pytest

from backends.marker import UNREADABLE, Marker, Markers, MarkerStage, Slot, file_errors
from bot.contract import Blocked, Denied, TargetMissing, Work

OP = "k7f3a91c.RB-42.3"
MARKER = Marker("d" * 64, "v41", "v42", MarkerStage.TAKEN, {"version": 7}, "words")


def test_an_op_id_has_one_holder_even_inside_one_process(tmp_path: Path) -> None:
    first = Markers(tmp_path).take(OP)
    assert first is not None
    assert Markers(tmp_path).take(OP) is None
    first.close()
    second = Markers(tmp_path).take(OP)
    assert second is not None
    second.close()


def test_the_kernel_lets_go_when_the_holder_is_killed(tmp_path: Path) -> None:
    program = f"""
import pathlib, sys
from backends.marker import Markers
slot = Markers(pathlib.Path(sys.argv[1])).take({OP!r})
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
        assert Markers(tmp_path).take(OP) is None
        holder.kill()
        holder.wait()
    slot = Markers(tmp_path).take(OP)
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
    work = Work(OP, "RB-42", "d" * 64, "v41", "v42")
    assert not UNREADABLE.is_of(work)


def test_to_ask_whether_an_op_id_is_known_leaves_no_trace(tmp_path: Path) -> None:
    assert not Markers(tmp_path).known(OP)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("op_id", ["", ".", "..", "../up", "a/b", "-x", ".hidden", "a\0b", "a" * 121])
def test_nothing_but_an_op_id_becomes_the_name_of_a_file(tmp_path: Path, op_id: str) -> None:
    with pytest.raises(ValueError, match="op id"):
        Markers(tmp_path).take(op_id)


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


def _taken(folder: Path) -> Slot:
    slot = Markers(folder).take(OP)
    assert slot is not None
    return slot
