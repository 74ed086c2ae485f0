"""A real Bolt app over Socket Mode: what people do reaches it, and what it answers appears."""

import asyncio
from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.workspace.slack.conftest import Connect
from tests.workspace.slack.drafts import actions, button, field, modal, section, select, text_field
from workspace.slack import PretendSlack, Workspace

Json = dict[str, Any]


@pytest.fixture
def rollback(app: AsyncApp) -> AsyncApp:
    """A bot as small as can be: command → modal → card → click."""

    @app.command("/rollback")
    async def command(ack: Any, body: Json, client: AsyncWebClient) -> None:
        await ack()
        loading = await client.views_open(trigger_id=body["trigger_id"], view=modal())
        targets = select("target", "orders", "storefront")
        await client.views_update(
            view_id=loading["view"]["id"],
            hash=loading["view"]["hash"],
            view=modal(
                field("b1", targets),
                text_field("reason", "b2"),
                callback_id="start_rollback",
                private_metadata=body["channel_id"],
            ),
        )

    @app.view("start_rollback")
    async def start(ack: Any, view: Json, client: AsyncWebClient) -> None:
        await ack()
        values = view["state"]["values"]
        target = values["b1"]["target"]["selected_option"]["value"]
        await client.chat_postMessage(
            channel=view["private_metadata"],
            text=f"Roll back {target}?",
            blocks=[
                section(f"Roll back {target}: {values['b2']['reason']['value']}"),
                actions(button("approve", value="x1", style="primary"), button("veto", "Reject", value="x1")),
            ],
            metadata={"event_type": "rollback_card", "event_payload": {"run_id": "RB-1"}},
        )

    @app.action("approve")
    async def approve(ack: Any, body: Json, client: AsyncWebClient) -> None:
        await ack()
        await client.chat_update(
            channel=body["container"]["channel_id"],
            ts=body["container"]["message_ts"],
            text="Rolling back",
            blocks=[section(f"Approved by {body['user']['id']}")],
        )

    return app


async def test_a_command_opens_a_modal_whose_submission_posts_a_card_that_a_click_changes(
    server: PretendSlack, workspace: Workspace, rollback: AsyncApp, connect: Connect
) -> None:
    await connect(rollback)

    typed = await server.slash("U01ANA", "C01INC", "storefront")
    assert typed.acked
    assert typed.after < 0.5
    view = await server.until(lambda: [v for v in workspace.views("U01ANA") if v.callback_id])
    submitted = await server.submit("U01ANA", view[0], {"target": "storefront", "reason": "500s"})
    assert submitted.acked
    assert workspace.views("U01ANA") == []

    card = (await server.until(lambda: workspace.messages("C01INC")))[0]
    assert card.plain().startswith("Roll back storefront: 500s")
    assert card.buttons() == [("Approve", "approve", "x1", "primary"), ("Reject", "veto", "x1", None)]
    assert card.metadata == {"event_type": "rollback_card", "event_payload": {"run_id": "RB-1"}}

    assert (await server.click("U01BEN", card, "approve")).acked
    await server.until(lambda: workspace.messages("C01INC")[0].plain() == "Approved by U01BEN")
    assert workspace.messages("C01INC")[0].edited == 1
    assert [call.method for call in workspace.calls if call.method.startswith(("chat", "views"))] == [
        "views.open",
        "views.update",
        "chat.postMessage",
        "chat.update",
    ]


async def test_a_command_without_a_connection_fails_at_once(server: PretendSlack) -> None:
    reply = await server.slash("U01ANA", "C01INC", "storefront")
    assert (reply.acked, reply.error) == (False, "dispatch_failed")


async def test_the_immediate_response_to_a_command_is_seen_by_its_author_alone(
    server: PretendSlack, workspace: Workspace, app: AsyncApp, connect: Connect
) -> None:
    @app.command("/rollback")
    async def answer(ack: Any) -> None:
        await ack("Which target?")

    await connect(app)
    reply = await server.slash("U01ANA", "C01INC")
    assert reply.text == "Which target?"
    assert [each.text for each in workspace.messages("C01INC", viewer="U01ANA")] == ["Which target?"]
    assert workspace.messages("C01INC", viewer="U01BEN") == []


async def test_errors_under_fields_keep_the_modal_and_what_was_typed(
    server: PretendSlack, workspace: Workspace, app: AsyncApp, api: AsyncWebClient, connect: Connect
) -> None:
    @app.view("ask")
    async def refuse(ack: Any) -> None:
        await ack(response_action="errors", errors={"b1": "No such target."})

    await connect(app)
    await api.views_open(
        trigger_id=workspace.modals.issue("U01ANA"), view=modal(text_field("t"), callback_id="ask")
    )
    reply = await server.submit("U01ANA", workspace.views("U01ANA")[0], {"t": "ordres"})
    assert (reply.response_action, reply.errors) == ("errors", {"b1": "No such target."})
    view = workspace.views("U01ANA")[0]
    assert view.errors == {"b1": "No such target."}
    assert view.state["b1"]["t"]["value"] == "ordres"


async def test_a_submission_can_update_push_and_clear_modals(
    server: PretendSlack, workspace: Workspace, app: AsyncApp, api: AsyncWebClient, connect: Connect
) -> None:
    @app.view("first")
    async def first(ack: Any) -> None:
        await ack(response_action="update", view=modal(callback_id="second"))

    @app.view("second")
    async def second(ack: Any) -> None:
        await ack(response_action="push", view=modal(callback_id="third"))

    @app.view("third")
    async def third(ack: Any) -> None:
        await ack(response_action="clear")

    await connect(app)
    await api.views_open(trigger_id=workspace.modals.issue("U01ANA"), view=modal(callback_id="first"))
    stacks = []
    for _ in range(3):
        await server.submit("U01ANA", workspace.views("U01ANA")[-1])
        stacks.append([view.callback_id for view in workspace.views("U01ANA")])
    assert stacks == [["second"], ["second", "third"], []]


async def test_closing_a_modal_tells_the_bot_only_when_it_asked_for_that(
    server: PretendSlack, workspace: Workspace, app: AsyncApp, api: AsyncWebClient, connect: Connect
) -> None:
    closed: list[str] = []

    @app.view_closed("told")
    async def told(ack: Any, body: Json) -> None:
        await ack()
        closed.append(body["view"]["callback_id"])

    await connect(app)
    for callback_id, notify in (("told", True), ("not_told", False)):
        view = modal(callback_id=callback_id, notify_on_close=notify)
        await api.views_open(trigger_id=workspace.modals.issue("U01ANA"), view=view)
        await server.close_view("U01ANA", workspace.views("U01ANA")[0])
    assert closed == ["told"]
    assert workspace.views("U01ANA") == []


async def test_a_mention_in_a_thread_reaches_the_bot_with_its_thread(
    server: PretendSlack, workspace: Workspace, app: AsyncApp, connect: Connect
) -> None:
    heard: list[Json] = []

    @app.event("app_mention")
    async def mentioned(event: Json) -> None:
        heard.append(event)

    await connect(app)
    parent = await server.say("U01ANA", "C01INC", "storefront is down")
    said = await server.say("U01ANA", "C01INC", "@rollback storefront <now> @ben", parent.message.ts)
    await server.until(lambda: heard)
    assert said.acked
    assert heard[0]["text"] == "<@U00ROLLBACK> storefront &lt;now&gt; <@U01BEN>"
    assert heard[0]["thread_ts"] == parent.message.ts
    assert parent.delivered is None


async def test_a_mention_where_the_bot_is_no_member_never_reaches_it(
    server: PretendSlack, app: AsyncApp, connect: Connect
) -> None:
    await connect(app)
    assert (await server.say("U01ANA", "C03PUBLIC", "@rollback storefront")).delivered is None


async def test_a_message_shortcut_brings_the_message_and_a_trigger(
    server: PretendSlack, workspace: Workspace, app: AsyncApp, connect: Connect
) -> None:
    @app.shortcut("rollback_shortcut")
    async def shortcut(ack: Any, body: Json, client: AsyncWebClient) -> None:
        await ack()
        view = modal(section(body["message"]["text"]))
        await client.views_open(trigger_id=body["trigger_id"], view=view)

    await connect(app)
    said = await server.say("U01BEN", "C01INC", "it answers 500")
    await server.shortcut("U01ANA", said.message, "rollback_shortcut")
    view = (await server.until(lambda: workspace.views("U01ANA")))[0]
    assert "it answers 500" in view.plain()


async def test_opening_the_app_home_lets_the_bot_draw_it(
    server: PretendSlack, workspace: Workspace, app: AsyncApp, connect: Connect
) -> None:
    @app.event("app_home_opened")
    async def opened(event: Json, client: AsyncWebClient) -> None:
        await client.views_publish(
            user_id=event["user"], view={"type": "home", "blocks": [section("Nothing open")]}
        )

    await connect(app)
    await server.open_home("U01ANA")
    await server.until(lambda: workspace.home("U01ANA"))
    home = workspace.home("U01ANA")
    assert home is not None
    assert home.plain() == "Nothing open"
    assert workspace.home("U01BEN") is None


async def test_a_select_in_a_modal_sends_what_was_chosen_and_keeps_it_over_an_update(
    server: PretendSlack, workspace: Workspace, app: AsyncApp, api: AsyncWebClient, connect: Connect
) -> None:
    heard: list[Json] = []

    @app.action("target")
    async def chosen(ack: Any, body: Json) -> None:
        await ack()
        heard.append(body)

    await connect(app)
    block = field("b1", select("target", "orders", "storefront"), dispatch_action=True)
    opened = await api.views_open(trigger_id=workspace.modals.issue("U01ANA"), view=modal(block))
    assert (
        await server.click("U01ANA", workspace.views("U01ANA")[0], "target", selected_option="orders")
    ).acked
    assert heard[0]["actions"][0]["selected_option"]["value"] == "orders"
    assert heard[0]["view"]["state"]["values"]["b1"]["target"]["selected_option"]["value"] == "orders"

    gone = field("b1", select("target", "storefront"), dispatch_action=True)
    await api.views_update(view_id=opened["view"]["id"], view=modal(gone))
    kept = workspace.views("U01ANA")[0].state["b1"]["target"]["selected_option"]
    assert kept["value"] == "orders", "Slack keeps the old choice while the ids stay the same"


async def test_a_response_url_replaces_the_ephemeral_message_whose_button_was_pressed(
    server: PretendSlack, workspace: Workspace, app: AsyncApp, api: AsyncWebClient, connect: Connect
) -> None:
    @app.action("again")
    async def again(ack: Any, respond: Any) -> None:
        await ack()
        await respond(text="Asked again.", replace_original=True)

    await connect(app)
    await api.chat_postEphemeral(
        channel="C01INC", user="U01ANA", blocks=[actions(button("again"))], text="Refused"
    )
    shown = workspace.messages("C01INC", viewer="U01ANA")[0]
    await server.click("U01ANA", shown, "again")
    await server.until(lambda: workspace.messages("C01INC", viewer="U01ANA")[0].text == "Asked again.")


async def test_duplicates_reach_the_bot_as_often_as_is_asked_for(
    server: PretendSlack, app: AsyncApp, api: AsyncWebClient, workspace: Workspace, connect: Connect
) -> None:
    heard: list[str] = []

    @app.action("approve")
    async def approve(ack: Any, body: Json) -> None:
        await ack()
        heard.append(body["trigger_id"])

    await connect(app)
    await api.chat_postMessage(channel="C01INC", text="card", blocks=[actions(button("approve"))])
    server.faults.duplicates = 9
    await server.click("U01BEN", workspace.messages("C01INC")[0], "approve")
    await server.until(lambda: len(heard) == 10)
    assert len(set(heard)) == 1


async def test_a_trigger_is_exchanged_once_by_two_who_race_for_it(
    workspace: Workspace, api: AsyncWebClient
) -> None:
    trigger_id = workspace.modals.issue("U01ANA")
    tries = [api.views_open(trigger_id=trigger_id, view=modal()) for _ in range(2)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    refused = [each.response["error"] for each in results if isinstance(each, SlackApiError)]
    assert refused == ["exchanged_trigger_id"]
