"""Where HTTP and Socket Mode meet: the only place that may hand Bolt a request.

Bolt verifies nothing of a request in this form, so whatever comes here was verified: by the guard,
or by standing on our own socket.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from handlers.access import FROM_SLACK, way_of
from handlers.door.admission import Admission, Limits
from handlers.door.delivery import Delivery, delivery_of, loop_time
from handlers.door.guard import why_unreadable
from handlers.door.shapes import why_misshapen
from handlers.web.metrics import Metrics

log = structlog.get_logger()

UNUSED = "response_urls"  # more than one of them and Bolt raises KeyError; we answer by channel and ts


@dataclass(frozen=True, slots=True)
class Identity:
    """Which installation of which app this is: other workspaces' payloads are refused."""

    team_id: str
    app_id: str | None  # None: Slack did not say


class Door:
    def __init__(
        self, app: AsyncApp, identity: Identity, metrics: Metrics, limits: Limits | None = None
    ) -> None:
        """`limits` None: those of a real installation."""
        self._app = app
        self._identity = identity
        self._metrics = metrics
        self._admission = Admission(limits or Limits())
        metrics.taken.set_function(lambda: self._admission.taken)
        metrics.waiting.set_function(lambda: self._admission.waiting)

    async def deliver(self, payload: Mapping[str, Any]) -> BoltResponse:
        """Slack's payload to its listener; the response is what acknowledges it."""
        came_at = loop_time()
        response = await self._answer(payload, came_at)
        self._metrics.heard(payload, response.status, loop_time() - came_at)
        return response

    async def _answer(self, payload: Mapping[str, Any], came_at: float) -> BoltResponse:
        if reason := why_unreadable(payload) or why_misshapen(payload):
            log.info("misshapen", why=reason)
            return BoltResponse(status=400, body=reason)
        if reason := self._why_not_ours(payload):
            return BoltResponse(status=403, body=reason)
        if (way := way_of(payload)) not in FROM_SLACK:
            log.info("no such way in", way=way[:100])
            return BoltResponse(status=404, body="no such way in")
        turned = await self._admission.enter(self._admission.rank(payload, came_at))
        delivery = delivery_of(payload, came_at, turned)
        try:
            return await self._dispatch(payload, delivery)
        finally:
            if turned is None:
                self._admission.leave()

    async def _dispatch(self, payload: Mapping[str, Any], delivery: Delivery) -> BoltResponse:
        """Hands what was turned away to its listener too, which knows how to say so."""
        request = _readable(payload, delivery)
        if request is None:
            return BoltResponse(status=400, body="has values of other types")
        response = await self._app.async_dispatch(request)
        if delivery.turned is not None:
            self._metrics.not_accepted.labels(delivery.turned.value).inc()
        return response

    def _why_not_ours(self, payload: Mapping[str, Any]) -> str | None:
        team = payload.get("team_id") or _id(payload.get("team")) or _id(payload.get("enterprise"))
        if team != self._identity.team_id:
            return "another workspace"
        app = payload.get("api_app_id")
        if self._identity.app_id is not None and app not in {None, self._identity.app_id}:
            return "another app"
        return None


def _readable(payload: Mapping[str, Any], delivery: Delivery) -> AsyncBoltRequest | None:
    """None: Bolt, which reads more of it than our listeners rely on, stumbled over a value."""
    body = {name: value for name, value in payload.items() if name != UNUSED}
    try:
        return AsyncBoltRequest(mode="socket_mode", body=body, context={"delivery": delivery})
    except (TypeError, AttributeError, LookupError, ValueError):
        return None


def _id(thing: object) -> str | None:
    return thing.get("id") if isinstance(thing, dict) else None
