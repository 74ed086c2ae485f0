"""Executor `command`, against a real command line tool over a file."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import PermanentError
from bot.executors import supervisor
from bot.executors.command import Call, Command
from bot.executors.contract import (
    Cancelled,
    Denied,
    Executor,
    Fate,
    Handle,
    PointUnavailable,
    Progress,
    StateChanged,
    Surroundings,
    Taken,
    TargetMissing,
    Unreachable,
    Unsupported,
    Work,
)
from bot.model import Goal, LossQuality, RestorePoint, UndoMode, Unit, Verdict

CTL = (sys.executable, "-I", "-S", str(Path(__file__).with_name("ctl.py")))
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WORK = Work("k3v9x2ab.RB-42.3", "RB-42", "d" * 64, point="v41", expected="v42")
POINTS = [
    {"id": "v42", "label": "new prices", "created_at": "2026-11-22T10:00:00Z", "author": "ana"},
    {"id": "v41", "label": "checkout", "created_at": "2026-11-21T10:00:00Z", "author": "ben"},
    {"id": "v40", "label": "", "created_at": "2026-11-20T10:00:00Z"},
]
PATIENCE = 20.0


@dataclass(frozen=True)
class Shop:
    """The backend, and the executor in front of it."""

    folder: Path

    def becomes(self, **world: Any) -> None:
        (self.folder / "world.json").write_text(json.dumps({**self.world(), **world}))

    def world(self) -> dict[str, Any]:
        world: dict[str, Any] = json.loads((self.folder / "world.json").read_text())
        return world

    def effects(self) -> list[dict[str, Any]]:
        file = self.folder / "effects.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def call(self, *argv: str, timeout: float = 20.0) -> Call:
        return Call((*CTL, str(self.folder), *argv), timeout)

    def executor(self, spool: str = "spool", **calls: Call) -> Command:
        """`spool`: another one is another worker machine."""
        return Command(
            **{
                "points": self.call("points"),
                "current": self.call("current"),
                "restore": self.call("restore", "{point}", "--op", "{op}"),
                **calls,
            },
            surroundings=Surroundings(self.folder, self.folder / spool, {"PATH": os.defpath}),
            clock=lambda: NOW,
        )

    @property
    def find(self) -> Call:
        return self.call("find", "{op}")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    (tmp_path / "world.json").write_text(json.dumps({"points": POINTS, "current": "v42", "restored": {}}))
    return Shop(tmp_path)


async def started(executor: Executor, work: Work = WORK) -> Handle:
    handle = await executor.start(work)
    assert handle is not Taken.TAKEN
    return handle


async def ended(executor: Executor, handle: Handle) -> Progress:
    deadline = time.monotonic() + PATIENCE
    while (progress := await executor.poll(WORK, handle)).ended is None:
        assert time.monotonic() < deadline, "it did not end in time"
        await asyncio.sleep(0.01)
    return progress


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


async def test_points_come_newest_first_with_the_current_one_marked(shop: Shop) -> None:
    shop.becomes(points=POINTS[::-1])
    points = await shop.executor().restore_points()
    assert [(point.id, point.current) for point in points.points] == [
        ("v42", True),
        ("v41", False),
        ("v40", False),
    ]
    assert (points.current.id, points.current.token, points.current.label) == ("v42", "v42", "new prices")


async def test_points_without_a_time_stay_in_the_order_of_the_tool(shop: Shop) -> None:
    shop.becomes(points=[{"id": "b"}, {"id": "c", "created_at": "2026-11-21T10:00:00Z"}, {"id": "a"}])
    assert [point.id for point in (await shop.executor().restore_points()).points] == ["b", "c", "a"]


async def test_no_more_points_are_listed_than_asked_for(shop: Shop) -> None:
    assert len((await shop.executor().restore_points(limit=2)).points) == 2


async def test_a_point_that_a_command_could_mistake_for_an_option_is_not_offered(shop: Shop) -> None:
    shop.becomes(points=[*POINTS, {"id": "--force"}, {"id": "v1\nv2"}, {"id": ""}, {"id": "x" * 201}])
    offered = (await shop.executor().restore_points()).points
    assert {point.id for point in offered} == {"v42", "v41", "v40"}


async def test_a_label_cannot_break_out_of_its_line(shop: Shop) -> None:
    shop.becomes(points=[{**POINTS[0], "label": "new\n\u202eprices"}])
    assert (await shop.executor().restore_points()).points[0].label == "new  prices"


@pytest.mark.parametrize(
    "said",
    [
        "",
        "no json",
        "{}",
        '[{"id": 7}]',
        '[{"label": "no id"}]',
        '[{"id": "v1", "created_at": "2026-11-22T10:00:00"}]',
        '[{"id": "v1", "created_at": "yesterday"}]',
        "[" * 5000,
        "9" * 2_000_000,
    ],
)
async def test_an_answer_in_another_shape_is_said_with_the_command_and_what_was_expected(
    shop: Shop, said: str
) -> None:
    shop.becomes(say=said)
    with pytest.raises(
        PermanentError, match=r"points command `python.*` must print .*\"created_at\": \"2026-11-22"
    ):
        await shop.executor().restore_points()


async def test_an_argument_is_never_repeated_to_people(shop: Shop) -> None:
    with pytest.raises(Unreachable) as error:
        await shop.executor(points=Call(("false", "--token", "canary-7f3a"))).restore_points()
    assert "canary-7f3a" not in str(error.value)


async def test_a_tool_that_refuses_is_unreachable_in_its_own_words(shop: Shop) -> None:
    shop.becomes(refuse="the shop is closed")
    with pytest.raises(Unreachable, match="ended with 1: the shop is closed"):
        await shop.executor().restore_points()


async def test_a_tool_that_does_not_exist_is_a_missing_target(shop: Shop) -> None:
    with pytest.raises(TargetMissing, match="no-such-tool"):
        await shop.executor(points=Call(("no-such-tool",))).restore_points()


async def test_a_tool_that_may_not_be_run_is_denied(shop: Shop) -> None:
    (shop.folder / "tool").write_text("not executable")
    with pytest.raises(Denied):
        await shop.executor(points=Call((str(shop.folder / "tool"),))).restore_points()


async def test_a_tool_that_does_not_answer_in_time_is_unreachable(shop: Shop) -> None:
    shop.becomes(hang=60)
    with pytest.raises(Unreachable, match=r"no answer within 0\.3 s"):
        await shop.executor(points=shop.call("points", timeout=0.3)).restore_points()


async def test_a_time_goes_to_the_newest_point_at_or_before_it(shop: Shop) -> None:
    way = await shop.executor().plan(Goal(before=datetime(2026, 11, 21, 10, 0, tzinfo=UTC)), NOW)
    assert way.point.id == "v41"


async def test_a_time_before_every_point_names_the_oldest(shop: Shop) -> None:
    with pytest.raises(PointUnavailable, match="v40"):
        await shop.executor().plan(Goal(before=datetime(2026, 11, 1, tzinfo=UTC)), NOW)


async def test_an_unknown_point_names_the_nearest(shop: Shop) -> None:
    with pytest.raises(PointUnavailable, match="v41"):
        await shop.executor().plan(Goal(point="v4l"), NOW)


async def test_what_is_live_already_is_blocked(shop: Shop) -> None:
    way = await shop.executor().plan(Goal(point="v42"), NOW)
    assert way.blockers == ("v42 is live already.",)


async def test_the_undo_of_a_run_is_not_ours_to_resolve(shop: Shop) -> None:
    with pytest.raises(Unsupported):
        await shop.executor().plan(Goal(undo_of="RB-41"), NOW)


async def test_a_plan_names_what_goes(shop: Shop) -> None:
    way = await shop.executor().plan(Goal(point="v40"), NOW)
    assert (way.changes, way.undo, way.blockers) == (
        ("v42 new prices", "v41 checkout"),
        UndoMode.BEST_EFFORT,
        (),
    )


async def test_undo_is_impossible_when_the_tool_does_not_offer_what_is_live(shop: Shop) -> None:
    shop.becomes(current="hotfix")
    way = await shop.executor().plan(Goal(point="v41"), NOW)
    assert (way.undo, way.changes) == (UndoMode.IMPOSSIBLE, ("hotfix",))
    assert await shop.executor().undo_point(replace(WORK, expected="hotfix")) is None


async def test_the_undo_point_is_what_is_live(shop: Shop) -> None:
    point = await shop.executor().undo_point(WORK)
    assert point is not None
    assert point.id == "v42"


async def test_no_undo_point_is_named_for_a_state_that_moved(shop: Shop) -> None:
    shop.becomes(current="v40")
    with pytest.raises(StateChanged):
        await shop.executor().undo_point(WORK)


async def test_loss_is_unknown_without_a_measure_command(shop: Shop) -> None:
    loss = await shop.executor().measure(RestorePoint("v41", None), NOW)
    assert loss is not None
    assert (loss.quality, loss.seconds) == (LossQuality.UNKNOWN, None)


async def test_loss_is_what_the_measure_command_says(shop: Shop) -> None:
    way = await shop.executor(measure=shop.call("measure", "{point}")).plan(Goal(point="v41"), NOW)
    assert way.loss is not None
    assert (way.loss.quality, way.loss.seconds, way.loss.units, way.loss.measured_at) == (
        LossQuality.MEASURED,
        60,
        (Unit("orders", 212),),
        NOW,
    )


@pytest.mark.parametrize(
    "said", ['{"seconds": -1}', '{"seconds": NaN}', '{"units": [{"name": "x", "count": -1}]}']
)
async def test_an_impossible_loss_is_refused(shop: Shop, said: str) -> None:
    executor = shop.executor(measure=Call(("echo", said)))
    with pytest.raises(PermanentError, match="must print"):
        await executor.measure(RestorePoint("v41", None), NOW)


async def test_a_restore_is_done_once_and_verified(shop: Shop) -> None:
    executor = shop.executor()
    progress = await ended(executor, await started(executor))
    assert (progress.ended, progress.done, progress.total, progress.unit) == (True, 2, 2, "steps")
    assert [(effect["point"], effect["op"]) for effect in shop.effects()] == [("v41", WORK.op_id)]
    assert (await executor.find(WORK)).fate is Fate.DONE
    assert [finding.verdict for finding in await executor.verify(WORK)] == [Verdict.PASSED]


async def test_a_second_start_is_taken_even_after_the_world_has_moved(shop: Shop) -> None:
    executor = shop.executor()
    await ended(executor, await started(executor))
    assert await executor.start(WORK) is Taken.TAKEN
    assert len(shop.effects()) == 1


async def test_nothing_is_started_when_something_else_is_live(shop: Shop) -> None:
    shop.becomes(current="v40")
    with pytest.raises(StateChanged):
        await shop.executor().start(WORK)
    assert (await shop.executor().find(WORK)).fate is Fate.ABSENT


async def test_nothing_is_started_towards_a_point_that_is_not_offered_any_more(shop: Shop) -> None:
    shop.becomes(points=POINTS[:1])
    with pytest.raises(PointUnavailable):
        await shop.executor().start(WORK)
    assert (await shop.executor().find(WORK)).fate is Fate.ABSENT


async def test_a_restore_that_the_tool_refuses_is_failed_in_its_words(shop: Shop) -> None:
    shop.becomes(fail="no space left on shelf")
    executor = shop.executor()
    progress = await ended(executor, await started(executor))
    assert (progress.ended, progress.words) == (False, "Ended with 1: no space left on shelf")


async def test_a_restore_that_somebody_changed_since_is_overtaken(shop: Shop) -> None:
    executor = shop.executor()
    await ended(executor, await started(executor))
    shop.becomes(current="v40")
    assert (await executor.find(WORK)).fate is Fate.OVERTAKEN


async def test_a_tool_that_says_done_and_did_nothing_is_found_out_by_verify(shop: Shop) -> None:
    executor = shop.executor(restore=Call(("true",)))
    await ended(executor, await started(executor))
    assert (await executor.find(WORK)).fate is Fate.DONE
    [finding] = await executor.verify(WORK)
    assert (finding.verdict, finding.value) == (Verdict.FAILED, "v42")


async def test_verify_is_inconclusive_when_nobody_can_say_what_is_live(shop: Shop) -> None:
    shop.becomes(refuse="the shop is closed")
    [finding] = await shop.executor().verify(WORK)
    assert finding.verdict is Verdict.INCONCLUSIVE


async def test_the_tool_decides_what_another_machine_has_started(shop: Shop) -> None:
    here, there = shop.executor(find=shop.find), shop.executor(spool="another", find=shop.find)
    await ended(here, await started(here))
    assert (await there.find(WORK)).fate is Fate.DONE
    assert await there.start(WORK) is Taken.TAKEN
    assert len(shop.effects()) == 1


async def test_what_another_machine_has_in_flight_is_polled_through_the_tool(shop: Shop) -> None:
    shop.becomes(restored={WORK.op_id: "in_flight"})
    executor = shop.executor(find=shop.find)
    found = await executor.find(WORK)
    assert found.handle is not None
    assert (await executor.poll(WORK, found.handle)).ended is None
    shop.becomes(restored={WORK.op_id: "done"})
    assert (await executor.poll(WORK, found.handle)).ended is True


async def test_a_find_command_in_another_shape_leaves_it_unknown(shop: Shop) -> None:
    found = await shop.executor(find=Call(("echo", "perhaps"))).find(WORK)
    assert found.fate is Fate.UNKNOWN
    assert "absent|in_flight|done|failed|unknown" in found.words


async def test_nothing_is_started_while_the_tool_cannot_say_whether_it_was(shop: Shop) -> None:
    with pytest.raises(PermanentError):
        await shop.executor(find=Call(("echo", "perhaps"))).start(WORK)
    assert shop.effects() == []


async def cut_off(shop: Shop, executor: Command) -> None:
    """The machine dies in the middle of a restore: supervisor and command are gone together."""
    shop.becomes(wait_for="go")
    await started(executor)
    records = [
        shop.folder / "spool" / WORK.op_id / "1" / name for name in (supervisor.TAKEN, supervisor.CHILD)
    ]
    await until(lambda: all(record.exists() for record in records))
    for record in records:
        os.kill(json.loads(record.read_text())["pid"], signal.SIGKILL)
    await until(lambda: all(supervisor.identity(json.loads(r.read_text())["pid"]) is None for r in records))


async def test_a_cut_off_restore_is_unknown_without_a_find_command(shop: Shop) -> None:
    executor = shop.executor()
    await cut_off(shop, executor)
    assert (await executor.find(WORK)).fate is Fate.UNKNOWN
    assert await executor.start(WORK) is Taken.TAKEN


async def test_a_cut_off_restore_of_which_the_tool_knows_nothing_is_started_again(shop: Shop) -> None:
    executor = shop.executor(find=shop.find)
    await cut_off(shop, executor)
    assert (await executor.find(WORK)).fate is Fate.ABSENT
    (shop.folder / "go").touch()
    assert (await ended(executor, await started(executor))).ended is True
    assert len(shop.effects()) == 1


async def test_a_cut_off_restore_that_the_tool_finished_is_done(shop: Shop) -> None:
    executor = shop.executor(find=shop.find)
    await cut_off(shop, executor)
    shop.becomes(current="v41", restored={WORK.op_id: "done"})
    assert (await executor.find(WORK)).fate is Fate.DONE


async def test_the_tool_has_no_say_over_what_was_started_for_another_plan(shop: Shop) -> None:
    executor = shop.executor(find=shop.find)
    await ended(executor, await started(executor))
    assert (await executor.find(replace(WORK, digest="e" * 64))).fate is Fate.UNKNOWN


async def test_a_restore_is_cancelled_the_way_of_the_tool(shop: Shop) -> None:
    shop.becomes(wait_for="go")
    executor = shop.executor(cancel=shop.call("cancel", "{op}"))
    handle = await started(executor)
    assert await executor.cancel(WORK, handle) is Cancelled.LEAVES_PARTIAL
    assert (await ended(executor, handle)).words == "Ended with 1: cancelled in time"


async def test_a_tool_that_refuses_to_cancel_is_left_alone(shop: Shop) -> None:
    shop.becomes(wait_for="go")
    executor = shop.executor(cancel=Call(("false",)))
    handle = await started(executor)
    assert await executor.cancel(WORK, handle) is Cancelled.IMPOSSIBLE
    (shop.folder / "go").touch()
    assert (await ended(executor, handle)).ended is True


async def test_without_a_cancel_command_the_restore_is_stopped(shop: Shop) -> None:
    shop.becomes(wait_for="go")
    executor = shop.executor()
    handle = await started(executor)
    assert await executor.cancel(WORK, handle) is Cancelled.LEAVES_PARTIAL
    assert (shop.effects(), (await executor.poll(WORK, handle)).ended) == ([], False)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
async def test_a_hostile_name_is_never_handed_to_a_command(shop: Shop, name: str) -> None:
    executor = shop.executor(points=Call(("echo", json.dumps([{"id": "v42"}, {"id": name}]))))
    if name in {point.id for point in (await executor.restore_points()).points}:
        assert name.isprintable()
        assert name[0] != "-"
    else:
        with pytest.raises(PointUnavailable):
            await executor.start(replace(WORK, point=name))
    assert shop.effects() == []
