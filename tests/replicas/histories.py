"""The three histories of a world of real processes, as the checker compares them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from bot.canonical_json import digest, from_iso, iso
from tests.chaos.histories import Answer, Histories, Shown, Stored, Told, stored
from tests.replicas.world import Replicas
from workspace.slack.nouns import Message
from workspace.slack.state import Workspace

ACCEPTED = ": reading `"  # what a command that was accepted is answered with
NOT_ACCEPTED = "NOT accepted"
NOT_KNOWN = "It is not known yet"
AROUND = timedelta(seconds=5)  # a click and its refusal are not further apart


async def histories(world: Replicas) -> Histories:
    """When everything is quiet."""
    async with world.store.database.read() as connection:
        rows = await connection.run_sync(lambda synchronous: stored(synchronous))
    said = _modals(world.workspace)
    told = tuple(_as_heard(one, said, rows) for one in world.doors.told)
    return Histories(told, rows, world.backend.journal.read(), tuple(_shown(world.workspace)))


def _modals(workspace: Workspace) -> Mapping[str, str]:
    """What each modal said when it was opened, by its trigger."""
    opened = [call for call in workspace.calls if call.method == "views.open" and call.ok]
    return {str(call.args["trigger_id"]): str(call.args["view"]) for call in opened}


def _as_heard(told: Told, modals: Mapping[str, str], rows: Stored) -> Told:
    """A command is answered in words. A click is only acknowledged: what is said follows in a modal, or never
    when the front was killed before it; the refusal itself is evidence."""
    if told.answer is not Answer.ACCEPTED:
        return told
    if told.delivery.startswith("trigger "):
        return replace(told, answer=_in_words(told.words))
    follows = next((text for trigger, text in modals.items() if trigger in told.delivery), "")
    if follows and told.delivery not in rows.deliveries:
        return replace(told, answer=_in_words(follows))
    return replace(told, answer=Answer.REFUSED) if _is_refused(told, rows) else told


def _in_words(words: str) -> Answer:
    if NOT_ACCEPTED in words:
        return Answer.NOT_ACCEPTED
    if NOT_KNOWN in words or not words:
        return Answer.NONE
    return Answer.ACCEPTED if ACCEPTED in words else Answer.REFUSED


def _is_refused(told: Told, rows: Stored) -> bool:
    if told.delivery in rows.deliveries:
        return False
    at = from_iso(told.at)
    since, until = iso(at - AROUND), iso(at + AROUND)
    refused = (entry for entry in rows.evidence if entry["kind"] == "press_refused")
    return any(entry["by"] == told.person and since <= entry["at"] <= until for entry in refused)


def _shown(workspace: Workspace) -> Iterator[Shown]:
    drawn = _drawn(workspace)
    for channel in workspace.channels:
        for message in workspace.everything(channel):
            if message.metadata and not message.deleted:
                yield Shown(
                    channel,
                    message.ts,
                    message.metadata["event_payload"]["run_id"],
                    drawn[channel, message.ts],
                    message.thread_ts is not None and message.thread_ts != message.ts,
                    bool(message.buttons()),
                )


def _drawn(workspace: Workspace) -> Mapping[tuple[str, str], str]:
    """Digests of what each message of the bot shows, as it was sent: the n-th post made the n-th message."""
    posted: defaultdict[str, list[str]] = defaultdict(list)
    updated: dict[tuple[str, str], str] = {}
    for call in workspace.calls:
        if not call.ok or call.method not in {"chat.postMessage", "chat.update"}:
            continue
        sent = digest({"text": call.args.get("text", ""), "blocks": call.args.get("blocks") or []})
        if call.method == "chat.update":
            updated[call.args["channel"], call.args["ts"]] = sent
        else:
            posted[_place(workspace, call.args["channel"])].append(sent)
    return {**dict(_first_drawn(workspace, posted)), **updated}


def _place(workspace: Workspace, channel: str) -> str:
    """A post to a person goes to the direct messages with them."""
    return workspace.direct(channel) if channel in workspace.users else channel


def _first_drawn(
    workspace: Workspace, posted: Mapping[str, list[str]]
) -> Iterator[tuple[tuple[str, str], str]]:
    for channel, drawings in posted.items():
        messages = [m for m in workspace.everything(channel) if _is_post(workspace, m)]
        for message, drawing in zip(messages, drawings, strict=True):
            yield (channel, message.ts), drawing


def _is_post(workspace: Workspace, message: Message) -> bool:
    return message.user == workspace.app.bot_user and message.ephemeral_to is None
