"""Fills in one element as a person would, and finds what Slack's client would not accept yet."""

import re
from dataclasses import dataclass
from typing import Any, Final

from workspace.slack import reading
from workspace.slack.fields import holds
from workspace.slack.nouns import View
from workspace.slack.refusal import Impossible
from workspace.slack.wire import Json

_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def the_element(
    blocks: list[Json], action_id: str, block_id: str | None, value: str | None
) -> tuple[Json, Json]:
    """(block, element) by action_id; with several of them the block_id or a button's value tells which."""
    found = [
        (block, element)
        for block, element in reading.elements(blocks)
        if element["action_id"] == action_id and block_id in (None, block["block_id"])
    ]
    if value is not None and any(element["type"] == "button" for _, element in found):
        found = [each for each in found if each[1].get("value") == value]
    if not found:
        there = ", ".join(element["action_id"] for _, element in reading.elements(blocks)) or "nothing"
        raise Impossible("no_such_element", f"There is no {action_id} to press here, only: {there}.")
    if len({element.get("value") for _, element in found}) > 1:
        raise Impossible(
            "ambiguous", f"Several elements are called {action_id}: say which by value or block_id."
        )
    return found[0]


@dataclass(frozen=True, slots=True)
class ElementPress:
    """One press of one element, ready to be sent."""

    block_id: str
    action_id: str
    action: Json  # as it stands in a payload's `actions`
    state: Json | None  # what the element holds afterwards; None: it holds nothing


def pressed(block: Json, element: Json, value: Any, action_ts: str) -> ElementPress:
    """Press a button, or choose `value` in anything else."""
    ids = {"action_id": element["action_id"], "block_id": block["block_id"]}
    shown: Json = {
        key: element[key] for key in ("text", "value", "style", "placeholder", "url") if key in element
    }
    action: Json = {"type": element["type"], **ids, "action_ts": action_ts, **shown}
    state = None
    if element["type"] == "overflow":
        action["selected_option"] = _option(element, value)
    elif element["type"] != "button":
        state = filled(element, value)
        action |= state
    return ElementPress(block["block_id"], element["action_id"], action, state)


def filled(element: Json, value: Any) -> Json:
    """The element's state with this value: text, an option or its value, an id, a date; None empties it."""
    key = holds(element)
    if key == "selected_option":
        value = None if value is None else _option(element, value)
    elif key == "selected_options":
        value = [_option(element, each) for each in value or []]
    elif key == "value" and value is not None:
        value = str(value)
    return {"type": element["type"], key: value}


def _option(element: Json, wanted: Any) -> Json:
    value = wanted.get("value") if isinstance(wanted, dict) else wanted
    for option in reading.options(element):
        if option.get("value") == value:
            return option
    there = ", ".join(str(option.get("value")) for option in reading.options(element))
    raise Impossible("no_such_option", f"{value} cannot be chosen in {element['action_id']}, only: {there}.")


def missing(view: View) -> dict[str, str]:
    """block_id → why Slack's client does not send this modal yet."""
    wrong: dict[str, str] = {}
    for block in view.blocks:
        if block["type"] == "input":
            element = block["element"]
            words = _wrong(
                element, view.state[block["block_id"]][element["action_id"]], bool(block.get("optional"))
            )
            if words is not None:
                wrong[block["block_id"]] = words
    return wrong


def _wrong(element: Json, state: Json, optional: bool) -> str | None:
    value = state[holds(element)]
    if value in (None, "", []):
        return None if optional else "Please complete this required field."
    match element["type"]:
        case "plain_text_input":
            return _wrong_length(value, element.get("min_length", 0), element.get("max_length", 3000))
        case "number_input":
            return None if _NUMBER.fullmatch(value) else "Please enter a number."
        case "email_text_input":
            return None if _EMAIL.fullmatch(value) else "Please enter an email address."
        case "url_text_input":
            return None if value.startswith(("http://", "https://")) else "Please enter a valid URL."
        case _:
            return None


def _wrong_length(text: str, least: int, most: int) -> str | None:
    if len(text) < least:
        return f"This must be at least {least} characters."
    if len(text) > most:
        return f"This must be {most} characters or fewer."
    return None
