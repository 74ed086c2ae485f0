"""Reads blocks as a person does: which words stand there, what can be pressed, who is called.

Knows the shape of Block Kit and nothing about limits (limits.py) or messages.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from workspace.slack.wire import Json

MENTION: Final = re.compile(
    r"<(?:@(?P<user>[UW][A-Z0-9]+)|!subteam\^(?P<group>S[A-Z0-9]+)|!(?P<all>here|channel|everyone))"
)

# Where words stand inside a block, an element or an option, in reading order.
_WORDS: Final = (
    "title",
    "subtitle",
    "label",
    "text",
    "body",
    "details",
    "output",
    "fields",
    "tasks",
    "rows",
    "element",
    "elements",
    "accessory",
    "actions",
    "child_blocks",
    "placeholder",
    "options",
    "option_groups",
    "hint",
    "alt_text",
)
_STATELESS: Final = frozenset(
    {"button", "overflow", "image", "icon_button", "feedback_buttons", "workflow_button"}
)


def plain(blocks: list[Json]) -> str:
    """All visible words, one line for each piece of text."""
    return "\n".join(line for block in blocks for line in _words(block) if line)


def _words(node: object) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for item in node:
            yield from _words(item)
    elif isinstance(node, dict):
        yield from _words_of(node)


def _words_of(node: Json) -> Iterator[str]:
    match node.get("type"):
        case "rich_text_section" | "rich_text_preformatted" | "rich_text_quote":
            yield "".join(_words(node.get("elements", [])))
        case "user":
            yield f"<@{node.get('user_id', '')}>"
        case "usergroup":
            yield f"<!subteam^{node.get('usergroup_id', '')}>"
        case "broadcast":
            yield f"@{node.get('range', '')}"
        case "emoji":
            yield f":{node.get('name', '')}:"
        case "link":
            yield str(node.get("text") or node.get("url", ""))
        case "date":
            yield str(node.get("fallback", ""))
        case _:
            for key in _WORDS:
                if key in node:
                    yield from _words(node[key])


def elements(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    """(block, element) for everything that has an action_id, in reading order."""
    for block in blocks:
        inner = [*_listed(block.get("elements")), block.get("accessory"), block.get("element")]
        inner += _listed(block.get("actions"))
        for element in inner:
            if isinstance(element, dict) and "action_id" in element:
                yield block, element
        yield from elements(_listed(block.get("child_blocks")))


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def stateful(blocks: list[Json]) -> Iterator[tuple[Json, Json]]:
    """The elements that hold something a person chose or typed."""
    return ((block, element) for block, element in elements(blocks) if element["type"] not in _STATELESS)


def buttons(blocks: list[Json]) -> list[tuple[str, str, str | None, str | None]]:
    return [
        (element["text"]["text"], element["action_id"], element.get("value"), element.get("style"))
        for _, element in elements(blocks)
        if element["type"] == "button"
    ]


def options(element: Json) -> list[Json]:
    grouped = [option for group in element.get("option_groups", []) for option in group["options"]]
    return [*element.get("options", []), *grouped]


def called(text: str, blocks: list[Json]) -> frozenset[str]:
    """Whom a post rings: ids of people and groups, and "channel", "here", "everyone"."""
    return frozenset([*_mentions(text), *(who for block in blocks for who in _called_by(block))])


def _mentions(text: str) -> Iterator[str]:
    for found in MENTION.finditer(text):
        yield found["user"] or found["group"] or found["all"]


def _called_by(node: object) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _called_by(item)
    elif isinstance(node, dict):
        match node.get("type"):
            case "mrkdwn":
                yield from _mentions(str(node.get("text", "")))
            case "user":
                yield str(node.get("user_id", ""))
            case "usergroup":
                yield str(node.get("usergroup_id", ""))
            case "broadcast":
                yield str(node.get("range", ""))
            case _:
                for value in node.values():
                    yield from _called_by(value)
