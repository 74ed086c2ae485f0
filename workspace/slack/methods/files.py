"""files.*: an upload in three steps, as files_upload_v2 makes it. The second, the bytes, is in web.py."""

from dataclasses import replace

from workspace.slack import drawn
from workspace.slack.arguments import Arguments
from workspace.slack.methods import places
from workspace.slack.nouns import StoredFile
from workspace.slack.refusal import CallRefused
from workspace.slack.state import Workspace
from workspace.slack.wire import Json


def get_upload_url(workspace: Workspace, args: Arguments) -> Json:
    length = args.number("length", 0)
    if length <= 0:
        raise CallRefused("invalid_arguments", ["[ERROR] must be greater than 0 [json-pointer:/length]"])
    file = StoredFile(workspace.new_id("F"), args.required("filename"), length)
    workspace.files[file.id] = file
    return {"upload_url": f"{workspace.site}/upload/v1/{file.id}", "file_id": file.id}


def complete_upload(workspace: Workspace, args: Arguments) -> Json:
    wanted = args.objects("files", "invalid_arguments")
    if not wanted:
        raise CallRefused("invalid_arguments", ["[ERROR] missing required field: files"])
    files = [_uploaded(workspace, str(each.get("id")), str(each.get("title") or "")) for each in wanted]
    destination = args.optional("channel_id")
    channel = None if destination is None else places.posted_to(workspace, destination)
    for file in files:
        workspace.files[file.id] = file
    if channel is not None:
        workspace.post(
            channel.id,
            workspace.app.bot_user,
            args.optional("initial_comment", "") or "",
            thread_ts=args.optional("thread_ts"),
            files=[file.id for file in files],
        )
    return {"files": [drawn.file(workspace, file) for file in files]}


def _uploaded(workspace: Workspace, id: str, title: str) -> StoredFile:
    file = workspace.files.get(id)
    if file is None or file.content is None:
        raise CallRefused("file_not_found")
    return replace(file, title=title or file.name, complete=True)
