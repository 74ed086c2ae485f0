"""Every way in, and to whom it is open. A way from Slack that is missing here is closed to everyone.

This is the first question, the same for Slack, the pages and the command line; for the commands that are
typed in Slack it stands beside their answers. The second, what somebody may do to a target, is asked of
`bot.presses` and `bot.policy` where it is recorded, with the rights of that moment. A command of the shell
asks nobody: its list is for the reader, and a test compares it with the program.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from bot.model import Person
from bot.presses import PRESSES, Press, forms_before, forms_then
from bot.views import practice, reminder


class OpenTo(StrEnum):
    MEMBER = "member"  # full members of this workspace: no guests, no strangers, no bots
    CHANNEL = "channel"  # everybody who sees the card
    RIGHTS = "rights"  # `policy.why_not_ask` and `presses.why_not` decide, and keep each refusal as evidence
    FORM = "form"  # whom the form was opened for
    SLACK = "slack"  # Slack tells it of itself
    SHELL = "shell"  # who may run this program with its files


def _of_press(press: Press) -> OpenTo:
    return OpenTo.CHANNEL if press.for_everybody else OpenTo.RIGHTS


FROM_SLACK: Mapping[str, OpenTo] = {
    "command": OpenTo.CHANNEL,  # each of its words has a rule of its own
    "event app_mention": OpenTo.CHANNEL,
    **{f"action {press.action_id}": _of_press(press) for press in PRESSES.values()},
    **{f"view {form.callback_id}": OpenTo.RIGHTS for _, form in (*forms_before(), *forms_then())},
    **{f"action {choice}": OpenTo.FORM for choice in ("target", "point", "before", "offline", "send_to_me")},
    "view start_rollback": OpenTo.RIGHTS,
    "message_shortcut rollback_shortcut": OpenTo.MEMBER,
    **{f"action {action_id}": OpenTo.RIGHTS for action_id in reminder.BUTTONS},
    **{f"action {action_id}": OpenTo.FORM for action_id in practice.BUTTONS},
    **{f"view {callback_id}": OpenTo.RIGHTS for callback_id in (reminder.LATER, reminder.HAND_OVER)},
    "event app_home_opened": OpenTo.MEMBER,
    "event subteam_members_changed": OpenTo.SLACK,
    "event subteam_updated": OpenTo.SLACK,
    "event channel_id_changed": OpenTo.SLACK,
    "event app_uninstalled": OpenTo.SLACK,
    "event tokens_revoked": OpenTo.SLACK,
}
FROM_A_SHELL: Mapping[str, OpenTo] = dict.fromkeys(
    (
        *(
            "demo",
            "serve",
            "check",
            "doctor",
            "targets",
            "points",
            "plan",
            "runs",
            "run",
            "removed",
            "drills",
            "schema",
            "version",
        ),
        *("snapshot manifest", "snapshot verify"),
        *("db upgrade", "db backup", "db restore", "db restored", "db forgotten", "db confirm"),
    ),
    OpenTo.SHELL,
)


def way_of(payload: Mapping[str, Any]) -> str:
    """The name of the way by which a well-shaped payload of Slack's came."""
    if "command" in payload:
        return "command"
    match payload["type"]:
        case "block_actions":
            return f"action {payload['actions'][0]['action_id']}"
        case "view_submission":
            return f"view {payload['view'].get('callback_id', '')}"
        case "message_action":
            return f"message_shortcut {payload['callback_id']}"
        case "event_callback":
            return f"event {payload['event']['type']}"
        case other:
            return str(other)


def why_not(rule: OpenTo | None, person: Person) -> str | None:
    """Why this way is closed to this person; None: it is open. `rule` None: there is no such way."""
    if rule is None:
        return "There is no such way in."
    if rule is OpenTo.MEMBER and person.barred:
        return f"You cannot read this: {person.barred}."
    return None
