"""Nouns and events to JSON and back: what the database holds, or a look answers, goes through here.

Events may have been written by an earlier version: `earlier_forms` says what they mean now. Digests and
signatures are taken over what is stored, never over what is made again from the nouns that were read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from bot.canonical_json import digest
from bot.earlier_forms import EARLIER_FIELDS, EARLIER_NAMES, fields_of, kind_of
from bot.envelope import Stored
from bot.events import FACTS
from bot.facts import Fact
from bot.model import Plan
from bot.times import tellable


@cache
def _adapter(noun: Any) -> TypeAdapter[Any]:
    return TypeAdapter(noun)


def make_ready(nouns: Iterable[Any] = ()) -> None:
    """Builds what reads and writes every event, and these nouns: else whoever is first waits for it."""
    for noun in (*FACTS.values(), *nouns):
        _adapter(noun)


def dump(noun: Any, value: object) -> Any:
    """Returns JSON values. `noun` is the type, which may be a container such as `tuple[Finding, ...]`."""
    return _adapter(noun).dump_python(value, mode="json")


def load(noun: Any, data: object) -> Any:
    """Returns the inverse of `dump`. Raises pydantic's ValidationError on anything else."""
    return _adapter(noun).validate_python(data)


def exactly(noun: Any, value: object) -> Any:
    """Returns a copy of a noun in which every field, however deep, is of its type.

    Raises pydantic's errors, which are ValueErrors, and ValueError for a time without a zone, or one that
    cannot be told in every zone.
    """
    adapter = _adapter(noun)
    found = adapter.validate_json(adapter.dump_json(value, warnings=False), strict=True)
    if _has_untold_time(found):
        raise ValueError("a time has no zone, or is none that can be told")
    return found


def _has_untold_time(value: object) -> bool:
    match value:
        case datetime():
            return value.tzinfo is None or tellable(value) is None
        case tuple():
            return any(map(_has_untold_time, value))
    if is_dataclass(value):
        return any(_has_untold_time(getattr(value, field.name)) for field in fields(value))
    return False


def plan_digest(plan: Plan) -> str:
    """Returns the digest of a plan that is made now: SHA-256 over the canonical JSON of every field."""
    return digest(dump(Plan, plan))


# Events ----------------------------------------------------------------------------------------


def encode(fact: Fact) -> Stored:
    """Returns what is stored of a fact: fields that say no more than their defaults are left out."""
    told = dump(type(fact), fact)
    silent = {field.name for field in fields(fact) if getattr(fact, field.name) == field.default}
    return Stored(fact.kind.value, {name: value for name, value in told.items() if name not in silent})


def decode(stored: Stored, by: str, at: datetime) -> Fact:
    """Returns what a stored event says. `by`: who said it; empty: the bot. `at`: when.

    Raises ValueError (pydantic's ValidationError is one) on a kind that this version does not know.
    """
    fact: Fact = load(FACTS[kind_of(stored.kind, stored.data, by)], fields_of(stored.data, at))
    return fact


def events_schema() -> dict[str, Any]:
    """Returns the JSON Schema (2020-12) of every stored event, earlier forms included: envelope and data."""
    adapters = [(kind, _AS_READ, TypeAdapter(fact)) for kind, fact in FACTS.items()]
    data, shared = TypeAdapter.json_schemas(adapters, title="A stored event of a run")
    for fact in FACTS.values():
        shared["$defs"][fact.__name__]["additionalProperties"] = False
    for noun, earlier in EARLIER_FIELDS.items():
        shared["$defs"][noun]["properties"].update(earlier)
    names = [*((kind.value, kind) for kind in FACTS), *EARLIER_NAMES]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **shared,
        "type": "object",
        "required": list(_ENVELOPE),
        "properties": _ENVELOPE,
        "anyOf": [
            {"properties": {"kind": {"const": name}, "data": data[kind, _AS_READ]}} for name, kind in names
        ],
    }


_AS_READ: JsonSchemaMode = "validation"  # what has a default may be left out
_ENVELOPE: Mapping[str, Any] = {
    "run_id": {"type": "string", "description": "such as RB-42"},
    "seq": {"type": "integer", "minimum": 1, "description": "from 1, without gaps in a run"},
    "at": {"type": "string", "format": "date-time", "description": "UTC, to the millisecond"},
    "kind": {"enum": sorted({*FACTS, *(name for name, _ in EARLIER_NAMES)})},
    "by": {"type": "string", "description": "Slack user id; empty: the bot itself"},
    "data": {"type": "object", "description": "a field that is left out has its default"},
    "signature": {"type": "string", "description": "Ed25519 in hexadecimal; empty: the bot's own event"},
}
