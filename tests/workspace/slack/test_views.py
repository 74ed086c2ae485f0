"""Modals and App Homes: triggers, hashes, depth, and what survives an update."""

from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from tests.workspace.slack.conftest import Clock
from tests.workspace.slack.drafts import field, modal, section, select, text_field
from workspace.slack import PretendSlack, Workspace

Json = dict[str, Any]


async def error_of(call: Any) -> str:
    with pytest.raises(SlackApiError) as refused:
        await call
    return str(refused.value.response["error"])


async def test_a_trigger_lives_three_seconds(workspace: Workspace, clock: Clock, api: AsyncWebClient) -> None:
    in_time, too_late = workspace.modals.issue("U01ANA"), workspace.modals.issue("U01ANA")
    clock.forward(3.0)
    assert (await api.views_open(trigger_id=in_time, view=modal()))["ok"]
    clock.forward(0.001)
    assert await error_of(api.views_open(trigger_id=too_late, view=modal())) == "expired_trigger_id"


async def test_a_trigger_works_once_and_an_invented_one_never(
    workspace: Workspace, api: AsyncWebClient
) -> None:
    trigger_id = workspace.modals.issue("U01ANA")
    await api.views_open(trigger_id=trigger_id, view=modal())
    assert await error_of(api.views_open(trigger_id=trigger_id, view=modal())) == "exchanged_trigger_id"
    with pytest.raises(SlackApiError) as refused:
        await api.views_open(trigger_id="1.2.3", view=modal())
    assert refused.value.response["response_metadata"]["messages"] == ["invalid `trigger_id`"]


async def test_an_invalid_view_does_not_use_up_the_trigger(workspace: Workspace, api: AsyncWebClient) -> None:
    trigger_id = workspace.modals.issue("U01ANA")
    assert (
        await error_of(api.views_open(trigger_id=trigger_id, view=modal(section("")))) == "invalid_arguments"
    )
    assert (await api.views_open(trigger_id=trigger_id, view=modal()))["ok"]


async def test_an_update_with_an_old_hash_loses(workspace: Workspace, api: AsyncWebClient) -> None:
    opened = (await api.views_open(trigger_id=workspace.modals.issue("U01ANA"), view=modal()))["view"]
    first = await api.views_update(view_id=opened["id"], hash=opened["hash"], view=modal(section("1")))
    assert first["view"]["hash"] != opened["hash"]
    late = api.views_update(view_id=opened["id"], hash=opened["hash"], view=modal(section("2")))
    assert await error_of(late) == "hash_conflict"
    assert workspace.views("U01ANA")[0].plain() == "Roll back\n1"
    await api.views_update(view_id=opened["id"], view=modal(section("3")))
    assert workspace.views("U01ANA")[0].plain() == "Roll back\n3"


async def test_a_closed_modal_is_not_found(
    server: PretendSlack, workspace: Workspace, api: AsyncWebClient
) -> None:
    opened = (await api.views_open(trigger_id=workspace.modals.issue("U01ANA"), view=modal()))["view"]
    await server.close_view("U01ANA", workspace.views("U01ANA")[0])
    assert await error_of(api.views_update(view_id=opened["id"], view=modal())) == "not_found"


async def test_three_modals_lie_on_top_of_each_other_and_no_more(
    workspace: Workspace, api: AsyncWebClient
) -> None:
    await api.views_open(trigger_id=workspace.modals.issue("U01ANA"), view=modal())
    for _ in range(2):
        top = workspace.views("U01ANA")[-1]
        await api.views_push(trigger_id=workspace.modals.issue("U01ANA", top.id), view=modal())
    stack = workspace.views("U01ANA")
    assert [view.previous_view_id for view in stack] == [None, stack[0].id, stack[1].id]
    assert {view.root_view_id for view in stack} == {stack[0].id}
    one_more = api.views_push(trigger_id=workspace.modals.issue("U01ANA", stack[2].id), view=modal())
    assert await error_of(one_more) == "push_limit_reached"


async def test_only_an_interaction_in_a_modal_can_push(workspace: Workspace, api: AsyncWebClient) -> None:
    await api.views_open(trigger_id=workspace.modals.issue("U01ANA"), view=modal())
    from_a_message = api.views_push(trigger_id=workspace.modals.issue("U01ANA"), view=modal())
    assert await error_of(from_a_message) == "invalid_arguments"


async def test_an_external_id_names_one_view(workspace: Workspace, api: AsyncWebClient) -> None:
    view = modal(external_id="look-7")
    await api.views_open(trigger_id=workspace.modals.issue("U01ANA"), view=view)
    second = api.views_open(trigger_id=workspace.modals.issue("U01BEN"), view=view)
    assert await error_of(second) == "duplicate_external_id"
    assert (await api.views_update(external_id="look-7", view=modal(section("filled"))))["ok"]


async def test_a_home_is_published_and_guarded_by_its_hash(workspace: Workspace, api: AsyncWebClient) -> None:
    home: Json = {"type": "home", "blocks": [section("1")]}
    first = (await api.views_publish(user_id="U01ANA", view=home))["view"]
    second = (await api.views_publish(user_id="U01ANA", view=home, hash=first["hash"]))["view"]
    assert second["id"] == first["id"]
    assert (
        await error_of(api.views_publish(user_id="U01ANA", view=home, hash=first["hash"])) == "hash_conflict"
    )
    assert await error_of(api.views_publish(user_id="U01ANA", view=modal())) == "invalid_arguments"


async def test_what_was_filled_in_survives_an_update_only_under_the_same_ids(
    server: PretendSlack, workspace: Workspace, api: AsyncWebClient
) -> None:
    chooser = select("target", "orders", "storefront")
    opened = await api.views_open(
        trigger_id=workspace.modals.issue("U01ANA"),
        view=modal(field("b1", chooser), text_field("reason", "b2")),
    )
    view = server.fill_in("U01ANA", workspace.views("U01ANA")[0], "target", "orders")
    server.fill_in("U01ANA", view, "reason", "500s")
    await api.views_update(
        view_id=opened["view"]["id"], view=modal(field("b1-fresh", chooser), text_field("reason", "b2"))
    )
    state = workspace.views("U01ANA")[0].state
    assert state["b1-fresh"]["target"]["selected_option"] is None
    assert state["b2"]["reason"]["value"] == "500s"


async def test_opening_a_modal_replaces_the_stack_that_was_open(
    workspace: Workspace, api: AsyncWebClient
) -> None:
    for callback_id in ("first", "second"):
        view = modal(callback_id=callback_id)
        await api.views_open(trigger_id=workspace.modals.issue("U01ANA"), view=view)
    assert [view.callback_id for view in workspace.views("U01ANA")] == ["second"]
