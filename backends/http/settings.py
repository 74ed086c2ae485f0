"""Settings of a look at an address."""

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from bot.configuration.settings import CheckSettings
from bot.configuration.values import Text, Value


def _switch(raw: object) -> bool:
    if isinstance(raw, bool):
        return raw
    raise PydanticCustomError("switch", "must be true or false")


Switch: TypeAlias = Annotated[bool, PlainValidator(_switch), WithJsonSchema({"type": "boolean"})]


class HttpCheckSettings(CheckSettings):
    type: Literal["http"]
    url: Value
    method: Literal["GET", "HEAD"] = "GET"
    """HEAD asks for status and headers alone."""
    headers: Mapping[str, Value] = Field(default_factory=dict)
    """Sent to this address, and never to another one that it redirects to. The place for a secret."""
    ca: Text | None = None
    """PEM file with the authorities that its certificate may come from, instead of those of the machine."""
    redirects: Switch = False
    """Whether they are followed. Absent: a redirect is an answer like any other."""
    status: Annotated[int, Field(strict=True, ge=100, le=599)] = 200
    contains: Value | None = None
    """Text that the body must hold, within its first 16 MiB."""
