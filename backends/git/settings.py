"""Settings of a branch of a git repository."""

from typing import Literal

from bot.configuration.settings import ExecutorSettings
from bot.configuration.values import Value


class GitSettings(ExecutorSettings):
    """A branch of a git repository. A restore point is a commit; going back is a new commit."""

    type: Literal["git"]
    remote: Value
    """Where to clone from and push to."""
    branch: Value = "main"
    path: Value = ""
    """Only this folder is taken back. Absent: the whole repository."""
