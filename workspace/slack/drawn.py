"""Draws the nouns as the JSON that Slack shows to a bot, in answers and in payloads alike."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from workspace.slack.nouns import Channel, Message, StoredFile, User, UserGroup, View
from workspace.slack.state import Workspace
from workspace.slack.wire import Json


def user(workspace: Workspace, who: User) -> Json:
    offset = datetime.fromtimestamp(workspace.clock(), ZoneInfo(who.tz)).utcoffset() or timedelta(0)
    profile: Json = {"real_name": who.real_name, "display_name": who.name, "team": who.team_id}
    if who.email is not None and "users:read.email" in workspace.scopes:
        profile["email"] = who.email
    drawn: Json = {
        "id": who.id,
        "team_id": who.team_id,
        "name": who.name,
        "real_name": who.real_name,
        "deleted": who.deleted,
        "profile": profile,
        "is_bot": who.bot,
        "updated": int(workspace.clock()),
    }
    if who.deleted:
        return drawn
    drawn |= {
        "color": who.color,
        "tz": who.tz,
        "tz_label": who.tz,
        "tz_offset": int(offset.total_seconds()),
        "is_admin": False,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": who.is_restricted,
        "is_ultra_restricted": who.single_channel_guest,
        "is_app_user": False,
        "is_email_confirmed": not who.invited,
    }
    if who.stranger:
        drawn["is_stranger"] = True
    if who.invited:
        drawn["is_invited_user"] = True
    return drawn


def channel(workspace: Workspace, where: Channel) -> Json:
    drawn: Json = {
        "id": where.id,
        "created": where.created,
        "is_archived": where.archived,
        "is_channel": where.kind == "channels",
        "is_group": where.kind == "groups",
        "is_im": where.kind == "im",
        "is_mpim": False,
        "is_org_shared": False,
        "context_team_id": workspace.app.team_id,
    }
    if where.im_with is not None:
        return drawn | {"user": where.im_with, "is_open": True}
    return drawn | {
        "name": where.name,
        "name_normalized": where.name,
        "is_private": where.private,
        "is_general": False,
        "is_shared": where.shared,
        "is_ext_shared": where.shared,
        "is_pending_ext_shared": False,
        "is_member": workspace.bot_in(where),
        "num_members": len(where.members),
        "topic": {"value": "", "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
    }


def message(workspace: Workspace, what: Message, *, metadata: bool = True) -> Json:
    drawn: Json = {
        "type": "message",
        "user": what.user,
        "text": what.text,
        "ts": what.ts,
        "team": workspace.users[what.user].team_id,
    }
    if what.bot_id is not None:
        drawn |= {"bot_id": what.bot_id, "app_id": workspace.app.id, "bot_profile": bot(workspace)}
    if what.blocks:
        drawn["blocks"] = what.blocks
    if what.attachments:
        drawn["attachments"] = what.attachments
    if what.files:
        drawn["files"] = [file(workspace, workspace.files[id]) for id in what.files]
    if what.thread_ts is not None:
        drawn |= {"thread_ts": what.thread_ts, "parent_user_id": _parent_user(workspace, what)}
    if what.edited:
        drawn["edited"] = {"user": what.user, "ts": what.ts}
    if what.metadata is not None and metadata:
        drawn["metadata"] = what.metadata
    return drawn | _thread(workspace, what)


def _thread(workspace: Workspace, what: Message) -> Json:
    replies = workspace.messages(what.channel, what.ts)
    if not replies:
        return {}
    return {
        "thread_ts": what.ts,
        "reply_count": len(replies),
        "reply_users": sorted({reply.user for reply in replies}),
        "latest_reply": replies[-1].ts,
    }


def _parent_user(workspace: Workspace, reply: Message) -> str:
    parent = workspace.message(reply.channel, reply.thread_ts or "")
    return parent.user if parent else ""


def bot(workspace: Workspace) -> Json:
    app = workspace.app
    return {
        "id": app.bot_id,
        "deleted": False,
        "name": app.name,
        "updated": 0,
        "app_id": app.id,
        "user_id": app.bot_user,
        "team_id": app.team_id,
        "icons": {},
    }


def view(workspace: Workspace, what: View) -> Json:
    app = workspace.app
    return {
        "id": what.id,
        "team_id": app.team_id,
        "type": what.type,
        "blocks": what.blocks,
        "private_metadata": what.private_metadata,
        "callback_id": what.callback_id,
        "state": {"values": what.state},
        "hash": what.hash,
        "title": _plain(what.title or "View Title"),
        "clear_on_close": what.clear_on_close,
        "notify_on_close": what.notify_on_close,
        "close": _plain(what.close),
        "submit": _plain(what.submit),
        "previous_view_id": what.previous_view_id,
        "root_view_id": what.root_view_id,
        "app_id": app.id,
        "external_id": what.external_id,
        "app_installed_team_id": app.team_id,
        "bot_id": app.bot_id,
    }


def _plain(words: str | None) -> Json | None:
    return None if words is None else {"type": "plain_text", "text": words, "emoji": True}


def group(workspace: Workspace, what: UserGroup, *, users: bool) -> Json:
    drawn: Json = {
        "id": what.id,
        "team_id": workspace.app.team_id,
        "is_usergroup": True,
        "name": what.name,
        "handle": what.handle,
        "is_external": False,
        "date_delete": 1 if what.disabled else 0,
        "user_count": len(what.members),
    }
    return drawn | {"users": list(what.members)} if users else drawn


def file(workspace: Workspace, what: StoredFile) -> Json:
    return {
        "id": what.id,
        "name": what.name,
        "title": what.title or what.name,
        "size": what.length,
        "user": workspace.app.bot_user,
        "url_private": f"{workspace.site}/files/{what.id}",
        "permalink": f"{workspace.site}/files/{what.id}",
    }
