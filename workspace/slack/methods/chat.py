"""chat.*: the messages that the bot writes."""

from typing import Any, Final

from workspace.slack import drawn, limits
from workspace.slack.arguments import Arguments
from workspace.slack.methods import places
from workspace.slack.nouns import Message
from workspace.slack.refusal import CallRefused
from workspace.slack.state import Workspace
from workspace.slack.wire import Json

LONGEST_POST_CHARACTERS: Final = 40_000  # longer text is cut
LONGEST_UPDATE_CHARACTERS: Final = 4_000  # longer text is refused


def post_message(workspace: Workspace, args: Arguments) -> Json:
    channel = places.posted_to(workspace, args.required("channel"))
    content = _content(workspace, args)
    thread_ts = _thread(workspace, channel.id, args.optional("thread_ts"))
    message = workspace.post(channel.id, workspace.app.bot_user, thread_ts=thread_ts, **content)
    return {"channel": channel.id, "ts": message.ts, "message": drawn.message(workspace, message)}


def post_ephemeral(workspace: Workspace, args: Arguments) -> Json:
    channel = places.posted_to(workspace, args.required("channel"))
    user = args.required("user")
    if user not in channel.members:
        raise CallRefused("user_not_in_channel")
    if not workspace.bot_in(channel):
        raise CallRefused("not_in_channel")
    content = _content(workspace, args)
    thread_ts = _thread(workspace, channel.id, args.optional("thread_ts"))
    if workspace.ephemerals_arrive:
        shown = workspace.post(
            channel.id, workspace.app.bot_user, thread_ts=thread_ts, ephemeral_to=user, **content
        )
        return {"message_ts": shown.ts}
    return {"message_ts": workspace.next_ts()}


def update(workspace: Workspace, args: Arguments) -> Json:
    channel = places.seen(workspace, args.required("channel"))
    if channel.archived:
        raise CallRefused("is_inactive")
    message = _own(workspace, channel.id, args.required("ts"), "cant_update_message")
    text = args.optional("text", "") or ""
    if len(text) > LONGEST_UPDATE_CHARACTERS:
        raise CallRefused("msg_too_long")
    content = _content(workspace, args, may_be_empty="blocks" in args or "attachments" in args)
    # What is not mentioned stays; an empty list takes blocks or attachments away.
    edited = workspace.edit(message, **{name: value for name, value in content.items() if name in args})
    shown = drawn.message(workspace, edited)
    return {"channel": channel.id, "ts": edited.ts, "text": edited.text, "message": shown}


def delete(workspace: Workspace, args: Arguments) -> Json:
    channel = places.seen(workspace, args.required("channel"))
    message = workspace.delete(_own(workspace, channel.id, args.required("ts"), "cant_delete_message"))
    return {"channel": channel.id, "ts": message.ts}


def get_permalink(workspace: Workspace, args: Arguments) -> Json:
    channel = places.seen(workspace, args.required("channel"))
    message = _standing(workspace, channel.id, args.required("message_ts"))
    link = f"{workspace.site}/archives/{channel.id}/p{message.ts.replace('.', '')}"
    if message.thread_ts is not None:
        link += f"?thread_ts={message.thread_ts}&cid={channel.id}"
    return {"channel": channel.id, "permalink": link}


def _content(workspace: Workspace, args: Arguments, *, may_be_empty: bool = False) -> dict[str, Any]:
    """Returns what a message says, checked as Slack checks it."""
    blocks = args.objects("blocks", "invalid_blocks_format") or []
    attachments = args.objects("attachments", "invalid_attachments") or []
    text = args.optional("text", "") or ""
    if not (text or blocks or attachments or may_be_empty):
        raise CallRefused("no_text")
    limits.check_message(blocks, workspace.has_file)
    metadata = args.mapping("metadata", "invalid_metadata_format")
    if metadata is not None and not (
        metadata.get("event_type") and isinstance(metadata.get("event_payload"), dict)
    ):
        raise CallRefused("invalid_metadata_format")
    return {
        "text": text[:LONGEST_POST_CHARACTERS],
        "blocks": blocks,
        "attachments": attachments,
        "metadata": metadata,
    }


def _thread(workspace: Workspace, channel: str, thread_ts: str | None) -> str | None:
    if thread_ts is None:
        return None
    parent = workspace.message(channel, thread_ts)
    if parent is None or parent.deleted:
        raise CallRefused("thread_not_found")
    if parent.ephemeral_to is not None:
        raise CallRefused("cannot_reply_to_message")
    return parent.thread_ts or parent.ts


def _standing(workspace: Workspace, channel: str, ts: str) -> Message:
    message = workspace.message(channel, ts)
    if message is None or message.deleted or message.ephemeral_to is not None:
        raise CallRefused("message_not_found")
    return message


def _own(workspace: Workspace, channel: str, ts: str, refusal: str) -> Message:
    message = _standing(workspace, channel, ts)
    if message.user != workspace.app.bot_user:
        raise CallRefused(refusal)
    return message
