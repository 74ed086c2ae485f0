"""The page's endpoints: what one person sees, what one person can do there, and who may not drive it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from tests.workspace.slack.conftest import Connect
from tests.workspace.slack.drafts import (
    actions,
    button,
    field,
    modal,
    option,
    section,
    select,
    text_field,
)
from workspace.slack import PretendSlack, Workspace
from workspace.slack.ui import COALESCE_SECONDS, LOOK_OUTSIDE_SECONDS

Json = dict[str, Any]


class Demo:
    """What a demo gives the page beside the workspace."""

    def __init__(self) -> None:
        self.status = 500
        self.looks = 0
        self.broken: list[str] = []

    async def world(self) -> Json:
        self.looks += 1
        return {"storefront": {"status": self.status}}

    async def events(self) -> list[Json]:
        return [{"run": "RB-1", "seq": 1, "kind": "requested", "words": "Ana asked"}]

    async def story(self) -> Json:
        return {"title": "Sunday, 04:00", "steps": []}

    async def on_break(self, what: str) -> str:
        self.broken.append(what)
        return "The bot is gone. It comes back."


@pytest.fixture
def demo() -> Demo:
    return Demo()


@pytest.fixture
async def server(workspace: Workspace, demo: Demo, tmp_path: Path) -> AsyncIterator[PretendSlack]:
    (tmp_path / "index.html").write_text("<title>pretend Slack</title>")
    (tmp_path / "page.js").write_text("export {};")
    running = await PretendSlack.start(
        workspace,
        page_dir=tmp_path,
        world=demo.world,
        events=demo.events,
        story=demo.story,
        on_break=demo.on_break,
    )
    yield running
    await running.stop()


class Browser:
    def __init__(self, server: PretendSlack, session: aiohttp.ClientSession) -> None:
        self._server = server
        self._session = session

    async def state(self, user: str = "U01ANA") -> Json:
        async with self._session.get(f"{self._server.url}/ui/state", params={"user": user}) as answer:
            return dict(await answer.json())

    async def post(self, name: str, **body: object) -> Json:
        async with self._session.post(
            f"{self._server.url}/ui/{name}", json={"user": "U01ANA", **body}
        ) as answer:
            return dict(await answer.json())


@pytest.fixture
def browser(server: PretendSlack, session: aiohttp.ClientSession) -> Browser:
    return Browser(server, session)


async def test_the_page_and_its_files_are_served(
    server: PretendSlack, session: aiohttp.ClientSession
) -> None:
    async with session.get(server.url) as answer:
        assert "pretend Slack" in await answer.text()
    async with session.get(f"{server.url}/static/page.js") as answer:
        assert answer.status == 200


async def test_the_state_is_what_one_person_sees(api: AsyncWebClient, browser: Browser) -> None:
    card = await api.chat_postMessage(channel="C01INC", text="card", blocks=[actions(button("approve"))])
    await api.chat_postMessage(channel="C01INC", text="ended", thread_ts=card["ts"])
    await api.chat_postEphemeral(channel="C01INC", user="U01BEN", text="only Ben")

    ana, ben = await browser.state("U01ANA"), await browser.state("U01BEN")
    assert [each["text"] for each in ana["messages"]["C01INC"]] == ["card", "ended"]
    assert [each["text"] for each in ben["messages"]["C01INC"]] == ["card", "ended", "only Ben"]
    shown = ana["messages"]["C01INC"][0]
    assert (shown["reply_count"], shown["bot"], shown["edited"]) == (1, True, False)
    assert shown["at"] == "2026-11-22T04:00:00.000Z"
    assert shown["blocks"][0]["elements"][0]["action_id"] == "approve"
    assert {each["id"] for each in ana["channels"]} == {"C01INC", "C02SHARED", "C03PUBLIC", "G04PRIVATE"}
    assert "G04PRIVATE" not in {each["id"] for each in ben["channels"]}
    assert ana["me"] == "U01ANA"
    assert next(each for each in ana["users"] if each["id"] == "U01ANA")["initials"] == "AR"
    assert ana["usergroups"] == [{"id": "S01PAYMGR", "handle": "payments-managers"}]
    assert ana["app"]["command"] == "/rollback"
    assert (ana["world"], ana["story"]["title"]) == ({"storefront": {"status": 500}}, "Sunday, 04:00")
    assert ana["events"][0]["words"] == "Ana asked"


async def test_nobody_asked_for_is_the_first_human(browser: Browser) -> None:
    assert (await browser.state(""))["me"] == "U01ANA"


async def test_unread_counts_what_came_since_a_person_last_did_something_there(
    api: AsyncWebClient, browser: Browser
) -> None:
    async def unread() -> int:
        channels = (await browser.state())["channels"]
        return int(next(each for each in channels if each["id"] == "C01INC")["unread"])

    for text in ("card", "ended"):
        await api.chat_postMessage(channel="C01INC", text=text)
    assert await unread() == 2
    await browser.post("command", channel="C01INC", text="thanks")
    assert await unread() == 0


async def test_a_typed_command_goes_to_the_bot_and_other_words_to_the_channel(
    server: PretendSlack, workspace: Workspace, app: AsyncApp, connect: Connect, browser: Browser
) -> None:
    @app.command("/rollback")
    async def command(ack: Any, body: Json) -> None:
        await ack(f"heard {body['text']}")

    await connect(app)
    assert await browser.post("command", channel="C01INC", text="/rollback storefront") == {"ok": True}
    assert (await browser.post("command", channel="C01INC", text="hello @ben"))["ok"]
    assert [each.text for each in workspace.messages("C01INC")] == ["heard storefront", "hello <@U01BEN>"]


async def test_a_modal_is_filled_in_chosen_in_and_sent_from_the_page(
    workspace: Workspace, api: AsyncWebClient, app: AsyncApp, connect: Connect, browser: Browser
) -> None:
    chosen: list[Json] = []
    sent: list[Json] = []

    @app.action("target")
    async def target(ack: Any, body: Json) -> None:
        await ack()
        chosen.append(body["view"]["state"]["values"])

    @app.view("start")
    async def start(ack: Any, body: Json) -> None:
        await ack()
        sent.append(body["view"]["state"]["values"])

    await connect(app)
    choose = field("b1", select("target", "orders", "storefront"), dispatch_action=True)
    await api.views_open(
        trigger_id=workspace.modals.issue("U01ANA"),
        view=modal(choose, text_field("reason", "b2"), callback_id="start"),
    )
    view = (await browser.state())["views"][0]
    typed = {"b2": {"reason": {"type": "plain_text_input", "value": "500s"}}}
    acted = await browser.post(
        "view_action",
        view_id=view["id"],
        block_id="b1",
        action_id="target",
        selected_option=option("orders"),
        state=typed,
    )
    assert acted == {"ok": True}
    assert chosen[0]["b2"]["reason"]["value"] == "500s"
    assert await browser.post("submit", view_id=view["id"], state=typed) == {"ok": True}
    assert sent[0]["b1"]["target"]["selected_option"]["value"] == "orders"
    assert (await browser.state())["views"] == []


async def test_an_incomplete_modal_is_answered_with_the_words_for_each_field(
    workspace: Workspace, api: AsyncWebClient, browser: Browser
) -> None:
    await api.views_open(trigger_id=workspace.modals.issue("U01ANA"), view=modal(text_field("reason")))
    view = (await browser.state())["views"][0]
    answer = await browser.post("submit", view_id=view["id"], state={})
    assert answer == {"ok": False, "errors": {"b1": "Please complete this required field."}}
    assert (await browser.state())["views"][0]["errors"] == answer["errors"]
    assert await browser.post("close", view_id=view["id"]) == {"ok": True}


async def test_a_click_that_cannot_be_is_explained_in_plain_words(
    api: AsyncWebClient, browser: Browser
) -> None:
    card = await api.chat_postMessage(channel="C01INC", text="card", blocks=[actions(button("approve"))])
    click = {"channel": "C01INC", "ts": card["ts"], "action_id": "approve"}
    unheard = await browser.post("click", **click)
    assert (unheard["ok"], unheard["error"]) == (False, "no_connection")
    await api.chat_delete(channel="C01INC", ts=card["ts"])
    gone = await browser.post("click", **click)
    assert gone == {"ok": False, "error": "message_gone", "message": "This message is not there any more."}
    assert (await browser.post("click", channel="C01INC"))["error"] == "bad_request"


async def test_home_and_shortcut_reach_the_bot(
    workspace: Workspace, api: AsyncWebClient, app: AsyncApp, connect: Connect, browser: Browser
) -> None:
    @app.event("app_home_opened")
    async def opened(event: Json, client: AsyncWebClient) -> None:
        await client.views_publish(user_id=event["user"], view={"type": "home", "blocks": [section("home")]})

    @app.shortcut("rollback_shortcut")
    async def shortcut(ack: Any) -> None:
        await ack()

    await connect(app)
    said = await browser.post("command", channel="C01INC", text="it is down")
    used = await browser.post("shortcut", channel="C01INC", ts=said["ts"], callback_id="rollback_shortcut")
    assert used == {"ok": True}
    assert await browser.post("home") == {"ok": True}


async def test_the_break_buttons_belong_to_the_demo(demo: Demo, browser: Browser) -> None:
    answer = await browser.post("break", what="kill_bot")
    assert answer == {"ok": True, "message": "The bot is gone. It comes back."}
    assert demo.broken == ["kill_bot"]


async def next_state(stream: aiohttp.ClientResponse) -> Json:
    async for line in stream.content:
        if line.startswith(b"data: "):
            return dict(json.loads(line[6:]))
    raise AssertionError("the stream ended")


async def test_the_stream_pushes_every_change_and_what_happens_outside(
    server: PretendSlack, session: aiohttp.ClientSession, api: AsyncWebClient, demo: Demo
) -> None:
    async with session.get(f"{server.url}/ui/stream", params={"user": "U01ANA"}) as stream:
        assert stream.content_type == "text/event-stream"
        assert (await next_state(stream))["messages"]["C01INC"] == []
        await api.chat_postMessage(channel="C01INC", text="card")
        assert (await next_state(stream))["messages"]["C01INC"][0]["text"] == "card"
        demo.status = 200
        assert (await next_state(stream))["world"]["storefront"]["status"] == 200


async def test_a_burst_of_changes_is_a_few_pushes(
    server: PretendSlack, session: aiohttp.ClientSession, workspace: Workspace, demo: Demo
) -> None:
    async with session.get(f"{server.url}/ui/stream", params={"user": "U01ANA"}) as stream:
        await next_state(stream)
        started = time.monotonic()

        async def burst() -> None:
            for _ in range(50):
                workspace.post("C01INC", "U01BEN", "x")
                await asyncio.sleep(0.001)

        bursting = asyncio.create_task(burst())
        pushes = 1
        while len((await next_state(stream))["messages"]["C01INC"]) < 50:
            pushes += 1
        took = time.monotonic() - started
        await bursting
    assert pushes <= took / COALESCE_SECONDS + 1
    assert demo.looks <= took / LOOK_OUTSIDE_SECONDS + 2


async def test_stopping_the_server_ends_the_streams_quickly(
    server: PretendSlack, session: aiohttp.ClientSession
) -> None:
    async with session.get(f"{server.url}/ui/stream") as stream:
        await next_state(stream)
        started = time.monotonic()
        await server.stop()
        assert time.monotonic() - started < 1
        with pytest.raises(AssertionError, match="ended"):
            await next_state(stream)


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example"}, {"Origin": "https://evil.example"}],
    ids=["a name that resolves here", "a look-alike", "another origin"],
)
async def test_another_web_page_cannot_drive_the_workspace(
    server: PretendSlack, session: aiohttp.ClientSession, workspace: Workspace, headers: dict[str, str]
) -> None:
    body = {"user": "U01ANA", "channel": "C01INC", "text": "hello"}
    async with session.post(f"{server.url}/ui/command", json=body, headers=headers) as answer:
        assert answer.status == 403
    assert workspace.messages("C01INC") == []


async def test_its_own_page_can(
    server: PretendSlack, session: aiohttp.ClientSession, workspace: Workspace
) -> None:
    body = {"user": "U01ANA", "channel": "C01INC", "text": "hello"}
    async with session.post(f"{server.url}/ui/command", json=body, headers={"Origin": server.url}) as answer:
        assert (await answer.json())["ok"]
