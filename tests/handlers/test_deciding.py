"""Paused, stuck and ended runs: what people can decide, and what follows."""

import json
import os
import signal

from tests.handlers.conftest import Open
from tests.handlers.world import CAREFUL, IN_MAINTENANCE, STANDARD, World


async def failed_check(world: World) -> None:
    world.backend.will("unhealthy")
    await world.asks("ana")
    await world.clicks("ben", "Approve and start")
    await world.reaches("paused")


async def test_a_failed_check_stops_and_asks_people(world: World) -> None:
    await failed_check(world)
    assert "DECIDE" in world.card().splitlines()[0]
    assert any("DECIDE" in line for line in world.thread())


async def test_check_again_goes_on_when_the_check_passes_now(world: World) -> None:
    await failed_check(world)
    world.backend.no_longer("unhealthy")
    await world.clicks("ana", "Check again")
    await world.reaches("succeeded")
    assert world.backend.restored == ["v41"]


async def test_going_online_anyway_takes_two_people_and_stays_red(world: World) -> None:
    await failed_check(world)
    await world.clicks("ana", "Go online anyway…")
    await world.sees_modal("ana", "stays red")
    await world.fills_in("ana", reason="customers wait")
    assert (await world.run()).state == "paused"
    await world.shows("customers wait")
    await world.clicks("ben", "Go online anyway…")
    await world.sees_modal("ben", "stays red")
    await world.fills_in("ben", reason="agreed")
    run = await world.reaches("succeeded")
    assert run.work.verdict == "failed"
    assert "NOT verified" in world.card().splitlines()[0]


async def test_the_same_person_twice_is_not_two_people(world: World) -> None:
    await failed_check(world)
    await world.clicks("ben", "Go online anyway…")
    await world.sees_modal("ben", "stays red")
    await world.fills_in("ben", reason="I am sure")
    await world.shows("I am sure")
    await world.clicks("ben", "Go online anyway…")
    await world.sees_modal("ben", "Somebody else has to agree")
    assert (await world.run()).state == "paused"


async def test_ending_a_paused_run_leaves_it_failed_and_says_what_is_live(world: World) -> None:
    await failed_check(world)
    await world.clicks("ben", "End it…")
    await world.sees_modal("ben", "ends failed")
    await world.fills_in("ben", reason="we fix forward")
    await world.reaches("failed")
    assert "is at v41, NOT verified" in world.card().splitlines()[0]


async def test_an_undo_of_a_paused_run_ends_it_and_opens_a_run_of_its_own(world: World) -> None:
    await failed_check(world)
    await world.clicks("ana", "Undo…")
    await world.sees_modal("ana", "Back to")
    await world.fills_in("ana", reason="v41 is worse")
    undo = await world.reaches("awaiting_approval", "RB-2")
    assert (undo.request.purpose, undo.request.goal.undo_of) == ("undo", "RB-1")
    assert (await world.run("RB-1")).state == "failed"
    assert undo.approval.plan is not None
    assert undo.approval.plan.point.id == "v42"


async def test_an_undo_of_a_succeeded_run_brings_back_what_was_live(world: World) -> None:
    await world.asks("ana")
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")
    await world.says("ana", "undo RB-1 because it was not the release")
    await world.reaches("awaiting_approval", "RB-2")
    await world.until(lambda: "Approve" in world.card(), "the undo's card")
    world.later(seconds=2)
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded", "RB-2")
    assert world.backend.current == "v42"


async def test_a_checkpoint_waits_for_a_yes(open_world: Open) -> None:
    world = await open_world(CAREFUL)
    await world.asks("ana")
    await world.clicks("ben", "Approve and start")
    await world.reaches("paused")
    assert "Is traffic drained?" in world.card()
    assert world.backend.effects == []
    await world.clicks("ana", "Yes, go on")
    await world.reaches("succeeded")
    assert world.backend.effects == ["enter", "restore v41", "leave"]


async def test_a_veto_at_a_checkpoint_before_the_first_effect_still_counts(open_world: Open) -> None:
    world = await open_world(CAREFUL)
    await world.asks("ana")
    await world.clicks("ben", "Approve and start")
    await world.reaches("paused")
    await world.clicks("cy", "Reject")
    await world.reaches("vetoed")
    assert world.backend.effects == []


async def test_stop_waits_for_the_step_under_way_and_starts_no_next_one(open_world: Open) -> None:
    world = await open_world(IN_MAINTENANCE)
    world.backend.will("hang")
    await world.asks("ana")
    await world.clicks("ben", "Approve and start")
    await world.until(lambda: world.backend.restored, "the restore")
    await world.shows("Stop…")
    await world.clicks("ana", "Stop…")
    await world.sees_modal("ana", "No next step")
    await world.fills_in("ana")
    world.backend.no_longer("hang")
    await world.reaches("paused")
    assert world.backend.effects == ["enter", "restore v41"]


async def test_a_failed_restore_says_why_and_nothing_is_tried_again(world: World) -> None:
    world.backend.will("fail")
    await world.asks("ana")
    await world.clicks("ben", "Approve and start")
    await world.reaches("paused")
    assert "disk is full" in world.card()
    await world.clicks("ana", "Look again")
    await world.shows("Look again")
    await world.reaches("paused")
    assert world.backend.restored == ["v41"]


async def test_what_a_program_says_last_is_no_mention_and_no_format(open_world: Open) -> None:
    says = """[sh, -c, 'echo "<@U01BEN> approved; *done*" >&2; exit 3', sh, "{{point}}"]"""
    restore = '["{ctl}", restore, "{{point}}"]'
    assert restore in STANDARD
    world = await open_world(STANDARD.replace(restore, says))
    await world.asks("ana")
    await world.clicks("ben", "Approve and start")
    await world.reaches("paused")
    row = next(row for row in world.card().splitlines() if "approved;" in row)
    assert "&lt;@U01BEN&gt; approved; " in row
    assert "*" not in row


async def test_leaving_maintenance_of_a_failed_run_takes_two_people(open_world: Open) -> None:
    world = await open_world(IN_MAINTENANCE)
    await failed_check(world)
    await world.clicks("ben", "End it…")
    await world.sees_modal("ben", "ends failed")
    await world.fills_in("ben")
    await world.reaches("failed")
    for who in ("ana", "ben"):
        await world.clicks(who, "Leave maintenance…")
        await world.sees_modal(who, "Customers will see")
        await world.fills_in(who, reason="it works well enough")
        await world.reaches("failed")
    await world.until(lambda: world.backend.effects[-1] == "leave", "the end of maintenance")


async def test_a_lying_backend_is_found_out_by_the_verification(world: World) -> None:
    world.backend.will("lie")
    await world.asks("ana")
    await world.clicks("ben", "Approve and start")
    run = await world.reaches("paused")
    assert run.work.verdict == "failed"


async def test_where_a_backend_sees_something_else_live_no_card_says_otherwise(world: World) -> None:
    world.backend.will("lie")
    await world.asks("ana")
    await world.clicks("ben", "Approve and start")
    await world.reaches("paused")
    card = await world.shows("is live, not")
    assert "in place" not in card
    await world.clicks("ben", "End it…")
    await world.sees_modal("ben", "ends failed")
    await world.fills_in("ben", reason="it does nothing")
    await world.reaches("failed")
    assert "NOT KNOWN what is live" in await world.shows("NOT KNOWN")


async def lost_restore(world: World) -> None:
    """The restore's supervisor is shot and its program ends unseen: nobody knows what became of it."""
    world.backend.will("hang")
    await world.asks("ana")
    await world.clicks("ben", "Approve and start")
    await world.until(lambda: world.backend.restored, "the restore")
    spool = world.folder / "state" / "spool"

    def supervisor() -> int | None:
        taken = [path for path in spool.rglob("taken.json") if not (path.parent / "ended.json").exists()]
        return int(json.loads(taken[0].read_text())["pid"]) if taken else None

    os.kill(await world.until(supervisor, "the supervisor's pid"), signal.SIGKILL)
    world.backend.no_longer("hang")
    await world.reaches("stuck")


async def test_when_nobody_knows_two_people_say_what_is_live(world: World) -> None:
    await lost_restore(world)
    for who in ("ana", "dora"):
        await world.clicks(who, "Say what is live…")
        await world.sees_modal(who, "Two people must say the same")
        await world.fills_in(who, answer="point", reason=f"{who} looked")
        await world.settled()
    await world.reaches("succeeded")
    assert world.backend.restored == ["v41"]


async def test_people_who_disagree_leave_it_stuck(world: World) -> None:
    await lost_restore(world)
    for who, answer in (("ana", "point"), ("ben", "unchanged")):
        await world.clicks(who, "Say what is live…")
        await world.sees_modal(who, "Two people must say the same")
        await world.fills_in(who, answer=answer, reason="I looked")
        await world.settled()
    assert (await world.run()).state == "stuck"


async def test_a_stuck_run_keeps_its_lock(world: World) -> None:
    await lost_restore(world)
    answer = await world.says("ben", "shop to v40")
    assert "RB-1" in (answer.text or "")
