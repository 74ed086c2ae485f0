"""What a workspace is made of. Values only: state.py changes them, by replacing them."""

from dataclasses import dataclass, field
from typing import Final

from workspace.slack import reading
from workspace.slack.wire import Json

SLACKBOT: Final = "USLACKBOT"

# What manifest.yml asks for. A test that is about a missing scope takes one away, or adds another.
SCOPES: Final = frozenset(
    {
        "app_mentions:read",
        "channels:history",
        "channels:join",
        "channels:read",
        "chat:write",
        "chat:write.public",
        "commands",
        "dnd:read",
        "files:write",
        "groups:history",
        "groups:read",
        "im:history",
        "im:write",
        "usergroups:read",
        "users:read",
        "users:read.email",
    }
)

# The events that manifest.yml subscribes to: others are never sent.
EVENTS: Final = frozenset(
    {
        "app_home_opened",
        "app_mention",
        "app_uninstalled",
        "channel_id_changed",
        "subteam_members_changed",
        "subteam_updated",
        "tokens_revoked",
    }
)


@dataclass(frozen=True, slots=True)
class App:
    """The one app that is installed: the bot under test."""

    id: str = "A01ROLLBACK"
    name: str = "Rollback"
    command: str = "/rollback"
    bot_user: str = "U00ROLLBACK"
    bot_id: str = "B00ROLLBACK"
    team_id: str = "T01SANDBOX"
    team_name: str = "Sandbox"
    team_domain: str = "sandbox"


@dataclass(frozen=True, slots=True)
class User:
    id: str
    name: str
    real_name: str
    team_id: str
    tz: str
    email: str | None = None  # None: Slack shows no address
    guest: bool = False
    single_channel_guest: bool = False
    stranger: bool = False  # of another organisation, here through Slack Connect
    bot: bool = False
    deleted: bool = False
    invited: bool = False  # has not accepted the invitation yet
    away: bool = False
    dnd: bool = False
    note: str = ""  # what the page says under the name: "may ask"
    color: str = "4a154b"

    @property
    def is_restricted(self) -> bool:
        return self.guest or self.single_channel_guest


@dataclass(frozen=True, slots=True)
class Channel:
    id: str
    name: str
    private: bool = False
    shared: bool = False  # with another organisation
    archived: bool = False
    im_with: str | None = None  # the person on the other side of a direct message with the bot
    members: frozenset[str] = frozenset()
    created: int = 0

    @property
    def kind(self) -> str:
        """The word that Slack's scopes use: channels, groups or im."""
        if self.im_with is not None:
            return "im"
        return "groups" if self.private else "channels"


@dataclass(frozen=True, slots=True)
class UserGroup:
    id: str
    handle: str
    name: str
    members: tuple[str, ...]
    disabled: bool = False


class Surface:
    """Something that is made of blocks."""

    __slots__ = ()
    blocks: list[Json]

    def buttons(self) -> list[tuple[str, str, str | None, str | None]]:
        """Returns (label, action_id, value, style) of each button, in reading order."""
        return reading.buttons(self.blocks)


@dataclass(frozen=True, slots=True)
class Message(Surface):
    ts: str
    channel: str
    user: str
    text: str
    at: float
    blocks: list[Json] = field(default_factory=list)
    attachments: list[Json] = field(default_factory=list)
    metadata: Json | None = None
    thread_ts: str | None = None
    bot_id: str | None = None
    edited: int = 0  # how often
    ephemeral_to: str | None = None  # None: everybody in the channel sees it
    deleted: bool = False
    files: tuple[str, ...] = ()
    # Whom posting it has rung: user and group ids, and "channel", "here", "everyone". Edits ring nobody.
    notifies: frozenset[str] = frozenset()

    def plain(self) -> str:
        """All visible words in reading order; the text alone when there are no blocks."""
        return reading.plain(self.blocks) or self.text


@dataclass(frozen=True, slots=True)
class View(Surface):
    id: str
    type: str  # modal or home
    user: str
    title: str
    blocks: list[Json]
    hash: str
    root_view_id: str
    submit: str | None = None
    close: str | None = None
    callback_id: str = ""
    private_metadata: str = ""
    external_id: str = ""
    clear_on_close: bool = False
    notify_on_close: bool = False
    previous_view_id: str | None = None
    state: dict[str, Json] = field(default_factory=dict)  # block_id → action_id → what is filled in
    errors: dict[str, str] = field(default_factory=dict)  # block_id → words under the field

    def plain(self) -> str:
        return "\n".join(part for part in (self.title, reading.plain(self.blocks)) if part)


@dataclass(frozen=True, slots=True)
class StoredFile:
    id: str
    name: str
    length: int
    content: bytes | None = None  # None: not uploaded yet
    title: str = ""
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Trigger:
    id: str
    user: str
    issued: float
    view_id: str | None = None  # the view it was issued in; None: a message, a command, a shortcut


@dataclass(frozen=True, slots=True)
class ResponseUrl:
    id: str
    user: str
    channel: str
    issued: float
    message_ts: str | None = None  # the message that `replace_original` replaces
    thread_ts: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One Web API call that the bot made, for assertions."""

    method: str
    args: Json
    at: float
    ok: bool
    error: str | None = None
