"""A copy beside, before maintenance goes on: what the form asks, what the card says, what a no costs."""

import json

from tests.handlers.conftest import Open
from tests.handlers.world import COPIED, IN_MAINTENANCE, World
from tests.people import PEOPLE


async def test_a_copy_is_made_before_customers_see_anything(open_world: Open) -> None:
    world = await open_world(COPIED)
    await world.asks("ana")
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")
    assert world.backend.effects == ["prepare v41", "enter", "restore v41", "leave"]


async def test_the_form_asks_what_customers_see_while_a_copy_is_made(open_world: Open) -> None:
    world = await open_world(COPIED)
    await world.says("ana", "shop")
    await world.sees_modal("ana", "Customers see maintenance")
    await world.slack.click(PEOPLE["ana"], world.modal("ana"), "offline", selected_option="start")
    await world.until(
        lambda: '"initial_option": {"text": {"type": "plain_text", "text": "from' in shown(world), "it"
    )
    await world.fills_in("ana", offline="start", point="v41")
    await world.reaches("awaiting_approval")
    world.later(seconds=2)
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")
    assert world.backend.effects == ["enter", "prepare v41", "restore v41", "leave"]


def shown(world: World) -> str:
    return json.dumps(world.modal("ana").blocks)


async def test_where_no_copy_is_made_the_form_does_not_ask(open_world: Open) -> None:
    world = await open_world(IN_MAINTENANCE)
    await world.says("ana", "shop")
    assert "Customers see maintenance" not in await world.sees_modal("ana", "Back to *v41*")


async def copying(world: World) -> None:
    """Approved, and in the middle of its copy."""
    world.backend.will("copying")
    await world.asks("ana")
    await world.clicks("ben", "Approve and start")
    await world.shows("Preparing a copy")


async def test_while_the_copy_is_made_there_is_nothing_to_stop_only_to_cancel(open_world: Open) -> None:
    world = await open_world(COPIED)
    await copying(world)
    assert "Stop…" not in [label for label, *_ in world.card_message().buttons()]
    world.backend.no_longer("copying")
    await world.reaches("succeeded")


async def test_what_is_cancelled_while_the_copy_is_made_ends_untouched_and_the_copy_goes(
    open_world: Open,
) -> None:
    world = await open_world(COPIED)
    await copying(world)
    await world.clicks("ana", "Cancel")
    await world.reaches("cancelled")
    await world.shows("The copy beside shop was dropped")
    assert "restore v41" not in world.backend.effects
    assert world.backend.effects[-1].startswith("drop ")
