"""Which executor a configuration names: one line for each kind of backend."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bot.configuration import (
    ArgvCall,
    CommandSettings,
    ExecutorSettings,
    GitSettings,
    Reference,
    ReleasesSettings,
    SqliteSettings,
    resolve,
)
from bot.executors.command import Call, Command
from bot.executors.contract import Executor, Surroundings
from bot.executors.git import Git
from bot.executors.releases import Releases
from bot.executors.sqlite import Sqlite


class Resolver:
    """References to the environment and to files become their values, only here in the worker."""

    def __init__(self, surroundings: Surroundings, environ: Mapping[str, str]) -> None:
        self.surroundings = surroundings
        self._environ = environ

    def text(self, value: str | Reference) -> str:
        """Raises ConfigurationError."""
        return resolve(value, self._environ, self.surroundings.base)

    def path(self, value: str | Reference) -> Path:
        return self.surroundings.base / self.text(value)

    def remote(self, value: str | Reference) -> str:
        """A folder beside the configuration, or an address that git understands."""
        text = self.text(value)
        beside = self.surroundings.base / text
        return str(beside) if "://" not in text and beside.is_dir() else text

    def argv(self, argv: tuple[str | Reference, ...]) -> tuple[str, ...]:
        return tuple(self.text(value) for value in argv)

    def call(self, call: ArgvCall | None) -> Call | None:
        return None if call is None else Call(self.argv(call.argv), call.timeout)


def _releases(settings: ReleasesSettings, resolver: Resolver) -> Executor:
    return Releases(resolver.path(settings.root))


def _sqlite(settings: SqliteSettings, resolver: Resolver) -> Executor:
    database, backups = resolver.path(settings.database), resolver.path(settings.backups)
    return Sqlite(database, backups, settings.tables, settings.pages_per_second)


def _git(settings: GitSettings, resolver: Resolver) -> Executor:
    surroundings = resolver.surroundings
    remote, branch = resolver.remote(settings.remote), resolver.text(settings.branch)
    work = surroundings.spool / "git"
    return Git(remote, branch, resolver.text(settings.path), work, surroundings.environment)


def _command(settings: CommandSettings, resolver: Resolver) -> Executor:
    return Command(
        points=Call(resolver.argv(settings.points.argv), settings.points.timeout),
        current=Call(resolver.argv(settings.current.argv), settings.current.timeout),
        restore=Call(resolver.argv(settings.restore.argv), settings.restore.timeout),
        find=resolver.call(settings.find),
        cancel=resolver.call(settings.cancel),
        measure=resolver.call(settings.measure),
        surroundings=resolver.surroundings,
    )


REGISTRY: Mapping[type, Callable[[Any, Resolver], Executor]] = {
    ReleasesSettings: _releases,
    SqliteSettings: _sqlite,
    GitSettings: _git,
    CommandSettings: _command,
}


def build(settings: ExecutorSettings, resolver: Resolver) -> Executor:
    """Raises ConfigurationError when a reference cannot be resolved."""
    return REGISTRY[type(settings)](settings, resolver)
