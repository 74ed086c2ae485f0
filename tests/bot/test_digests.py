"""Digests of stored plans: whatever becomes of our code, the same file must give the same digest.

The values were written down before settings moved into the backends' folders. One that changes would void
every open approval at an upgrade.
"""

from pathlib import Path

import pytest

from bot.configuration import Configuration, load, policy_digest, procedure_digest, warnings
from tests.bot.configured import KNOWN

FILE = """\
version: 1
defaults: {approval: {from: [U1]}}
targets:
  sqlite:
    kind: database
    executor: {type: sqlite, database: a, backups: {file: b}, pages_per_second: 5, tables: [a, b]}
    checks:
      - {type: sql, url: "sqlite:///x", query: {env: X}, equals: 0}
      - {type: sql, url: "sqlite:///x", query: a, equals: 9007199254740993}
      - {type: sql, url: "sqlite:///x", query: a, equals: "0"}
      - {type: sql, url: "sqlite:///x", query: a, equals: 0.5}
      - {type: sql, url: "sqlite:///x", query: a, min: 1, max: 2.5}
      - {type: sql, url: "sqlite:///x", tables: [a]}
  git:
    kind: dataset
    executor: {type: git, remote: {env: X}, branch: main, path: 5}
    checks:
      - {type: http, name: n, url: {env: X}, status: 201, contains: a, when: online, timeout: 2s, stable: 2}
    undo_days: 3
  command:
    kind: system
    executor:
      type: command
      points: {argv: [a, 5]}
      current: {argv: [a], timeout: 1m}
      restore: {argv: [a, "{point}"]}
      measure: {argv: [a]}
      environment: {K: {env: X}, L: text}
    maintenance:
      enter: {type: command, argv: [a], environment: {K: {file: x}}}
      leave: {type: command, argv: [a], timeout: 5}
    checks: [{type: command, argv: [a], environment: {K: {env: X}}, every: 500ms, wait: 0}]
  releases:
    kind: system
    environment: staging
    executor: {type: releases, root: {env: SHOP}}
"""


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    path = tmp_path / "rollback.yaml"
    path.write_text(FILE)
    return load(path, KNOWN)


@pytest.mark.parametrize(
    ("target", "policy", "procedure"),
    [
        (
            "sqlite",
            "4e5a9f0d0f8988cf41db23e2c968b5e62663efef5f6c113e1b4bfcda10bfde5b",
            "0336361d0c8f303ed4174ba68ff8b8f212f60c5e60baba8399c49c3124843e8f",
        ),
        (
            "git",
            "fe460d89e662cdd554770ea86dfbf239baac1f9753e46e64f28e320e47d9ee03",
            "7f22d1e3948c3d99d1d9810913584268ef9f3bb5ee263ada7d07aa24cb43ed48",
        ),
        (
            "command",
            "4760f2f167fac83b2f0a4de11c96c774595f5567b9b0a29e9eae59b055c62d26",
            "53e2455e55c7e0d3d4ce0ec5b52021afc0be0cf1f479ab29bc6f5de05ae2cabb",
        ),
        (
            "releases",
            "7578f0793075d939279449240364f48df5696600bdfc2a7dac040f86141e708e",
            "ed00c34f8aa11c50f705b9f3a43e6cd12e6e08921c84a8e6618dd0c6e413449c",
        ),
    ],
)
def test_the_same_file_gives_the_same_digests(
    configuration: Configuration, target: str, policy: str, procedure: str
) -> None:
    known = configuration.targets[target]
    assert (policy_digest(configuration, known), procedure_digest(configuration, known)) == (
        policy,
        procedure,
    )


PROCEDURE = """
procedures:
  careful:
    document: way-back.md
    steps: [{phase: restore, target: git}]
"""


def test_the_text_of_a_procedures_document_is_part_of_its_digest(tmp_path: Path) -> None:
    def digest_with(text: str | None) -> str:
        (tmp_path / "rollback.yaml").write_text(
            FILE.replace("undo_days: 3", "procedure: careful") + PROCEDURE
        )
        written = tmp_path / "way-back.md"
        written.unlink(missing_ok=True) if text is None else written.write_text(text)
        configuration = load(tmp_path / "rollback.yaml", KNOWN)
        return procedure_digest(configuration, configuration.targets["git"])

    assert len({digest_with("first"), digest_with("second"), digest_with(None)}) == 3
    assert digest_with("first") == digest_with("first")


def test_a_document_that_cannot_be_read_is_warned_of(tmp_path: Path) -> None:
    (tmp_path / "rollback.yaml").write_text(FILE.replace("undo_days: 3", "procedure: careful") + PROCEDURE)
    said = warnings(load(tmp_path / "rollback.yaml", KNOWN), KNOWN)
    assert any("`way-back.md` of the procedure `careful` cannot be read" in warning for warning in said)
