"""Draws the workspace as one person sees it: the JSON that the page is drawn from."""

from datetime import UTC, datetime

from workspace.slack.nouns import SLACKBOT, Channel, Message, User, View
from workspace.slack.state import Workspace
from workspace.slack.wire import Json


def humans(workspace: Workspace) -> list[str]:
    return [user.id for user in workspace.users.values() if not user.bot and user.id != SLACKBOT]


def state(workspace: Workspace, viewer: str) -> Json:
    shown = [channel for channel in workspace.channels.values() if _listed(channel, viewer)]
    home = workspace.home(viewer)
    return {
        "me": viewer,
        "users": [_user(user) for user in workspace.users.values()],
        "usergroups": [{"id": group.id, "handle": group.handle} for group in workspace.groups.values()],
        "channels": [_channel(workspace, channel, viewer) for channel in shown],
        "messages": {
            channel.id: _messages(workspace, channel, viewer)
            for channel in shown
            if viewer in channel.members
        },
        "views": [_view(view) for view in workspace.views(viewer)],
        "home": None if home is None else {"id": home.id, "blocks": home.blocks},
        "app": {"name": workspace.app.name, "command": workspace.app.command},
    }


def _listed(channel: Channel, viewer: str) -> bool:
    return viewer in channel.members or channel.kind == "channels"


def _user(user: User) -> Json:
    letters = [word[0] for word in user.real_name.split() if word]
    return {
        "id": user.id,
        "name": user.name,
        "real_name": user.real_name,
        "initials": "".join(letters[:2]).upper(),
        "color": f"#{user.color}",
        "note": user.note,
        "guest": user.is_restricted or user.stranger,
        "is_bot": user.bot or user.id == SLACKBOT,
    }


def _channel(workspace: Workspace, channel: Channel, viewer: str) -> Json:
    return {
        "id": channel.id,
        "name": channel.name,
        "private": channel.private,
        "shared": channel.shared,
        "archived": channel.archived,
        "is_im": channel.im_with is not None,
        "with": None if channel.im_with is None else workspace.app.bot_user,
        "member": viewer in channel.members,
        "bot_member": workspace.bot_in(channel),
        "unread": workspace.unread(channel.id, viewer),
    }


def _messages(workspace: Workspace, channel: Channel, viewer: str) -> list[Json]:
    """Top level and threads in one list, oldest first."""
    everything = workspace.everything(channel.id, viewer)
    replies = [message.thread_ts for message in everything if message.thread_ts is not None]
    return [_message(workspace, message, replies.count(message.ts)) for message in everything]


def _message(workspace: Workspace, message: Message, reply_count: int) -> Json:
    return {
        "ts": message.ts,
        "user": message.user,
        "bot": workspace.users[message.user].bot,
        "text": message.text,
        "blocks": message.blocks,
        "attachments": message.attachments,
        "thread_ts": message.thread_ts,
        "edited": message.edited > 0,
        "ephemeral": message.ephemeral_to is not None,
        "at": datetime.fromtimestamp(message.at, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z"),
        "reply_count": reply_count,
        "metadata": message.metadata or {},
    }


def _view(view: View) -> Json:
    return {
        "id": view.id,
        "type": view.type,
        "callback_id": view.callback_id,
        "title": view.title,
        "submit": view.submit,
        "close": view.close,
        "blocks": view.blocks,
        "state": view.state,
        "errors": view.errors,
        "hash": view.hash,
    }
