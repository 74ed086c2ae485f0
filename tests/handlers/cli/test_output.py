"""What stands on a terminal has no power over it, and what stands in a pipe is not folded."""

import json

import pytest

from handlers.cli import output

HOSTILE = "\x1b[2Jv41\u202etxt\x07\nsecond"


def test_control_characters_never_reach_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("label",), [(HOSTILE,)])
    output.say(HOSTILE)
    output.aside(HOSTILE)
    said = capsys.readouterr()
    assert not {"\x1b", "\u202e", "\x07"} & set(said.out + said.err)


def test_a_cell_stays_on_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("label",), [(HOSTILE,)])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_square_brackets_are_words_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("label",), [("[red]v41[/red]",)])
    assert "[red]v41[/red]" in capsys.readouterr().out


def test_a_long_cell_is_whole_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("id", "label"), [("a" * 300, "b" * 300)])
    assert "a" * 300 in capsys.readouterr().out


def test_data_is_json_that_any_encoding_can_carry(capsys: pytest.CaptureFixture[str]) -> None:
    output.data([{"label": "größer \ud800"}])
    said = capsys.readouterr().out
    assert said.isascii()
    assert json.loads(said) == [{"label": "größer \ud800"}]


def test_indentation_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    output.say("  Back to v41")
    assert capsys.readouterr().out == "  Back to v41\n"
