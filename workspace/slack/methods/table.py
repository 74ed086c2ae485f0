"""Every Web API method that there is here: who answers it, with which token and scope, on which budget."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from workspace.slack.arguments import Arguments
from workspace.slack.methods import app, chat, conversations, files, people, views
from workspace.slack.state import Workspace
from workspace.slack.wire import Json


@dataclass(frozen=True, slots=True)
class Method:
    answer: Callable[[Workspace, Arguments], Json]
    per_minute: (
        int  # Slack's tiers: 1, 20, 50, 100; chat.postMessage is counted by channel and second besides
    )
    scope: str | None = None  # None: none, or one that depends on the kind of channel
    app_token: bool = False


METHODS: Final[Mapping[str, Method]] = {
    "apps.connections.open": Method(app.connections_open, 1, app_token=True),
    "auth.test": Method(app.auth_test, 600),
    "blocks.validate": Method(app.validate, 50),
    "bots.info": Method(app.bots_info, 50, "users:read"),
    "chat.delete": Method(chat.delete, 50, "chat:write"),
    "chat.getPermalink": Method(chat.get_permalink, 600),
    "chat.postEphemeral": Method(chat.post_ephemeral, 100, "chat:write"),
    "chat.postMessage": Method(chat.post_message, 600, "chat:write"),
    "chat.update": Method(chat.update, 50, "chat:write"),
    "conversations.history": Method(conversations.history, 50),
    "conversations.info": Method(conversations.info, 50),
    "conversations.join": Method(conversations.join, 50, "channels:join"),
    "conversations.list": Method(conversations.list_, 20),
    "conversations.members": Method(conversations.members, 100),
    "conversations.open": Method(conversations.open_, 50, "im:write"),
    "conversations.replies": Method(conversations.replies, 50),
    "dnd.teamInfo": Method(people.do_not_disturb, 20, "dnd:read"),
    "files.completeUploadExternal": Method(files.complete_upload, 100, "files:write"),
    "files.getUploadURLExternal": Method(files.get_upload_url, 100, "files:write"),
    "usergroups.list": Method(people.groups, 20, "usergroups:read"),
    "usergroups.users.list": Method(people.group_members, 20, "usergroups:read"),
    "users.conversations": Method(conversations.of_the_bot, 50),
    "users.getPresence": Method(people.presence, 50, "users:read"),
    "users.info": Method(people.info, 100, "users:read"),
    "users.list": Method(people.list_, 20, "users:read"),
    "users.lookupByEmail": Method(people.lookup_by_email, 50, "users:read.email"),
    "views.open": Method(views.open_, 100),
    "views.publish": Method(views.publish, 100),
    "views.push": Method(views.push, 100),
    "views.update": Method(views.update, 100),
}

# Reads that take a query or a form only, and what each cannot do without: a JSON body is not read, so that
# all of it is missing. From the methods' pages on docs.slack.dev: chat.getPermalink takes GET or
# application/x-www-form-urlencoded; conversations.replies answers JSON with invalid_arguments. The pages of
# some others name JSON, too, but not all of them do, so the bot may not rely on it here.
FORM_ONLY: Final[Mapping[str, tuple[str, ...]]] = {
    "bots.info": (),
    "chat.getPermalink": ("channel", "message_ts"),
    "conversations.history": ("channel",),
    "conversations.info": ("channel",),
    "conversations.replies": ("channel", "ts"),
    "dnd.teamInfo": ("users",),
    "usergroups.list": (),
    "usergroups.users.list": ("usergroup",),
    "users.info": ("user",),
}
