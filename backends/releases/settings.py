"""Settings of release folders behind a symlink."""

from typing import Literal

from bot.configuration.settings import ExecutorSettings
from bot.configuration.values import Value


class ReleasesSettings(ExecutorSettings):
    """Release folders behind a symlink: root/releases/<id>/ and root/current."""

    type: Literal["releases"]
    root: Value
    """The folder that holds `releases` and `current`."""
