"""Check `sql`."""

import re
from collections.abc import Iterable
from typing import Final

from backends.sql.settings import SqlCheckSettings
from bot.configuration import Target
from bot.configuration.definitions import Definition, Fault

SQLITE: Final = "sqlite:///"
POSTGRES: Final = re.compile(r"postgres(?:ql)?://[^/?#\s]*/[^/?#\s]+(?:\?\S*)?")
USABLE: Final = (
    f"must begin with {SQLITE} and name a file, or with postgresql:// and name a host and a database"
)


def is_sqlite(url: str) -> bool:
    return url.startswith(SQLITE) and url != SQLITE


def is_postgres(url: str) -> bool:
    return POSTGRES.fullmatch(url) is not None


def _faults(settings: SqlCheckSettings, target: Target) -> Iterable[Fault]:
    bounds = settings.min is not None or settings.max is not None
    judged = bounds or settings.equals is not None
    if isinstance(settings.url, str) and not (is_sqlite(settings.url) or is_postgres(settings.url)):
        yield Fault(("url",), f"The `url` of an sql check {USABLE}.")
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
    if isinstance(settings.equals, bool) and isinstance(settings.url, str) and is_sqlite(settings.url):
        number = int(settings.equals)
        words = f"SQLite has no true and false, so this could never pass. Write `equals: {number}`."
        yield Fault(("equals",), words)


CHECK = Definition("sql", SqlCheckSettings, "backends.sql.check:build", faults=_faults)
