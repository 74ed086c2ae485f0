"""The one aiohttp application, and the table of everything that it answers.

A route without a gate cannot be added: its audience is part of it, and each audience has one gate.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

from handlers.door.guard import BODY_AT_MOST_BYTES
from handlers.web.drawing import protect
from handlers.web.health import healthz, metrics, readyz
from handlers.web.hooks import changes, told_by_a_source
from handlers.web.idle_connections import keep_heard
from handlers.web.pages import drills, newest_runs, one_run
from handlers.web.readers import may_read, not_forwarded
from handlers.web.route_state import FRONT, PROCESS, FrontState, ProcessState
from handlers.web.slack_events import signed_by_slack, slack_events

Handler = Callable[[web.Request], Awaitable[web.Response]]
Gate = Callable[[web.Request], Awaitable[web.Response | None]]  # a response is a refusal


class Audience(StrEnum):
    PUBLIC = "public"
    SLACK = "slack"  # signed by Slack
    INSIDE = "inside"  # whoever reaches the port itself, not by a proxy
    READER = "reader"  # on this machine, or with a signed link
    SOURCE = "source"  # a program that the configuration names under `hooks`, by its token


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    path: str
    audience: Audience
    handler: Handler


ROUTES = (
    Route("POST", "/slack/events", Audience.SLACK, slack_events),
    Route("POST", "/hooks/changes", Audience.SOURCE, changes),
    Route("GET", "/healthz", Audience.PUBLIC, healthz),
    Route("GET", "/readyz", Audience.PUBLIC, readyz),
    Route("GET", "/metrics", Audience.INSIDE, metrics),
    Route("GET", "/drills", Audience.READER, drills),
    Route("GET", "/runs", Audience.READER, newest_runs),
    Route("GET", "/runs/{run_id:(?:RB|BK)-[1-9][0-9]{0,8}}", Audience.READER, one_run),
)


WATCHERS = {Audience.PUBLIC, Audience.INSIDE}


async def _anybody(_: web.Request) -> web.Response | None:
    return None


GATES: Mapping[Audience, Gate] = {
    Audience.PUBLIC: _anybody,
    Audience.SLACK: signed_by_slack,
    Audience.INSIDE: not_forwarded,
    Audience.READER: may_read,
    Audience.SOURCE: told_by_a_source,
}


def web_app(process: ProcessState, front: FrontState | None) -> web.Application:
    """`front` None: a worker, which answers only those who watch it."""
    app = web.Application(client_max_size=BODY_AT_MOST_BYTES)
    app[PROCESS] = process
    if front is not None:
        app[FRONT] = front
    app.on_response_prepare.append(protect)
    keep_heard(app)
    for route in ROUTES:
        if front is not None or route.audience in WATCHERS:
            app.router.add_route(route.method, route.path, _behind(GATES[route.audience], route.handler))
    return app


def _behind(gate: Gate, handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        refusal = await gate(request)
        return await handler(request) if refusal is None else refusal

    return answer
