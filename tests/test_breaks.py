"""The table of kinds is true of the tree, and what breaks it is believed only for the right reason."""

from collections import Counter
from pathlib import Path

import pytest

from tests.breaks import Break, breaks, goes_red, read
from tests.test_house import ROOT

FEWEST_KINDS = 24
ROWS = breaks()


def test_the_table_has_a_row_for_each_kind() -> None:
    assert len(ROWS) >= FEWEST_KINDS
    assert [kind for kind, many in Counter(row.kind for row in ROWS).items() if many > 1] == []


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kind)
def test_what_a_row_would_break_stands_once_in_its_file(row: Break) -> None:
    assert (ROOT / row.file).read_text(encoding="utf-8").count(row.old) == 1
    assert row.new != row.old


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kind)
def test_the_test_of_a_row_is_in_its_file(row: Break) -> None:
    file, _, name = row.test.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


def test_a_row_may_hold_what_markdown_wants_escaped() -> None:
    (row,) = read(r"| links | `tests/test_a.py::test_b` | `a.py` | `A \| B` → `A` |")
    assert row == Break("links", "tests/test_a.py::test_b", "a.py", "A | B", "A")


def test_a_row_that_cannot_be_read_is_no_row_less() -> None:
    with pytest.raises(ValueError, match="not a row"):
        list(read("| links | tests/test_a.py | `a.py` | `A` |"))


@pytest.mark.parametrize(
    ("new", "expected"),
    [("return 2", True), ("return 0 + 1", False), ("return (", False), ("return gone", False)],
    ids=["another value", "the same value", "no program", "an error"],
)
def test_only_an_assertion_makes_it_red(tmp_path: Path, new: str, expected: bool) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    (whole / "pytest.ini").write_text("[pytest]\n")
    (whole / "number.py").write_text("def one():\n    return 1\n")
    (whole / "test_one.py").write_text("from number import one\n\n\ndef test_one():\n    assert one() == 1\n")
    row = Break("a number", "test_one.py::test_one", "number.py", "return 1", new)
    assert goes_red(row, whole, tmp_path / "broken") is expected
    assert not (tmp_path / "broken").exists()
