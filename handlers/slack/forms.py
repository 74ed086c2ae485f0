"""Reads what people typed and chose in a modal, by the action ids of its inputs. Blanks part people."""

from collections.abc import Mapping
from typing import Any


def typed(view: Mapping[str, Any]) -> dict[str, str]:
    """Every input that holds something."""
    found: dict[str, str] = {}
    for inputs in _inputs(view).values():
        for action_id, given in inputs.items():
            option = given.get("selected_option") or {}
            value = (
                given.get("value")
                or option.get("value")
                or given.get("selected_channel")
                or given.get("selected_conversation")
                or given.get("selected_user")
                or given.get("selected_date")
                or " ".join(given.get("selected_users") or ())
            )
            if value:
                found[action_id] = str(value)
    return found


def block_of(view: Mapping[str, Any], action_id: str) -> str | None:
    """The block that holds this input: where an error is shown."""
    for block_id, inputs in _inputs(view).items():
        if action_id in inputs:
            return str(block_id)
    return None


def any_block(view: Mapping[str, Any]) -> str | None:
    """The first block with an input. None: there is none."""
    return next(iter(_inputs(view)), None)


def _inputs(view: Mapping[str, Any]) -> Mapping[str, Any]:
    """Returns the inputs by block and action id. A modal without inputs may come with a state of none."""
    values: Mapping[str, Any] = (view.get("state") or {}).get("values", {})
    return values
