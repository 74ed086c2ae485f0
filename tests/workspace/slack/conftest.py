"""A workspace with a few people, served; a client of its Web API; and real Bolt apps that connect to it."""

from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from workspace.slack import PretendSlack, Workspace

Connect = Callable[[AsyncApp], Awaitable[AsyncSocketModeHandler]]

NOW = 1_795_320_000.0  # 22 November 2026, 04:00 UTC


class Clock:
    """A time that moves only when a test says so."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now

    def forward(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def workspace(clock: Clock) -> Workspace:
    made = Workspace(clock=clock, seed=1)
    made.add_user("U01ANA", "ana", real_name="Ana Ruiz", email="ana@example.com")
    made.add_user("U01BEN", "ben", email="ben@example.com")
    made.add_user("U01CY", "cy", tz="America/New_York")
    made.add_user("U01GUEST", "gus", guest=True)
    made.add_user("U09STRANGER", "sam", stranger=True)
    everybody = ["U01ANA", "U01BEN", "U01CY", "U01GUEST"]
    made.add_channel("C01INC", "inc-storefront", members=everybody)
    made.add_channel("C02SHARED", "shared-with-acme", shared=True, members=[*everybody, "U09STRANGER"])
    made.add_channel("C03PUBLIC", "general", members=everybody, bot_member=False)
    made.add_channel("G04PRIVATE", "secret", private=True, members=["U01ANA"], bot_member=False)
    made.add_usergroup("S01PAYMGR", "payments-managers", ["U01BEN", "U01CY"])
    return made


@pytest.fixture
async def server(workspace: Workspace) -> AsyncIterator[PretendSlack]:
    running = await PretendSlack.start(workspace)
    yield running
    await running.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def api(server: PretendSlack, session: aiohttp.ClientSession) -> AsyncWebClient:
    """The SDK's own client, without its retries."""
    return AsyncWebClient(
        token=server.bot_token, base_url=server.api_url, session=session, retry_handlers=[], timeout=3
    )


@pytest.fixture
def app(api: AsyncWebClient, server: PretendSlack) -> AsyncApp:
    return AsyncApp(client=api, signing_secret=server.signing_secret)


@pytest.fixture
async def connect(server: PretendSlack) -> AsyncIterator[Connect]:
    """Connects an app over Socket Mode; every connection is closed at the end."""
    handlers: list[AsyncSocketModeHandler] = []

    async def connected(app: AsyncApp) -> AsyncSocketModeHandler:
        before = len(server.sockets)
        handler = AsyncSocketModeHandler(app, server.app_token, ping_interval=0.1)
        handlers.append(handler)
        await handler.connect_async()  # type: ignore[no-untyped-call]
        await server.until(lambda: len(server.sockets) > before)
        return handler

    yield connected
    for handler in handlers:
        await handler.close_async()  # type: ignore[no-untyped-call]
