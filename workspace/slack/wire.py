"""The few names for what travels between the pretend Slack and a bot."""

from typing import Any, Literal

Json = dict[str, Any]  # one JSON object, as Slack and its clients send it

# What a payload is, by Socket Mode's names.
PayloadKind = Literal["slash_commands", "interactive", "events_api"]
