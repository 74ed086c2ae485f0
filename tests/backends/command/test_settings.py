"""What settings of programs may say: a placeholder that could not be filled in is refused with its line."""

from pathlib import Path

import pytest

from backends.command.settings import PLACES, PrepareCall, RestoreCall
from backends.installed import definitions
from backends.programs import spool
from bot.configuration import load, warnings
from bot.errors import ConfigurationError, PermanentError

FILE = """\
version: 1
defaults: {approval: {from: [U1]}}
targets:
  shop:
    kind: system
    executor:
      type: command
      points: {argv: [ctl]}
      current: {argv: [ctl]}
      restore:
        argv:
          - sh
          - "{point}"
"""


def _problems(path: Path, text: str) -> tuple[str, ...]:
    path.write_text(text)
    try:
        load(path, definitions())
    except ConfigurationError as error:
        return tuple(problem.removeprefix(f"{path}:") for problem in error.problems)
    return ()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rollback.yaml"


@pytest.mark.parametrize("name", sorted(set(spool.PLACES) - {"keep_until"}))
def test_a_placeholder_inside_a_word_is_refused_with_its_line(path: Path, name: str) -> None:
    place = "`targets.shop.executor.restore.argv[1]`"
    said = f"13: {place}: `{{{name}}}` must be an argument of its own, not `sc/{{{name}}}.sh`."
    assert _problems(path, FILE.replace("{point}", f"sc/{{{name}}}.sh")) == (said,)


@pytest.mark.parametrize("name", ["op", "point", "fingerprint", "expected"])
def test_every_placeholder_that_it_always_has_may_be_a_word_of_a_restore(path: Path, name: str) -> None:
    assert _problems(path, FILE.replace("{point}", f"{{{name}}}")) == ()


@pytest.mark.parametrize(
    ("call", "word", "words"),
    [
        ("points", "{point}", "can only be filled in with `{cursor}`, not `{point}`."),
        ("find", "{cursor}", "can only be filled in with `{op}`, not `{cursor}`."),
        ("points", "--from={cursor}", "`{cursor}` must be an argument of its own, not `--from={cursor}`."),
        ("current", "{op}", "must be without placeholders, not `{op}`."),
        ("find", "{point}", "can only be filled in with `{op}`, not `{point}`."),
        ("cancel", "{expected}", "can only be filled in with `{op}`, not `{expected}`."),
        ("measure", "{op}", "can only be filled in with `{point}`, not `{op}`."),
        ("measure", "--to={point}", "`{point}` must be an argument of its own, not `--to={point}`."),
    ],
)
def test_a_placeholder_that_a_call_is_not_given_is_refused(
    path: Path, call: str, word: str, words: str
) -> None:
    before = f"      {call}: {{argv: [ctl]}}\n"
    text = FILE if before in FILE else FILE.replace("      restore:", f"{before}      restore:")
    (problem,) = _problems(
        path, text.replace(f"{call}: {{argv: [ctl]}}", f'{call}: {{argv: [ctl, "{word}"]}}')
    )
    assert problem.endswith(f"`targets.shop.executor.{call}.argv[1]`: {words}")


OWN = "{CTL_TOKEN: {env: CTL_TOKEN}}"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (
            'points: {argv: [ctl, "{cursor}", "{cursor}"]}',
            "`targets.shop.executor.points.argv`: must hold `{cursor}` once",
        ),
        (
            'points: {argv: ["{cursor}"]}',
            "`targets.shop.executor.points.argv`: must begin with the name of a program",
        ),
        (
            'measure: {argv: ["{point}", "--"]}',
            "`targets.shop.executor.measure.argv`: must begin with the name of a program",
        ),
        (
            f"find: {{argv: [ctl], environment: {OWN}}}",
            "`targets.shop.executor.find.environment` is not a setting.",
        ),
        (
            f"points: {{argv: [ctl], environment: {OWN}}}",
            "`targets.shop.executor.points.environment` is not a setting.",
        ),
        ("cancel: {argv: [ctl], environment: {a b: c}}", "`a b` cannot be the name of a variable. Use A-Z"),
        (
            "cancel: {argv: [ctl], environment: {PATH: /opt/ctl}}",
            "`PATH` cannot differ for `cancel`: a plan pins the programs by the PATH of all.",
        ),
        (f"find: {{argv: [ctl], name: {'n' * 41}}}", "`targets.shop.executor.find.name`: "),
    ],
    ids=["cursor twice", "cursor runs", "point runs", "find", "points", "variable", "PATH", "name"],
)
def test_a_setting_that_cannot_work_is_refused_with_its_line(path: Path, setting: str, words: str) -> None:
    call = setting.partition(":")[0]
    text = FILE.replace(f"      {call}: {{argv: [ctl]}}\n", "")
    [problem] = _problems(path, text.replace("      restore:", f"      {setting}\n      restore:"))
    line, _, said = problem.partition(": ")
    assert said.startswith(words)
    assert (path.read_text().splitlines()[int(line) - 1]).strip() == setting


@pytest.mark.parametrize("call", ["restore", "prepare", "save", "drop", "cancel"])
def test_what_acts_may_have_variables_and_a_name_of_its_own(path: Path, call: str) -> None:
    place = '"{handle}"' if call == "drop" else '"{op}"'
    setting = f"      {call}: {{argv: [ctl, {place}], name: the tool, environment: {OWN}}}\n"
    text = FILE.partition("      restore:")[0]
    restore = "" if call == "restore" else '      restore: {argv: [ctl, "{point}"]}\n'
    save = "      save: {argv: [ctl]}\n" if call == "drop" else ""
    assert _problems(path, text + restore + save + setting) == ()


@pytest.mark.parametrize(("call", "name"), [("find", "op"), ("cancel", "op"), ("measure", "point")])
def test_a_call_may_use_what_it_is_given(path: Path, call: str, name: str) -> None:
    written = f'      {call}: {{argv: [ctl, "{{{name}}}"]}}\n      restore:'
    assert _problems(path, FILE.replace("      restore:", written)) == ()


def test_braces_of_another_kind_are_plain_text(path: Path) -> None:
    assert _problems(path, FILE.replace('"{point}"', '\'{"a": "{other}"}\'')) == ()


def test_what_is_refused_is_what_the_spool_could_not_fill_in() -> None:
    assert PLACES == spool.PLACES
    values = dict.fromkeys(spool.PLACES, "v1")
    for word in ("x", "{other}", *(f"{{{name}}}" for name in PLACES)):
        (PrepareCall if word == "{keep_until}" else RestoreCall)(argv=("sh", word))
        spool.filled(("sh", word), **values)
    for word in ("{point}.sh", "a{op}", "{op}{point}"):
        with pytest.raises(ValueError, match="argument of its own"):
            RestoreCall(argv=("sh", word))
        with pytest.raises(PermanentError):
            spool.filled(("sh", word), **values)


@pytest.mark.parametrize(
    ("zone", "more", "warned"),
    [
        ("far", "", True),
        ("main", "", False),
        ("far", '      find: {argv: [ctl, "{op}"]}\n', False),
    ],
    ids=["several workers may reach it", "one process may be all", "each of them can tell"],
)
def test_a_restore_that_only_one_of_several_workers_could_tell_of_is_a_warning(
    path: Path, zone: str, more: str, warned: bool
) -> None:
    path.write_text(f"{FILE}{more}    zone: {zone}\n")
    found = warnings(load(path, definitions()), definitions())
    assert any("`shop` has no `find`" in words and f"zone `{zone}`" in words for words in found) is warned
