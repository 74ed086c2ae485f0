"""What the doctor looks at: a pretend Slack with three people, a real target, a state folder."""

from dataclasses import dataclass
from pathlib import Path

from backends.installed import definitions
from bot.configuration import load
from handlers.cli.doctor import examine
from handlers.cli.doctor.results import Grade, Result
from handlers.settings import ProcessSettings, read_settings
from tests import people
from workspace.slack.server import PretendSlack

ANA, BEN, CY = people.ANA.id, people.BEN.id, people.CY.id


@dataclass
class Clinic:
    folder: Path
    slack: PretendSlack

    @property
    def mounts(self) -> Path:
        """A file that says what is mounted where, not of this machine: a disk, unless a test says more."""
        file = self.folder / "mounts"
        if not file.exists():
            file.write_text("27 1 254:0 / / rw - ext4 /dev/vda rw\n")
        return file

    def configure(self, text: str) -> None:
        (self.folder / "rollback.yaml").write_text(text)

    def settings(self, **changed: str) -> ProcessSettings:
        """`changed`: environment variables that are otherwise than they should be; empty: not set."""
        return read_settings(
            {
                "SLACK_BOT_TOKEN": self.slack.bot_token,
                "SLACK_APP_TOKEN": self.slack.app_token,
                "SLACK_API_URL": self.slack.api_url,
                "ROLLBACK_CONFIG": str(self.folder / "rollback.yaml"),
                "ROLLBACK_STATE_DIR": str(self.folder / "state"),
                **changed,
            }
        )

    async def results(self, **changed: str) -> list[Result]:
        settings = self.settings(**changed)
        configuration = load(settings.config, definitions())
        return [result async for result in examine(settings, configuration, mounts=self.mounts)]

    async def troubles(self, **changed: str) -> dict[str, Result]:
        """What is not ok, by what was looked at."""
        results = await self.results(**changed)
        return {result.name: result for result in results if result.grade is not Grade.OK}
