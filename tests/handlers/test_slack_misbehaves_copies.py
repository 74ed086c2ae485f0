"""Copies for approvers when Slack loses its answers: as with the card, one of each that can be pressed."""

from tests.handlers.test_slack_misbehaves import buttons, calm
from tests.handlers.world import World
from workspace.slack.nouns import Message

AWAITED = ("ben", "cy")


def pressable(world: World, who: str) -> list[Message]:
    return [copy for copy in world.direct(who) if "Approve and start" in buttons(copy)]


async def loses_the_copies(world: World) -> None:
    """Slack posts the card and its copies, and says so of none."""
    world.slack.faults.lose_answer("chat.postMessage", times=1 + len(AWAITED))
    await world.says("ana", "shop to v41")
    await world.reaches("awaiting_approval")
    await calm(world, lambda: all(pressable(world, who) for who in AWAITED))
    world.later(seconds=2)


async def test_a_copy_whose_answer_was_lost_is_found_again_and_not_posted_twice(world: World) -> None:
    await loses_the_copies(world)
    assert [len(world.direct(who)) for who in AWAITED] == [1, 1]


async def test_a_copy_that_was_found_again_shows_the_decision(world: World) -> None:
    await loses_the_copies(world)
    await world.clicks("ben", "Approve and start", world.direct("ben")[0])
    await world.reaches("succeeded")
    await calm(world, lambda: all("is back at v41" in world.direct(who)[0].plain() for who in AWAITED))
    assert not any(pressable(world, who) for who in AWAITED)


async def test_without_the_right_to_look_it_up_a_lost_copy_is_posted_once_more(world: World) -> None:
    world.workspace.scopes.discard("im:history")
    await loses_the_copies(world)
    assert [len(world.direct(who)) for who in AWAITED] == [2, 2]


async def test_whoever_presses_an_older_copy_is_refused_and_led_to_the_card(world: World) -> None:
    world.workspace.scopes.discard("im:history")
    await loses_the_copies(world)
    older, live = world.direct("ben")
    await world.clicks("ben", "Approve and start", older)
    await world.sees_modal("ben", "older copy")
    await calm(world, lambda: pressable(world, "ben") == [live])
    assert (await world.run()).state == "awaiting_approval"


async def test_a_person_with_whom_nothing_can_be_opened_gets_the_copy_once_more(world: World) -> None:
    world.slack.faults.refuse("conversations.open", "missing_scope", times=None)
    await loses_the_copies(world)
    assert [len(world.direct(who)) for who in AWAITED] == [2, 2]
