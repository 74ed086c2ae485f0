"""Every way in, and whom it is open to. What stands here not is open to nobody.

This is the first question, the same for Slack, the pages and the command line. The second, what
somebody may do to a target, is asked of `bot.policy` where it is recorded, with the rights of that moment.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from bot import commands
from bot.model import Person
from bot.policy import Press
from bot.spelling import Misunderstood


class Rule(StrEnum):
    MEMBER = "member"  # full members of this workspace: no guests, no strangers, no bots
    CHANNEL = "channel"  # everybody who sees the card
    RIGHTS = "rights"  # `policy.why_not_ask` and `policy.why_not` decide, and keep each refusal as evidence
    FORM = "form"  # whom the form was opened for
    SLACK = "slack"  # Slack tells it of itself
    SHELL = "shell"  # who may run this program with its files


WORDS: Mapping[type[commands.Command] | type[Misunderstood], Rule] = {
    commands.OpenModal: Rule.MEMBER,
    commands.Ask: Rule.RIGHTS,
    commands.Cancel: Rule.RIGHTS,
    commands.Undo: Rule.RIGHTS,
    commands.Resolve: Rule.RIGHTS,
    commands.ListPoints: Rule.MEMBER,
    commands.ListTargets: Rule.MEMBER,
    commands.Status: Rule.MEMBER,
    commands.History: Rule.MEMBER,
    commands.Help: Rule.CHANNEL,
    Misunderstood: Rule.CHANNEL,
}
FROM_SLACK: Mapping[str, Rule] = {
    "command": Rule.CHANNEL,  # each of its words has a rule of its own
    "event app_mention": Rule.CHANNEL,
    **{f"action {press.value}": Rule.RIGHTS for press in Press},
    "action details": Rule.CHANNEL,
    **{f"action {choice}": Rule.FORM for choice in ("target", "point", "before", "send_to_me")},
    "view start_rollback": Rule.RIGHTS,
    **{f"view {form}_run": Rule.RIGHTS for form in ("approve", "veto", "stop", "resolve")},
    "message_shortcut rollback_shortcut": Rule.MEMBER,
    "event app_home_opened": Rule.MEMBER,
    "event subteam_members_changed": Rule.SLACK,
    "event subteam_updated": Rule.SLACK,
    "event channel_id_changed": Rule.SLACK,
    "event app_uninstalled": Rule.SLACK,
    "event tokens_revoked": Rule.SLACK,
}
FROM_A_SHELL: Mapping[str, Rule] = dict.fromkeys(
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
            "schema",
            "version",
        ),
        *("db upgrade", "db backup", "db restore", "db restored", "db forgotten", "db confirm"),
    ),
    Rule.SHELL,
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


def why_not(rule: Rule | None, person: Person) -> str | None:
    """Why this way is closed to this person; None: it is open. `rule` None: there is no such way."""
    if rule is None:
        return "There is no such way in."
    if rule is Rule.MEMBER and person.barred:
        return f"You cannot read this: {person.barred}."
    return None
