"""The ten rules that may never fail open, each seen from outside."""

import asyncio
import json

from tests.handlers.conftest import Open
from tests.handlers.world import COUNTED, QUORUM_OF_TWO, STANDARD, World
from tests.people import CHANNEL, PEOPLE

TWO_ACCOUNTS = STANDARD.replace("{{name: Ana, slack: [U01ANA]}}", "{{name: Ana, slack: [U01ANA, U01BEN]}}")
USER_GROUP = STANDARD.replace(
    "managers: {{members: [U01ANA, U01BEN, U01CY]}}", "managers: {{slack_usergroup: S01MANAGE}}"
)
ONLY_ANA = STANDARD.replace("managers: {{members: [U01ANA, U01BEN, U01CY]}}", "managers: {{members: [Ana]}}")
TWO_TARGETS = (
    STANDARD
    + """  stock:
    kind: system
    loss: {{declared: none, by: stock, because: stateless}}
    executor: *ctl
    procedure: both
procedures:
  both:
    steps:
      - {{phase: restore, target: stock}}
      - {{phase: restore, target: shop}}
"""
)


async def refused(world: World, who: str, words: str) -> None:
    await world.clicks(who, "Approve and start")
    await world.sees_modal(who, words)
    assert world.backend.effects == []
    assert (await world.run()).approval.given == ()


async def test_rule_1_the_requester_cannot_approve(world: World) -> None:
    await world.asks("ana")
    await refused(
        world, "ana", "You asked for this rollback, so you cannot approve it. <@U01BEN> or <@U01CY>"
    )


async def test_rule_1_nor_under_another_account_of_the_same_human(open_world: Open) -> None:
    world = await open_world(TWO_ACCOUNTS)
    await world.asks("ana")
    await refused(world, "ben", "You asked for this rollback")


async def test_rule_1_nor_by_an_account_with_the_same_verified_address(world: World) -> None:
    world.workspace.change_user("U01ANA", email="one@example.com")
    world.workspace.change_user("U01CY", email="One@example.com")
    await world.asks("ana")
    await refused(world, "cy", "You asked for this rollback")


async def test_rule_2_an_empty_user_group_approves_nothing(open_world: Open) -> None:
    world = await open_world(USER_GROUP)
    world.workspace.add_usergroup("S01MANAGE", "managers", [])
    answer = await world.says("ana", "shop to v41")
    assert "nobody else can approve" in (answer.text or "")


async def test_rule_3_nobody_else_entitled_is_said_at_once(open_world: Open) -> None:
    world = await open_world(ONLY_ANA)
    answer = await world.says("ana", "shop to v41")
    assert "nobody else can approve a rollback of `shop`" in (answer.text or "")
    assert await world.store.summaries() == ()


async def test_rule_4_membership_is_read_again_at_the_click(open_world: Open) -> None:
    world = await open_world(USER_GROUP)
    world.workspace.add_usergroup("S01MANAGE", "managers", ["U01BEN", "U01CY"])
    await world.asks("ana")
    world.later(seconds=10)
    world.workspace.change_usergroup("S01MANAGE", members=["U01CY"])
    await refused(world, "ben", "You are not among the approvers")


async def test_rule_4_a_group_that_cannot_be_read_lets_nobody_through(open_world: Open) -> None:
    world = await open_world(USER_GROUP)
    world.workspace.add_usergroup("S01MANAGE", "managers", ["U01BEN", "U01CY"])
    await world.asks("ana")
    world.later(seconds=10)
    world.slack.faults.refuse("usergroups.users.list", "plan_upgrade_required")
    await refused(world, "ben", "Slack could not tell who is in managers")


async def test_rule_4_membership_is_read_again_when_the_run_starts(open_world: Open) -> None:
    world = await open_world(USER_GROUP.replace("from: [managers]", "from: [managers], quorum: 2"))
    world.workspace.add_usergroup("S01MANAGE", "managers", ["U01BEN", "U01CY", "U01DORA"])
    await world.asks("ana")
    await world.clicks("ben", "Approve 1 of 2")
    await world.shows("Approve and start")
    world.later(seconds=10)
    world.workspace.change_usergroup("S01MANAGE", members=["U01CY", "U01DORA"])
    await world.clicks("cy", "Approve and start")
    run = await world.reaches("void")
    assert (run.why, world.backend.effects) == ("Somebody who approved is no longer an approver.", [])


async def test_rule_5_a_guest_can_neither_ask_nor_approve(world: World) -> None:
    answer = await world.says("guest", "shop to v41")
    assert "guests may neither ask nor approve" in (answer.text or "")
    await world.asks("ana")
    await refused(world, "guest", "guests may neither ask nor approve")


async def test_rule_5_somebody_deactivated_since_the_card_was_posted_cannot_approve(world: World) -> None:
    await world.asks("ana")
    world.later(seconds=10)
    world.workspace.change_user("U01BEN", guest=True)
    await refused(world, "ben", "guests may neither ask nor approve")


async def test_rule_5_a_stranger_in_a_shared_channel_gets_no_card(world: World) -> None:
    world.workspace.change_channel(CHANNEL, shared=True)
    answer = await world.says("ana", "shop to v41")
    assert "shared with another organisation" in (answer.text or "")


async def test_rule_6_words_in_the_channel_are_no_approval(world: World) -> None:
    await world.asks("ana")
    await world.slack.say(PEOPLE["ben"], CHANNEL, "approve")
    await world.slack.say(PEOPLE["ben"], CHANNEL, "@rollback approve RB-1")
    assert (await world.run()).approval.given == ()


async def test_rule_6_a_forged_value_is_on_no_card_of_ours(world: World) -> None:
    await world.asks("ana")
    message = world.card_message()
    value = next(value for _, action, value, _ in message.buttons() if action == "approve")
    forged = json.loads(json.dumps(message.blocks).replace(str(value), "000000000000.0000000000"))
    world.workspace.edit(message, blocks=forged)
    await refused(world, "ben", "belongs to no card of mine")


async def test_rule_7_a_deploy_after_the_plan_voids_the_approval(world: World) -> None:
    await world.asks("ana")
    world.backend.deploy("v43")
    world.backend.offer(["v40", "v41", "v42", "v43"])
    await world.clicks("ben", "Approve and start")
    run = await world.reaches("void")
    assert "changed since the plan was made" in run.why
    assert world.backend.effects == []


async def test_rule_7_a_loss_that_outgrew_its_ceiling_voids_the_approval(open_world: Open) -> None:
    world = await open_world(COUNTED)
    (world.backend.folder / "lost").write_text("212")
    await world.asks("ana")
    (world.backend.folder / "lost").write_text("9000")
    await world.clicks("ben", "Approve and start")
    run = await world.reaches("void")
    assert "9,000 new orders, covered were " in run.why
    assert world.backend.effects == []


async def test_rule_8_one_open_run_for_a_target_and_the_second_gets_its_link(world: World) -> None:
    await world.asks("ana")
    answer = await world.says("ben", "shop to v40")
    assert "open request already: RB-1" in (answer.text or "")
    assert "|Open its card>" in (answer.text or "")


async def test_rule_8_a_plan_locks_every_target_that_it_changes(open_world: Open) -> None:
    world = await open_world(TWO_TARGETS)
    await world.asks("ana", "stock to v41")
    answer = await world.says("ben", "shop to v40")
    assert "`shop` has an open request already: RB-1" in (answer.text or "")


async def test_rule_9_a_veto_by_one_click_ends_the_request_and_asks_why_afterwards(world: World) -> None:
    await world.asks("ana")
    await world.clicks("cy", "Reject")
    await world.reaches("vetoed")
    await world.sees_modal("cy", "is rejected")
    await world.fills_in("cy", reason="wrong release")
    await world.shows("wrong release")


async def test_rule_9_an_approval_after_a_veto_runs_nothing(world: World) -> None:
    await world.asks("ana")
    stale = world.card_message()
    await asyncio.gather(world.clicks("cy", "Reject"), world.clicks("ben", "Approve and start", stale))
    run = await world.ends()
    assert (run.state == "vetoed") == (world.backend.effects == [])


async def test_rule_10_every_refusal_is_evidence(world: World) -> None:
    await world.asks("ana")
    await world.clicks("ana", "Approve and start")
    await world.sees_modal("ana", "cannot approve")
    kinds = [(entry["kind"], entry["by"], entry["run_id"]) for entry in await world.evidence()]
    assert ("press_refused", "U01ANA", "RB-1") in kinds


async def test_a_quorum_of_two_needs_two_different_people(open_world: Open) -> None:
    world = await open_world(QUORUM_OF_TWO)
    await world.asks("ana")
    await world.clicks("ben", "Approve 1 of 2")
    await world.shows("Approve and start")
    await world.clicks("ben", "Approve and start")
    await world.sees_modal("ben", "You have approved RB-1 already")
    await world.clicks("cy", "Approve and start")
    await world.reaches("succeeded")
