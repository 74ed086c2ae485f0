"""What the page shows of the world, the log and the story, and what its break buttons do, with a real bot."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from workspace import faults_to_try as breaks
from workspace.configuration import ANA, BEN, CATALOG_CHANNEL, GUEST, ORDERS_CHANNEL, STOREFRONT_CHANNEL
from workspace.demo import Demo
from workspace.slack.refusal import Impossible
from workspace.slack.server import PretendSlack
from workspace.slack.state import Workspace
from workspace.stage import Stage, set_up

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """One for all tests here: every break brings its target into trouble first, so none needs a fresh one."""
    server = await PretendSlack.start(Workspace())
    try:
        async with set_up(tmp_path_factory.mktemp("demo"), server) as stage:
            yield stage
    finally:
        await server.stop()


@pytest.fixture
def demo(stage: Stage) -> Demo:
    demo = Demo()
    demo.stage = stage
    return demo


async def done(demo: Demo) -> list[str]:
    return [step["id"] for step in (await demo.story())["steps"] if step["done"]]


async def played(demo: Demo, stage: Stage, what: str) -> dict[str, Any]:
    """The button of a break, when what it does is over."""
    await demo.on_break(what)

    async def button() -> dict[str, Any]:
        return next(button for button in (await demo.story())["breaks"] if button["what"] == what)

    while (seen := await button())["busy"]:
        await stage.look()
    return seen


async def test_the_steps_of_the_story_are_done_when_that_is_to_be_seen(demo: Demo, stage: Stage) -> None:
    await stage.look()
    assert await done(demo) == []
    run = await stage.ask(ANA, STOREFRONT_CHANNEL, "storefront", "to v41 because the shop answers 500")
    assert await done(demo) == ["ask", "request"]
    await stage.press(ANA, run, "approve")
    await stage.until("a refusal", lambda: (ANA, run) in stage.told.refused)
    assert await done(demo) == ["ask", "request", "self"]
    await stage.press(BEN, run, "approve")
    await stage.until_settled(run)
    assert await done(demo) == ["ask", "request", "self", "other"]
    await stage.until("the shop", lambda: stage.seen.storefront.status == 200)
    demo.look_back()
    assert await done(demo) == ["ask", "request", "self", "other", "live"]


async def test_the_log_is_told_in_words_with_names(demo: Demo, stage: Stage) -> None:
    run = await stage.ask(ANA, STOREFRONT_CHANNEL, "storefront", "to v40 because of a test")
    told = [event["words"] for event in await demo.events() if event["run"] == run]
    assert told[0] == "Ana asked: roll back storefront"


async def test_the_world_is_what_the_targets_answer(demo: Demo, stage: Stage) -> None:
    await breaks.storefront_in_trouble(stage)
    seen = await demo.world()
    assert seen["storefront"]["status"] == 500
    assert seen["catalog"]["broken_items"] == 310


async def test_a_deploy_meanwhile_makes_the_approval_void(demo: Demo, stage: Stage) -> None:
    button = await played(demo, stage, "deploy_meanwhile")
    assert button["done"], button
    assert "is void" in button["hint"]
    assert stage.seen.storefront.status == 500


async def test_a_failing_check_pauses_and_the_next_break_finds_its_way(demo: Demo, stage: Stage) -> None:
    button = await played(demo, stage, "fail_check")
    assert "waits for people" in button["hint"]
    assert stage.seen.storefront.status == 503
    await breaks.storefront_in_trouble(stage)
    assert stage.seen.storefront.status == 500


async def test_the_second_press_brings_the_payment_provider_back(demo: Demo, stage: Stage) -> None:
    await played(demo, stage, "fail_check")
    assert stage.world.payments_flag.exists()
    button = await played(demo, stage, "fail_check")
    assert "answers again" in button["hint"]
    assert not stage.world.payments_flag.exists()


async def test_a_guest_asks_and_opens_nothing(demo: Demo, stage: Stage) -> None:
    before = stage.told.runs
    button = await played(demo, stage, "be_guest")
    assert button["done"], button
    assert (GUEST, "") in stage.told.refused
    assert stage.told.runs == before


async def test_a_rollback_goes_on_while_slack_is_down(stage: Stage) -> None:
    told = await breaks.slack_down(stage, seconds=6.0)
    assert "succeeded while Slack was down (GET / → 200)" in told


async def test_taking_back_the_orders_opens_the_form_with_its_loss(demo: Demo, stage: Stage) -> None:
    button = await played(demo, stage, "take_back_orders")
    assert button["done"], button
    assert f"loses {stage.seen.orders.since_backup} rows" in button["label"]
    assert stage.form(ANA) is not None


@pytest.mark.parametrize(
    ("target", "channel"),
    [("orders", ORDERS_CHANNEL), ("catalog", CATALOG_CHANNEL)],
    ids=["orders", "catalog"],
)
async def test_anybody_can_try_a_drill_at_once(stage: Stage, target: str, channel: str) -> None:
    before = {run.id for run in stage.told.runs}
    await stage.command(ANA, channel, f"drill {target}")
    run = await stage.until("the drill", lambda: stage.new_run(target, before))
    assert (await stage.until_settled(run)).state == "succeeded"


async def test_one_thing_is_broken_at_a_time(demo: Demo) -> None:
    await demo.on_break("deploy_meanwhile")
    with pytest.raises(Impossible, match="already"):
        await demo.on_break("be_guest")
    await demo.let_be()


async def test_starting_again_makes_everything_as_it_was(demo: Demo, stage: Stage) -> None:
    await breaks.storefront_in_trouble(stage)
    run = await breaks.ask_for_storefront(stage)
    await stage.until("the card", lambda: stage.card(run))
    await demo.on_break("reset")
    assert await done(demo) == []
    assert await demo.events() == []
    assert stage.server.workspace.everything(STOREFRONT_CHANNEL) == []
    assert (stage.seen.storefront.release, stage.seen.storefront.status) == ("v42", 500)
    assert stage.seen.orders.bad_rows == 41
    assert stage.seen.catalog.broken_items == 310


async def test_a_drill_is_one_click_and_touches_nothing(demo: Demo, stage: Stage) -> None:
    await breaks.orders_in_trouble(stage)
    bad = stage.seen.orders.bad_rows
    button = await played(demo, stage, "drill_orders")
    assert "succeeded on a copy" in button["hint"], button
    assert stage.seen.orders.bad_rows == bad
