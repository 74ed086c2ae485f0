"""Settings of programs of the operator's own: an executor made of them, and a check that runs one."""

from typing import Literal

from pydantic import Field

from bot.configuration.settings import CheckSettings, ExecutorSettings
from bot.configuration.values import Argv, Environment, Settings, Wait


class ArgvCall(Settings):
    """One program and its arguments. No shell; `{point}` and `{op}` are filled in."""

    argv: Argv
    timeout: Wait = 30.0


class RestoreCall(ArgvCall):
    timeout: Wait = 900.0


class CommandSettings(ExecutorSettings):
    """Programs of your own that answer in JSON on standard output."""

    type: Literal["command"]
    points: ArgvCall
    """Prints [{"id", "label", "created_at", "author"}, …], newest first."""
    current: ArgvCall
    """Prints {"id"} of what is live now."""
    restore: RestoreCall
    """Goes to `{point}`. Exit code 0 means it is there."""
    find: ArgvCall | None = None
    """Prints {"state": "absent|in_flight|done|failed|unknown"} of `{op}`. Absent: our own spool decides."""
    cancel: ArgvCall | None = None
    """Ends `{op}` early."""
    measure: ArgvCall | None = None
    """Prints {"seconds", "units": [{"name", "count"}]}: what going to `{point}` would lose now."""
    environment: Environment = Field(default_factory=dict)
    """Variables that all these programs see, and nobody else. The place for a secret."""


class CommandCheckSettings(CheckSettings):
    """Passed when the program ends with exit code 0."""

    type: Literal["command"]
    argv: Argv
    environment: Environment = Field(default_factory=dict)
    """Variables that this program sees, and nobody else. The place for a secret."""
