"""Which executor a configuration names: one line for each kind of backend."""

from collections.abc import Callable, Mapping
from dataclasses import replace
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
        text = resolve(value, self._environ, self.surroundings.base)
        if isinstance(value, Reference):
            self.surroundings.secrets.add(text)
        return text

    def path(self, value: str | Reference) -> Path:
        return self.surroundings.base / self.text(value)

    def remote(self, value: str | Reference) -> str:
        """A folder beside the configuration, or an address that git understands."""
        text = self.text(value)
        beside = self.surroundings.base / text
        return str(beside) if "://" not in text and beside.is_dir() else text

    def with_variables(self, environment: Mapping[str, str | Reference]) -> Surroundings:
        """For programs that see these variables, too."""
        variables = {name: self.text(value) for name, value in environment.items()}
        return replace(self.surroundings, environment={**self.surroundings.environment, **variables})


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
        points=_call(settings.points),
        current=_call(settings.current),
        restore=_call(settings.restore),
        find=_call(settings.find) if settings.find else None,
        cancel=_call(settings.cancel) if settings.cancel else None,
        measure=_call(settings.measure) if settings.measure else None,
        surroundings=resolver.with_variables(settings.environment),
    )


def _call(settings: ArgvCall) -> Call:
    return Call(settings.argv, settings.timeout)


REGISTRY: Mapping[type, Callable[[Any, Resolver], Executor]] = {
    ReleasesSettings: _releases,
    SqliteSettings: _sqlite,
    GitSettings: _git,
    CommandSettings: _command,
}


def build(settings: ExecutorSettings, resolver: Resolver) -> Executor:
    """Raises ConfigurationError when a reference cannot be resolved."""
    return REGISTRY[type(settings)](settings, resolver)
