"""What a payload must hold before a listener sees it: no more than the listeners and Bolt rely on.

Whoever holds the signing secret may still send nonsense; it is refused here, in one place, so that no
listener asks twice. What a payload *means*, and whether it is allowed, is for the listeners.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

# They go into questions to Slack and into columns of this width.
Account = Annotated[str, Field(pattern="^[A-Z0-9]{1,32}$")]
Channel = Annotated[str, Field(pattern="^[A-Z0-9]{1,32}$")]
Stamp = Annotated[str, Field(pattern="^[0-9.]{1,32}$")]
Handle = Annotated[str, Field(pattern="^[!-~]{1,32}$")]
Mark = Annotated[str, Field(pattern="^[!-~]{1,120}$")]  # three of them are a delivery's key


class _Shape(BaseModel):
    """Other fields may be there: Slack adds some every year."""

    model_config = ConfigDict(strict=True)


class _Named(_Shape):
    id: str


class _Place(_Shape):
    id: Channel


class _Envelope(_Shape):
    api_app_id: str | None = None
    team_id: str | None = None
    team: _Named | str | None = None
    enterprise: _Named | str | None = None
    enterprise_id: str | None = None
    authorizations: list[dict[str, Any]] | None = None
    is_enterprise_install: bool | str | None = None


class _Command(_Envelope):
    command: str
    user_id: Account
    channel_id: Channel
    trigger_id: Mark
    text: str = ""
    response_url: str | None = None


class _Person(_Shape):
    id: Account


class _Interaction(_Envelope):
    user: _Person
    channel: _Place | None = None
    response_url: str | None = None


class _Option(_Shape):
    value: str


class _Given(_Shape):
    """An input of a modal: what was typed, chosen or left empty."""

    value: Any = None
    selected_option: _Option | None = None


class _FormState(_Shape):
    values: dict[str, dict[str, _Given]]


class _View(_Shape):
    id: Handle
    type: str
    hash: Mark
    callback_id: str = ""
    private_metadata: str = ""
    state: _FormState | None = None


class _Action(_Shape):
    action_id: str
    block_id: str = ""
    value: str | None = None
    action_ts: Stamp | None = None
    selected_option: _Option | None = None


class _Container(_Shape):
    channel_id: str | None = None
    message_ts: Mark | None = None


class _Click(_Interaction):
    trigger_id: Mark
    actions: list[_Action] = Field(min_length=1)
    container: _Container = _Container()
    view: _View | None = None


class _Choice(_Click):
    """In a modal."""

    view: _View


class _Filled(_View):
    state: _FormState = _FormState(values={})


class _Submission(_Interaction):
    view: _Filled


class _Message(_Shape):
    ts: Stamp
    thread_ts: Stamp | None = None


class _MessageShortcut(_Interaction):
    callback_id: str
    trigger_id: Mark
    channel: _Place
    message: _Message


class _GlobalShortcut(_Interaction):
    callback_id: str
    trigger_id: Mark


class _Inner(_Shape):
    type: str


class _Mention(_Inner):
    user: Account
    channel: Channel
    text: str
    ts: Stamp
    thread_ts: Stamp | None = None


class _Home(_Inner):
    user: Account
    tab: str | None = None


class _GroupMembers(_Inner):
    subteam_id: str


class _Group(_Inner):
    subteam: _Named


class _ChannelId(_Inner):
    old_channel_id: str


class _Event(_Envelope):
    event_id: Mark
    event: _Inner


CHOICES = frozenset(
    {"target", "point", "before", "offline", "send_to_me"}
)  # action ids that only modals have
_BY_TYPE: Mapping[str, type[_Envelope]] = {
    "block_actions": _Click,
    "view_submission": _Submission,
    "view_closed": _Submission,
    "message_action": _MessageShortcut,
    "shortcut": _GlobalShortcut,
    "event_callback": _Event,
}
_BY_EVENT: Mapping[str, type[_Inner]] = {
    "app_mention": _Mention,
    "app_home_opened": _Home,
    "subteam_members_changed": _GroupMembers,
    "subteam_updated": _Group,
    "channel_id_changed": _ChannelId,
}


def why_misshapen(payload: Mapping[str, Any]) -> str | None:
    """Says what is missing or of another type, for the log. None: a listener can rely on it."""
    kind = payload.get("type")
    shape = _Command if "command" in payload else _BY_TYPE.get(kind) if isinstance(kind, str) else None
    if shape is None:
        return "of no type that is answered here"
    try:
        json.dumps(payload, ensure_ascii=False).encode()  # half a surrogate pair cannot be kept, nor shown
        shape.model_validate(payload)
        for closer, part in _closer(shape, payload):
            closer.model_validate(part)
    except ValidationError as problem:
        first = problem.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except UnicodeEncodeError:
        return "holds characters that are none"
    return None


def _closer(shape: type[_Envelope], payload: Mapping[str, Any]) -> Iterator[tuple[type[_Shape], Any]]:
    """Yields what the event or the pressed thing asks for besides."""
    if shape is _Event:
        yield _BY_EVENT.get(payload["event"]["type"], _Inner), payload["event"]
    if shape is _Click and payload["actions"][0]["action_id"] in CHOICES:
        yield _Choice, payload
