"""Block Kit's elements and composition objects: what each may hold, and how much of it.

The figures are those of docs.slack.dev/reference/block-kit, read in November 2026.
"""

from collections.abc import Mapping
from typing import Final

from workspace.slack import reading
from workspace.slack.schema import (
    MRKDWN,
    PLAIN,
    Check,
    Findings,
    by_type,
    exactly_one,
    flag,
    listed,
    number,
    one_of,
    shape,
    text,
    typed,
    words,
)
from workspace.slack.wire import Json

MANY: Final = 1000  # where Slack names no limit of its own

ID: Final = words(255)
URL: Final = words(3000)
ACTION: Final[Mapping[str, Check]] = {"action_id": ID}

CONFIRM: Final = shape(
    {"title": text(100, PLAIN), "text": text(300), "confirm": text(30, PLAIN), "deny": text(30, PLAIN)},
    {"style": one_of("primary", "danger")},
)
PLACEHOLDER: Final = text(150, PLAIN)
DISPATCH: Final = shape(
    {}, {"trigger_actions_on": listed(one_of("on_enter_pressed", "on_character_entered"), 2)}
)
SLACK_FILE: Final = shape({}, {"id": words(), "url": URL}, exactly_one("id", "url"))


def _option(*types: str) -> Check:
    return shape(
        {"text": text(75, *types), "value": words(150)}, {"description": text(75, *types), "url": URL}
    )


PLAIN_OPTION: Final = _option(PLAIN)
RICH_OPTION: Final = _option(PLAIN, MRKDWN)  # of radio buttons and checkboxes
GROUP: Final = shape({"label": text(75, PLAIN), "options": listed(PLAIN_OPTION, 100)}, {})


def _initial_is_offered(element: Json, at: str, findings: Findings) -> None:
    """Checks that what is chosen at first is, to the letter, one of the options."""
    chosen = [("initial_option", element["initial_option"])] if element.get("initial_option") else []
    chosen += [("initial_options", each) for each in element.get("initial_options") or []]
    for key, option in chosen:
        if option not in reading.options(element):
            findings.add("must be one of the provided options", f"{at}/{key}")


def _length_bounds(element: Json, at: str, findings: Findings) -> None:
    least, most = element.get("min_length"), element.get("max_length")
    if isinstance(least, int) and isinstance(most, int) and least > most:
        findings.add("min_length must not be greater than max_length", at)
    initial = element.get("initial_value")
    if isinstance(initial, str) and isinstance(most, int) and len(initial) > most:
        findings.add(f"must be less than {most + 1} characters", f"{at}/initial_value")


_FIELD: Final[Mapping[str, Check]] = {**ACTION, "placeholder": PLACEHOLDER, "focus_on_load": flag}
_SELECT: Final[Mapping[str, Check]] = {**_FIELD, "confirm": CONFIRM}
_MANY_SELECT: Final[Mapping[str, Check]] = {**_SELECT, "max_selected_items": number(1)}
_TYPED: Final[Mapping[str, Check]] = {
    **_FIELD,
    "initial_value": words(least=0),
    "dispatch_action_config": DISPATCH,
}
_LISTED: Final[Mapping[str, Check]] = {
    "options": listed(PLAIN_OPTION, 100),
    "option_groups": listed(GROUP, 100),
}
_FILTER: Final = shape(
    {},
    {
        "include": listed(one_of("im", "mpim", "private", "public"), 4),
        "exclude_external_shared_channels": flag,
        "exclude_bot_users": flag,
    },
)
_CONVERSATIONS: Final[Mapping[str, Check]] = {"default_to_current_conversation": flag, "filter": _FILTER}
_CHOICES: Final[Mapping[str, Check]] = {**ACTION, "confirm": CONFIRM, "focus_on_load": flag}
_OFFERED: Final = (exactly_one("options", "option_groups"), _initial_is_offered)

IMAGE: Final = typed(
    "image",
    {"alt_text": words(2000)},
    {"image_url": URL, "slack_file": SLACK_FILE},
    exactly_one("image_url", "slack_file"),
)

ELEMENTS: Final[Mapping[str, Check]] = {
    "button": typed(
        "button",
        {"text": text(75, PLAIN)},
        {
            **ACTION,
            "value": words(2000),
            "url": URL,
            "style": one_of("primary", "danger"),
            "confirm": CONFIRM,
            "accessibility_label": words(75),
        },
    ),
    "overflow": typed("overflow", {"options": listed(PLAIN_OPTION, 5)}, {**ACTION, "confirm": CONFIRM}),
    "static_select": typed(
        "static_select", {}, {**_SELECT, **_LISTED, "initial_option": PLAIN_OPTION}, *_OFFERED
    ),
    "multi_static_select": typed(
        "multi_static_select",
        {},
        {**_MANY_SELECT, **_LISTED, "initial_options": listed(PLAIN_OPTION, 100)},
        *_OFFERED,
    ),
    "external_select": typed(
        "external_select", {}, {**_SELECT, "initial_option": PLAIN_OPTION, "min_query_length": number(0)}
    ),
    "users_select": typed("users_select", {}, {**_SELECT, "initial_user": words()}),
    "multi_users_select": typed(
        "multi_users_select", {}, {**_MANY_SELECT, "initial_users": listed(words(), MANY)}
    ),
    "conversations_select": typed(
        "conversations_select",
        {},
        {**_SELECT, **_CONVERSATIONS, "initial_conversation": words(), "response_url_enabled": flag},
    ),
    "multi_conversations_select": typed(
        "multi_conversations_select",
        {},
        {**_MANY_SELECT, **_CONVERSATIONS, "initial_conversations": listed(words(), MANY)},
    ),
    "channels_select": typed(
        "channels_select", {}, {**_SELECT, "initial_channel": words(), "response_url_enabled": flag}
    ),
    "multi_channels_select": typed(
        "multi_channels_select", {}, {**_MANY_SELECT, "initial_channels": listed(words(), MANY)}
    ),
    "radio_buttons": typed(
        "radio_buttons",
        {"options": listed(RICH_OPTION, 10)},
        {**_CHOICES, "initial_option": RICH_OPTION},
        _initial_is_offered,
    ),
    "checkboxes": typed(
        "checkboxes",
        {"options": listed(RICH_OPTION, 10)},
        {**_CHOICES, "initial_options": listed(RICH_OPTION, 10)},
        _initial_is_offered,
    ),
    "datepicker": typed("datepicker", {}, {**_SELECT, "initial_date": words(10, 10)}),
    "timepicker": typed("timepicker", {}, {**_SELECT, "initial_time": words(5, 5), "timezone": words()}),
    "datetimepicker": typed(
        "datetimepicker", {}, {**_CHOICES, "initial_date_time": number(1_000_000_000, 9_999_999_999)}
    ),
    "plain_text_input": typed(
        "plain_text_input",
        {},
        {
            **_TYPED,
            "initial_value": words(3000, least=0),
            "multiline": flag,
            "min_length": number(0, 3000),
            "max_length": number(1, 3000),
        },
        _length_bounds,
    ),
    "email_text_input": typed("email_text_input", {}, _TYPED),
    "url_text_input": typed("url_text_input", {}, _TYPED),
    "number_input": typed(
        "number_input", {"is_decimal_allowed": flag}, {**_TYPED, "min_value": words(), "max_value": words()}
    ),
    "image": IMAGE,
}

_CHOOSERS: Final = frozenset(
    {
        "static_select",
        "multi_static_select",
        "external_select",
        "users_select",
        "multi_users_select",
        "conversations_select",
        "multi_conversations_select",
        "channels_select",
        "multi_channels_select",
        "radio_buttons",
        "checkboxes",
        "datepicker",
        "timepicker",
    }
)
_INPUTS: Final = frozenset({"plain_text_input", "email_text_input", "url_text_input", "number_input"})


def _these(*names: str) -> Check:
    return by_type({name: ELEMENTS[name] for name in names})


IN_ACTIONS: Final = _these(*_CHOOSERS, "button", "overflow", "datetimepicker")
IN_SECTION: Final = _these(*_CHOOSERS, "button", "overflow", "image")
IN_INPUT: Final = _these(*_CHOOSERS, *_INPUTS, "datetimepicker")
BUTTON: Final = _these("button")
