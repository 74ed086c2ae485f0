"""What Slack accepts, written down a second time from its reference: the judge of what the views build.

It shares no number with `bot.views.limits`, so a wrong figure there is found here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]

TEXT_LIMITS = {"section": 3_000, "header": 150, "input": 2_000}
ELEMENTS = {"actions": 25, "context": 10}
IDS = ("block_id", "action_id", "callback_id")


def problems_of_message(text: str, blocks: Sequence[Json]) -> list[str]:
    found = list(_blocks(blocks, 50))
    if not 1 <= len(text) <= 4_000:
        found.append(f"text of {len(text)}")
    return found


def problems_of_view(view: Json) -> list[str]:
    found = list(_blocks(view["blocks"], 100))
    if len(json.dumps(view)) > 250_000:
        found.append("view over 250 kB")
    if len(view.get("private_metadata", "")) > 3_000 or len(view.get("callback_id", "")) > 255:
        found.append("metadata or callback id too long")
    if view["type"] == "modal":
        found += _plain(view["title"], 24, "title")
        found += [p for name in ("submit", "close") if name in view for p in _plain(view[name], 24, name)]
        if any(block["type"] == "input" for block in view["blocks"]) and "submit" not in view:
            found.append("inputs without submit")
        if "submit" in view and not view.get("callback_id"):
            found.append("a submission that nobody hears")
    return found


def _blocks(blocks: Sequence[Json], most: int) -> Iterator[str]:
    if not 1 <= len(blocks) <= most:
        yield f"{len(blocks)} blocks"
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(set(ids)) != len(ids):
        yield f"block ids twice: {ids}"
    for block in blocks:
        yield from _block(block)


def _block(block: Json) -> Iterator[str]:
    kind = block["type"]
    yield from (f"{name} too long" for name in IDS if len(block.get(name, "")) > 255)
    match kind:
        case "section":
            yield from _text(block["text"], TEXT_LIMITS[kind], kind)
        case "header":
            yield from _plain(block["text"], TEXT_LIMITS[kind], kind)
        case "context":
            if not 1 <= len(block["elements"]) <= ELEMENTS[kind]:
                yield f"context of {len(block['elements'])}"
            for element in block["elements"]:
                yield from _text(element, 3_000, kind)
        case "actions":
            if not 1 <= len(block["elements"]) <= ELEMENTS[kind]:
                yield f"actions of {len(block['elements'])}"
            for element in block["elements"]:
                yield from _element(element)
        case "input":
            yield from _plain(block["label"], TEXT_LIMITS[kind], "label")
            yield from _element(block["element"])
        case _:
            yield f"unknown block {kind}"


def _element(element: Json) -> Iterator[str]:
    if not 1 <= len(element["action_id"]) <= 255:
        yield "action id"
    if "placeholder" in element:
        yield from _plain(element["placeholder"], 150, "placeholder")
    match element["type"]:
        case "button":
            yield from _plain(element["text"], 75, "button")
            if len(element.get("value", "")) > 2_000 or element.get("style", "primary") not in {
                "primary",
                "danger",
            }:
                yield "button value or style"
            yield from _confirm(element.get("confirm"))
        case "static_select":
            yield from _options(element)
        case "plain_text_input":
            if len(element.get("initial_value", "")) > element["max_length"] or element["max_length"] > 3_000:
                yield "initial value longer than the input"
        case "conversations_select":
            pass
        case "users_select":
            yield from _plain(element["placeholder"], 150, "placeholder")
        case "datepicker":
            if len(element["initial_date"]) != len("2026-11-22"):
                yield f"a date like {element['initial_date']}"
        case other:
            yield f"unknown element {other}"


def _confirm(confirm: Json | None) -> Iterator[str]:
    if confirm is not None:
        yield from _plain(confirm["title"], 100, "confirm title")
        yield from _text(confirm["text"], 300, "confirm text")
        yield from _plain(confirm["confirm"], 30, "confirm")
        yield from _plain(confirm["deny"], 30, "deny")


def _options(element: Json) -> Iterator[str]:
    groups = element.get("option_groups", [])
    if ("options" in element) == bool(groups):
        yield "either options or groups of them"
    for group in groups:
        yield from _plain(group["label"], 75, "label of a group")
        if not group["options"]:
            yield "a group without options"
    options = [one for group in groups for one in group["options"]] or element["options"]
    values = [option["value"] for option in options]
    if not 1 <= len(options) <= 100 or len(set(values)) != len(values):
        yield f"{len(options)} options, or a value twice"
    for option in options:
        yield from _plain(option["text"], 75, "option")
        if "description" in option:
            yield from _plain(option["description"], 75, "description")
        if not 1 <= len(option["value"]) <= 150:
            yield f"option value of {len(option['value'])}"
    if "initial_option" in element and element["initial_option"] not in options:
        yield "initial option is not offered"


def _plain(text: Json, most: int, what: str) -> Iterator[str]:
    if text["type"] != "plain_text":
        yield f"{what} must be plain_text"
    yield from _text(text, most, what)


def _text(text: Json, most: int, what: str) -> Iterator[str]:
    if not 1 <= len(text["text"]) <= most:
        yield f"{what} of {len(text['text'])} characters"
    if any(ord(character) < 32 and character != "\n" for character in text["text"]):
        yield f"{what} with a control character"
