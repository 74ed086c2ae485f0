"""Executor `command` and check `command`."""

from collections.abc import Iterable

from backends.command.settings import CommandCheckSettings, CommandSettings
from bot.configuration import Target
from bot.configuration.definitions import Definition, Fault, variable_faults


def _variables(settings: CommandSettings | CommandCheckSettings, target: Target) -> Iterable[Fault]:
    return variable_faults(settings.environment)


def _ignores_the_point(settings: CommandSettings, target: Target) -> Iterable[str]:
    if not any("{point}" in word for word in settings.restore.argv):
        yield (
            f"`restore` of `{target.name}` does not use {{point}}: it goes to the same place whatever is "
            "chosen. Add {point} to its argv."
        )


def _current_command(settings: CommandSettings) -> str:
    return " ".join(settings.current.argv)


EXECUTOR = Definition(
    "command",
    CommandSettings,
    "backends.command.executor:build",
    faults=_variables,
    warnings=_ignores_the_point,
    look_yourself=_current_command,
)
CHECK = Definition("command", CommandCheckSettings, "backends.command.check:build", faults=_variables)
