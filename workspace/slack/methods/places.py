"""Where the bot may look and post: the rules of membership that several methods share."""

from workspace.slack.nouns import Channel
from workspace.slack.refusal import CallRefused
from workspace.slack.state import Workspace


def need(workspace: Workspace, scope: str) -> None:
    if scope not in workspace.scopes:
        raise CallRefused("missing_scope", needed=scope, provided=",".join(sorted(workspace.scopes)))


def seen(workspace: Workspace, channel_id: str) -> Channel:
    """A conversation that the bot can know of: a private one only from inside."""
    channel = workspace.channels.get(channel_id)
    if channel is None or (channel.private and not workspace.bot_in(channel)):
        raise CallRefused("channel_not_found")
    return channel


def read(workspace: Workspace, channel_id: str) -> Channel:
    """A conversation whose messages the bot may read: only from inside."""
    channel = seen(workspace, channel_id)
    need(workspace, f"{channel.kind}:history")
    if not workspace.bot_in(channel):
        raise CallRefused("not_in_channel")
    return channel


def posted_to(workspace: Workspace, name: str) -> Channel:
    """Returns where a message goes: by a channel's id or #name, or by a person's id, for direct messages."""
    if name in workspace.users:
        return workspace.channels[direct(workspace, name)]
    named = next(
        (each.id for each in workspace.channels.values() if each.name == name.removeprefix("#")), name
    )
    channel = seen(workspace, named)
    if channel.archived:
        raise CallRefused("is_archived")
    if not workspace.bot_in(channel) and "chat:write.public" not in workspace.scopes:
        raise CallRefused("not_in_channel")
    return channel


def direct(workspace: Workspace, user_id: str) -> str:
    user = workspace.users.get(user_id)
    if user is None:
        raise CallRefused("user_not_found")
    if user.bot:
        raise CallRefused("cannot_dm_bot")
    if user.deleted:
        raise CallRefused("user_disabled")
    return workspace.direct(user_id)
