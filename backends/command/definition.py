"""Executor `command` and check `command`."""

from collections.abc import Iterable
from typing import Final

from backends.command.settings import ActingCall, CommandCheckSettings, CommandSettings
from bot.configuration import MAIN_ZONE, Target
from bot.configuration.definitions import Definition, Fault, variable_faults

ACTING: Final = ("restore", "prepare", "save", "drop", "cancel")  # they may have credentials of their own


def _variables(settings: CommandCheckSettings, target: Target) -> Iterable[Fault]:
    return variable_faults(settings.environment)


def _faults(settings: CommandSettings, target: Target) -> Iterable[Fault]:
    yield from variable_faults(settings.environment)
    for name in ACTING:
        call: ActingCall | None = getattr(settings, name)
        if call is not None:
            yield from _own_faults(name, call)
    if settings.drop is not None and settings.save is None and settings.prepare is None:
        yield Fault(("drop",), "`drop` has nothing to remove. Add `save` or `prepare`, or take it out.")
    if settings.drop is not None and "{handle}" not in settings.drop.argv:
        yield Fault(("drop", "argv"), "`drop` does not say what to remove. Add {handle} to its argv.")
    if target.backup is not None and settings.save is None:
        yield Fault(("type",), "Without `save` nothing can be backed up. Add it, or take `backup` out.")
    for place, made_by in (("undo", settings.save), ("handle", settings.prepare)):
        if f"{{{place}}}" in settings.restore.argv and made_by is None:
            maker = "save" if place == "undo" else "prepare"
            words = f"`restore` uses {{{place}}}, which nothing makes. Add `{maker}`, or take it out."
            yield Fault(("restore", "argv"), words)


def _own_faults(name: str, call: ActingCall) -> Iterable[Fault]:
    for fault in variable_faults(call.variables):
        yield Fault((name, *fault.location), fault.words)
    if "PATH" in call.variables:
        words = f"`PATH` cannot differ for `{name}`: a plan pins the programs by the PATH of all."
        yield Fault((name, "environment", "PATH"), f"{words} Set it in the executor's own `environment`.")


def _ignores_the_point(settings: CommandSettings, target: Target) -> Iterable[str]:
    if not any("{point}" in word for word in settings.restore.argv):
        yield (
            f"`restore` of `{target.name}` does not use {{point}}: it goes to the same place whatever is "
            "chosen. Add {point} to its argv."
        )


def _one_worker_can_tell(settings: CommandSettings, target: Target) -> Iterable[str]:
    """A file knows of several workers only where it names a zone: `doctor` counts those that are there."""
    if settings.find is None and target.zone != MAIN_ZONE:
        yield (
            f"`{target.name}` has no `find`: only the worker that has begun a restore can tell what became "
            f"of it, and zone `{target.zone}` may have several. Add `find`, or give each worker there a "
            "state folder that outlives it."
        )


def _warnings(settings: CommandSettings, target: Target) -> Iterable[str]:
    yield from _ignores_the_point(settings, target)
    yield from _one_worker_can_tell(settings, target)


def _current_command(settings: CommandSettings) -> str:
    return " ".join(settings.current.argv)


EXECUTOR = Definition(
    "command",
    CommandSettings,
    "backends.command.executor:build",
    faults=_faults,
    warnings=_warnings,
    look_yourself=_current_command,
)
CHECK = Definition("command", CommandCheckSettings, "backends.command.check:build", faults=_variables)
