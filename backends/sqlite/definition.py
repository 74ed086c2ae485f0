"""Executor `sqlite`."""

from collections.abc import Iterator

from backends.sqlite.names import faults_of
from backends.sqlite.settings import SqliteSettings
from bot.configuration import Target
from bot.configuration.definitions import Definition, Fault, empty_faults


def _faults(settings: SqliteSettings, target: Target) -> Iterator[Fault]:
    yield from empty_faults(settings, ("database", "backups"))
    yield from (Fault(("names", n), words) for n, words in faults_of(settings.names))


EXECUTOR = Definition(
    "sqlite", SqliteSettings, "backends.sqlite.executor:build", faults=_faults, changes=("database",)
)
