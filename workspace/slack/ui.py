"""The page's side of the server: its files, the stream of states, and one POST for each thing a person does.

The state itself is drawn in ui_state.py. What the page shows of the world outside Slack, and what its break
buttons do, comes from callbacks.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from workspace.slack import ui_state
from workspace.slack.acts import Acts
from workspace.slack.forms import ClickReply, Forms, SubmitReply
from workspace.slack.nouns import Message, View
from workspace.slack.refusal import Impossible
from workspace.slack.state import Workspace
from workspace.slack.wire import Json

COALESCE_SECONDS: Final = 0.05  # states are never pushed faster than this
LOOK_OUTSIDE_SECONDS: Final = 0.3  # how old the world, the events and the story may be while somebody watches
KEEP_ALIVE_SECONDS: Final = 15.0

_TROUBLE: Final = "The bot did not answer in time."


@dataclass(frozen=True, slots=True)
class Outside:
    world: Callable[[], Awaitable[Json]] | None = None
    events: Callable[[], Awaitable[list[Json]]] | None = None
    story: Callable[[], Awaitable[Json]] | None = None
    on_break: Callable[[str], Awaitable[str]] | None = None


class Page:
    def __init__(
        self,
        workspace: Workspace,
        acts: Acts,
        forms: Forms,
        connection: Callable[[], Json],
        outside: Outside,
        page_dir: Path | None,
    ) -> None:
        """`connection`: how the bot is reached now, and which faults are on."""
        self._workspace = workspace
        self._acts = acts
        self._forms = forms
        self._connection = connection
        self._outside = outside
        self._page_dir = page_dir
        self._closing = False
        self._seen_outside: Json = {"world": {}, "events": [], "story": {}}
        self._seen_at = float("-inf")
        self._looking = asyncio.Lock()

    def routes(self) -> list[web.AbstractRouteDef]:
        acts: dict[str, Callable[[Json], Awaitable[Json]]] = {
            "command": self._command,
            "click": self._click,
            "view_action": self._view_action,
            "submit": self._submit,
            "close": self._close,
            "home": self._home,
            "shortcut": self._shortcut,
            "break": self._break,
        }
        routes: list[web.AbstractRouteDef] = [
            web.get("/ui/state", self._state),
            web.get("/ui/stream", self._stream),
            *(web.post(f"/ui/{name}", _answering(act)) for name, act in acts.items()),
        ]
        if self._page_dir is not None:
            routes += _files(self._page_dir)
        return routes

    def close(self) -> None:
        """End every stream."""
        self._closing = True
        self._workspace.changed.touch()

    # What the page shows

    async def _state(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(await self._drawn(self._viewer(request)))

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        """Server-sent events: the whole state at once, and again whenever it is another one."""
        viewer = self._viewer(request)
        stream = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await stream.prepare(request)
        loop = asyncio.get_running_loop()
        sent, sent_at = "", loop.time()
        while not self._closing:
            seen = self._workspace.changed.count
            state = json.dumps(await self._drawn(viewer))
            try:
                if state != sent:
                    await stream.write(f"data: {state}\n\n".encode())
                    sent, sent_at = state, loop.time()
                elif loop.time() - sent_at > KEEP_ALIVE_SECONDS:
                    await stream.write(b": still here\n\n")
                    sent_at = loop.time()
            except ConnectionError:
                break
            await asyncio.sleep(COALESCE_SECONDS)
            await self._workspace.changed.wait(seen, LOOK_OUTSIDE_SECONDS)
        return stream

    def _viewer(self, request: web.Request) -> str:
        """Returns who is looking; the first human when the page does not know yet."""
        users = self._workspace.users
        asked = request.query.get("user", "")
        return asked if asked in users else next(iter(ui_state.humans(self._workspace)), "")

    async def _drawn(self, viewer: str) -> Json:
        drawn = ui_state.state(self._workspace, viewer)
        drawn["app"] |= self._connection()
        return drawn | await self._look_outside()

    async def _look_outside(self) -> Json:
        async with self._looking:
            now = asyncio.get_running_loop().time()
            if now - self._seen_at >= LOOK_OUTSIDE_SECONDS:
                outside = self._outside
                self._seen_outside = {
                    "world": await outside.world() if outside.world else {},
                    "events": await outside.events() if outside.events else [],
                    "story": await outside.story() if outside.story else {},
                }
                self._seen_at = now
            return self._seen_outside

    # What a person does on the page

    async def _command(self, body: Json) -> Json:
        text = str(body.get("text", "")).strip()
        thread_ts = body.get("thread_ts")
        command = self._workspace.app.command
        first, _, rest = text.partition(" ")
        if first.startswith("/") and first != command:
            raise Impossible("no_such_command", f"{first} is not a valid command here, only {command} is.")
        if first != command:
            said = await self._acts.say(body["user"], body["channel"], text, thread_ts)
            return {"ok": True, "ts": said.message.ts}
        reply = await self._acts.slash(body["user"], body["channel"], rest.strip(), thread_ts=thread_ts)
        return {"ok": True} if reply.acked else _failed(reply.error, _TROUBLE)

    async def _click(self, body: Json) -> Json:
        message = self._message(body)
        reply = await self._forms.click(body["user"], message, body["action_id"], **_choice(body))
        return _clicked(reply)

    async def _view_action(self, body: Json) -> Json:
        view = self._filled(body)
        reply = await self._forms.click(body["user"], view, body["action_id"], **_choice(body))
        return _clicked(reply)

    async def _submit(self, body: Json) -> Json:
        reply = await self._forms.submit(body["user"], self._filled(body))
        return _submitted(reply)

    async def _close(self, body: Json) -> Json:
        await self._forms.close_view(body["user"], self._view(body))
        return {"ok": True}

    async def _home(self, body: Json) -> Json:
        await self._acts.open_home(body["user"])
        return {"ok": True}

    async def _shortcut(self, body: Json) -> Json:
        sent = await self._acts.shortcut(body["user"], self._message(body), body["callback_id"])
        return {"ok": True} if sent.acked else _failed(sent.error, _TROUBLE)

    async def _break(self, body: Json) -> Json:
        if self._outside.on_break is None:
            return _failed("nothing_to_break", "There is nothing to break here.")
        return {"ok": True, "message": await self._outside.on_break(str(body["what"]))}

    def _message(self, body: Json) -> Message:
        message = self._workspace.message(body["channel"], body["ts"])
        if message is None:
            raise Impossible("message_gone", "This message is not there any more.")
        return message

    def _view(self, body: Json) -> View:
        view = self._workspace.modals.find(body["view_id"])
        if view is None:
            raise Impossible("view_gone", "This view is not open any more.")
        return view

    def _filled(self, body: Json) -> View:
        """The view with everything that stands in its fields on the page."""
        view = self._view(body)
        for block_id, actions in (body.get("state") or {}).items():
            for action_id, entry in actions.items():
                # What did not change may be an old choice that is no longer offered: Slack sends it too.
                if entry != view.state.get(block_id, {}).get(action_id):
                    value = next((held for key, held in entry.items() if key != "type"), None)
                    view = self._forms.fill_in(body["user"], view, action_id, value, block_id=block_id)
        return view


def _files(page_dir: Path) -> list[web.AbstractRouteDef]:
    async def index(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(page_dir / "index.html", headers={"Cache-Control": "no-store"})

    return [web.get("/", index), web.static("/static", page_dir)]


def _answering(
    act: Callable[[Json], Awaitable[Json]],
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return web.json_response(await act(await request.json()))
        except Impossible as impossible:
            return web.json_response(_failed(impossible.error, impossible.message))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return web.json_response(_failed("bad_request", f"The page sent {error!r}."), status=400)

    return answer


def _choice(body: Json) -> dict[str, Any]:
    return {key: body[key] for key in ("block_id", "value", "selected_option") if body.get(key) is not None}


def _clicked(reply: ClickReply) -> Json:
    return {"ok": True} if reply.acked or not reply.sent else _failed(reply.error, _TROUBLE)


def _submitted(reply: SubmitReply) -> Json:
    if reply.errors:
        return {"ok": False, "errors": reply.errors}
    if reply.error is not None:
        return _failed(reply.error, "We had some trouble connecting. Try again?")
    return {"ok": True}


def _failed(error: str | None, message: str) -> Json:
    return {"ok": False, "error": error or "failed", "message": message}
