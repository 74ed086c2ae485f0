"""The pretend Slack as a server on loopback: Web API, Socket Mode, signed HTTP, the page, its people's hands.

workspace = Workspace(seed=1)
server = await PretendSlack.start(workspace)
… AsyncWebClient(token=server.bot_token, base_url=server.api_url) …
await server.stop()
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, Literal, Self, TypeVar

import aiohttp
from aiohttp import web

from workspace.slack import guard, payloads
from workspace.slack.acts import Acts
from workspace.slack.budget import MethodBudgets
from workspace.slack.delivery import RETRIES_AFTER_SECONDS, Delivered, Deliverer
from workspace.slack.faults import Faults
from workspace.slack.forms import Forms
from workspace.slack.signed import SignedHttp, signed_headers
from workspace.slack.sockets import Sockets
from workspace.slack.state import Workspace
from workspace.slack.ui import Outside, Page
from workspace.slack.web import LARGEST_BODY_BYTES, WebApi
from workspace.slack.wire import Json, PayloadKind

ACK_SECONDS: Final = 3.0
LOOK_SECONDS: Final = 0.02  # how often `until` looks at what does not belong to the workspace
SHUTDOWN_SECONDS: Final = 0.5

T = TypeVar("T")


class PretendSlack:
    """Made by `start`. What people do is slash, say, shortcut, open_home, click, submit and close_view."""

    def __init__(
        self,
        workspace: Workspace,
        *,
        ack_timeout: float,
        retries: Sequence[float],
        sleep: Callable[[float], Awaitable[None]],
        page_dir: Path | None,
        outside: Outside,
    ) -> None:
        self.workspace = workspace
        self.faults = Faults(workspace.clock, workspace.random)
        self.sockets = Sockets(workspace, self.faults, ack_timeout)
        self.faults.on_down = self.sockets.abort
        self.delivery = delivery = Deliverer(self.sockets, self.faults, retries=retries, sleep=sleep)
        self.budget = MethodBudgets(workspace.clock)
        self.url = ""  # http://127.0.0.1:PORT
        self.mode: Literal["socket", "http"] = "socket"
        self.bot_token = "xoxb-" + workspace.new_id("")
        self.read_token = "xoxb-" + workspace.new_id("")  # of a worker: it looks people up
        self.app_token = "xapp-" + workspace.new_id("")
        self.signing_secret = workspace.new_id("").lower()
        acts, forms = Acts(workspace, delivery), Forms(workspace, delivery)
        self.slash, self.say, self.shortcut = acts.slash, acts.say, acts.shortcut
        self.open_home, self.change_group, self.happen = acts.open_home, acts.change_group, acts.happen
        self.click, self.submit, self.close_view = forms.click, forms.submit, forms.close_view
        self.fill_in = forms.fill_in
        self._page = Page(workspace, acts, forms, self._connection, outside, page_dir)
        self._ack_timeout = ack_timeout
        self._session: aiohttp.ClientSession | None = None  # made when payloads go over HTTP
        self._runner: web.AppRunner | None = None

    @classmethod
    async def start(
        cls,
        workspace: Workspace,
        port: int = 0,
        *,
        ack_timeout: float = ACK_SECONDS,
        retries: Sequence[float] = RETRIES_AFTER_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        page_dir: Path | None = None,
        world: Callable[[], Awaitable[Json]] | None = None,
        events: Callable[[], Awaitable[list[Json]]] | None = None,
        story: Callable[[], Awaitable[Json]] | None = None,
        on_break: Callable[[str], Awaitable[str]] | None = None,
    ) -> Self:
        """Listen on 127.0.0.1 (port 0: any).

        `retries` and `sleep` time the retries of events. `page_dir` and what follows it belong to the page:
        what it shows of the world outside Slack, and what its break buttons do.
        """
        server = cls(
            workspace,
            ack_timeout=ack_timeout,
            retries=retries,
            sleep=sleep,
            page_dir=page_dir,
            outside=Outside(world, events, story, on_break),
        )
        await server._listen(port)
        return server

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/"

    async def _listen(self, port: int) -> None:
        api = WebApi(
            self.workspace,
            self.faults,
            self.budget,
            bot_token=self.bot_token,
            read_token=self.read_token,
            app_token=self.app_token,
        )
        app = web.Application(middlewares=[guard.only_from_here], client_max_size=LARGEST_BODY_BYTES)
        app.add_routes([*api.routes(), web.get("/link/", self.sockets.link), *self._page.routes()])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self.workspace.site = self.url

    def _connection(self) -> Json:
        """Returns how the bot is reached now, as the page shows it."""
        return {
            "connected": self.mode == "http" or len(self.sockets) > 0,
            "mode": self.mode,
            "faults": self.faults.active(),
        }

    async def stop(self) -> None:
        """Everything ends: streams, sockets, retries, the port."""
        self.faults.let_go()
        await self.delivery.stop()
        self._page.close()
        await self.sockets.close()
        if self._session is not None:
            await self._session.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def deliver_over(self, mode: Literal["socket", "http"], request_url: str | None = None) -> None:
        """How payloads reach the bot from now on; "http" needs its request URL."""
        self.mode = mode
        if mode == "socket":
            self.delivery.transport = self.sockets
            return
        if request_url is None:
            raise ValueError("deliver_over('http', request_url)")
        if self._session is None:
            self._session = aiohttp.ClientSession()
        self.delivery.transport = SignedHttp(
            self._session, request_url, self.signing_secret, self.workspace.clock, self._ack_timeout
        )

    async def verify_url(self) -> bool:
        """Slack's own question to a request URL, before it is accepted: does it send the challenge back?"""
        challenge = self.workspace.new_id("")
        asked = await self.delivery.send("events_api", payloads.url_verification(challenge))
        return asked.acked and asked.body is not None and challenge in asked.body.values()

    async def forge(self, payload: Json, kind: PayloadKind | None = None) -> Delivered:
        """Send any payload as it is: what somebody with a stolen secret could send."""
        if kind is None:
            kind = "slash_commands" if "command" in payload else "interactive"
            kind = "events_api" if payload.get("type") in ("event_callback", "url_verification") else kind
        return await self.delivery.send(kind, payload)

    def signed_headers(self, body: bytes, at: float | None = None) -> dict[str, str]:
        """The headers that make these bytes a request from Slack (`at`: another time than now)."""
        return signed_headers(self.signing_secret, body, self.workspace.clock() if at is None else at)

    async def until(self, condition: Callable[[], T], timeout: float = 5.0) -> T:
        """Wait until the condition holds, and give its value; TimeoutError after `timeout` seconds."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            seen = self.workspace.changed.count
            value = condition()
            if value:
                return value
            if loop.time() >= deadline:
                raise TimeoutError(f"not within {timeout} s: {self._latest()}")
            await self.workspace.changed.wait(seen, LOOK_SECONDS)

    def _latest(self) -> str:
        """Returns what happened last, for a test that waited in vain."""
        calls = [f"{call.method} {call.error or 'ok'}" for call in self.workspace.calls[-5:]]
        sent = [f"{each.kind} {'acked' if each.acked else each.error}" for each in self.delivery.log[-5:]]
        return f"last calls: {calls}; last payloads: {sent}"
