"""Settings of a database in an SQLite file."""

from typing import Literal

from bot.configuration.settings import ExecutorSettings
from bot.configuration.values import Count, Text, Value, Wait


class SqliteSettings(ExecutorSettings):
    """An SQLite file and a folder of its backups, named like 20261122T100000Z.db."""

    type: Literal["sqlite"]
    database: Value
    """The file that is in use."""
    backups: Value
    """The folder of the backups."""
    tables: tuple[Text, ...] = ()
    """Tables that people ask for first, in this order. What differs is counted in every table."""
    personal: tuple[Text, ...] = ()
    """Tables about people. Whoever was deleted there and comes back is named: to be erased again."""
    counting: Wait = 10.0
    """How long all tables may take to be compared. What is not finished then is not known."""
    pages_per_second: Count | None = None
    """Slows the restore down for other users of the disk. Absent: as fast as it goes."""
