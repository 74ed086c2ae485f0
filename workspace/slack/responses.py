"""Answers to a command or a click outside the Web API: in the acknowledgement, or at its response_url.

A response_url lives for 30 minutes and works five times.
"""

from typing import Final

from workspace.slack import limits
from workspace.slack.arguments import Arguments
from workspace.slack.nouns import Message, ResponseUrl
from workspace.slack.refusal import CallRefused
from workspace.slack.state import Workspace
from workspace.slack.wire import Json

LIFE_SECONDS: Final = 30 * 60
MOST_USES: Final = 5


def issue(
    workspace: Workspace, user: str, channel: str, message: Message | None = None
) -> tuple[ResponseUrl, str]:
    """A new response_url and its address."""
    made = ResponseUrl(
        workspace.new_id("r"),
        user,
        channel,
        workspace.clock(),
        message.ts if message else None,
        message.thread_ts if message else None,
    )
    workspace.response_urls[made.id] = (made, 0)
    return made, f"{workspace.site}/response/{made.id}"


def use(workspace: Workspace, id: str, body: Json) -> None:
    known = workspace.response_urls.get(id)
    if known is None:
        raise CallRefused("invalid_url")
    target, uses = known
    if workspace.clock() - target.issued > LIFE_SECONDS:
        raise CallRefused("expired_url")
    if uses >= MOST_USES:
        raise CallRefused("used_url")
    workspace.response_urls[id] = (target, uses + 1)
    respond(workspace, target, body)


def respond(workspace: Workspace, target: ResponseUrl, body: Json) -> Message | None:
    """Show what the bot answered; None when it only took its message away. It needs no membership."""
    args = Arguments(body)
    blocks = args.objects("blocks", "invalid_blocks_format") or []
    limits.check_message(blocks, workspace.has_file)
    text = args.optional("text", "") or ""
    original = workspace.message(target.channel, target.message_ts) if target.message_ts else None
    if args.flag("delete_original") and original is not None:
        workspace.delete(original)
        return None
    if args.flag("replace_original") and original is not None:
        return workspace.edit(original, text=text, blocks=blocks)
    if not (text or blocks):
        raise CallRefused("no_text")
    return workspace.post(
        target.channel,
        workspace.app.bot_user,
        text,
        blocks=blocks,
        thread_ts=args.optional("thread_ts") or target.thread_ts,
        ephemeral_to=None if body.get("response_type") == "in_channel" else target.user,
    )
