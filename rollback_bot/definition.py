"""A backend's settings, and its Definition: named by the entry points rollback_bot.executors and .checks."""

from bot.configuration.definitions import Definition, Fault, variable_faults
from bot.configuration.settings import CheckSettings, ExecutorSettings, Target
from bot.configuration.values import (
    Argv,
    Count,
    Duration,
    Environment,
    Number,
    Reference,
    Scalar,
    Settings,
    Text,
    Value,
    Wait,
    Word,
)

__all__ = [
    "Argv",
    "CheckSettings",
    "Count",
    "Definition",
    "Duration",
    "Environment",
    "ExecutorSettings",
    "Fault",
    "Number",
    "Reference",
    "Scalar",
    "Settings",
    "Target",
    "Text",
    "Value",
    "Wait",
    "Word",
    "variable_faults",
]
