"""Nouns to JSON and back: what goes into an event's data or a look's answer goes through here."""

from functools import cache
from typing import Any

from pydantic import TypeAdapter

from bot.canonical_json import digest
from bot.model import Plan


@cache
def _adapter(noun: Any) -> TypeAdapter[Any]:
    return TypeAdapter(noun)


def dump(noun: Any, value: object) -> Any:
    """JSON values only. `noun` is the type, which may be a container such as `tuple[Finding, ...]`."""
    return _adapter(noun).dump_python(value, mode="json")


def load(noun: Any, data: object) -> Any:
    """The inverse of `dump`. Raises pydantic's ValidationError on anything else."""
    return _adapter(noun).validate_python(data)


def plan_digest(plan: Plan) -> str:
    """SHA-256 over the canonical JSON of every field of the plan."""
    return digest(dump(Plan, plan))
