"""Bad input gets one clear sentence with what to do next, and nothing is lost."""

import json

import pytest

from tests.handlers.conftest import Open
from tests.handlers.world import CRITICAL, STANDARD, UNKNOWN_LOSS, World
from tests.people import CHANNEL, PEOPLE


async def answer(world: World, text: str, who: str = "ana", channel: str = CHANNEL) -> str:
    said = await world.says(who, text, channel)
    return f"{said.text or ''} {json.dumps(said.blocks or [])}"


async def test_an_unknown_target_is_asked_about_and_nothing_is_posted(world: World) -> None:
    said = await answer(world, "shopp to v41")
    assert "shop" in said
    assert "?" in said
    assert await world.store.summaries() == ()


async def test_an_unknown_point_is_refused_with_the_nearest_ones(world: World) -> None:
    await world.says("ana", "shop to v99")
    run = await world.reaches("refused")
    assert "v41" in run.why


async def test_a_slip_in_the_name_of_a_point_is_told_to_nobody_but_who_asked(world: World) -> None:
    await world.says("ana", "shop to v4l")
    await world.until(lambda: bool(world.direct("ana")), "a direct message")
    told = world.direct("ana")[-1].plain()
    assert "There is no restore point" in told
    assert "v41" in told
    assert "Only you were told" in told
    assert "Ask again" in told
    assert [said for said in world.workspace.messages(CHANNEL) if not said.ephemeral_to] == []


async def test_a_point_that_is_live_already_is_refused(world: World) -> None:
    await world.says("ana", "shop to v42")
    run = await world.reaches("refused")
    assert "v42" in run.why


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("shop before 2031-01-01 10:00", "still to come"),
        ("shop before yesterday-ish", "time"),
        ("shop to", "point"),
    ],
)
async def test_a_time_or_point_that_cannot_be_meant_gets_a_sentence(
    world: World, text: str, words: str
) -> None:
    assert words in (await answer(world, text)).lower()


async def test_a_time_before_every_point_names_the_earliest(world: World) -> None:
    await world.says("ana", "shop before 2020-01-01 10:00")
    run = await world.reaches("refused")
    assert "v40" in run.why


async def test_a_time_resolves_to_the_newest_point_before_it(world: World) -> None:
    await world.says("ana", "shop before 90 min ago")
    run = await world.reaches("awaiting_approval")
    assert run.approval.plan is not None
    assert run.approval.plan.point.id == "v41"


async def test_words_of_other_people_mention_nobody(world: World) -> None:
    await world.asks("ana", "shop to v41 because <!channel> \u202e<@U01DORA> & <https://evil|free>")
    message = world.card_message()
    assert PEOPLE["dora"] not in message.notifies
    assert "<!channel>" not in json.dumps(message.blocks)


async def test_three_thousand_characters_are_shortened_and_the_card_stays_valid(world: World) -> None:
    await world.asks("ana", "shop to v41 because " + "long " * 600)
    run = await world.run()
    assert len(run.request.reason) <= 500


async def test_no_text_opens_the_form_with_points_and_their_cost(world: World) -> None:
    await world.says("ana", "")
    shown = await world.sees_modal("ana", "Back to")
    assert "v41" in shown
    assert "Nothing runs until somebody else approves" in shown


async def test_the_form_asks_for_approval(world: World) -> None:
    await world.says("ana", "shop")
    await world.sees_modal("ana", "Back to *v41*")
    await world.slack.click(PEOPLE["ana"], world.modal("ana"), "point", selected_option="v40")
    await world.sees_modal("ana", "Back to *v40*")
    await world.fills_in("ana", point="v40", reason="totals")
    run = await world.reaches("awaiting_approval")
    assert run.approval.plan is not None
    assert (run.approval.plan.point.id, run.request.reason) == ("v40", "totals")


async def test_a_target_that_does_not_answer_is_said_after_ten_seconds_and_can_answer_later(
    world: World,
) -> None:
    world.backend.will("slow")
    await world.says("ana", "shop")
    await world.sees_modal("ana", "nothing happens yet")
    world.later(seconds=11)
    await world.sees_modal("ana", "has not answered for 10 s")
    await world.slack.click(PEOPLE["ana"], world.modal("ana"), "send_to_me")
    await world.slack.close_view(PEOPLE["ana"], world.modal("ana"))
    world.backend.no_longer("slow")
    await world.until(lambda: any("v41" in m.plain() for m in world.direct("ana")), "the points by message")


async def test_the_message_shortcut_opens_the_form(world: World) -> None:
    await world.slack.say(PEOPLE["ana"], CHANNEL, "the totals are wrong since noon")
    message = world.workspace.messages(CHANNEL)[0]
    await world.slack.shortcut(PEOPLE["ana"], message, "rollback_shortcut")
    await world.sees_modal("ana", "Back to")
    await world.fills_in("ana", reason="see above")
    await world.reaches("awaiting_approval")
    await world.until(lambda: world.workspace.messages(CHANNEL, thread_ts=message.ts), "the link")


async def test_another_point_in_the_form_shows_another_plan(world: World) -> None:
    await world.says("ana", "shop")
    await world.sees_modal("ana", "Back to *v41*")
    view = world.modal("ana")
    await world.slack.click(PEOPLE["ana"], view, "point", selected_option="v40")
    await world.sees_modal("ana", "Back to *v40*")


@pytest.mark.parametrize("sent", [{"point": "v40"}, {"before": "150 min ago"}])
async def test_what_the_form_has_not_shown_is_drawn_first_and_asked_once_more(
    world: World, sent: dict[str, str]
) -> None:
    await world.says("ana", "shop")
    await world.sees_modal("ana", "Back to *v41*")
    reply = await world.fills_in("ana", **sent)
    assert "has not shown yet what that would lose" in json.dumps(reply.errors)
    await world.sees_modal("ana", "Back to *v40*")
    await world.fills_in("ana", **sent)
    run = await world.reaches("awaiting_approval")
    assert run.approval.plan.point.id == "v40"


async def test_the_reason_that_was_typed_stands_in_the_form(world: World) -> None:
    await world.says("ana", "shop because the totals are broken")
    await world.sees_modal("ana", "Back to *v41*")
    assert "the totals are broken" in str(world.modal("ana").blocks)


async def test_a_second_request_keeps_the_form_open_and_says_why(world: World) -> None:
    await world.asks("ben")
    await world.says("ana", "shop")
    await world.sees_modal("ana", "Back to")
    reply = await world.fills_in("ana", reason="me too")
    assert "RB-1" in json.dumps(reply.errors)


async def test_three_open_requests_are_enough_for_one_person(open_world: Open) -> None:
    more = "".join(
        f"""  shop-{n}:
    kind: system
    loss: {{{{declared: none, by: shop, because: stateless}}}}
    executor: *ctl
"""
        for n in range(3)
    )
    world = await open_world(STANDARD + more)
    for n in range(3):
        await world.says("ana", f"shop-{n} to v41")
    assert "3 open requests" in await answer(world, "shop to v41")


async def test_a_critical_target_asks_for_the_plan_code(open_world: Open) -> None:
    world = await open_world(CRITICAL)
    run = await world.asks("ana")
    await world.clicks("ben", "Approve and start")
    await world.sees_modal("ben", run.code)
    reply = await world.fills_in("ben", plan_code="zzzz")
    assert "not the code" in json.dumps(reply.errors)
    await world.fills_in("ben", plan_code=run.code[:4])
    await world.reaches("succeeded")


async def test_an_unknown_loss_needs_one_more_approver(open_world: Open) -> None:
    world = await open_world(UNKNOWN_LOSS)
    await world.asks("ana")
    assert "Approve 1 of 2" in world.card()


async def test_an_expired_request_says_so_and_can_be_asked_again(world: World) -> None:
    await world.asks("ana")
    world.later(minutes=31)
    await world.reaches("expired")
    await world.clicks("ana", "Ask again")
    run = await world.reaches("awaiting_approval", "RB-2")
    assert run.request.goal.point == "v41"


async def test_a_click_on_a_card_drawn_for_another_state_is_refused(world: World) -> None:
    await world.asks("ana")
    message = world.card_message()
    drawn_before = message.blocks
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")
    world.workspace.edit(world.card_message(), blocks=drawn_before)
    await world.clicks("cy", "Reject")
    await world.sees_modal("cy", "succeeded now, so there is nothing to reject")


async def test_a_private_channel_without_the_bot_says_how_to_invite_it(world: World) -> None:
    world.workspace.add_channel("C01PRIV", "inc-2", private=True, members=["U01ANA"], bot_member=False)
    assert "/invite" in await answer(world, "shop to v41", channel="C01PRIV")


async def test_a_public_channel_without_the_bot_is_joined(world: World) -> None:
    world.workspace.add_channel("C01PUB", "inc-3", members=["U01ANA"], bot_member=False)
    await world.says("ana", "shop to v41", channel="C01PUB")
    await world.reaches("awaiting_approval")
    await world.until(lambda: [m for m in world.workspace.messages("C01PUB") if m.metadata], "the card")


async def test_a_channel_archived_meanwhile_ends_the_request_and_tells_who_asked(world: World) -> None:
    await world.says("ana", "shop")
    await world.sees_modal("ana", "Back to")
    world.workspace.change_channel(CHANNEL, archived=True)
    await world.fills_in("ana")
    run = await world.reaches("cancelled")
    assert "could not be posted in the channel" in run.why
    await world.until(lambda: world.direct("ana"), "the message to who asked")


async def test_a_direct_message_is_no_place_for_a_rollback(world: World) -> None:
    assert "in the incident channel" in await answer(
        world, "shop to v41", channel=world.workspace.direct(PEOPLE["ana"])
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("help", "points TARGET"),
        ("targets", "shop"),
        ("points shop", "v41"),
        ("status", "Nothing is open"),
        ("history", "No runs yet"),
        ("status RB-9", "There is no run RB-9"),
        ("cancel RB-9", "There is no run RB-9"),
    ],
)
async def test_reading_commands_answer_at_once(world: World, text: str, words: str) -> None:
    assert words in await answer(world, text)


async def test_a_mention_in_a_thread_puts_the_card_in_the_channel_and_one_line_in_the_thread(
    world: World,
) -> None:
    await world.slack.say(PEOPLE["ana"], CHANNEL, "something is wrong with totals")
    first = world.workspace.messages(CHANNEL)[0]
    await world.slack.say(PEOPLE["ana"], CHANNEL, "@rollback shop to v41 because totals", thread_ts=first.ts)
    await world.reaches("awaiting_approval")

    def line() -> bool:
        replies = world.workspace.messages(CHANNEL, thread_ts=first.ts)
        return any("RB-1" in m.plain() for m in replies)

    await world.until(line, "the line in the thread")
    assert world.card_message().thread_ts is None


async def test_the_line_in_the_thread_leads_to_the_card(world: World) -> None:
    await world.slack.say(PEOPLE["ana"], CHANNEL, "something is wrong with totals")
    first = world.workspace.messages(CHANNEL)[0]
    await world.slack.say(PEOPLE["ana"], CHANNEL, "@rollback shop to v41", thread_ts=first.ts)
    await world.reaches("awaiting_approval")
    place = f"/archives/{CHANNEL}/p{world.card_message().ts.replace('.', '')}"

    def linked() -> bool:
        return any(place in m.text for m in world.workspace.messages(CHANNEL, thread_ts=first.ts))

    await world.until(linked, "the link to the card in the thread")


async def test_a_direct_copy_decides_like_the_card(world: World) -> None:
    await world.asks("ana")
    copy = (await world.until(lambda: world.direct("ben"), "the direct copy"))[0]
    await world.clicks("ben", "Approve and start", copy)
    await world.reaches("succeeded")
    await world.until(lambda: "is back at v41" in world.direct("ben")[0].plain(), "the copy's end")


async def test_app_home_lists_what_awaits_me(world: World) -> None:
    await world.asks("ana")
    await world.slack.open_home(PEOPLE["ben"])
    await world.until(
        lambda: (
            world.workspace.home(PEOPLE["ben"])
            and "RB-1"
            in json.dumps(
                world.workspace.home(PEOPLE["ben"]).blocks  # type: ignore[union-attr]
            )
        ),
        "RB-1 at home",
    )


async def test_details_show_the_digest_and_the_timeline(world: World) -> None:
    run = await world.asks("ana")
    await world.clicks("guest", "Details")
    assert run.approval.digest in await world.sees_modal("guest", "Timeline")


async def test_two_deliveries_of_one_command_open_one_run(world: World) -> None:
    world.slack.faults.duplicates = 3
    await world.says("ana", "shop to v41")
    await world.reaches("awaiting_approval")
    assert len(await world.store.summaries()) == 1
