"""A Slack workspace in memory: people, channels, messages, user groups, files, and every call of the bot.

It keeps what is so and wakes who waits for changes. Who may do what is for methods/ (the bot) and acts.py and
forms.py (people) to say; modals and triggers are in modals.py.
"""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from workspace.slack import reading
from workspace.slack.block_ids import with_ids
from workspace.slack.changes import Changes
from workspace.slack.modals import Modals
from workspace.slack.nouns import (
    SCOPES,
    SLACKBOT,
    App,
    Call,
    Channel,
    Message,
    ResponseUrl,
    StoredFile,
    User,
    UserGroup,
    View,
)
from workspace.slack.wire import Json

STRANGER_TEAM: Final = "T0STRANGERS"
_COLORS: Final = ("9f69e7", "4bbe2e", "e7392d", "3c989f", "674b1b", "e96699", "e0a729", "684b6c")
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class Workspace:
    """One workspace with one installed app. `clock` gives seconds since 1970; `seed` makes ids repeatable."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        seed: int | None = None,  # None: unpredictable ids
        app: App | None = None,
        scopes: Iterable[str] = SCOPES,
    ) -> None:
        self.clock = clock
        self.random = random.Random(seed)  # noqa: S311 - ids, not secrets
        self.app = app or App()
        self.scopes = set(scopes)
        self.site = ""  # where it is served; set by the server
        self.paid = True  # False: a free plan, without user groups
        self.ephemerals_arrive = True  # False: they are answered with ok and shown to nobody
        self.files_ready = True  # False: Slack still looks at uploaded files, blocks cannot show them yet
        self.changed = Changes()
        self.calls: list[Call] = []
        self.users: dict[str, User] = {}
        self.channels: dict[str, Channel] = {}
        self.groups: dict[str, UserGroup] = {}
        self.files: dict[str, StoredFile] = {}
        self.tickets: set[str] = set()  # of WebSocket links that nobody has used
        self.response_urls: dict[str, tuple[ResponseUrl, int]] = {}  # with the number of uses so far
        self.modals = Modals(clock, self.new_id, self.changed)
        self._messages: dict[str, dict[str, Message]] = {}
        self._read: dict[tuple[str, str], str] = {}
        self._last_tick = 0
        self.add_user(self.app.bot_user, self.app.name.lower(), real_name=self.app.name, bot=True)
        self.add_user(SLACKBOT, "slackbot", real_name="Slackbot", color="757575")

    def new_id(self, prefix: str) -> str:
        return prefix + "".join(self.random.choices(_LETTERS, k=10))

    def next_ts(self) -> str:
        """Like Slack's: the time in seconds with six digits, never the same twice, never running back."""
        self._last_tick = max(self._last_tick + 1, round(self.clock() * 1_000_000))
        return f"{self._last_tick // 1_000_000}.{self._last_tick % 1_000_000:06d}"

    # People and groups

    def add_user(
        self,
        id: str,
        name: str,
        *,
        real_name: str | None = None,
        guest: bool = False,
        single_channel_guest: bool = False,
        stranger: bool = False,
        bot: bool = False,
        deleted: bool = False,
        invited: bool = False,
        away: bool = False,
        email: str | None = None,
        tz: str = "Europe/Berlin",
        note: str = "",
        color: str | None = None,
    ) -> User:
        user = User(
            id=id,
            name=name,
            real_name=real_name or name.capitalize(),
            team_id=STRANGER_TEAM if stranger else self.app.team_id,
            tz=tz,
            email=email,
            guest=guest,
            single_channel_guest=single_channel_guest,
            stranger=stranger,
            bot=bot,
            deleted=deleted,
            invited=invited,
            away=away,
            note=note,
            color=color or _COLORS[len(self.users) % len(_COLORS)],
        )
        self.users[id] = user
        self.changed.touch()
        return user

    def change_user(self, id: str, **changes: Any) -> User:
        """Changes a person while a test runs: `deleted=True`, `dnd=True`, `guest=True` …"""
        self.users[id] = replace(self.users[id], **changes)
        self.changed.touch()
        return self.users[id]

    def add_usergroup(
        self, id: str, handle: str, members: Sequence[str], *, name: str | None = None
    ) -> UserGroup:
        self.groups[id] = UserGroup(id, handle, name or handle, tuple(members))
        self.changed.touch()
        return self.groups[id]

    def change_usergroup(self, id: str, **changes: Any) -> UserGroup:
        self.groups[id] = replace(self.groups[id], **changes)
        self.changed.touch()
        return self.groups[id]

    # Channels

    def add_channel(
        self,
        id: str,
        name: str,
        *,
        private: bool = False,
        shared: bool = False,
        archived: bool = False,
        members: Iterable[str] = (),
        bot_member: bool = True,
    ) -> Channel:
        inside = frozenset([*members, self.app.bot_user] if bot_member else members)
        channel = Channel(id, name, private, shared, archived, None, inside, int(self.clock()))
        return self._keep(channel)

    def change_channel(self, id: str, **changes: Any) -> Channel:
        return self._keep(replace(self.channels[id], **changes))

    def join(self, user: str, channel: str) -> Channel:
        return self.change_channel(channel, members=self.channels[channel].members | {user})

    def leave(self, user: str, channel: str) -> Channel:
        return self.change_channel(channel, members=self.channels[channel].members - {user})

    def direct(self, user: str) -> str:
        """The id of this person's direct messages with the bot; opened when it is not there yet."""
        for channel in self.channels.values():
            if channel.im_with == user:
                return channel.id
        both = frozenset({user, self.app.bot_user})
        opened = Channel(self.new_id("D"), "", im_with=user, members=both, created=int(self.clock()))
        return self._keep(opened).id

    def _keep(self, channel: Channel) -> Channel:
        self.channels[channel.id] = channel
        self.changed.touch()
        return channel

    def bot_in(self, channel: Channel) -> bool:
        return self.app.bot_user in channel.members

    # Messages

    def post(
        self,
        channel: str,
        user: str,
        text: str,
        *,
        blocks: list[Json] | None = None,
        attachments: list[Json] | None = None,
        metadata: Json | None = None,
        thread_ts: str | None = None,
        ephemeral_to: str | None = None,
        files: Sequence[str] = (),
    ) -> Message:
        message = Message(
            ts=self.next_ts(),
            channel=channel,
            user=user,
            text=text,
            at=self.clock(),
            blocks=with_ids(blocks or [], self.new_id),
            attachments=attachments or [],
            metadata=metadata,
            thread_ts=thread_ts,
            bot_id=self.app.bot_id if user == self.app.bot_user else None,
            ephemeral_to=ephemeral_to,
            files=tuple(files),
            notifies=reading.called(text, blocks or []),
        )
        return self._put(message)

    def edit(self, message: Message, **changes: Any) -> Message:
        """A silent change of a message; blocks get the ids that Slack would give them."""
        if "blocks" in changes:
            changes["blocks"] = with_ids(changes["blocks"], self.new_id)
        return self._put(replace(message, edited=message.edited + 1, **changes))

    def delete(self, message: Message) -> Message:
        return self._put(replace(message, deleted=True))

    def _put(self, message: Message) -> Message:
        self._messages.setdefault(message.channel, {})[message.ts] = message
        self.changed.touch()
        return message

    def message(self, channel: str, ts: str) -> Message | None:
        """The newest form of a message, a deleted one too; None when there never was one."""
        return self._messages.get(channel, {}).get(ts)

    def messages(
        self, channel: str, thread_ts: str | None = None, viewer: str | None = None
    ) -> list[Message]:
        """Returns what stands in a channel, oldest first; with `thread_ts` the replies of a thread instead.

        `viewer=None` is nobody in particular: every ephemeral message is in the list. Deleted ones never are.
        """
        return [message for message in self.everything(channel, viewer) if message.thread_ts == thread_ts]

    def everything(self, channel: str, viewer: str | None = None) -> list[Message]:
        """Top level and threads together, oldest first."""
        standing = self._messages.get(channel, {}).values()
        return [message for message in standing if not message.deleted and self.sees(message, viewer)]

    def unread(self, channel: str, viewer: str) -> int:
        """How many messages came since this person last wrote or pressed something there."""
        after = self._read.get((channel, viewer), "")
        return sum(
            message.ts > after and message.user != viewer for message in self.everything(channel, viewer)
        )

    def mark_read(self, channel: str, viewer: str) -> None:
        self._read[channel, viewer] = self.next_ts()

    @staticmethod
    def sees(message: Message, viewer: str | None) -> bool:
        return viewer is None or message.ephemeral_to in (None, viewer)

    def has_file(self, id: str) -> bool:
        """Whether a block may show this file."""
        return self.files_ready and id in self.files and self.files[id].complete

    # Views, handed on

    def views(self, user: str) -> list[View]:
        """The modals that are open for this person; the last one is on top."""
        return self.modals.stack(user)

    def home(self, user: str) -> View | None:
        return self.modals.homes.get(user)
