"""Settings of a database in an SQLite file."""

from typing import Annotated, Literal

from pydantic import Field

from backends.sqlite.names import DEFAULT_NAMES
from bot.configuration.settings import ExecutorSettings
from bot.configuration.values import Count, Text, Value, Wait


class SqliteSettings(ExecutorSettings):
    """An SQLite file and a folder of its backups."""

    type: Literal["sqlite"]
    database: Value
    """The file that is in use."""
    backups: Value
    """The folder of the backups."""
    names: Annotated[tuple[Text, ...], Field(min_length=1)] = DEFAULT_NAMES
    """Forms of backup names, such as orders-%Y-%m-%d.db. The time is UTC unless %z says its zone. A form
    without a time, such as *.sqlite3, takes the time of the file."""
    tables: tuple[Text, ...] = ()
    """Tables that people ask for first, in this order. What differs is counted in every table."""
    personal: tuple[Text, ...] = ()
    """Tables about people. Whoever was deleted there and comes back is named: to be erased again."""
    counting: Wait = 10.0
    """How long all tables may take to be compared. What is not finished then is not known."""
    pages_per_second: Count | None = None
    """Slows the restore down for other users of the disk. Absent: as fast as it goes."""
