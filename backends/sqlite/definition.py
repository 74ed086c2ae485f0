"""Executor `sqlite`."""

from collections.abc import Iterator

from backends.sqlite.names import NO_SECOND, Pattern, faults_of
from backends.sqlite.settings import SqliteSettings
from bot.configuration import Target
from bot.configuration.definitions import Definition, Fault, empty_faults


def _faults(settings: SqliteSettings, target: Target) -> Iterator[Fault]:
    yield from empty_faults(settings, ("database", "backups"))
    yield from (Fault(("names", n), words) for n, words in faults_of(settings.names))
    if target.backup is not None and not any(Pattern(name).tells_second for name in settings.names):
        yield Fault(("names",), f"{NO_SECOND} `%Y%m%dT%H%M%SZ.db` is one.")


EXECUTOR = Definition(
    "sqlite",
    SqliteSettings,
    "backends.sqlite.executor:build",
    faults=_faults,
    changes=("database",),
    saves_in=("backups",),
)
