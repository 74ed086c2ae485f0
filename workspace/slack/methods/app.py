"""auth.test, bots.info, apps.connections.open and blocks.validate: the app about itself."""

from typing import Final

from workspace.slack import drawn, limits
from workspace.slack.arguments import Arguments
from workspace.slack.refusal import CallRefused
from workspace.slack.schema import Findings
from workspace.slack.state import Workspace
from workspace.slack.wire import Json

_ONE_OF: Final = ("blocks", "message", "view")


def auth_test(workspace: Workspace, args: Arguments) -> Json:
    app = workspace.app
    return {
        "url": f"{workspace.site}/",
        "team": app.team_name,
        "user": app.name.lower(),
        "team_id": app.team_id,
        "user_id": app.bot_user,
        "bot_id": app.bot_id,
        "is_enterprise_install": False,
    }


def bots_info(workspace: Workspace, args: Arguments) -> Json:
    if args.optional("bot", workspace.app.bot_id) != workspace.app.bot_id:
        raise CallRefused("bot_not_found")
    return {"bot": drawn.bot(workspace)}


def connections_open(workspace: Workspace, args: Arguments) -> Json:
    """A link for one WebSocket. It works once: a second handshake with it is refused."""
    ticket = workspace.new_id("").lower() + workspace.new_id("").lower()
    workspace.tickets.add(ticket)
    socket = workspace.site.replace("http", "ws", 1)
    return {"url": f"{socket}/link/?ticket={ticket}&app_id={workspace.app.id}"}


def validate(workspace: Workspace, args: Arguments) -> Json:
    given = [name for name in _ONE_OF if name in args]
    if len(given) != 1:
        raise CallRefused("invalid_arguments", ["[ERROR] exactly one of blocks, message, view"])
    match given[0]:
        case "blocks":
            blocks = args.objects("blocks", "invalid_blocks")
            return _verdict("invalid_blocks", limits.wrong_in_blocks(blocks, workspace.has_file, ""))
        case "message":
            message = args.mapping("message", "invalid_message") or {}
            wrong = limits.wrong_in_blocks(message.get("blocks", []), workspace.has_file)
            return _verdict("invalid_message", wrong)
        case _:
            view = args.mapping("view", "invalid_view") or {}
            return _verdict("invalid_view", limits.wrong_in_view(view, workspace.has_file, ""))


def _verdict(error: str, findings: Findings) -> Json:
    if not findings.found:
        return {}
    wrong = [
        {"pointer": pointer, "code": "failed_constraint", "message": words}
        for words, pointer in findings.found
    ]
    raise CallRefused(error, errors=wrong)
