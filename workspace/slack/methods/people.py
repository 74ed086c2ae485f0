"""users.*, usergroups.* and dnd.*: who is who, and who is awake."""

from typing import Final

from workspace.slack import drawn
from workspace.slack.arguments import Arguments
from workspace.slack.methods.conversations import page
from workspace.slack.nouns import User
from workspace.slack.refusal import CallRefused
from workspace.slack.state import Workspace
from workspace.slack.wire import Json

MOST_DND_PEOPLE: Final = 50  # that dnd.teamInfo answers for at once


def info(workspace: Workspace, args: Arguments) -> Json:
    return {"user": drawn.user(workspace, _user(workspace, args.required("user")))}


def list_(workspace: Workspace, args: Arguments) -> Json:
    part, cursor = page(list(workspace.users.values()), args)
    shown = [drawn.user(workspace, each) for each in part]
    return {"members": shown, "response_metadata": {"next_cursor": cursor}}


def lookup_by_email(workspace: Workspace, args: Arguments) -> Json:
    email = args.required("email").lower()
    for user in workspace.users.values():
        if user.email is not None and user.email.lower() == email and not user.deleted:
            return {"user": drawn.user(workspace, user)}
    raise CallRefused("users_not_found")


def presence(workspace: Workspace, args: Arguments) -> Json:
    return {"presence": "away" if _user(workspace, args.required("user")).away else "active"}


def groups(workspace: Workspace, args: Arguments) -> Json:
    _need_paid_plan(workspace)
    shown = [
        drawn.group(workspace, each, users=args.flag("include_users"))
        for each in workspace.groups.values()
        if args.flag("include_disabled") or not each.disabled
    ]
    return {"usergroups": shown}


def group_members(workspace: Workspace, args: Arguments) -> Json:
    _need_paid_plan(workspace)
    group = workspace.groups.get(args.required("usergroup"))
    if group is None or (group.disabled and not args.flag("include_disabled")):
        raise CallRefused("no_such_subteam")
    return {"users": list(group.members)}


def do_not_disturb(workspace: Workspace, args: Arguments) -> Json:
    people = args.listed("users")
    if not people:
        raise CallRefused("invalid_arguments", ["[ERROR] missing required field: users"])
    if len(people) > MOST_DND_PEOPLE:
        raise CallRefused("too_many_users")
    now = int(workspace.clock())
    resting = {"dnd_enabled": True, "next_dnd_start_ts": now - 3600, "next_dnd_end_ts": now + 3600}
    # Nobody's night is set up in the workspace, which Slack says by an end at 1.
    waking = {"dnd_enabled": False, "next_dnd_start_ts": 1, "next_dnd_end_ts": 1}
    known = [workspace.users[id] for id in people if id in workspace.users]
    return {"users": {each.id: resting if each.dnd else waking for each in known}}


def _user(workspace: Workspace, id: str) -> User:
    user = workspace.users.get(id)
    if user is None:
        raise CallRefused("user_not_found")
    return user


def _need_paid_plan(workspace: Workspace) -> None:
    if not workspace.paid:
        raise CallRefused("plan_upgrade_required")
