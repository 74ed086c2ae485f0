"""Settings of a look into a database."""

from typing import Literal

from bot.configuration.settings import CheckSettings
from bot.configuration.values import Number, Scalar, Text, Value


class SqlCheckSettings(CheckSettings):
    """Either a query with what it must answer, or tables compared before and after."""

    type: Literal["sql"]
    url: Value
    """sqlite:/// and the path of the file."""
    query: Value | None = None
    """Answers one row with one value."""
    tables: tuple[Text, ...] = ()
    """Rows, hash and schema of these tables, before and after."""
    equals: Scalar | None = None
    min: Number | None = None
    max: Number | None = None
