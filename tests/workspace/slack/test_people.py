"""What Slack's own client does not let people do: nothing of it reaches the bot."""

from collections.abc import Iterator
from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from tests.workspace.slack.drafts import (
    actions,
    button,
    field,
    modal,
    plain,
    section,
    select,
    text_field,
)
from workspace.slack import PretendSlack, Workspace
from workspace.slack.nouns import Message, View
from workspace.slack.refusal import Impossible

Json = dict[str, Any]


async def posted(
    api: AsyncWebClient, workspace: Workspace, *blocks: Json, channel: str = "C01INC"
) -> Message:
    await api.chat_postMessage(channel=channel, text="card", blocks=list(blocks))
    return workspace.messages(channel)[-1]


async def opened(api: AsyncWebClient, workspace: Workspace, *blocks: Json, user: str = "U01ANA") -> View:
    await api.views_open(trigger_id=workspace.modals.issue(user), view=modal(*blocks))
    return workspace.views(user)[0]


async def refusal(attempt: Any) -> str:
    with pytest.raises(Impossible) as impossible:
        await attempt
    return impossible.value.error


@pytest.fixture(autouse=True)
def nothing_reaches_the_bot(server: PretendSlack) -> Iterator[None]:
    yield
    assert server.delivery.log == []


async def test_who_is_not_in_the_channel_can_do_nothing_there(
    server: PretendSlack, workspace: Workspace, api: AsyncWebClient
) -> None:
    card = await posted(api, workspace, actions(button("approve")))
    workspace.leave("U01BEN", "C01INC")
    assert await refusal(server.click("U01BEN", card, "approve")) == "not_in_channel"
    assert await refusal(server.slash("U01BEN", "C01INC", "")) == "not_in_channel"
    assert await refusal(server.say("U01BEN", "C01INC", "hello")) == "not_in_channel"


async def test_an_ephemeral_of_somebody_else_cannot_be_pressed(
    server: PretendSlack, workspace: Workspace, api: AsyncWebClient
) -> None:
    blocks = [actions(button("again"))]
    await api.chat_postEphemeral(channel="C01INC", user="U01ANA", text="x", blocks=blocks)
    shown = workspace.messages("C01INC", viewer="U01ANA")[0]
    assert await refusal(server.click("U01BEN", shown, "again")) == "not_visible"


async def test_a_button_that_was_redrawn_away_cannot_be_pressed(
    server: PretendSlack, workspace: Workspace, api: AsyncWebClient
) -> None:
    card = await posted(api, workspace, actions(button("approve")))
    await api.chat_update(channel="C01INC", ts=card.ts, text="approved", blocks=[section("approved")])
    assert await refusal(server.click("U01BEN", card, "approve")) == "no_such_element"
    await api.chat_delete(channel="C01INC", ts=card.ts)
    assert await refusal(server.click("U01BEN", card, "approve")) == "message_gone"


async def test_two_buttons_of_one_name_must_be_told_apart(
    server: PretendSlack, workspace: Workspace, api: AsyncWebClient
) -> None:
    card = await posted(
        api, workspace, actions(button("details", value="1")), actions(button("details", value="2"))
    )
    assert await refusal(server.click("U01BEN", card, "details")) == "ambiguous"
    assert await refusal(server.click("U01BEN", card, "details", value="3")) == "no_such_element"


async def test_the_other_button_of_a_confirmation_sends_nothing(
    server: PretendSlack, workspace: Workspace, api: AsyncWebClient
) -> None:
    confirm = {
        "title": plain("Sure?"),
        "text": plain("Now"),
        "confirm": plain("Yes"),
        "deny": plain("Not yet"),
    }
    card = await posted(api, workspace, actions(button("approve", confirm=confirm)))
    reply = await server.click("U01BEN", card, "approve", confirm=False)
    assert (reply.acked, reply.sent, reply.error) == (False, False, "not_confirmed")


async def test_what_is_not_offered_cannot_be_chosen(
    server: PretendSlack, workspace: Workspace, api: AsyncWebClient
) -> None:
    view = await opened(api, workspace, field("b1", select("target", "orders")))
    chosen = server.click("U01ANA", view, "target", selected_option="payroll")
    assert await refusal(chosen) == "no_such_option"


async def test_an_input_without_dispatch_keeps_what_is_chosen_to_itself(
    server: PretendSlack, workspace: Workspace, api: AsyncWebClient
) -> None:
    view = await opened(api, workspace, field("b1", select("target", "orders")))
    assert (await server.click("U01ANA", view, "target", selected_option="orders")).sent is False
    assert workspace.views("U01ANA")[0].state["b1"]["target"]["selected_option"]["value"] == "orders"


async def test_a_modal_is_sent_only_when_it_is_complete(
    server: PretendSlack, workspace: Workspace, api: AsyncWebClient
) -> None:
    code: Json = {"type": "plain_text_input", "action_id": "plan_code", "min_length": 4, "max_length": 4}
    view = await opened(api, workspace, field("code", code), text_field("reason", "why", optional=True))
    for nothing in (None, ""):
        empty = await server.submit("U01ANA", view, {"plan_code": nothing})
        assert (empty.acked, empty.error) == (False, "incomplete")
        assert empty.errors == {"code": "Please complete this required field."}
    short = await server.submit("U01ANA", view, {"plan_code": "7f3"})
    assert short.errors == {"code": "This must be at least 4 characters."}
    long = await server.submit("U01ANA", view, {"plan_code": "7f3a9"})
    assert long.errors == {"code": "This must be 4 characters or fewer."}
    assert workspace.views("U01ANA")[0].errors == long.errors


async def test_somebody_else_s_modal_and_a_covered_one_are_out_of_reach(
    server: PretendSlack, workspace: Workspace, api: AsyncWebClient
) -> None:
    view = await opened(api, workspace)
    assert await refusal(server.submit("U01BEN", view)) == "not_visible"
    await api.views_push(trigger_id=workspace.modals.issue("U01ANA", view.id), view=modal())
    assert await refusal(server.submit("U01ANA", view)) == "covered"
    workspace.modals.clear("U01ANA")
    assert await refusal(server.submit("U01ANA", view)) == "view_gone"


async def test_a_modal_without_a_submit_button_cannot_be_submitted(
    server: PretendSlack, workspace: Workspace, api: AsyncWebClient
) -> None:
    view = {key: value for key, value in modal().items() if key != "submit"}
    await api.views_open(trigger_id=workspace.modals.issue("U01ANA"), view=view)
    assert await refusal(server.submit("U01ANA", workspace.views("U01ANA")[0])) == "no_submit"


async def test_commands_work_neither_in_threads_nor_for_strangers(server: PretendSlack) -> None:
    assert await refusal(server.slash("U01ANA", "C01INC", "", thread_ts="1.2")) == "not_supported_in_thread"
    assert await refusal(server.slash("U09STRANGER", "C02SHARED", "")) == "restricted_action"


async def test_the_deactivated_and_the_invited_are_not_logged_in(
    server: PretendSlack, workspace: Workspace
) -> None:
    workspace.change_user("U01CY", deleted=True)
    workspace.change_user("U01BEN", invited=True)
    assert await refusal(server.say("U01CY", "C01INC", "x")) == "not_logged_in"
    assert await refusal(server.slash("U01BEN", "C01INC", "")) == "not_logged_in"


async def test_nobody_can_do_anything_while_slack_is_down(server: PretendSlack) -> None:
    server.faults.down()
    assert await refusal(server.slash("U01ANA", "C01INC", "")) == "slack_down"
