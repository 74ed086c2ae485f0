"""Where HTTP and Socket Mode meet: the only place that may hand Bolt a request.

Bolt verifies nothing of a request in this form, so whatever comes here was verified: by the guard,
or by standing on our own socket.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from handlers.door.guard import too_deep
from handlers.door.shapes import why_misshapen
from handlers.metrics import Metrics

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Identity:
    """Which installation of which app this is: other workspaces' payloads are refused."""

    team_id: str
    app_id: str | None  # None: Slack did not say


class Door:
    def __init__(self, app: AsyncApp, identity: Identity, metrics: Metrics) -> None:
        self._app = app
        self._identity = identity
        self._metrics = metrics

    async def deliver(self, payload: Mapping[str, Any]) -> BoltResponse:
        """Slack's payload to its listener; the response is what acknowledges it."""
        began = time.perf_counter()
        response = await self._answer(payload)
        self._metrics.heard(payload, response.status, time.perf_counter() - began)
        return response

    async def _answer(self, payload: Mapping[str, Any]) -> BoltResponse:
        if reason := "nested too deep" if too_deep(payload) else why_misshapen(payload):
            log.info("misshapen", why=reason)
            return BoltResponse(status=400, body=reason)
        if reason := self._why_not_ours(payload):
            return BoltResponse(status=403, body=reason)
        request = AsyncBoltRequest(mode="socket_mode", body=dict(payload))
        return await self._app.async_dispatch(request)

    def _why_not_ours(self, payload: Mapping[str, Any]) -> str | None:
        team = payload.get("team_id") or _id(payload.get("team")) or _id(payload.get("enterprise"))
        if team != self._identity.team_id:
            return "another workspace"
        app = payload.get("api_app_id")
        if self._identity.app_id is not None and app not in {None, self._identity.app_id}:
            return "another app"
        return None


def _id(thing: object) -> str | None:
    return thing.get("id") if isinstance(thing, dict) else None


def delivery_key(body: Mapping[str, Any]) -> str:
    """What makes a payload the same payload when it comes twice."""
    if "event_id" in body:
        return f"event {body['event_id']}"
    if body.get("type") == "view_submission":
        view = body.get("view", {})
        return f"view {view.get('id')} {view.get('hash')}"
    if body.get("type") == "block_actions":
        actions = body.get("actions") or [{}]
        return f"click {body.get('trigger_id')} {actions[0].get('action_ts')} {actions[0].get('action_id')}"[
            :255
        ]
    return f"trigger {body.get('trigger_id')}"[:255]
