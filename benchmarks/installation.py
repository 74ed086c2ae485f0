"""What is measured: the bot as `serve` runs it, its targets, and a Slack, each in its own process."""

import contextlib
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.programs import Program, running

VERSIONS = ("v40", "v41", "v42")
HOUR = 3600
READY = "listening on "


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

    def __init__(self, folder: Path, targets: Sequence[str], approvers: Sequence[str]) -> None:
        """The n-th approver is the one of the n-th target, going round."""
        self.folder = folder
        self.database = folder / "state" / "rollback.db"
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
    async def served(self, slack: Slack) -> AsyncIterator[Bot]:
        environment = slack.environment | {
            "ROLLBACK_CONFIG": str(self.folder / "rollback.yaml"),
            "ROLLBACK_STATE_DIR": str(self.folder / "state"),
            "ROLLBACK_HTTP": "127.0.0.1:0",
        }
        began = time.monotonic()
        with (self.folder / "bot.log").open("ab") as log:
            async with running("handlers.cli", "serve", environment=environment, errors=log) as program:
                line = await program.line()
                yield Bot(program, line.removeprefix(READY), time.monotonic() - began)


def build_releases(root: Path) -> None:
    """v42 is live."""
    for n, version in enumerate(VERSIONS):
        release = root / "releases" / version
        release.mkdir(parents=True)
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
