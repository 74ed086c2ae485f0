"""The Web API as the SDK meets it: who may post where, what can be changed, and Slack's own errors."""

from typing import Any

import aiohttp
import pytest
import yaml
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from tests.workspace.slack.conftest import Clock
from tests.workspace.slack.drafts import actions, button, plain, section
from workspace.slack import PretendSlack, Workspace, responses
from workspace.slack.nouns import EVENTS, SCOPES

Json = dict[str, Any]


async def error_of(call: Any) -> str:
    with pytest.raises(SlackApiError) as refused:
        await call
    return str(refused.value.response["error"])


async def test_the_bot_learns_who_it_is(api: AsyncWebClient) -> None:
    me = await api.auth_test()
    assert (me["team_id"], me["user_id"], me["bot_id"]) == ("T01SANDBOX", "U00ROLLBACK", "B00ROLLBACK")
    assert (await api.bots_info(bot=me["bot_id"]))["bot"]["app_id"] == "A01ROLLBACK"
    assert set(me.headers["x-oauth-scopes"].split(",")) == SCOPES


def test_the_scopes_and_events_are_those_of_the_manifest(pytestconfig: pytest.Config) -> None:
    manifest = yaml.safe_load((pytestconfig.rootpath / "manifest.yml").read_text())
    assert set(manifest["oauth_config"]["scopes"]["bot"]) == SCOPES
    assert set(manifest["settings"]["event_subscriptions"]["bot_events"]) == EVENTS


async def test_a_call_needs_the_right_token(server: PretendSlack, session: aiohttp.ClientSession) -> None:
    def client(token: str) -> AsyncWebClient:
        return AsyncWebClient(token=token, base_url=server.api_url, session=session)

    assert await error_of(client("").auth_test()) == "not_authed"
    assert await error_of(client("xoxb-another").auth_test()) == "invalid_auth"
    assert await error_of(client(server.app_token).auth_test()) == "not_allowed_token_type"
    assert (
        await error_of(client(server.bot_token).apps_connections_open(app_token=server.bot_token))
        == "not_allowed_token_type"
    )
    assert await error_of(client(server.bot_token).api_call("chat.shout")) == "unknown_method"


async def test_the_read_token_looks_people_up_and_says_nothing(
    server: PretendSlack, session: aiohttp.ClientSession
) -> None:
    reading = AsyncWebClient(token=server.read_token, base_url=server.api_url, session=session)
    assert (await reading.auth_test())["team_id"] == "T01SANDBOX"
    assert (await reading.users_info(user="U01ANA"))["user"]["id"] == "U01ANA"
    with pytest.raises(SlackApiError) as refused:
        await reading.chat_postMessage(channel="C01INC", text="hello")
    assert refused.value.response["error"] == "missing_scope"
    assert refused.value.response["needed"] == "chat:write"
    assert await error_of(reading.conversations_history(channel="C01INC")) == "missing_scope"


async def test_a_missing_scope_is_named(workspace: Workspace, api: AsyncWebClient) -> None:
    workspace.scopes.discard("users:read")
    with pytest.raises(SlackApiError) as refused:
        await api.users_info(user="U01ANA")
    assert refused.value.response["error"] == "missing_scope"
    assert refused.value.response["needed"] == "users:read"


@pytest.mark.parametrize("content_type", ["json", "form"])
async def test_arguments_come_as_json_or_as_a_form(
    server: PretendSlack, workspace: Workspace, session: aiohttp.ClientSession, content_type: str
) -> None:
    url, headers = f"{server.api_url}chat.postMessage", {"Authorization": f"Bearer {server.bot_token}"}
    if content_type == "json":
        sent = session.post(url, json={"channel": "C01INC", "blocks": [section("a & b")]}, headers=headers)
    else:
        blocks = '[{"type": "section", "text": {"type": "mrkdwn", "text": "a & b"}}]'
        sent = session.post(url, data={"channel": "C01INC", "blocks": blocks}, headers=headers)
    async with sent as answer:
        assert (await answer.json())["ok"] is True
    assert workspace.messages("C01INC")[0].plain() == "a & b"


@pytest.mark.parametrize(
    ("method", "at"), [("chat.getPermalink", "message_ts"), ("conversations.replies", "ts")]
)
async def test_a_json_body_is_not_read_by_a_read(api: AsyncWebClient, method: str, at: str) -> None:
    posted = await api.chat_postMessage(channel="C01INC", text="card")
    with pytest.raises(SlackApiError) as refused:
        await api.api_call(method, json={"channel": "C01INC", at: posted["ts"]})
    assert refused.value.response["error"] == "invalid_arguments"
    assert refused.value.response["response_metadata"]["messages"] == [
        "[ERROR] missing required field: channel",
        f"[ERROR] missing required field: {at}",
    ]


async def test_a_read_takes_a_form(api: AsyncWebClient) -> None:
    posted = await api.chat_postMessage(channel="C01INC", text="card")
    form = {"channel": "C01INC", "message_ts": posted["ts"]}
    assert (await api.api_call("chat.getPermalink", data=form))["ok"] is True


async def test_blocks_that_are_no_json_are_refused(api: AsyncWebClient) -> None:
    call = api.api_call("chat.postMessage", data={"channel": "C01INC", "blocks": "[{"})
    assert await error_of(call) == "invalid_blocks_format"


class TestWhereTheBotMayPost:
    async def test_a_private_channel_without_the_bot_does_not_exist_for_it(self, api: AsyncWebClient) -> None:
        assert await error_of(api.chat_postMessage(channel="G04PRIVATE", text="x")) == "channel_not_found"
        assert await error_of(api.conversations_info(channel="G04PRIVATE")) == "channel_not_found"
        assert await error_of(api.conversations_join(channel="G04PRIVATE")) == "channel_not_found"

    async def test_a_public_one_needs_membership_or_the_scope(
        self, workspace: Workspace, api: AsyncWebClient
    ) -> None:
        assert (await api.chat_postMessage(channel="C03PUBLIC", text="x"))["ok"]
        workspace.scopes.discard("chat:write.public")
        assert await error_of(api.chat_postMessage(channel="C03PUBLIC", text="x")) == "not_in_channel"
        joined = await api.conversations_join(channel="C03PUBLIC")
        assert joined["channel"]["is_member"] is True
        assert (await api.chat_postMessage(channel="C03PUBLIC", text="x"))["ok"]

    async def test_an_archived_one_takes_nothing(self, workspace: Workspace, api: AsyncWebClient) -> None:
        workspace.change_channel("C01INC", archived=True)
        assert await error_of(api.chat_postMessage(channel="C01INC", text="x")) == "is_archived"

    async def test_a_person_s_id_opens_the_direct_messages(
        self, workspace: Workspace, api: AsyncWebClient
    ) -> None:
        posted = await api.chat_postMessage(channel="U01BEN", text="please approve")
        assert posted["channel"] == workspace.direct("U01BEN")
        assert (await api.conversations_open(users="U01BEN"))["channel"]["id"] == posted["channel"]
        assert workspace.messages(posted["channel"])[0].text == "please approve"

    async def test_an_ephemeral_needs_both_inside(self, workspace: Workspace, api: AsyncWebClient) -> None:
        async def post(channel: str, user: str) -> Any:
            return await api.chat_postEphemeral(channel=channel, user=user, text="x")

        assert await error_of(post("C01INC", "U09STRANGER")) == "user_not_in_channel"
        assert await error_of(post("C03PUBLIC", "U01ANA")) == "not_in_channel"
        assert (await post("C01INC", "U01ANA"))["message_ts"]
        assert workspace.messages("C01INC", viewer="U01BEN") == []

    async def test_an_ephemeral_may_be_answered_with_ok_and_never_arrive(
        self, workspace: Workspace, api: AsyncWebClient
    ) -> None:
        workspace.ephemerals_arrive = False
        assert (await api.chat_postEphemeral(channel="C01INC", user="U01ANA", text="x"))["ok"]
        assert workspace.messages("C01INC") == []

    async def test_a_reply_needs_its_thread(self, workspace: Workspace, api: AsyncWebClient) -> None:
        assert (
            await error_of(api.chat_postMessage(channel="C01INC", text="x", thread_ts="1.2"))
            == "thread_not_found"
        )
        parent = await api.chat_postMessage(channel="C01INC", text="card")
        await api.chat_postMessage(channel="C01INC", text="ended", thread_ts=parent["ts"])
        assert [each.text for each in workspace.messages("C01INC")] == ["card"]
        assert [each.text for each in workspace.messages("C01INC", thread_ts=parent["ts"])] == ["ended"]

    async def test_a_message_needs_something_to_say(self, api: AsyncWebClient) -> None:
        assert await error_of(api.api_call("chat.postMessage", json={"channel": "C01INC"})) == "no_text"


class TestChangingMessages:
    async def test_blocks_that_are_not_mentioned_stay_and_an_empty_list_takes_them_away(
        self, workspace: Workspace, api: AsyncWebClient
    ) -> None:
        posted = await api.chat_postMessage(channel="C01INC", text="card", blocks=[section("asks")])
        await api.chat_update(channel="C01INC", ts=posted["ts"], text="card 2")
        assert workspace.messages("C01INC")[0].plain() == "asks"
        await api.chat_update(channel="C01INC", ts=posted["ts"], text="card 3", blocks=[])
        assert workspace.messages("C01INC")[0].plain() == "card 3"

    async def test_only_its_own_standing_messages(
        self, server: PretendSlack, workspace: Workspace, api: AsyncWebClient
    ) -> None:
        theirs = (await server.say("U01ANA", "C01INC", "hello")).message

        async def update(ts: str, text: str = "x") -> Any:
            return await api.chat_update(channel="C01INC", ts=ts, text=text)

        assert await error_of(update(theirs.ts)) == "cant_update_message"
        assert await error_of(update("1.000001")) == "message_not_found"
        shown = await api.chat_postEphemeral(channel="C01INC", user="U01ANA", text="x")
        assert await error_of(update(shown["message_ts"])) == "message_not_found"
        mine = await api.chat_postMessage(channel="C01INC", text="card")
        assert await error_of(update(mine["ts"], "x" * 4001)) == "msg_too_long"
        await api.chat_delete(channel="C01INC", ts=mine["ts"])
        assert await error_of(update(mine["ts"])) == "message_not_found"
        deleted = workspace.message("C01INC", mine["ts"])
        assert deleted is not None
        assert deleted.deleted

    async def test_a_permalink_names_channel_and_time(self, api: AsyncWebClient) -> None:
        posted = await api.chat_postMessage(channel="C01INC", text="card")
        link = await api.chat_getPermalink(channel="C01INC", message_ts=posted["ts"])
        assert link["permalink"].endswith(f"/archives/C01INC/p{posted['ts'].replace('.', '')}")


class TestWhoIsRung:
    async def test_a_mention_rings_and_an_escaped_one_does_not(
        self, workspace: Workspace, api: AsyncWebClient
    ) -> None:
        words = "<!channel> <@U01BEN> <!subteam^S01PAYMGR> &lt;!here&gt;"
        await api.chat_postMessage(channel="C01INC", text="card", blocks=[section(words)])
        assert workspace.messages("C01INC")[0].notifies == {"channel", "U01BEN", "S01PAYMGR"}

    async def test_plain_text_rings_nobody(self, workspace: Workspace, api: AsyncWebClient) -> None:
        blocks = [{"type": "section", "text": plain("<!channel>")}]
        await api.chat_postMessage(channel="C01INC", text="card", blocks=blocks)
        assert workspace.messages("C01INC")[0].notifies == frozenset()

    async def test_an_edit_rings_nobody(self, workspace: Workspace, api: AsyncWebClient) -> None:
        posted = await api.chat_postMessage(channel="C01INC", text="card")
        await api.chat_update(channel="C01INC", ts=posted["ts"], text="<!channel>")
        assert workspace.messages("C01INC")[0].notifies == frozenset()


class TestPeople:
    async def test_guests_strangers_and_the_deactivated_are_told_apart(
        self, workspace: Workspace, api: AsyncWebClient
    ) -> None:
        guest = (await api.users_info(user="U01GUEST"))["user"]
        assert (guest["is_restricted"], guest["is_ultra_restricted"]) == (True, False)
        stranger = (await api.users_info(user="U09STRANGER"))["user"]
        assert stranger["is_stranger"] is True
        assert stranger["team_id"] != "T01SANDBOX"
        workspace.change_user("U01CY", deleted=True)
        assert (await api.users_info(user="U01CY"))["user"]["deleted"] is True
        assert (await api.users_info(user="USLACKBOT"))["user"]["is_bot"] is False
        assert await error_of(api.users_info(user="U404")) == "user_not_found"

    async def test_addresses_need_their_scope(self, workspace: Workspace, api: AsyncWebClient) -> None:
        assert (await api.users_info(user="U01ANA"))["user"]["profile"]["email"] == "ana@example.com"
        assert (await api.users_lookupByEmail(email="ANA@example.com"))["user"]["id"] == "U01ANA"
        workspace.scopes.discard("users:read.email")
        assert "email" not in (await api.users_info(user="U01ANA"))["user"]["profile"]
        assert await error_of(api.users_lookupByEmail(email="ana@example.com")) == "missing_scope"

    async def test_time_zones_have_their_offset(self, api: AsyncWebClient) -> None:
        assert (await api.users_info(user="U01ANA"))["user"]["tz_offset"] == 3600
        assert (await api.users_info(user="U01CY"))["user"]["tz_offset"] == -5 * 3600

    async def test_groups_need_a_paid_plan(self, workspace: Workspace, api: AsyncWebClient) -> None:
        assert (await api.usergroups_users_list(usergroup="S01PAYMGR"))["users"] == ["U01BEN", "U01CY"]
        assert (await api.usergroups_list(include_users=True))["usergroups"][0]["users"] == [
            "U01BEN",
            "U01CY",
        ]
        assert await error_of(api.usergroups_users_list(usergroup="S404")) == "no_such_subteam"
        workspace.paid = False
        assert await error_of(api.usergroups_users_list(usergroup="S01PAYMGR")) == "plan_upgrade_required"

    async def test_do_not_disturb_is_answered_for_fifty_at_most(
        self, workspace: Workspace, api: AsyncWebClient
    ) -> None:
        workspace.change_user("U01CY", dnd=True)
        answer = (await api.dnd_teamInfo(users=["U01BEN", "U01CY"]))["users"]
        assert {id: each["dnd_enabled"] for id, each in answer.items()} == {"U01BEN": False, "U01CY": True}
        assert await error_of(api.dnd_teamInfo(users=["U01BEN"] * 51)) == "too_many_users"

    async def test_lists_come_in_pages(self, api: AsyncWebClient) -> None:
        first = await api.users_list(limit=4)
        rest = await api.users_list(limit=4, cursor=first["response_metadata"]["next_cursor"])
        ids = [each["id"] for each in [*first["members"], *rest["members"]]]
        assert len(ids) == len(set(ids)) == 7
        assert rest["response_metadata"]["next_cursor"] == ""
        assert await error_of(api.users_list(cursor="nonsense")) == "invalid_cursor"


class TestChannels:
    async def test_info_says_what_a_bot_must_know(self, api: AsyncWebClient) -> None:
        shared = (await api.conversations_info(channel="C02SHARED"))["channel"]
        assert (shared["is_ext_shared"], shared["is_member"], shared["is_private"]) == (True, True, False)

    async def test_the_list_shows_what_the_bot_can_see(self, api: AsyncWebClient) -> None:
        listed = await api.conversations_list(types="public_channel,private_channel")
        assert [each["id"] for each in listed["channels"]] == ["C01INC", "C02SHARED", "C03PUBLIC"]
        assert [each["id"] for each in (await api.users_conversations())["channels"]] == [
            "C01INC",
            "C02SHARED",
        ]
        assert "U01ANA" in (await api.conversations_members(channel="C01INC"))["members"]

    async def test_history_needs_its_scope_and_brings_metadata_when_asked(
        self, workspace: Workspace, api: AsyncWebClient
    ) -> None:
        metadata = {"event_type": "rollback_card", "event_payload": {"run_id": "RB-1"}}
        first = await api.chat_postMessage(channel="C01INC", text="card", metadata=metadata)
        await api.chat_postMessage(channel="C01INC", text="reply", thread_ts=first["ts"])
        await api.chat_postMessage(channel="C01INC", text="next")
        workspace.scopes.discard("channels:history")
        assert await error_of(api.conversations_history(channel="C01INC")) == "missing_scope"
        workspace.scopes.add("channels:history")
        history = await api.conversations_history(channel="C01INC", include_all_metadata=True)
        assert [each["text"] for each in history["messages"]] == ["next", "card"]
        assert history["messages"][1]["metadata"] == metadata
        assert history["messages"][1]["reply_count"] == 1
        later = await api.conversations_history(channel="C01INC", oldest=first["ts"])
        assert [each["text"] for each in later["messages"]] == ["next"]
        replies = await api.conversations_replies(channel="C01INC", ts=first["ts"])
        assert [each["text"] for each in replies["messages"]] == ["card", "reply"]
        assert "metadata" not in replies["messages"][0]


async def test_a_file_goes_up_in_three_steps_and_can_then_be_shown(
    workspace: Workspace, api: AsyncWebClient
) -> None:
    uploaded = await api.files_upload_v2(
        content=b"plot", filename="plot.png", channel="C01INC", title="Errors"
    )
    id = uploaded["file"]["id"]
    assert workspace.files[id].content == b"plot"
    assert workspace.messages("C01INC")[0].files == (id,)
    image: Json = {"type": "image", "alt_text": "errors", "slack_file": {"id": id}}
    workspace.files_ready = False
    assert (
        await error_of(api.chat_postMessage(channel="C01INC", text="x", blocks=[image])) == "invalid_blocks"
    )
    workspace.files_ready = True
    assert (await api.chat_postMessage(channel="C01INC", text="x", blocks=[image]))["ok"]


async def test_blocks_can_be_validated_without_posting(workspace: Workspace, api: AsyncWebClient) -> None:
    async def validate(**args: object) -> Any:
        return await api.api_call("blocks.validate", json=args)

    assert (await validate(blocks=[section("x")]))["ok"]
    with pytest.raises(SlackApiError) as refused:
        await validate(blocks=[section("")])
    assert refused.value.response["error"] == "invalid_blocks"
    assert refused.value.response["errors"][0]["pointer"] == "/0/text/text"
    assert await error_of(validate()) == "invalid_arguments"
    assert workspace.messages("C01INC") == []


async def test_invalid_blocks_are_explained_in_the_answer(api: AsyncWebClient) -> None:
    with pytest.raises(SlackApiError) as refused:
        await api.chat_postMessage(channel="C01INC", text="x", blocks=[section("x" * 3001)])
    words = "must be less than 3001 characters [json-pointer:/blocks/0/text/text]"
    assert refused.value.response["errors"] == [words]
    assert refused.value.response["response_metadata"]["messages"] == [f"[ERROR] {words}"]


async def test_a_response_url_works_five_times_and_half_an_hour(
    workspace: Workspace, clock: Clock, server: PretendSlack
) -> None:
    _, url = responses.issue(workspace, "U01ANA", "C01INC")
    hook = AsyncWebhookClient(url, retry_handlers=[])
    for _ in range(5):
        assert (await hook.send(text="x")).body == "ok"
    assert "used_url" in (await hook.send(text="x")).body
    _, url = responses.issue(workspace, "U01ANA", "C01INC")
    clock.forward(30 * 60 + 1)
    answer = await AsyncWebhookClient(url, retry_handlers=[]).send(text="x")
    assert (answer.status_code, "expired_url" in answer.body) == (404, True)
    assert len(workspace.messages("C01INC", viewer="U01ANA")) == 5
    assert workspace.messages("C01INC", viewer="U01BEN") == []


async def test_every_call_is_kept_for_assertions(workspace: Workspace, api: AsyncWebClient) -> None:
    await api.chat_postMessage(channel="C01INC", text="x", blocks=[actions(button("a"))])
    await error_of(api.chat_postMessage(channel="C404", text="x"))
    assert [(call.method, call.args["channel"], call.ok, call.error) for call in workspace.calls] == [
        ("chat.postMessage", "C01INC", True, None),
        ("chat.postMessage", "C404", False, "channel_not_found"),
    ]
