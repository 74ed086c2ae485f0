"""Where a card may stand: asked before anything is filled in, and again before it is posted."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.clock import Clock
from bot.configuration import Configuration
from handlers.slack.refusals import NO_ANSWER, said

CHANNEL_KNOWN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """A channel, and why no card may stand there; `why_not` None: it may."""

    id: str
    name: str
    why_not: str | None = None


class Channels:
    def __init__(self, configuration: Configuration, client: AsyncWebClient, clock: Clock) -> None:
        self._configuration = configuration
        self._client = client
        self._clock = clock
        self._known: dict[tuple[str, bool], tuple[float, Place]] = {}

    async def place(self, channel_id: str, *, is_drill: bool = False) -> Place:
        """Joins a public channel that the bot is not in yet.

        A drill decides nothing, so it may be asked where nobody else reads, and beside the incident channels.
        """
        now = self._clock().timestamp()
        at, known = self._known.get((channel_id, is_drill), (0.0, None))
        if known is not None and known.why_not is None and now - at < CHANNEL_KNOWN_SECONDS:
            return known
        place = await self._look(channel_id, is_drill)
        self._known[channel_id, is_drill] = (now, place)
        return place

    async def _look(self, channel_id: str, is_drill: bool) -> Place:
        if channel_id.startswith("D"):
            return Place(channel_id, "direct message", None if is_drill else self._elsewhere())
        invite = "I am not in this channel. Type `/invite @rollback` here, then ask again."
        try:
            answer = await self._client.conversations_info(channel=channel_id)
        except SlackApiError as problem:
            if said(problem)[1] in {"channel_not_found", "missing_scope"}:
                return Place(channel_id, "this channel", invite)
            return Place(
                channel_id, "this channel", "Slack did not say what channel this is. Try again in a moment."
            )
        except NO_ANSWER:
            return Place(
                channel_id, "this channel", "Slack did not say what channel this is. Try again in a moment."
            )
        channel: dict[str, Any] = answer["channel"]
        name = channel.get("name") or "direct message"
        reason = self._why_no_card(channel) or (None if is_drill else self._why_no_rollback(channel, name))
        if reason is not None:
            return Place(channel_id, name, reason)
        if channel.get("is_member"):
            return Place(channel_id, name)
        if channel.get("is_private"):
            return Place(channel_id, name, invite)
        try:
            await self._client.conversations_join(channel=channel_id)
        except NO_ANSWER:
            return Place(channel_id, name, invite)
        return Place(channel_id, name)

    def _elsewhere(self) -> str:
        command = self._configuration.command
        return f"A rollback is asked where others can see it. Type `{command}` in the incident channel."

    def _why_no_card(self, channel: dict[str, Any]) -> str | None:
        if channel.get("is_archived"):
            return "This channel is archived, so no card can be posted. Ask in another channel."
        if (
            channel.get("is_ext_shared")
            or channel.get("is_org_shared")
            or channel.get("is_pending_ext_shared")
        ):
            return (
                "This channel is shared with another organisation, so no card is posted here. Ask in "
                "an internal channel."
            )
        return None

    def _why_no_rollback(self, channel: dict[str, Any], name: str) -> str | None:
        if channel.get("is_im") or channel.get("is_mpim"):
            return self._elsewhere()
        allowed = self._configuration.incident_channels
        if allowed and not any(fnmatchcase(name, glob) or glob == channel["id"] for glob in allowed):
            return (
                f"Rollbacks are asked in {', '.join(f'#{glob}' for glob in allowed)}. Type "
                f"`{self._configuration.command}` there."
            )
        return None

    def forget(self, channel_id: str) -> None:
        for is_drill in (False, True):
            self._known.pop((channel_id, is_drill), None)
