"""What comes late, twice, or from an older card: it counts for what it meant, once, or says why not."""

from handlers.role import Role
from handlers.settings import read_settings
from tests.handlers.conftest import Open
from tests.handlers.world import QUORUM_OF_TWO, World
from tests.people import CHANNEL


async def test_a_card_that_was_posted_while_its_plan_was_owed_can_be_approved(world: World) -> None:
    world.backend.will("slow")
    await world.says("ana", "shop to v41")
    world.later(seconds=2)
    await world.until(lambda: world.workspace.messages(CHANNEL), "a card before the plan")
    world.backend.no_longer("slow")
    await world.reaches("awaiting_approval")
    await world.shows("Approve")
    world.later(seconds=2)
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")
    assert world.backend.restored == ["v41"]


async def test_a_no_on_a_card_that_somebody_has_just_approved_still_counts(open_world: Open) -> None:
    world = await open_world(QUORUM_OF_TWO)
    await world.asks("ana")
    drawn_before = world.card_message()
    await world.clicks("ben", "Approve 1 of 2")
    await world.clicks("dora", "Reject", drawn_before)
    await world.reaches("vetoed")
    assert world.backend.effects == []


async def test_the_same_click_again_is_no_refusal(world: World) -> None:
    """Its acknowledgement was lost, so Slack's side does not know that it has counted."""
    await world.asks("ana")
    world.slack.faults.duplicates = 3
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")
    kinds = [entry["kind"] for entry in await world.evidence()]
    assert (kinds.count("approved"), kinds.count("press_refused")) == (1, 0)


async def test_a_click_on_an_older_copy_of_a_card_is_refused_and_the_copy_says_so(world: World) -> None:
    await world.asks("ana")
    live = world.card_message()
    (card,) = [c for c in await world.front.context.cards.of_run("RB-1") if c.ts == live.ts]
    older = world.workspace.post(CHANNEL, live.user, live.text, blocks=live.blocks, metadata=live.metadata)
    assert older.ts != card.ts
    await world.clicks("ben", "Approve and start", older)
    await world.sees_modal("ben", "This is an older copy of the card")
    assert "|Open its card>" in await world.sees_modal("ben", "<http")
    assert (await world.run()).approval.given == ()

    def marked() -> bool:
        return not next(m for m in world.workspace.messages(CHANNEL) if m.ts == older.ts).buttons()

    await world.until(marked, "a copy without buttons")


async def test_two_fronts_need_a_database_that_they_share() -> None:
    environment = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "s"}
    refused = read_settings(environment).why_not_serve(Role.FRONT)
    assert refused is not None
    assert "ROLLBACK_DATABASE_URL" in refused


async def test_a_worker_says_which_of_its_settings_is_missing() -> None:
    environment = {"ROLLBACK_DATABASE_URL": "postgresql+psycopg://u:p@127.0.0.1/x"}
    assert "SLACK_READ_TOKEN" in str(read_settings(environment).why_not_serve(Role.WORKER))
    environment["SLACK_READ_TOKEN"] = "xoxb-2"
    assert "ROLLBACK_FRONT_KEYS_FILE" in str(read_settings(environment).why_not_serve(Role.WORKER))
