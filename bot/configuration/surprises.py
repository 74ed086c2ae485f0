"""What works in a configuration, and will surprise somebody: said by `check` and at start."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from bot.configuration.definitions import Definitions, warnings_of
from bot.configuration.settings import Configuration


def warnings(configuration: Configuration, definitions: Definitions) -> tuple[str, ...]:
    """Returns a sentence about each."""
    return tuple(_warnings(configuration, definitions))


def _warnings(configuration: Configuration, definitions: Definitions) -> Iterator[str]:
    if configuration.audit_channel is None and any("*" in c for c in configuration.incident_channels):
        yield (
            "`incident_channels` has wildcards and there is no `audit_channel`: a request in a channel that "
            "nobody watches goes unseen. Name an `audit_channel`."
        )
    for name, procedure in configuration.procedures.items():
        written = procedure.document
        if written and "://" not in written and written not in configuration.documents:
            yield (
                f"The document `{written}` of the procedure `{name}` cannot be read, so a change of it is "
                "noticed by nobody. Write its path from the folder of this file."
            )
    yield from _the_same(configuration, definitions)
    for target in configuration.targets.values():
        if not target.checks:
            yield (
                f"`{target.name}` has no checks: a rollback counts as verified when the executor says so. "
                "Add `checks`."
            )
        if target.drill and target.drill.every and not configuration.told_about(target):
            yield (
                f"Nobody is reminded of the drills of `{target.name}`: its owner is no person and no group "
                "with a `channel`, and it has no `point_of_contact`. Name one of them, or an `audit_channel`."
            )
        if target.drill and target.drill.after and not configuration.significant:
            yield (
                f"No drill of `{target.name}` ever follows a change: say under `significant` which ones do."
            )
        if target.backup and target.rpo is not None and target.backup.every > target.rpo:
            yield (
                f"`every` of the backups of `{target.name}` is longer than its `rpo`, so most of the time "
                "more than that would be lost. Take one more often."
            )
        if executor := definitions.executor(target.executor.type):
            yield from warnings_of(executor, target.executor, target)
        for settings in target.checks:
            if check := definitions.check(settings.type):
                yield from warnings_of(check, settings, target)


def _the_same(configuration: Configuration, definitions: Definitions) -> Iterator[str]:
    """Finds targets that change one thing, and could be taken back by two runs at once."""
    first: dict[tuple[object, ...], str] = {}
    for target in configuration.targets.values():
        executor = definitions.executor(target.executor.type)
        if executor is None or not executor.changes:
            continue
        changed = (_spelled_alike(getattr(target.executor, name)) for name in executor.changes)
        other = first.setdefault((executor.type, *changed), target.name)
        if other != target.name:
            yield (
                f"`{target.name}` changes the same as `{other}`, so two runs could take it back at once. "
                "Make one target of them."
            )


def _spelled_alike(value: object) -> object:
    return PurePosixPath(value) if isinstance(value, str) else value
