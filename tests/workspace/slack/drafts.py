"""Blocks and views that several tests draw."""

from typing import Any

Json = dict[str, Any]


def plain(words: str) -> Json:
    return {"type": "plain_text", "text": words}


def section(words: str, **more: object) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": words}, **more}


def button(action_id: str, label: str = "Approve", **more: object) -> Json:
    return {"type": "button", "text": plain(label), "action_id": action_id, **more}


def actions(*elements: Json, **more: object) -> Json:
    return {"type": "actions", "elements": list(elements), **more}


def option(value: str, label: str | None = None) -> Json:
    return {"text": plain(label or value), "value": value}


def select(action_id: str, *values: str, **more: object) -> Json:
    return {
        "type": "static_select",
        "action_id": action_id,
        "options": [option(each) for each in values],
        **more,
    }


def field(block_id: str, element: Json, **more: object) -> Json:
    return {"type": "input", "block_id": block_id, "label": plain("Label"), "element": element, **more}


def text_field(action_id: str, block_id: str = "b1", **more: object) -> Json:
    return field(block_id, {"type": "plain_text_input", "action_id": action_id}, **more)


def modal(*blocks: Json, **more: object) -> Json:
    return {
        "type": "modal",
        "title": plain("Roll back"),
        "submit": plain("Ask for approval"),
        "blocks": list(blocks) or [section("Reading restore points…")],
        **more,
    }
