"""Which check a configuration names: one line for each way to look."""

from collections.abc import Callable, Mapping
from typing import Any

from bot.checks.command import CommandCheck
from bot.checks.http import HttpCheck
from bot.checks.looking import PatientCheck
from bot.checks.sql import QueryCheck, TablesCheck
from bot.configuration import CheckSettings
from bot.configuration import CommandCheck as CommandSettings
from bot.configuration import HttpCheck as HttpSettings
from bot.configuration import SqlCheck as SqlSettings
from bot.executors.registry import Resolver


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


def _command(settings: CommandSettings, resolver: Resolver) -> PatientCheck:
    return CommandCheck(
        argv=settings.argv, surroundings=resolver.with_variables(settings.environment), **_habits(settings)
    )


REGISTRY: Mapping[type, Callable[[Any, Resolver], PatientCheck]] = {
    HttpSettings: _http,
    SqlSettings: _sql,
    CommandSettings: _command,
}


def build(settings: CheckSettings, resolver: Resolver) -> PatientCheck:
    """Raises ConfigurationError when a reference cannot be resolved."""
    return REGISTRY[type(settings)](settings, resolver)
