import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from handlers.cli import main
from tests.handlers.cli.clinic import ANA, BEN, CY, Clinic
from tests.people import CHANNEL
from workspace.slack.server import PretendSlack
from workspace.slack.state import Workspace

CONFIGURATION = """\
version: 1
groups:
  managers: {members: [U01BEN, U01CY]}
defaults:
  approval: {from: [managers]}
targets:
  storefront:
    kind: system
    executor: {type: releases, root: shop}
    checks: [{type: command, argv: ["true"]}]
"""
AN_HOUR = 3_600
NEWEST_AT = 1_795_341_600  # 2026-11-22T10:00:00Z


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Shell:
    """A folder with a configuration, a real target beside it, and somebody who types."""

    folder: Path
    captured: pytest.CaptureFixture[str]

    @property
    def state(self) -> Path:
        return self.folder / "state"

    def configure(self, text: str) -> None:
        (self.folder / "rollback.yaml").write_text(text)

    def types(self, *words: str) -> Done:
        """In this process: what `rollback-bot WORDS` prints, and how it ends."""
        self.captured.readouterr()
        with pytest.raises(SystemExit) as end:
            main(words)
        said = self.captured.readouterr()
        assert isinstance(end.value.code, int)
        return Done(end.value.code, said.out, said.err)


def releases(root: Path) -> None:
    """v40, v41 and v42 an hour apart; v42 is live."""
    for age, name in enumerate(("v42", "v41", "v40")):
        release = root / "releases" / name
        release.mkdir(parents=True)
        (release / "index.html").write_text(name)
        os.utime(release, (NEWEST_AT - age * AN_HOUR,) * 2)
    (root / "current").symlink_to("releases/v42")


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    for name in list(os.environ):
        if name.startswith(("SLACK_", "ROLLBACK_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ROLLBACK_CONFIG", str(tmp_path / "rollback.yaml"))
    monkeypatch.setenv("ROLLBACK_STATE_DIR", str(tmp_path / "state"))
    releases(tmp_path / "shop")
    shell = Shell(tmp_path, capsys)
    shell.configure(CONFIGURATION)
    return shell


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[Clinic]:
    workspace = Workspace(seed=1)
    for user, name in ((ANA, "ana"), (BEN, "ben"), (CY, "cy")):
        workspace.add_user(user, name)
    workspace.add_channel(CHANNEL, "inc-1", members=[ANA, BEN, CY])
    releases(tmp_path / "shop")
    clinic = Clinic(tmp_path, await PretendSlack.start(workspace))
    clinic.configure(CONFIGURATION)
    yield clinic
    await clinic.slack.stop()
