"""The HTTP side that the bot calls: /api/METHOD, the bytes of an upload, the response_urls."""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web

from workspace.slack import responses
from workspace.slack.arguments import Arguments
from workspace.slack.budget import MethodBudgets
from workspace.slack.faults import Faults, SlackFault
from workspace.slack.methods.places import need
from workspace.slack.methods.table import FORM_ONLY, METHODS, Method
from workspace.slack.nouns import Call
from workspace.slack.refusal import CallRefused
from workspace.slack.state import Workspace
from workspace.slack.wire import Json

# Slack takes far less in one call; this keeps the pretend one from being filled.
LARGEST_BODY_BYTES: Final = 8 * 1024 * 1024
READ_SCOPES: Final = frozenset({"users:read", "users:read.email", "usergroups:read"})  # of the read token
OF_ANY_TOKEN: Final = frozenset({"auth.test"})


class WebApi:
    def __init__(
        self,
        workspace: Workspace,
        faults: Faults,
        budget: MethodBudgets,
        *,
        bot_token: str,
        read_token: str,
        app_token: str,
    ) -> None:
        self._workspace = workspace
        self._faults = faults
        self._budget = budget
        self._bot_token = bot_token
        self._read_token = read_token
        self._app_token = app_token

    def routes(self) -> list[web.RouteDef]:
        return [
            web.route("*", "/api/{method}", self.call),
            web.post("/upload/v1/{file}", self.upload),
            web.post("/response/{id}", self.respond),
        ]

    async def call(self, request: web.Request) -> web.StreamResponse:
        if self._faults.is_down:
            return _cut(request)
        if self._faults.latency:
            await asyncio.sleep(self._faults.latency)
        name = request.match_info["method"]
        try:
            given = await _arguments(name, request)
        except CallRefused as refusal:
            return self._answer(name, {}, _refusal(refusal))
        fault = self._faults.take(name)
        if fault is not None and fault.kind in ("refused", "limited", "broken"):
            return self._undone(name, given, fault)
        answered = self._done(name, given, request)
        if fault is None:
            return answered
        if fault.kind == "garbled":
            return web.Response(body=b'{"ok": tru', content_type="application/json")
        await asyncio.sleep(fault.seconds or 0)
        return _cut(request)

    async def upload(self, request: web.Request) -> web.StreamResponse:
        if self._faults.is_down:
            return _cut(request)
        file = self._workspace.files.get(request.match_info["file"])
        content = await _uploaded(request)
        if file is None or len(content) != file.length:
            return web.Response(status=400, text="Bad request")
        self._workspace.files[file.id] = replace(file, content=content)
        return web.Response(text=f"OK - {len(content)}")

    async def respond(self, request: web.Request) -> web.StreamResponse:
        if self._faults.is_down:
            return _cut(request)
        try:
            body = json.loads(await request.text())
            responses.use(self._workspace, request.match_info["id"], body if isinstance(body, dict) else {})
        except ValueError:
            return web.json_response({"ok": False, "error": "invalid_payload"}, status=400)
        except CallRefused as refusal:
            gone = refusal.error in ("invalid_url", "expired_url", "used_url")
            return web.json_response(_refusal(refusal), status=404 if gone else 400)
        return web.Response(text="ok")

    def _done(self, name: str, given: Json, request: web.Request) -> web.Response:
        """Carry the call out, or refuse it as Slack would."""
        try:
            method = self._authorised(name, given, request)
            args = Arguments(given)
            wait = self._budget.spend(name, method.per_minute, args)
            if wait is not None:
                return self._limited(name, given, wait)
            _need_all(FORM_ONLY.get(name, ()), given)
            return self._answer(name, given, {"ok": True, **method.answer(self._workspace, args)})
        except CallRefused as refusal:
            return self._answer(name, given, _refusal(refusal))

    def _authorised(self, name: str, given: Json, request: web.Request) -> Method:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ") or given.get("token")
        if not token:
            raise CallRefused("not_authed")
        if token not in (self._bot_token, self._read_token, self._app_token):
            raise CallRefused("invalid_auth")
        method = METHODS.get(name)
        if method is None:
            raise CallRefused("unknown_method", req_method=name)
        if method.app_token != (token == self._app_token):
            raise CallRefused("not_allowed_token_type")
        if token == self._read_token:
            _only_read(name, method)
        if method.scope is not None:
            need(self._workspace, method.scope)
        return method

    def _undone(self, name: str, given: Json, fault: SlackFault) -> web.Response:
        """Answer without doing anything."""
        match fault.kind:
            case "limited":
                return self._limited(name, given, fault.seconds)
            case "broken":
                self._record(name, given, f"http_{fault.status}")
                return web.Response(status=fault.status, text="upstream connect error")
            case _:
                return self._answer(name, given, {"ok": False, "error": fault.error})

    def _limited(self, name: str, given: Json, seconds: float | None) -> web.Response:
        self._record(name, given, "ratelimited")
        headers = {} if seconds is None else {"Retry-After": str(round(seconds))}
        return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)

    def _answer(self, name: str, given: Json, answer: Json) -> web.Response:
        self._record(name, given, answer.get("error"))
        scopes = {"x-oauth-scopes": ",".join(sorted(self._workspace.scopes))}
        return web.json_response(answer, headers=scopes)

    def _record(self, name: str, given: Json, error: object) -> None:
        refused = None if error is None else str(error)
        args = {key: value for key, value in given.items() if key != "token"}
        self._workspace.calls.append(Call(name, args, self._workspace.clock(), refused is None, refused))
        self._workspace.changed.touch()


def _only_read(name: str, method: Method) -> None:
    """Answers who somebody is, and who is in which group. `needed` null: it depends on the channel."""
    if method.scope not in READ_SCOPES and name not in OF_ANY_TOKEN:
        raise CallRefused("missing_scope", needed=method.scope, provided=",".join(sorted(READ_SCOPES)))


def _need_all(names: Iterable[str], given: Json) -> None:
    """Raises CallRefused with all that is missing: Slack answers so to a body that it does not read."""
    if missing := [f"[ERROR] missing required field: {name}" for name in names if not given.get(name)]:
        raise CallRefused("invalid_arguments", missing)


def _refusal(refusal: CallRefused) -> Json:
    answer: Json = {"ok": False, "error": refusal.error, **refusal.extra}
    if refusal.messages:
        answer["response_metadata"] = {"messages": list(refusal.messages)}
    return answer


def _cut(request: web.Request) -> web.StreamResponse:
    """Break the connection: the client hears nothing at all."""
    if isinstance(request.transport, asyncio.Transport):
        request.transport.abort()
    return web.Response(status=503)


async def _arguments(name: str, request: web.Request) -> Json:
    given: Json = dict(request.query)
    if request.content_type == "application/json" and name in FORM_ONLY:
        return given
    if request.content_type == "application/json":
        body = await _json(request)
    else:
        body = await _form(request)
    return {**given, **body}


async def _json(request: web.Request) -> Mapping[str, Any]:
    text = await request.text()
    if not text:
        return {}
    try:
        body = json.loads(text)
    except ValueError:
        raise CallRefused("invalid_json") from None
    if not isinstance(body, dict):
        raise CallRefused("json_not_object")
    return body


async def _form(request: web.Request) -> Mapping[str, Any]:
    if request.content_type == "multipart/form-data":
        return {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    return dict(parse_qsl(await request.text(), keep_blank_values=True))


async def _uploaded(request: web.Request) -> bytes:
    """The bytes of a file: the body itself, or the one file of a form."""
    if request.content_type != "multipart/form-data":
        return await request.read()
    for value in (await request.post()).values():
        if isinstance(value, web.FileField):
            return value.file.read()
    return b""
