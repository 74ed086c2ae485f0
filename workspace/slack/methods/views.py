"""views.*: the modals and App Homes that the bot draws."""

from workspace.slack import drawn, limits
from workspace.slack.arguments import Arguments
from workspace.slack.nouns import View
from workspace.slack.refusal import CallRefused
from workspace.slack.state import Workspace
from workspace.slack.wire import Json


def open_(workspace: Workspace, args: Arguments) -> Json:
    view = _modal(workspace, args)
    return _shown(workspace, workspace.modals.open(args.required("trigger_id"), view))


def push(workspace: Workspace, args: Arguments) -> Json:
    view = _modal(workspace, args)
    return _shown(workspace, workspace.modals.push(args.required("trigger_id"), view))


def update(workspace: Workspace, args: Arguments) -> Json:
    view = _view(workspace, args)
    old = workspace.modals.find(args.optional("view_id"), args.optional("external_id"))
    if old is None:
        raise CallRefused("not_found")
    if old.type != view["type"]:
        raise CallRefused(
            "invalid_arguments", ["[ERROR] type of a view cannot change [json-pointer:/view/type]"]
        )
    return _shown(workspace, workspace.modals.update(old, view, args.optional("hash")))


def publish(workspace: Workspace, args: Arguments) -> Json:
    view = _view(workspace, args)
    if view["type"] != "home":
        raise CallRefused(
            "invalid_arguments", ["[ERROR] must be a valid enum value [json-pointer:/view/type]"]
        )
    user = workspace.users.get(args.required("user_id"))
    if user is None or user.bot:
        raise CallRefused("invalid_arguments", ["invalid `user_id`"])
    return _shown(workspace, workspace.modals.publish(user.id, view, args.optional("hash")))


def _modal(workspace: Workspace, args: Arguments) -> Json:
    view = _view(workspace, args)
    if view["type"] != "modal":
        raise CallRefused(
            "invalid_arguments", ["[ERROR] must be a valid enum value [json-pointer:/view/type]"]
        )
    return view


def _view(workspace: Workspace, args: Arguments) -> Json:
    view = args.mapping("view", "invalid_arguments")
    if view is None:
        raise CallRefused("invalid_arguments", ["[ERROR] missing required field: view"])
    limits.check_view(view, workspace.has_file)
    return view


def _shown(workspace: Workspace, view: View) -> Json:
    return {"view": drawn.view(workspace, view)}
