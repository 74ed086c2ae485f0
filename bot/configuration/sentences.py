"""What pydantic found, in sentences for the person who wrote the file."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from pydantic_core import ErrorDetails

from bot.configuration.lines import Location
from bot.spelling import did_you_mean, listed, short

IGNORED = frozenset({"default_factory_not_called"})  # follows from another problem of the same target
WANTED: Mapping[str, str] = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a number",
    "tuple_type": "a list such as [a, b]",
    "model_type": "a mapping of settings",
    "model_attributes_type": "a mapping of settings",
    "mapping_type": "a mapping of settings",
    "dict_type": "a mapping of settings",
}


Schema: TypeAlias = Mapping[str, Any]  # JSON Schema of the file


def sentence(error: ErrorDetails, place: Location, schema: Schema) -> str:
    """`place`: the part of the error's location that stands in the file."""
    context, given = error.get("ctx", {}), error["input"]
    where = dotted(place)
    match error["type"]:
        case "missing":
            return f"{where} needs `{error['loc'][-1]}`. Add it."
        case "extra_forbidden":
            return _unknown_key(error["loc"], place, schema)
        case "union_tag_not_found":
            return f"{where} needs `type`: {listed(_types(error['loc'], schema), 'or')}."
        case "union_tag_invalid":
            kinds = _types(error["loc"], schema)
            tag = context["tag"]
            mean = did_you_mean(str(tag), kinds)
            return f"{where}: type {_shown(tag)} is not known.{mean} Known: {listed(kinds, 'or')}."
        case "enum" | "literal_error":
            mean = did_you_mean(given, _quoted(context["expected"])) if isinstance(given, str) else ""
            return f"{where} must be {_unquoted(context['expected'])}, not {_shown(given)}.{mean}"
        case "greater_than":
            return f"{where} must be more than {context['gt']:g}, not {_shown(given)}."
        case "greater_than_equal":
            return f"{where} must be {context['ge']:g} or more, not {_shown(given)}."
        case "less_than_equal":
            most = f"{context['le'] / 86_400:g}d" if isinstance(given, str) else f"{context['le']:g}"
            return f"{where} must be {most} or less, not {_shown(given)}."
        case "too_short" | "string_too_short":
            return f"{where} must not be empty. Fill it in, or remove it."
        case "secret_in_argv":
            return f"{where} {error['msg']}."
        case kind if kind in WANTED:
            return f"{where} must be {WANTED[kind]}, not {_shown(given)}.{_advice(kind, given)}"
        case _:
            said = " ".join(error["msg"].split())  # a validator of somebody else's may say several lines
            return f"{where}: {said.removesuffix('.')}, not {_shown(given)}."


def dotted(place: Location) -> str:
    """`targets.orders.checks[0].url`, in backticks."""
    if not place:
        return "The file"
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return f"`{words.removeprefix('.')}`"


def _unknown_key(location: Location, place: Location, schema: Schema) -> str:
    known = list(_at(location[:-1], schema).get("properties", {}))
    key = str(location[-1])
    return f"{dotted(place)} is not a setting.{did_you_mean(key, known)} Known here: {', '.join(known)}."


def _advice(kind: str, given: object) -> str:
    if kind != "string_type":
        return ""
    if isinstance(given, dict) and given.keys() & {"env", "file"}:
        return " Only executors, checks, maintenance and hand-overs may refer to `env` and `file`."
    return " Put it in quotes." if isinstance(given, bool | float) else ""


def _shown(value: object) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return f"`{str(value).lower()}`"
        case int() | float() | str():
            return f"`{short(str(value))}`"
        case list() | tuple():
            return "a list"
        case _:
            return "a mapping"


def _unquoted(expected: str) -> str:
    return expected.replace("'", "")


def _quoted(expected: str) -> list[str]:
    """The values in pydantic's list "'a', 'b' or 'c'"."""
    return expected.split("'")[1::2]


# The schema, walked along an error's location --------------------------------------------------


def _types(location: Location, schema: Schema) -> list[str]:
    return list(_at(location, schema)["discriminator"]["mapping"])


def _at(location: Location, schema: Schema) -> Schema:
    node = schema
    for part in location:
        node = _inside(node, part, schema) or {}
    return node


def _inside(node: Schema, part: str | int, schema: Schema) -> Schema | None:
    """The schema of one part of a location: a key, an index, or the tag of a union."""
    if "anyOf" in node:
        options = (_inside(_target(option, schema), part, schema) for option in node["anyOf"])
        return next((option for option in options if option), None)
    by_tag = node.get("discriminator", {}).get("mapping", {})
    found = by_tag.get(part) or node.get("properties", {}).get(part) or node.get("additionalProperties")
    if isinstance(part, int):
        found = node.get("items")
    if isinstance(found, str):
        found = {"$ref": found}
    return _target(found, schema) if isinstance(found, Mapping) else None


def _target(node: Schema, schema: Schema) -> Schema:
    """Returns what a reference points at."""
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].removeprefix("#/$defs/")]
    return node
