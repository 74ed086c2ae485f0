"""What the fields of a view hold: what they start with, and what survives when the view is drawn again."""

from typing import Final

from workspace.slack import reading
from workspace.slack.wire import Json

# By kind of element: the key of what it starts with, and the key under which a payload carries what it holds.
_STARTS: Final = {
    "plain_text_input": ("initial_value", "value"),
    "email_text_input": ("initial_value", "value"),
    "url_text_input": ("initial_value", "value"),
    "number_input": ("initial_value", "value"),
    "rich_text_input": ("initial_value", "rich_text_value"),
    "static_select": ("initial_option", "selected_option"),
    "external_select": ("initial_option", "selected_option"),
    "radio_buttons": ("initial_option", "selected_option"),
    "checkboxes": ("initial_options", "selected_options"),
    "multi_static_select": ("initial_options", "selected_options"),
    "multi_external_select": ("initial_options", "selected_options"),
    "users_select": ("initial_user", "selected_user"),
    "multi_users_select": ("initial_users", "selected_users"),
    "channels_select": ("initial_channel", "selected_channel"),
    "multi_channels_select": ("initial_channels", "selected_channels"),
    "conversations_select": ("initial_conversation", "selected_conversation"),
    "multi_conversations_select": ("initial_conversations", "selected_conversations"),
    "datepicker": ("initial_date", "selected_date"),
    "timepicker": ("initial_time", "selected_time"),
    "datetimepicker": ("initial_date_time", "selected_date_time"),
}


def holds(element: Json) -> str:
    """The key under which this kind of element carries what a person filled in."""
    return _STARTS[element["type"]][1]


def untouched(blocks: list[Json]) -> dict[str, Json]:
    """block_id → action_id → what the element holds before anybody touched it."""
    state: dict[str, Json] = {}
    for block, element in reading.stateful(blocks):
        state.setdefault(block["block_id"], {})[element["action_id"]] = _start(element)
    return state


def carried_over(old: dict[str, Json], fresh: dict[str, Json]) -> dict[str, Json]:
    """The fresh state, but with what was filled in where both ids and the kind of element are the same."""

    def kept(block_id: str, action_id: str, value: Json) -> Json:
        before: Json | None = old.get(block_id, {}).get(action_id)
        return before if before is not None and before["type"] == value["type"] else value

    return {
        block_id: {action_id: kept(block_id, action_id, value) for action_id, value in actions.items()}
        for block_id, actions in fresh.items()
    }


def _start(element: Json) -> Json:
    initial, key = _STARTS[element["type"]]
    nothing: object = [] if key.endswith("s") else None  # several may be chosen
    return {"type": element["type"], key: element.get(initial, nothing)}
