"""The arguments of a Web API call, from query, form or JSON alike, read as strictly as Slack reads them."""

import json
from collections.abc import Mapping
from typing import Any

from workspace.slack.refusal import CallRefused
from workspace.slack.wire import Json


class Arguments:
    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = {name: value for name, value in given.items() if value is not None}

    def __contains__(self, name: str) -> bool:
        return name in self._given

    def required(self, name: str) -> str:
        value = self.optional(name)
        if not value:
            raise CallRefused("invalid_arguments", [f"[ERROR] missing required field: {name}"])
        return value

    def optional(self, name: str, default: str | None = None) -> str | None:
        value = self._given.get(name, default)
        if value is None or isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        raise CallRefused("invalid_arguments", [f"[ERROR] must provide a string [json-pointer:/{name}]"])

    def flag(self, name: str, default: bool = False) -> bool:
        value = self._given.get(name, default)
        return value.lower() in ("1", "true") if isinstance(value, str) else bool(value)

    def number(self, name: str, default: int) -> int:
        value = self._given.get(name, default)
        try:
            return int(value)
        except (TypeError, ValueError):
            raise CallRefused(
                "invalid_arguments", [f"[ERROR] must provide an integer [json-pointer:/{name}]"]
            ) from None

    def listed(self, name: str) -> list[str]:
        """A comma-separated string or a JSON array of strings."""
        value = self._given.get(name, [])
        parts = value.split(",") if isinstance(value, str) else value
        return [part for part in parts if part]

    def objects(self, name: str, error: str) -> list[Json] | None:
        """A JSON array of objects, as itself or as a string; None when it was not given."""
        value = self._structure(name, error)
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise CallRefused(error)
        return value

    def mapping(self, name: str, error: str) -> Json | None:
        value = self._structure(name, error)
        if value is not None and not isinstance(value, dict):
            raise CallRefused(error)
        return value

    def _structure(self, name: str, error: str) -> Any:
        value = self._given.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise CallRefused(error) from None
