"""Check `sql`."""

from collections.abc import Iterable

from backends.sql.settings import SqlCheckSettings
from bot.configuration import Target
from bot.configuration.definitions import Definition, Fault


def _faults(settings: SqlCheckSettings, target: Target) -> Iterable[Fault]:
    bounds = settings.min is not None or settings.max is not None
    judged = bounds or settings.equals is not None
    if isinstance(settings.url, str) and not settings.url.startswith("sqlite:///"):
        yield Fault(("url",), "The `url` of an sql check must begin with sqlite:/// and name a file.")
    if (settings.query is None) == (not settings.tables):
        words = "An sql check needs either `query` or `tables`."
        yield Fault(("query",), f"{words} Write one of them.")
    elif settings.query is not None and not judged:
        yield Fault(("query",), "Nothing judges this query. Add `equals`, or `min` and `max`.")
    elif settings.tables and judged:
        words = "Tables are compared before and after; `equals`, `min` and `max` belong to a `query`."
        yield Fault(("tables",), f"{words} Remove them.")
    if settings.equals is not None and bounds:
        yield Fault(("equals",), "`equals` cannot stand beside `min` or `max`. Keep one of them.")
    if settings.min is not None and settings.max is not None and settings.min > settings.max:
        yield Fault(("min",), "`min` is larger than `max`: no value could pass. Swap them.")


CHECK = Definition("sql", SqlCheckSettings, "backends.sql.check:build", faults=_faults)
