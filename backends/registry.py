"""Which executor a configuration names: one line for each kind of backend."""

from collections.abc import Callable, Mapping
from typing import Any

from backends.command.check import CommandCheck
from backends.command.executor import Call, Command
from backends.git.executor import Git
from backends.http.check import HttpCheck
from backends.references import Resolver
from backends.releases.executor import Releases
from backends.sql.check import QueryCheck, TablesCheck
from backends.sqlite.executor import Sqlite
from bot.configuration import (
    ArgvCall,
    CheckSettings,
    CommandSettings,
    ExecutorSettings,
    GitSettings,
    ReleasesSettings,
    SqliteSettings,
)
from bot.configuration import CommandCheck as CommandCheckSettings
from bot.configuration import HttpCheck as HttpSettings
from bot.configuration import SqlCheck as SqlSettings
from bot.contract import Executor
from bot.looking import PatientCheck


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


EXECUTORS: Mapping[type, Callable[[Any, Resolver], Executor]] = {
    ReleasesSettings: _releases,
    SqliteSettings: _sqlite,
    GitSettings: _git,
    CommandSettings: _command,
}


def build_executor(settings: ExecutorSettings, resolver: Resolver) -> Executor:
    """Raises ConfigurationError when a reference cannot be resolved."""
    return EXECUTORS[type(settings)](settings, resolver)


def _habits(settings: CheckSettings) -> dict[str, Any]:
    return {
        "when": settings.when,
        "label": settings.name,
        "stable": settings.stable,
        "every": settings.every,
        "wait": settings.wait,
        "timeout": settings.timeout,
    }


def _http(settings: HttpSettings, resolver: Resolver) -> PatientCheck:
    contains = None if settings.contains is None else resolver.text(settings.contains)
    return HttpCheck(
        url=resolver.text(settings.url), status=settings.status, contains=contains, **_habits(settings)
    )


def _sql(settings: SqlSettings, resolver: Resolver) -> PatientCheck:
    url, base = resolver.text(settings.url), resolver.surroundings.base
    if settings.query is None:
        return TablesCheck(url=url, base=base, tables=settings.tables, **_habits(settings))
    return QueryCheck(
        url=url,
        base=base,
        query=resolver.text(settings.query),
        equals=settings.equals,
        minimum=settings.min,
        maximum=settings.max,
        **_habits(settings),
    )


def _command_check(settings: CommandCheckSettings, resolver: Resolver) -> PatientCheck:
    return CommandCheck(
        argv=settings.argv, surroundings=resolver.with_variables(settings.environment), **_habits(settings)
    )


CHECKS: Mapping[type, Callable[[Any, Resolver], PatientCheck]] = {
    HttpSettings: _http,
    SqlSettings: _sql,
    CommandCheckSettings: _command_check,
}


def build_check(settings: CheckSettings, resolver: Resolver) -> PatientCheck:
    """Raises ConfigurationError when a reference cannot be resolved."""
    return CHECKS[type(settings)](settings, resolver)
