"""What is measured: the bot as `serve` runs it, its targets, and a Slack, each in its own process."""

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.programs import Program, running
from handlers.role import Role

VERSIONS = ("v40", "v41", "v42")
HOUR = 3600
READY = "listening on "
SHOWN_AT_MOST = 2_000  # characters of the log of a bot that did not start, or with which a measurement failed


@dataclass(frozen=True, slots=True)
class Slack:
    program: Program
    environment: dict[str, str]

    @property
    def secret(self) -> str:
        return self.environment["SLACK_SIGNING_SECRET"]

    async def does(self, do: str, **order: str) -> Any:
        return await self.program.ask({"do": do, **order})


@dataclass(frozen=True, slots=True)
class Bot:
    program: Program
    url: str
    ready_after: float  # seconds from its start to `listening on`

    @property
    def events(self) -> str:
        return f"{self.url}/slack/events"


class Installation:
    """A folder with release folders as targets, rollback.yaml and the bot's state."""

    def __init__(
        self, folder: Path, targets: Sequence[str], approvers: Sequence[str], url: str | None = None
    ) -> None:
        """The n-th approver is the one of the n-th target, going round. `url` None: an SQLite file."""
        self.folder = folder
        self.database = folder / "state" / "rollback.db"
        self._url = url
        for target in targets:
            build_releases(self.root(target))
        self._configure(targets, approvers)

    def root(self, target: str) -> Path:
        return self.folder / "targets" / target

    def _configure(self, targets: Sequence[str], approvers: Sequence[str]) -> None:
        """JSON is YAML."""
        described = {
            target: {
                "kind": "system",
                "executor": {"type": "releases", "root": str(self.root(target))},
                "approval": {"from": [approvers[n % len(approvers)]]},
            }
            for n, target in enumerate(targets)
        }
        (self.folder / "rollback.yaml").write_text(json.dumps({"version": 1, "targets": described}, indent=1))

    @contextlib.asynccontextmanager
    async def served(self, slack: Slack, role: Role = Role.ALL) -> AsyncIterator[Bot]:
        """A front comes first: it makes the keys that a worker reads."""
        environment = {
            **_secrets_of(role, slack, self.folder),
            "ROLLBACK_CONFIG": str(self.folder / "rollback.yaml"),
            "ROLLBACK_STATE_DIR": str(self.folder / "state"),
            "ROLLBACK_HTTP": "127.0.0.1:0",
        }
        if self._url is not None:
            environment["ROLLBACK_DATABASE_URL"] = self._url
        argv = ("serve", "--role", role.value)
        began = time.monotonic()
        told = self.folder / "bot.log"
        with told.open("ab") as log:
            async with running("handlers.cli", *argv, environment=environment, errors=log) as program:
                try:
                    line = await program.line()
                except RuntimeError as ended:
                    raise RuntimeError(told.read_text()[-SHOWN_AT_MOST:]) from ended
                try:
                    yield Bot(program, line.removeprefix(READY), time.monotonic() - began)
                except BaseException:
                    print(told.read_text()[-SHOWN_AT_MOST:], file=sys.stderr)
                    raise


def _secrets_of(role: Role, slack: Slack, folder: Path) -> dict[str, str]:
    """Each role with its own only."""
    key = folder / "front.key"
    if role.hears:
        return {**slack.environment, "ROLLBACK_SIGNING_KEY_FILE": str(key)}
    return {
        "SLACK_API_URL": slack.environment["SLACK_API_URL"],
        "SLACK_READ_TOKEN": slack.environment["SLACK_BOT_TOKEN"],
        "ROLLBACK_FRONT_KEYS_FILE": str(key.with_suffix(".pub")),
    }


def build_releases(root: Path) -> None:
    """v42 is live."""
    for n, version in enumerate(VERSIONS):
        release = root / "releases" / version
        release.mkdir(parents=True)
        (release / "index.html").write_text(f"{version}\n")
        at = time.time() - HOUR * (len(VERSIONS) - n)
        os.utime(release, (at, at))
    (root / "current").symlink_to(Path("releases") / VERSIONS[-1])


@contextlib.contextmanager
def new_folder() -> Iterator[Path]:
    """Gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="rollback-bench-") as folder:
        yield Path(folder)


@contextlib.asynccontextmanager
async def pretend_slack(people: Sequence[str], channels: Sequence[str]) -> AsyncIterator[Slack]:
    async with running("benchmarks.pretend_slack") as program:
        where = await program.ask({"people": list(people), "channels": list(channels)})
        yield Slack(
            program,
            {
                "SLACK_API_URL": where["url"],
                "SLACK_BOT_TOKEN": where["token"],
                "SLACK_SIGNING_SECRET": where["secret"],
            },
        )
