"""conversations.*: channels, their members and what stands in them."""

from collections.abc import Sequence
from typing import TypeVar

from workspace.slack import drawn
from workspace.slack.arguments import Arguments
from workspace.slack.methods import places
from workspace.slack.nouns import Channel, Message
from workspace.slack.refusal import CallRefused
from workspace.slack.state import Workspace
from workspace.slack.wire import Json

T = TypeVar("T")

_KINDS = {"public_channel": "channels", "private_channel": "groups", "im": "im", "mpim": "mpim"}


def info(workspace: Workspace, args: Arguments) -> Json:
    channel = places.seen(workspace, args.required("channel"))
    places.need(workspace, f"{channel.kind}:read")
    return {"channel": drawn.channel(workspace, channel)}


def list_(workspace: Workspace, args: Arguments) -> Json:
    return _channels(workspace, args, mine=False)


def of_the_bot(workspace: Workspace, args: Arguments) -> Json:
    """users.conversations without a user: where the bot is a member."""
    return _channels(workspace, args, mine=True)


def members(workspace: Workspace, args: Arguments) -> Json:
    channel = places.seen(workspace, args.required("channel"))
    places.need(workspace, f"{channel.kind}:read")
    part, cursor = page(sorted(channel.members), args)
    return {"members": part, "response_metadata": {"next_cursor": cursor}}


def join(workspace: Workspace, args: Arguments) -> Json:
    channel = places.seen(workspace, args.required("channel"))
    if channel.kind != "channels":
        raise CallRefused("method_not_supported_for_channel_type")
    if channel.archived:
        raise CallRefused("is_archived")
    already = workspace.bot_in(channel)
    joined = workspace.join(workspace.app.bot_user, channel.id)
    answer: Json = {"channel": drawn.channel(workspace, joined)}
    return answer | {"warning": "already_in_channel"} if already else answer


def open_(workspace: Workspace, args: Arguments) -> Json:
    if "channel" in args:
        return {"channel": {"id": places.seen(workspace, args.required("channel")).id}}
    people = args.listed("users")
    if len(people) != 1:
        raise CallRefused("invalid_arguments", ["[ERROR] one user: group conversations do not exist here"])
    return {"channel": {"id": places.direct(workspace, people[0])}}


def history(workspace: Workspace, args: Arguments) -> Json:
    channel = places.read(workspace, args.required("channel"))
    return _messages(workspace, workspace.messages(channel.id)[::-1], args)


def replies(workspace: Workspace, args: Arguments) -> Json:
    channel = places.read(workspace, args.required("channel"))
    parent = workspace.message(channel.id, args.required("ts"))
    if parent is None or parent.deleted:
        raise CallRefused("thread_not_found")
    return _messages(workspace, [parent, *workspace.messages(channel.id, parent.ts)], args)


def page(everything: Sequence[T], args: Arguments) -> tuple[list[T], str]:
    """One page of a list and the cursor of the next; the cursor is empty on the last page."""
    cursor = args.optional("cursor") or "0"
    if not cursor.isdecimal() or int(cursor) > len(everything):
        raise CallRefused("invalid_cursor")
    start, limit = int(cursor), args.number("limit", 100)
    if not 1 <= limit <= 1000:
        raise CallRefused("invalid_limit")
    end = start + limit
    return list(everything[start:end]), str(end) if end < len(everything) else ""


def _channels(workspace: Workspace, args: Arguments, *, mine: bool) -> Json:
    kinds = [_KINDS.get(name) for name in args.listed("types") or ["public_channel"]]
    if None in kinds:
        raise CallRefused("invalid_types")
    for kind in kinds:
        places.need(workspace, f"{kind}:read")

    def listed(channel: Channel) -> bool:
        inside = workspace.bot_in(channel)
        visible = inside if mine else inside or channel.kind == "channels"
        return visible and channel.kind in kinds and not (channel.archived and args.flag("exclude_archived"))

    part, cursor = page([each for each in workspace.channels.values() if listed(each)], args)
    shown = [drawn.channel(workspace, each) for each in part]
    return {"channels": shown, "response_metadata": {"next_cursor": cursor}}


def _messages(workspace: Workspace, messages: Sequence[Message], args: Arguments) -> Json:
    oldest, latest = float(args.optional("oldest") or 0), float(args.optional("latest") or "inf")
    inclusive = args.flag("inclusive")

    def within(message: Message) -> bool:
        at = float(message.ts)
        return oldest < at < latest or (inclusive and at in (oldest, latest))

    found = [each for each in messages if each.ephemeral_to is None and within(each)]
    part, cursor = page(found, args)
    metadata = args.flag("include_all_metadata")
    shown = [drawn.message(workspace, each, metadata=metadata) for each in part]
    return {"messages": shown, "has_more": bool(cursor), "response_metadata": {"next_cursor": cursor}}
