"""What one setting may hold: the field types of rollback.yaml, and the base of every model of settings.

Durations are seconds, paths are as written (relative to the folder of the file). The text under a field is
its description in the JSON Schema for editors.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from bot.errors import ConfigurationError

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST_SECONDS = 365 * SECONDS["d"]
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|m|h|d)")


@dataclass(frozen=True, slots=True)
class Reference:
    """A value that does not stand in the file: read by the role that uses it, when it uses it."""

    kind: Literal["env", "file"]
    name: str  # of the environment variable, or the path of the file


def resolve(value: str | Reference, environ: Mapping[str, str], base: Path) -> str:
    """The text itself; of a file without its last line break. Raises ConfigurationError."""
    if isinstance(value, str):
        return value
    if value.kind == "env":
        if value.name not in environ:
            raise ConfigurationError((f"The environment variable {value.name} is not set.",))
        return environ[value.name]
    try:
        return (base / value.name).read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise ConfigurationError((f"The file {value.name} cannot be read: {error.strerror}.",)) from None
    except UnicodeDecodeError:
        raise ConfigurationError((f"The file {value.name} is not UTF-8.",)) from None


def _spelled(raw: object) -> object:
    """Whole numbers where text is wanted stay as they are spelled: `argv: [sleep, 5]`."""
    return str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw


def _value(raw: object) -> str | Reference:
    match _spelled(raw):
        case str() | Reference() as value:
            return value
        case {"env": str() as name, **rest} if name and not rest:
            return Reference("env", name)
        case {"file": str() as name, **rest} if name and not rest:
            return Reference("file", name)
    raise PydanticCustomError("value", "must be text (in quotes), {env: NAME} or {file: PATH}")


def _word(raw: object) -> str:
    match _spelled(raw):
        case str() as word:
            return word
        case Reference() | {"env": str()} | {"file": str()}:
            raise PydanticCustomError(
                "secret_in_argv",
                "cannot be a reference: everybody on the machine can read a command line. "
                "Hand the value over by `environment`, or give the program the path of the file",
            )
    raise PydanticCustomError("word", "must be text (in quotes)")


def _unresolved(value: str | Reference) -> str | dict[str, str]:
    return {value.kind: value.name} if isinstance(value, Reference) else value


def _seconds(raw: object) -> object:
    if not isinstance(raw, str):
        return raw
    match = _DURATION.fullmatch(raw)
    if match is None:
        raise PydanticCustomError("duration", "must be a duration such as 90s, 5m, 1h, 2d or 500ms")
    return float(match[1]) * SECONDS[match[2]]


def _hour_and_minute(raw: object) -> object:
    if not isinstance(raw, str) or not _CLOCK.fullmatch(raw):
        raise PydanticCustomError("clock", 'must be a time of day in quotes, such as "10:00"')
    return raw


def _scalar(raw: object) -> float | str:
    if isinstance(raw, str) or (isinstance(raw, int | float) and type(raw) is not bool and isfinite(raw)):
        return raw
    raise PydanticCustomError("scalar", "must be a number or text")


def _same_number(value: float | str) -> float | str:
    """Returns 0 as 0.0: stored digests are made of it."""
    return value if isinstance(value, str) else float(value)


def _from(key: str) -> dict[str, Any]:
    properties = {key: {"type": "string", "minLength": 1}}
    return {"type": "object", "properties": properties, "required": [key], "additionalProperties": False}


Text: TypeAlias = Annotated[str, BeforeValidator(_spelled), Field(min_length=1)]
Value: TypeAlias = Annotated[
    str | Reference,
    PlainValidator(_value),
    PlainSerializer(_unresolved),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer"}, _from("env"), _from("file")]}),
]
Scalar: TypeAlias = Annotated[
    float | str,
    PlainValidator(_scalar),
    PlainSerializer(_same_number),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]}),
]
Word: TypeAlias = Annotated[
    str,
    PlainValidator(_word),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer"}]}),
]
Argv: TypeAlias = Annotated[tuple[Word, ...], Field(min_length=1)]
Environment: TypeAlias = Annotated[
    Mapping[str, Value],
    Field(json_schema_extra={"propertyNames": {"pattern": f"^{VARIABLE.pattern}$"}}),
]
_A_DURATION = WithJsonSchema(
    {
        "anyOf": [
            {"type": "number", "minimum": 0},
            {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|h|d)$"},
        ]
    }
)
Duration: TypeAlias = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(strict=True, ge=0, le=LONGEST_SECONDS, allow_inf_nan=False),
    _A_DURATION,
]
Wait: TypeAlias = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(strict=True, gt=0, le=LONGEST_SECONDS, allow_inf_nan=False),
    _A_DURATION,
]
HourAndMinute: TypeAlias = Annotated[
    str, BeforeValidator(_hour_and_minute), Field(json_schema_extra={"pattern": _CLOCK.pattern})
]
Count: TypeAlias = Annotated[int, Field(strict=True, ge=1)]
Number: TypeAlias = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Settings(BaseModel):
    """Frozen; a key that no field has is refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_by_name=True,  # for constructors; the file itself is read by alias only
        validate_by_alias=True,
        use_attribute_docstrings=True,
        defer_build=True,  # importing builds no validator, first use builds those that are needed
    )
