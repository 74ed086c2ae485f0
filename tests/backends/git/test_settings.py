"""What can be known to be wrong is refused where it stands in the file."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from backends.git.address import why_not_branch
from backends.installed import definitions
from bot.configuration import load
from bot.errors import ConfigurationError

AROUND = {"version": 1, "defaults": {"approval": {"from": ["U1"]}}}
REMOTE = "https://git.example/shop.git"
PASSWORD = {"password": {"env": "TOKEN"}}


def _load(folder: Path, **executor: Any) -> None:
    target = {"kind": "system", "executor": {"type": "git", "remote": REMOTE, **executor}}
    path = folder / "rollback.yaml"
    path.write_text(yaml.safe_dump({**AROUND, "targets": {"shop": target}}, default_flow_style=False))
    load(path, definitions())


@pytest.mark.parametrize(
    ("executor", "said"),
    [
        ({"remote": "http://git.example/shop.git"}, "begins with http://"),
        ({"remote": "ftp://git.example/shop.git"}, "begins with ftp://"),
        ({"remote": "ext::sh -c touch% outside"}, "must be a folder, or an address"),
        ({"remote": "ssh://ana:secret@git.example/shop.git"}, "carries a password"),
        ({"remote": "https:///shop.git"}, "no host"),
        ({"branch": "a..b"}, "is no name that a branch of git can have"),
        ({"path": "../elsewhere"}, "must be inside the repository"),
        ({"credentials": {"user": "robot"}}, "must name a `password`"),
        ({"credentials": {"password": "canary-in-the-file"}}, "must name a `password`"),
        ({"push_credentials": {"user": "robot"}}, "must name a `password`"),
        ({"credentials": {**PASSWORD, "token": "x"}}, "credentials"),
        ({"remote": "git@git.example:shop.git", "credentials": PASSWORD}, "for an https remote only"),
        ({"remote": "https://robot@git.example/shop.git", "credentials": PASSWORD}, "Take the first out"),
        ({"fetch_within": "0s"}, "fetch_within"),
        ({"hooks": "sometimes"}, "hooks"),
        ({"commit": {"name": "Bot <x>"}}, "must be a name without < and >"),
        ({"commit": {"email": "nobody"}}, "must be an e-mail address"),
        ({"commit": {"message": "Back to {piont}"}}, "has no place {piont}"),
        ({"commit": {"trailers": {"Rollback-operation": "x"}}}, "is written by the bot itself"),
        ({"commit": {"trailers": {"Change Id": "x"}}}, "must be a word"),
        ({"commit": {"trailers": {"Ticket": "a\nb"}}}, "must be one line"),
        ({"commit": {"signing": {"format": "ssh", "key": "k", "keyring": "r"}}}, "keyring"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_with_its_line(
    tmp_path: Path, executor: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        _load(tmp_path, **executor)
    [problem] = refused.value.problems
    assert said in problem
    assert "rollback.yaml:" in problem
    assert "canary" not in problem


@pytest.mark.parametrize(
    "executor",
    [
        {"remote": "http://127.0.0.1:3000/shop.git"},
        {"remote": "http://localhost/shop.git", "credentials": PASSWORD},
        {"remote": "git@git.example:shop.git", "branch": "release/ü-2026#11"},
        {"commit": {"message": "{subject}\n\n{undone} {run} {operation} {path} {point} {}}{"[:-4]}},
    ],
)
def test_what_can_work_is_loaded(tmp_path: Path, executor: dict[str, Any]) -> None:
    _load(tmp_path, **executor)


PIECES = (
    "a",
    "é",
    "/",
    ".",
    "..",
    ".lock",
    "-",
    "@",
    "@{",
    "{",
    "~",
    "^",
    ":",
    "?",
    "*",
    "[",
    "\\",
    " ",
    "\x7f",
    "HEAD",
)


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join))
@settings(max_examples=150, deadline=None)
def test_the_names_of_branches_are_those_that_git_allows(name: str) -> None:
    argv = ("git", "check-ref-format", "--branch", name)
    allowed = subprocess.run(argv, capture_output=True, cwd="/", check=False).returncode == 0
    assert (why_not_branch(name) is None) == allowed
