"""What people do outside of forms: type a command, say something, use a shortcut, open the App Home.

Everything that Slack's own client would not let a person do raises Impossible, and nothing reaches the bot.
Buttons, selects and modals are in forms.py.
"""

import html
import re
from dataclasses import dataclass

from workspace.slack import payloads, responses
from workspace.slack.delivery import Delivered, Deliverer
from workspace.slack.nouns import EVENTS, SLACKBOT, Channel, Message, User
from workspace.slack.refusal import CallRefused, Impossible
from workspace.slack.state import Workspace
from workspace.slack.wire import Json


@dataclass(frozen=True, slots=True)
class SlashReply:
    acked: bool
    after: float  # seconds until the acknowledgement
    status: int | None = None  # the HTTP status; None over a socket
    text: str | None = None  # of the immediate response
    blocks: list[Json] | None = None
    error: str | None = None  # dispatch_failed, operation_timeout


@dataclass(frozen=True, slots=True)
class SayReply:
    message: Message
    delivered: Delivered | None  # None: the bot is not told

    @property
    def acked(self) -> bool:
        return self.delivered is not None and self.delivered.acked


def person(workspace: Workspace, delivery: Deliverer, user_id: str) -> User:
    """Somebody who is logged in to a Slack that is there."""
    user = workspace.users.get(user_id)
    if user is None or user.deleted or user.invited:
        raise Impossible("not_logged_in", "This person is not logged in to the workspace.")
    if delivery.is_down:
        raise Impossible("slack_down", "Slack is down: nobody can do anything in it right now.")
    return user


def entered(workspace: Workspace, user: User, channel_id: str) -> Channel:
    """A channel that this person is in."""
    channel = workspace.channels.get(channel_id)
    if channel is None or user.id not in channel.members:
        raise Impossible("not_in_channel", f"{user.real_name} is not in this channel.")
    workspace.mark_read(channel_id, user.id)
    return channel


class Acts:
    def __init__(self, workspace: Workspace, delivery: Deliverer) -> None:
        self._workspace = workspace
        self._delivery = delivery

    async def slash(
        self,
        user: str,
        channel: str,
        text: str = "",
        *,
        command: str | None = None,
        thread_ts: str | None = None,
    ) -> SlashReply:
        """Type a slash command. The immediate response, or Slack's own complaint, appears in the channel."""
        workspace = self._workspace
        who = person(workspace, self._delivery, user)
        where = entered(workspace, who, channel)
        command = command or workspace.app.command
        if who.stranger:
            raise Impossible(
                "restricted_action", "People of another organisation cannot use commands of this app."
            )
        if thread_ts is not None:
            raise Impossible("not_supported_in_thread", f"{command} is not supported in threads. Sorry!")
        if where.archived:
            raise Impossible("is_archived", "This channel is archived.")
        target, response_url = responses.issue(workspace, user, channel)
        trigger_id = workspace.modals.issue(user)
        payload = payloads.slash(
            workspace, who, where, command, text, trigger_id=trigger_id, response_url=response_url
        )
        delivered = await self._delivery.send("slash_commands", payload)
        if not delivered.acked:
            return self._command_failed(delivered, user, channel, command)
        body = delivered.body or {}
        if body.get("text") or body.get("blocks"):
            try:
                responses.respond(workspace, target, body)
            except CallRefused:
                return self._command_failed(delivered, user, channel, command)
        return SlashReply(True, delivered.after, delivered.status, body.get("text"), body.get("blocks"))

    def _command_failed(self, delivered: Delivered, user: str, channel: str, command: str) -> SlashReply:
        timed_out = delivered.error in ("timeout", "http_timeout")
        error = "operation_timeout" if timed_out else "dispatch_failed"
        self._workspace.post(
            channel, SLACKBOT, f"{command} failed with the error `{error}`", ephemeral_to=user
        )
        return SlashReply(False, delivered.after, delivered.status, error=error)

    async def say(self, user: str, channel: str, text: str, thread_ts: str | None = None) -> SayReply:
        """Say something. The bot hears it only when it is mentioned in a channel that it is in."""
        workspace = self._workspace
        who = person(workspace, self._delivery, user)
        where = entered(workspace, who, channel)
        if where.archived:
            raise Impossible("is_archived", "This channel is archived.")
        if thread_ts is not None and workspace.message(channel, thread_ts) is None:
            raise Impossible("thread_not_found", "There is no such thread.")
        message = workspace.post(channel, user, self._typed(text), thread_ts=thread_ts)
        mentioned = workspace.app.bot_user in message.notifies
        if not (mentioned and workspace.bot_in(where) and where.im_with is None):
            return SayReply(message, None)
        return SayReply(message, await self.happen(payloads.app_mention(workspace, message)))

    async def shortcut(self, user: str, message: Message | None, callback_id: str) -> Delivered:
        """Use a message shortcut; without a message a global one."""
        workspace = self._workspace
        who = person(workspace, self._delivery, user)
        trigger_id = workspace.modals.issue(user)
        if message is None:
            payload = payloads.global_shortcut(workspace, who, callback_id, trigger_id=trigger_id)
            return await self._delivery.send("interactive", payload)
        entered(workspace, who, message.channel)
        current = workspace.message(message.channel, message.ts)
        if current is None or current.deleted or current.ephemeral_to is not None:
            raise Impossible(
                "message_gone", "A shortcut needs a message that is still there and not ephemeral."
            )
        _, response_url = responses.issue(workspace, user, message.channel, current)
        payload = payloads.message_shortcut(
            workspace, who, current, callback_id, trigger_id=trigger_id, response_url=response_url
        )
        return await self._delivery.send("interactive", payload)

    async def open_home(self, user: str) -> Delivered | None:
        who = person(self._workspace, self._delivery, user)
        home = self._workspace.home(user)
        return await self.happen(payloads.app_home_opened(self._workspace, who, home))

    async def change_group(self, group_id: str, members: list[str]) -> Delivered | None:
        """An administrator changes a user group, and Slack tells the bot."""
        before = set(self._workspace.groups[group_id].members)
        self._workspace.change_usergroup(group_id, members=tuple(members))
        inner: Json = {
            "type": "subteam_members_changed",
            "subteam_id": group_id,
            "team_id": self._workspace.app.team_id,
            "added_users": sorted(set(members) - before),
            "removed_users": sorted(before - set(members)),
            "event_ts": self._workspace.next_ts(),
        }
        return await self.happen(payloads.event(self._workspace, inner))

    async def happen(self, payload: Json) -> Delivered | None:
        """Tell the bot of an event; None when its manifest does not ask for this kind."""
        if payload["event"]["type"] not in EVENTS:
            return None
        return await self._delivery.send("events_api", payload)

    def _typed(self, text: str) -> str:
        """Returns typed words as Slack's client sends them: < > & escaped, names after an @ as mentions."""
        names = {user.name: f"<@{user.id}>" for user in self._workspace.users.values()}
        names |= {group.handle: f"<!subteam^{group.id}>" for group in self._workspace.groups.values()}
        names |= {everyone: f"<!{everyone}>" for everyone in ("channel", "here", "everyone")}
        return _with_mentions(text, names)


def _with_mentions(text: str, names: dict[str, str]) -> str:
    def mention(found: re.Match[str]) -> str:
        return names.get(found[1], found[0])

    finished = re.split(r"(<@[UW][A-Z0-9]+>)", text)  # every second piece is a mention that is already one
    escaped = [piece if at % 2 else html.escape(piece, quote=False) for at, piece in enumerate(finished)]
    return re.sub(r"(?<![\w<])@([a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)", mention, "".join(escaped))
