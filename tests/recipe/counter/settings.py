"""Settings of a counter in a file."""

from typing import Literal

from bot.configuration.settings import CheckSettings, ExecutorSettings
from bot.configuration.values import Number, Value


class CounterSettings(ExecutorSettings):
    """A counter in a file, with the values that it had."""

    type: Literal["counter"]
    file: Value
    """The file, in JSON."""


class CounterCheckSettings(CheckSettings):
    """Passed when the counter stands at `least` or above."""

    type: Literal["counter"]
    file: Value
    least: Number = 0
