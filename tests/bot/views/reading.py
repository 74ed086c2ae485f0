"""How a phone shows what the views build: rows of about 45 characters, markup taken away."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bot.views.limits import MessageContent

ROW = 45
SMALL_ROW = 56  # of contexts, whose letters are smaller
BUTTON_ROW = 40  # characters of labels beside each other, with their frames
FRAME = 4

_MARKS = (
    (r"<!date\^\d+\^(?:\{date_short\} )?\{time\} your time\|[^>]*>", "3:45 AM your time"),
    (r"<@U01(\w+)>", r"@\1"),
    (r"<!subteam\^\w+>", "@payments-managers"),
    (r"<[^|>]*\|([^>]*)>", r"\1"),
    (r"[*`]", ""),
    (r"&(?:amp|lt|gt);", "&"),
)


def texts(message: MessageContent) -> Iterator[str]:
    """Every text of sections and contexts, as sent."""
    return (text for text, _ in _with_width(message))


def _with_width(message: MessageContent) -> Iterator[tuple[str, int]]:
    for block in message.blocks:
        if block["type"] == "section":
            yield block["text"]["text"], ROW
        elif block["type"] == "context":
            yield from ((element["text"], SMALL_ROW) for element in block["elements"])


def shown(markup: str) -> str:
    for pattern, words in _MARKS:
        markup = re.sub(pattern, words, markup)
    return markup


def phone_rows(message: MessageContent) -> int:
    words = sum(
        math.ceil(len(line) / width) or 1
        for text, width in _with_width(message)
        for line in shown(text).split("\n")
    )
    return words + sum(_button_rows(block) for block in message.blocks if block["type"] == "actions")


def _button_rows(block: Mapping[str, Any]) -> int:
    rows, room = 1, BUTTON_ROW
    for element in block["elements"]:
        width = len(element["text"]["text"]) + FRAME
        if width > room:
            rows, room = rows + 1, BUTTON_ROW
        room -= width
    return rows
