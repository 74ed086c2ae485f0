"""Slack misbehaves: nothing is lost, nothing is shown twice, and a minute later every card is true again."""

import asyncio
from collections.abc import Callable

import pytest

from tests.handlers.world import World
from tests.people import CHANNEL, PEOPLE
from workspace.slack.nouns import Message

CALM = 60  # seconds of quiet after which everything is true again


def cards(world: World, channel: str = CHANNEL) -> list[Message]:
    """What stands in the channel as a card of a run."""
    return [
        m
        for m in world.workspace.messages(channel)
        if m.metadata and m.metadata["event_type"] == "rollback_card" and not m.thread_ts
    ]


async def calm(world: World, condition: Callable[[], bool]) -> None:
    """Turns the clock until the cards are true and the condition holds, at most a minute."""
    context = world.front.context
    for _ in range(CALM):
        if condition() and not await context.store.to_show() and not await context.cards.unposted():
            return
        world.later(seconds=1)
        context.publish()
        await asyncio.sleep(0.05)
    await world.until(condition, "a minute of quiet to make everything true")
    await world.settled()


def buttons(message: Message) -> list[str]:
    return [label for label, *_ in message.buttons()]


async def test_a_card_whose_answer_was_lost_is_found_again_and_not_posted_twice(world: World) -> None:
    world.slack.faults.lose_answer("chat.postMessage")
    await world.says("ana", "shop to v41")
    await calm(world, lambda: len(cards(world)) == 1 and "Approve and start" in buttons(cards(world)[0]))
    await world.reaches("awaiting_approval")
    world.later(seconds=2)
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")
    assert len(cards(world)) == 1
    assert world.backend.restored == ["v41"]


@pytest.mark.parametrize("error", ["internal_error", "fatal_error"])
async def test_an_answer_that_leaves_open_whether_it_was_posted_is_looked_up(
    world: World, error: str
) -> None:
    world.slack.faults.refuse("chat.postMessage", error)
    await world.says("ana", "shop to v41")
    await calm(world, lambda: bool(cards(world)))
    assert len(cards(world)) == 1
    assert any(call.method == "conversations.history" for call in world.workspace.calls)


async def test_without_the_right_to_look_it_up_a_lost_card_is_posted_once_more(world: World) -> None:
    world.workspace.scopes.discard("channels:history")
    world.slack.faults.lose_answer("chat.postMessage")
    await world.says("ana", "shop to v41")
    await calm(world, lambda: len(cards(world)) == 2)
    world.later(seconds=2)
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")
    assert len(cards(world)) == 2
    assert "is back at v41" in world.card()


async def test_an_older_card_that_is_found_late_says_where_the_live_one_is(world: World) -> None:
    world.slack.faults.lose_answer("chat.postMessage")
    world.slack.faults.refuse("conversations.history", "service_unavailable", times=None)
    await world.says("ana", "shop to v41")
    await calm(world, lambda: len(cards(world)) == 2)
    older, live = cards(world)
    world.slack.faults.clear()
    await calm(world, lambda: len(cards(world)) == 1)
    marked = world.workspace.message(CHANNEL, older.ts)
    assert marked is not None
    assert buttons(marked) == []
    assert f"p{live.ts.replace('.', '')}|" in marked.text
    assert "Approve and start" in buttons(cards(world)[0])
    assert cards(world)[0].ts == live.ts


async def test_a_deleted_card_is_posted_again_when_it_changes(world: World) -> None:
    await world.asks()
    gone = world.card_message()
    world.workspace.delete(gone)
    await world.clicks("ben", "Approve and start", world.direct("ben")[-1])
    await world.ends()
    await calm(world, lambda: len(cards(world)) == 1 and "is back at v41" in cards(world)[0].plain())
    assert cards(world)[0].ts != gone.ts
    await world.until(lambda: sum("is back at v41" in line for line in world.thread()) == 1, "the notice")


async def test_a_card_that_slack_keeps_losing_does_not_flood_the_channel(world: World) -> None:
    await world.asks()
    world.slack.faults.refuse("chat.update", "message_not_found", times=None)
    world.backend.will("hang")
    await world.clicks("ben", "Approve and start")
    for _ in range(20):
        world.later(seconds=1)
        world.front.context.publish()
        await asyncio.sleep(0.05)
    assert len(cards(world)) <= 2


@pytest.mark.parametrize("times", [1, 2])
async def test_a_card_whose_blocks_slack_refuses_is_posted_plainer(world: World, times: int) -> None:
    world.slack.faults.refuse("chat.postMessage", "invalid_blocks", times=times)
    await world.says("ana", "shop to v41")
    await world.reaches("awaiting_approval")
    text = world.workspace.messages(CHANNEL)[-1]
    assert "Ana asks" in text.text
    assert ("Approve and start" in buttons(text)) == (times == 1)


async def test_a_plainer_card_can_be_approved(world: World) -> None:
    world.slack.faults.refuse("chat.postMessage", "invalid_blocks")
    await world.says("ana", "shop to v41")
    await world.reaches("awaiting_approval")
    world.later(seconds=2)
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")
    assert "is back at v41" in world.card()


async def test_a_card_that_slack_takes_in_no_shape_ends_the_request_and_tells_who_asked(world: World) -> None:
    world.slack.faults.refuse("chat.postMessage", "invalid_blocks", times=3)
    await world.says("ana", "shop to v41")
    run = await world.ends()
    assert run.state == "cancelled"
    await calm(world, lambda: any("could not be posted" in m.plain() for m in world.direct("ana")))
    assert cards(world) == []


async def test_a_channel_that_is_archived_meanwhile_leaves_nobody_without_news(world: World) -> None:
    await world.asks()
    card = world.card_message()
    world.workspace.change_channel(CHANNEL, archived=True)
    await world.clicks("ben", "Approve and start", world.direct("ben")[-1])
    await world.ends()
    await calm(world, lambda: any("is back at v41" in m.plain() for m in world.direct("ana")))
    assert world.backend.restored == ["v41"]
    assert any("is back at v41" in m.text and not m.buttons() for m in world.direct("ben"))
    world.workspace.change_channel(CHANNEL, archived=False)
    await calm(world, lambda: "is back at v41" in cards(world)[0].plain())
    assert [m.ts for m in cards(world)] == [card.ts]


async def test_a_person_who_was_deactivated_gets_no_copy_and_holds_nobody_up(world: World) -> None:
    world.slack.faults.refuse("chat.postMessage", "user_disabled", times=None, chance=0)
    await world.asks()
    world.workspace.change_user(PEOPLE["cy"], deleted=True)
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")
    assert "is back at v41" in world.direct("ben")[0].plain()


@pytest.mark.parametrize("error", ["token_revoked", "invalid_auth", "account_inactive"])
async def test_a_token_that_is_refused_keeps_everything_until_it_works(world: World, error: str) -> None:
    await world.asks()
    world.slack.faults.refuse("chat.update", error, times=None)
    world.slack.faults.refuse("chat.postMessage", error, times=None)
    await world.clicks("ben", "Approve and start")
    await world.ends()
    sender = world.front.context.sender
    await world.until(lambda: sender.refused == error, "the refusal")
    assert "Approve and start" in buttons(world.card_message())
    world.slack.faults.clear()
    await calm(world, lambda: "is back at v41" in world.card())
    assert sender.refused is None


async def test_a_run_goes_on_while_slack_is_down_and_is_shown_when_it_is_back(world: World) -> None:
    await world.asks()
    world.backend.will("hang")
    await world.clicks("ben", "Approve and start")
    await world.until(lambda: world.backend.restored, "the restore")
    world.slack.faults.down()
    world.backend.no_longer("hang")
    run = await world.ends()
    assert run.state == "succeeded"
    assert "is back at v41" not in world.card()
    for _ in range(20):  # an hour
        world.later(minutes=3)
        world.front.context.publish()
        await asyncio.sleep(0.02)
    world.slack.faults.up()
    await calm(world, lambda: "is back at v41" in world.card())
    await world.until(lambda: sum("is back at v41" in line for line in world.thread()) == 1, "one notice")
    assert len(cards(world)) == 1
    assert "is back at v41" in world.direct("ben")[0].plain()


async def test_nothing_is_said_before_retry_after_is_over(world: World) -> None:
    await world.asks()
    world.slack.faults.rate_limit("chat.update", retry_after=30)
    await world.says("ana", "cancel RB-1")
    await world.until(lambda: updates(world)[-1:] == ["ratelimited"], "the 429")
    for _ in range(29):
        world.later(seconds=1)
        world.front.context.publish()
        await asyncio.sleep(0.01)
    assert updates(world)[-1] == "ratelimited"
    await calm(world, lambda: updates(world)[-1] is None)


async def test_without_retry_after_each_pause_is_longer_than_the_one_before(world: World) -> None:
    await world.asks()
    world.slack.faults.rate_limit("chat.update", retry_after=None, times=None)
    before = len(updates(world))
    await world.says("ana", "cancel RB-1")
    for _ in range(30):
        world.later(seconds=1)
        world.front.context.publish()
        await asyncio.sleep(0.02)
    assert 2 <= len(updates(world)) - before <= 8


def updates(world: World) -> list[str | None]:
    return [call.error for call in world.workspace.calls if call.method == "chat.update"]


async def test_a_command_and_a_click_that_come_fifty_times_count_once(world: World) -> None:
    world.slack.faults.duplicates = 49
    await world.asks()
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")
    assert [run.id for run in await world.store.summaries()] == ["RB-1"]
    assert world.backend.restored == ["v41"]
    assert len(cards(world)) == 1


async def test_a_command_that_comes_again_after_its_run_has_ended_opens_no_other(world: World) -> None:
    await world.asks()
    asked = next(sent.payload for sent in world.slack.delivery.log if sent.kind == "slash_commands")
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")
    world.backend.deploy("v42")
    answers = [await world.slack.forge(asked) for _ in range(50)]
    assert all(answer.acked for answer in answers)
    assert [run.id for run in await world.store.summaries()] == ["RB-1"]
    assert world.backend.restored == ["v41"]


@pytest.mark.parametrize("seed", range(3))
async def test_after_a_storm_of_everything_the_cards_are_true(world: World, seed: int) -> None:
    world.workspace.random.seed(seed)
    world.slack.faults.storm(0.08)
    while not await world.store.summaries():  # a person whom Slack does not let through tries again
        await world.says("ana", "shop to v41")
    # What is posted first may be the card of a request that is not planned yet.
    await calm(world, lambda: bool(cards(world)) and "Approve and start" in buttons(world.card_message()))
    world.later(seconds=2)
    for _ in range(100):
        await world.clicks("ben", "Approve and start")
        if (await world.run()).approval.given:
            break
    await world.ends()
    world.slack.faults.clear()
    await calm(world, lambda: "is back at v41" in world.card())
    assert world.backend.restored == ["v41"]
    assert len(cards(world)) <= 2
    assert sum("is back at v41" in line for line in world.thread()) == 1


async def test_a_card_says_to_programs_how_far_its_run_was_when_it_was_drawn(world: World) -> None:
    await world.asks()
    asked = world.card_message().metadata
    await world.clicks("ben", "Approve and start")
    run = await world.ends()
    await calm(world, lambda: "is back at v41" in world.card())
    ended = world.card_message().metadata
    assert asked is not None
    assert ended is not None
    assert asked["event_payload"]["seq"] < run.seq
    assert ended["event_payload"]["seq"] == run.seq
