"""The server itself: quick to make, awaitable, and gone without a trace when it is stopped."""

import asyncio
import gc
import time

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from workspace.slack import PretendSlack, Workspace


async def test_a_workspace_is_made_served_and_stopped_in_less_than_50_ms() -> None:
    took = []
    for _ in range(5):
        started = time.perf_counter()
        server = await PretendSlack.start(Workspace(seed=1))
        await server.stop()
        took.append(time.perf_counter() - started)
    assert min(took) < 0.05


async def test_a_stopped_server_leaves_no_task_and_no_port(
    workspace: Workspace, session: aiohttp.ClientSession
) -> None:
    before = asyncio.all_tasks()
    server = await PretendSlack.start(workspace, sleep=lambda _: asyncio.sleep(3600))
    await server.open_home("U01ANA")  # nobody answers: a retry waits in the background
    server.deliver_over("http", "http://127.0.0.1:1/")
    await server.stop()
    gc.collect()
    assert asyncio.all_tasks() == before
    with pytest.raises(aiohttp.ClientConnectorError):
        await session.get(server.url)


async def test_until_gives_the_value_as_soon_as_it_is_there(
    server: PretendSlack, workspace: Workspace
) -> None:
    waiting = asyncio.create_task(server.until(lambda: workspace.messages("C01INC")))
    await asyncio.sleep(0)
    workspace.post("C01INC", "U01ANA", "hello")
    assert (await waiting)[0].text == "hello"


async def test_until_looks_at_what_is_outside_the_workspace_too(server: PretendSlack) -> None:
    done: list[bool] = []
    asyncio.get_running_loop().call_later(0.03, done.append, True)
    await server.until(lambda: done)


async def test_until_says_what_happened_last_when_it_waited_in_vain(
    server: PretendSlack, api: AsyncWebClient
) -> None:
    await api.auth_test()
    with pytest.raises(TimeoutError, match=r"auth\.test ok"):
        await server.until(lambda: False, timeout=0.05)


async def test_the_same_seed_gives_the_same_ids() -> None:
    def ids() -> list[str]:
        made = Workspace(seed=3)
        made.add_user("U01ANA", "ana")
        return [made.direct("U01ANA"), made.modals.issue("U01ANA")]

    assert ids() == ids()


def test_times_never_repeat_and_never_run_back(workspace: Workspace) -> None:
    stamps = [workspace.next_ts() for _ in range(100)]
    assert stamps == sorted(set(stamps))
