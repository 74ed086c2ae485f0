"""Settings of a look into a database."""

from math import isfinite
from typing import Annotated, Literal, TypeAlias

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from bot.configuration.settings import CheckSettings
from bot.configuration.values import Text, Value


def _bound(raw: object) -> float:
    if isinstance(raw, int | float) and type(raw) is not bool and isfinite(raw):
        return raw
    raise PydanticCustomError("number", "must be a number")


def _expected(raw: object) -> float | str | bool:
    if isinstance(raw, str | bool) or (isinstance(raw, int | float) and isfinite(raw)):
        return raw
    raise PydanticCustomError("scalar", "must be a number or text")


def _stored_bound(value: int | float) -> int | float:
    """Returns 0 as 0.0, since stored digests are made of it, and stays exact where a float would not be."""
    return float(value) if float(value) == value else value


def _stored(value: float | str | bool) -> float | str | bool:
    """Returns 0 as 0.0: stored digests are made of it."""
    return value if isinstance(value, str | bool) else float(value)


# A whole number stays one: as a float it would be another number from 2^53 on.
Bound: TypeAlias = Annotated[
    float, PlainValidator(_bound), PlainSerializer(_stored_bound), WithJsonSchema({"type": "number"})
]
Expected: TypeAlias = Annotated[
    float | str | bool,
    PlainValidator(_expected),
    PlainSerializer(_stored),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}, {"type": "boolean"}]}),
]


class SqlCheckSettings(CheckSettings):
    """Either a query with what it must answer, or tables compared before and after."""

    type: Literal["sql"]
    url: Value
    """sqlite:/// and the path of the file, or postgresql:// with host and database."""
    query: Value | None = None
    """Answers one row with one value. It can only read."""
    tables: tuple[Text, ...] = ()
    """Rows, hash and schema of these tables, before and after."""
    equals: Expected | None = None
    """A number, a text, and for PostgreSQL true or false. A text in quotes never equals a number."""
    min: Bound | None = None
    max: Bound | None = None
