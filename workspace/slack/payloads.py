"""The payloads that Slack sends to a bot, drawn key by key as Slack draws them."""

from typing import Final

from workspace.slack import drawn
from workspace.slack.nouns import Channel, Message, User, View
from workspace.slack.state import Workspace
from workspace.slack.wire import Json

VERIFICATION: Final = "sandbox-verification"  # the old token, which says nothing about who sent a payload


def slash(
    workspace: Workspace,
    user: User,
    channel: Channel,
    command: str,
    text: str,
    *,
    trigger_id: str,
    response_url: str,
) -> Json:
    name = {"im": "directmessage", "groups": "privategroup"}.get(channel.kind, channel.name)
    return {
        "token": VERIFICATION,
        "team_id": workspace.app.team_id,
        "team_domain": workspace.app.team_domain,
        "channel_id": channel.id,
        "channel_name": name,
        "user_id": user.id,
        "user_name": user.name,
        "command": command,
        "text": text,
        "api_app_id": workspace.app.id,
        "is_enterprise_install": "false",
        "response_url": response_url,
        "trigger_id": trigger_id,
    }


def block_actions_in_message(
    workspace: Workspace,
    user: User,
    message: Message,
    action: Json,
    state: Json,
    *,
    trigger_id: str,
    response_url: str,
) -> Json:
    container: Json = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": message.channel,
        "is_ephemeral": message.ephemeral_to is not None,
    }
    if message.thread_ts is not None:
        container["thread_ts"] = message.thread_ts
    payload = _interaction(workspace, user, "block_actions") | {
        "container": container,
        "trigger_id": trigger_id,
        "channel": _channel(workspace.channels[message.channel]),
        "state": {"values": state},
        "response_url": response_url,
        "actions": [action],
    }
    if message.ephemeral_to is None:  # Slack keeps nothing of an ephemeral message that it could send along
        payload["message"] = drawn.message(workspace, message)
    return payload


def block_actions_in_view(
    workspace: Workspace, user: User, view: View, action: Json, *, trigger_id: str
) -> Json:
    return _interaction(workspace, user, "block_actions") | {
        "container": {"type": "view", "view_id": view.id},
        "trigger_id": trigger_id,
        "view": drawn.view(workspace, view),
        "actions": [action],
    }


def view_submission(workspace: Workspace, user: User, view: View, *, trigger_id: str) -> Json:
    return _interaction(workspace, user, "view_submission") | {
        "trigger_id": trigger_id,
        "view": drawn.view(workspace, view),
        "response_urls": [],
    }


def view_closed(workspace: Workspace, user: User, view: View, *, is_cleared: bool) -> Json:
    return _interaction(workspace, user, "view_closed") | {
        "view": drawn.view(workspace, view),
        "is_cleared": is_cleared,
    }


def message_shortcut(
    workspace: Workspace,
    user: User,
    message: Message,
    callback_id: str,
    *,
    trigger_id: str,
    response_url: str,
) -> Json:
    return _interaction(workspace, user, "message_action") | {
        "callback_id": callback_id,
        "trigger_id": trigger_id,
        "response_url": response_url,
        "action_ts": workspace.next_ts(),
        "message_ts": message.ts,
        "channel": _channel(workspace.channels[message.channel]),
        "message": drawn.message(workspace, message),
    }


def global_shortcut(workspace: Workspace, user: User, callback_id: str, *, trigger_id: str) -> Json:
    return _interaction(workspace, user, "shortcut") | {
        "callback_id": callback_id,
        "trigger_id": trigger_id,
        "action_ts": workspace.next_ts(),
    }


def app_mention(workspace: Workspace, message: Message) -> Json:
    user = workspace.users[message.user]
    inner: Json = {
        "type": "app_mention",
        "user": user.id,
        "text": message.text,
        "ts": message.ts,
        "team": user.team_id,
        "channel": message.channel,
        "event_ts": message.ts,
    }
    if message.thread_ts is not None:
        inner["thread_ts"] = message.thread_ts
    if user.stranger:
        inner |= {"user_team": user.team_id, "source_team": user.team_id}
    return event(workspace, inner, shared=workspace.channels[message.channel].shared)


def app_home_opened(workspace: Workspace, user: User, view: View | None) -> Json:
    inner: Json = {
        "type": "app_home_opened",
        "user": user.id,
        "channel": workspace.direct(user.id),
        "tab": "home",
        "event_ts": workspace.next_ts(),
    }
    return event(workspace, inner if view is None else inner | {"view": drawn.view(workspace, view)})


def event(workspace: Workspace, inner: Json, *, shared: bool = False) -> Json:
    """The envelope of the Events API around any event."""
    app = workspace.app
    return {
        "token": VERIFICATION,
        "team_id": app.team_id,
        "context_team_id": app.team_id,
        "context_enterprise_id": None,
        "api_app_id": app.id,
        "event": inner,
        "type": "event_callback",
        "event_id": workspace.new_id("Ev"),
        "event_time": int(workspace.clock()),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": app.team_id,
                "user_id": app.bot_user,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": shared,
        "event_context": workspace.new_id("4-"),
    }


def url_verification(challenge: str) -> Json:
    return {"token": VERIFICATION, "challenge": challenge, "type": "url_verification"}


def _interaction(workspace: Workspace, user: User, type: str) -> Json:
    """Returns what every interaction begins with. A stranger's comes from the stranger's own workspace."""
    domain = "strangers" if user.stranger else workspace.app.team_domain
    return {
        "type": type,
        "user": {"id": user.id, "username": user.name, "name": user.name, "team_id": user.team_id},
        "api_app_id": workspace.app.id,
        "token": VERIFICATION,
        "team": {"id": user.team_id, "domain": domain},
        "enterprise": None,
        "is_enterprise_install": False,
    }


def _channel(channel: Channel) -> Json:
    name = {"im": "directmessage", "groups": "privategroup"}.get(channel.kind, channel.name)
    return {"id": channel.id, "name": name}
