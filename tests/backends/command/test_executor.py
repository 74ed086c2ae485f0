"""Executor `command`, against a real command line tool over a file."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.command.calls import ProgramCall
from backends.command.executor import Command
from backends.command.listing import NO_CURSOR, TOO_LONG
from backends.conformance.harness import ended, kept, saving
from backends.programs import supervisor
from backends.programs.spool import ELSEWHERE
from bot.contract import (
    Denied,
    Ended,
    Fate,
    PointUnavailable,
    Progress,
    StateChanged,
    Taken,
    TargetMissing,
    Unreachable,
    Unsupported,
    Work,
)
from bot.errors import PermanentError
from bot.model import (
    Change,
    Current,
    Do,
    Goal,
    Gone,
    Left,
    LossQuality,
    Measure,
    PointKind,
    RestorePoint,
    Span,
    UndoMode,
    Unit,
    Verdict,
)
from tests.backends.command.world import FIND, SETTLES_SECONDS, CommandWorld, cut_off, until

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WORK = Work("k3v9x2ab.RB-42.3", "RB-42", "d" * 64, Do.RESTORE, point="v41", expected="v42")
CLOSED = ProgramCall(("sh", "-c", "echo the shop is closed >&2; exit 1"))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[CommandWorld]:
    shop = CommandWorld.make(tmp_path / "shop")
    yield shop
    shop.close()


def executor(
    shop: CommandWorld, spool: str = "spool", settles: float = SETTLES_SECONDS, **calls: ProgramCall
) -> Command:
    """`spool`: another one is another worker machine."""
    return Command(
        **{**shop.calls(), **calls},
        resolver=shop.resolver(spool),
        clock=lambda: NOW,
        settles=settles,
        asked_every=0.01,
    )


async def started(command: Command, work: Work = WORK) -> Work:
    """The work with the handle that it was given."""
    handle = await command.start(work)
    assert not isinstance(handle, Ended | Taken)
    return replace(work, handle=handle)


def attempts(shop: CommandWorld) -> list[str]:
    folder = shop.root / "spool" / WORK.op_id
    return sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize(
    "at", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z"]
)
async def test_the_zero_and_the_end_of_a_calendar_are_no_times(shop: CommandWorld, at: str) -> None:
    shop.offers({"id": "v41", "created_at": at, "live": [{"since": at}]})
    (point,) = (await executor(shop).points()).points
    assert (point.at, point.live) == (None, ())


async def test_points_come_newest_first_with_the_current_one_marked(shop: CommandWorld) -> None:
    shop.offers(
        {"id": "v40", "created_at": "2026-11-20T10:00:00Z"},
        {"id": "v42", "created_at": "2026-11-22T10:00:00Z", "label": "new prices"},
        {"id": "v41", "created_at": "2026-11-21T10:00:00+01:00"},
    )
    points = await executor(shop).points()
    assert [(point.id, point.current) for point in points.points] == [
        ("v42", True),
        ("v41", False),
        ("v40", False),
    ]
    assert (points.current.id, points.current.token, points.current.label) == ("v42", "v42", "new prices")


async def test_points_without_a_time_stay_in_the_order_of_the_tool(shop: CommandWorld) -> None:
    shop.offers({"id": "b"}, {"id": "c"}, {"id": "a"})
    assert await _ids(shop) == ["b", "c", "a"]


async def test_points_without_a_time_keep_their_place_and_the_others_are_sorted(shop: CommandWorld) -> None:
    shop.offers(
        {"id": "b"},
        {"id": "c", "created_at": "2026-11-21T10:00:00Z"},
        {"id": "a"},
        {"id": "d", "created_at": "2026-11-22T10:00:00Z"},
    )
    assert await _ids(shop) == ["b", "d", "a", "c"]


async def test_points_of_one_time_stay_in_the_order_of_the_tool(shop: CommandWorld) -> None:
    at = "2026-11-21T10:00:00Z"
    shop.offers({"id": "10", "created_at": at}, {"id": "9", "created_at": at})
    assert await _ids(shop) == ["10", "9"]
    way = await executor(shop).plan(Goal(before=datetime(2026, 11, 22, tzinfo=UTC)), NOW)
    assert way.point.id == "10"


@pytest.mark.parametrize(
    ("to", "gone"), [("old", ["v42"]), ("v40", ["v42", "v41"]), ("v41", ["v42"]), ("v42", ["v42"])]
)
async def test_what_lies_between_points_with_and_without_a_time_is_not_guessed(
    shop: CommandWorld, to: str, gone: list[str]
) -> None:
    shop.offers(
        {"id": "v42", "created_at": "2026-11-22T10:00:00Z"},
        {"id": "v41", "created_at": "2026-11-21T10:00:00Z"},
        {"id": "old"},
        {"id": "v40", "created_at": "2026-11-20T10:00:00Z"},
    )
    way = await executor(shop).plan(Goal(point=to), NOW)
    assert [one.id for one in way.gone] == gone


async def _ids(shop: CommandWorld) -> list[str]:
    return [point.id for point in (await executor(shop).points()).points]


async def test_a_tool_may_say_more_about_points_and_what_is_live(shop: CommandWorld) -> None:
    span = {"since": "2026-11-21T10:00:00Z", "until": "2026-11-22T09:00:00Z"}
    shop.offers(
        {"id": "v42", "live": True, "kind": "canary", "fingerprint": None},
        {"id": "v41", "fingerprint": "f" * 64, "kind": "backup", "live": [span]},
    )
    shop.goes_live("v42", since="2026-11-22T09:00:00Z", author="ana", token="cluster 7, v42")
    listed = await executor(shop).points()
    v42, v41 = listed.points
    assert (v42.live, v42.kind, v42.fingerprint) == ((), PointKind.MADE, "")
    assert (v41.fingerprint, v41.kind) == ("f" * 64, PointKind.BACKUP)
    assert v41.live == (Span(NOW - timedelta(hours=26), NOW - timedelta(hours=3)),)
    assert listed.current == Current("v42", "cluster 7, v42", since=NOW - timedelta(hours=3), author="ana")


async def test_a_moment_means_what_the_tool_says_was_live_then(shop: CommandWorld) -> None:
    shop.offers(
        {"id": "v42", "created_at": "2026-11-22T10:00:00Z"},
        {"id": "v41", "created_at": "2026-11-21T10:00:00Z"},
        {
            "id": "v40",
            "created_at": "2026-11-20T10:00:00Z",
            "live": [{"since": "2026-11-22T08:00:00Z", "until": "2026-11-22T10:00:00Z"}],
        },
    )
    way = await executor(shop).plan(Goal(before=datetime(2026, 11, 22, 9, tzinfo=UTC)), NOW)
    assert way.point.id == "v40"


async def test_what_is_live_is_live_since_its_open_span_began(shop: CommandWorld) -> None:
    shop.offers({"id": "v42", "live": [{"since": "2026-11-22T09:00:00Z", "until": None}]})
    assert (await executor(shop).points()).current.since == NOW - timedelta(hours=3)


@pytest.mark.parametrize(("following", "left_out"), [(None, ()), ("page 2", (NO_CURSOR,))])
async def test_points_may_come_in_a_page(
    shop: CommandWorld, following: str | None, left_out: tuple[str, ...]
) -> None:
    page = {"points": [{"id": "v42"}, {"id": "v41"}], "next": following}
    (shop.root / "points.json").write_text(json.dumps(page))
    listed = await executor(shop).points()
    assert ([point.id for point in listed.points], listed.left_out) == (["v42", "v41"], left_out)


async def test_of_too_many_points_those_that_came_through_whole_are_offered(shop: CommandWorld) -> None:
    shop.offers(*({"id": f"v{n}", "label": "ünï", "notes": "ü" * 400} for n in range(9_000, 0, -1)))
    listed = await executor(shop).points(limit=9_000)
    assert 5_000 < len(listed.points) < 9_000
    assert listed.points[0].id == "v9000"
    assert listed.left_out == (TOO_LONG,)


async def test_no_more_points_are_listed_than_asked_for(shop: CommandWorld) -> None:
    assert len((await executor(shop).points(limit=2)).points) == 2


async def test_a_point_that_a_command_could_mistake_for_an_option_is_not_offered(shop: CommandWorld) -> None:
    shop.offers({"id": "v42"}, {"id": "--force"}, {"id": "v1\nv2"}, {"id": ""}, {"id": "x" * 201})
    listed = await executor(shop).points()
    assert [point.id for point in listed.points] == ["v42"]
    assert listed.left_out == (
        "`--force` looks like an option.",
        "`v1 v2` holds characters that cannot be printed.",
        "`` is empty.",
        f"`{'x' * 59}…` is longer than 200 characters.",
    )


async def test_a_fingerprint_that_is_no_argument_leaves_its_point_out(shop: CommandWorld) -> None:
    shop.offers({"id": "v42"}, {"id": "v41", "fingerprint": "--force"})
    assert (await executor(shop).points()).left_out == ("`v41`: its fingerprint looks like an option.",)


async def test_of_many_points_that_are_left_out_the_first_are_named(shop: CommandWorld) -> None:
    shop.offers({"id": "v42"}, *({"id": f"-{n}"} for n in range(1_020)))
    left_out = (await executor(shop).points()).left_out
    assert (len(left_out), left_out[-1]) == (21, "And 1,000 more.")


async def test_a_label_cannot_break_out_of_its_line(shop: CommandWorld) -> None:
    shop.offers({"id": "v42", "label": "new\n\u202eprices"})
    assert (await executor(shop).points()).points[0].label == "new  prices"


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
    shop: CommandWorld, said: str
) -> None:
    (shop.root / "points.json").write_text(said)
    with pytest.raises(PermanentError, match=r"points command `cat` must print .*created_at"):
        await executor(shop).points()


async def test_an_argument_is_never_repeated_to_people(shop: CommandWorld) -> None:
    with pytest.raises(Unreachable) as error:
        await executor(shop, points=ProgramCall(("false", "--token", "canary-7f3a"))).points()
    assert "canary-7f3a" not in str(error.value)


async def test_a_tool_that_refuses_is_unreachable_in_its_own_words(shop: CommandWorld) -> None:
    with pytest.raises(Unreachable, match="ended with 1: the shop is closed"):
        await executor(shop, points=CLOSED).points()


async def test_a_tool_that_does_not_exist_is_a_missing_target(shop: CommandWorld) -> None:
    with pytest.raises(TargetMissing, match="no-such-tool"):
        await executor(shop, points=ProgramCall(("no-such-tool",))).points()


async def test_a_tool_that_may_not_be_run_is_denied(shop: CommandWorld) -> None:
    (shop.root / "tool").write_text("not executable")
    with pytest.raises(Denied):
        await executor(shop, points=ProgramCall((str(shop.root / "tool"),))).points()


async def test_a_tool_that_does_not_answer_in_time_is_unreachable(shop: CommandWorld) -> None:
    with pytest.raises(Unreachable, match=r"no answer within 0\.3 s"):
        await executor(shop, points=ProgramCall(("sleep", "60"), 0.3)).points()


async def test_a_time_goes_to_the_newest_point_at_or_before_it(shop: CommandWorld) -> None:
    way = await executor(shop).plan(Goal(before=datetime(2026, 11, 21, 10, 0, tzinfo=UTC)), NOW)
    assert way.point.id == "v41"


async def test_a_time_before_every_point_names_the_oldest(shop: CommandWorld) -> None:
    with pytest.raises(PointUnavailable, match="v40"):
        await executor(shop).plan(Goal(before=datetime(2026, 11, 1, tzinfo=UTC)), NOW)


async def test_an_unknown_point_names_the_nearest(shop: CommandWorld) -> None:
    with pytest.raises(PointUnavailable, match="v41"):
        await executor(shop).plan(Goal(point="v4l"), NOW)


async def test_what_is_live_already_is_blocked(shop: CommandWorld) -> None:
    way = await executor(shop).plan(Goal(point="v42"), NOW)
    assert way.blockers == ("v42 is live already.",)


async def test_the_undo_of_a_run_is_not_ours_to_resolve(shop: CommandWorld) -> None:
    with pytest.raises(Unsupported):
        await executor(shop).plan(Goal(undo_of="RB-41"), NOW)


async def test_a_plan_names_what_goes(shop: CommandWorld) -> None:
    way = await executor(shop).plan(Goal(point="v40"), NOW)
    assert [(one.id, one.label, one.author) for one in way.gone] == [
        ("v42", "new prices", "ana"),
        ("v41", "checkout", "ben"),
    ]
    assert (way.undo, way.blockers) == (UndoMode.BEST_EFFORT, ())


async def test_undo_is_impossible_when_the_tool_does_not_offer_what_is_live(shop: CommandWorld) -> None:
    shop.goes_live("hotfix")
    way = await executor(shop).plan(Goal(point="v41"), NOW)
    assert (way.undo, way.gone) == (UndoMode.IMPOSSIBLE, (Gone("hotfix"),))
    assert await kept(executor(shop), replace(WORK, expected="hotfix")) is None


async def test_an_undo_is_possible_as_long_as_the_tool_keeps_what_is_live(shop: CommandWorld) -> None:
    shop.offers({"id": "v42", "kept_until": "2026-12-03T00:00:00Z"}, {"id": "v41"})
    way = await executor(shop).plan(Goal(point="v41"), NOW)
    assert way.undo_until == datetime(2026, 12, 3, tzinfo=UTC)


async def test_the_undo_point_is_what_is_live(shop: CommandWorld) -> None:
    point = await kept(executor(shop), WORK)
    assert point is not None
    assert point.id == "v42"


async def test_keeping_the_state_before_changes_nothing_and_names_the_live_point(shop: CommandWorld) -> None:
    command = executor(shop)
    live = next(point for point in (await command.points()).points if point.current)
    files = {file for file in shop.root.rglob("*") if file.is_file()}
    assert await command.start(saving(WORK)) == Ended(True, Left.BEFORE, made=live)
    assert {file for file in shop.root.rglob("*") if file.is_file()} == files
    assert (live.id, shop.live(), shop.effects()) == ("v42", "v42", 0)


async def test_the_state_before_is_named_as_often_as_one_asks(shop: CommandWorld) -> None:
    command = executor(shop)
    first = await command.start(saving(WORK))
    assert (await command.find(saving(WORK))).fate is Fate.ABSENT
    assert await command.start(saving(WORK)) == first


async def test_no_undo_point_is_named_for_a_state_that_moved(shop: CommandWorld) -> None:
    shop.goes_live("v40")
    with pytest.raises(StateChanged):
        await executor(shop).start(saving(WORK))


async def test_loss_is_unknown_without_a_measure_command(shop: CommandWorld) -> None:
    loss = await executor(shop).measure(RestorePoint("v41", None), NOW)
    assert (loss.quality, loss.since) == (LossQuality.UNKNOWN, None)


async def test_a_measure_command_that_says_nothing_leaves_the_loss_unknown(shop: CommandWorld) -> None:
    loss = await executor(shop, measure=ProgramCall(("echo", "{}"))).measure(RestorePoint("v41", None), NOW)
    assert (loss.quality, loss.basis) == (LossQuality.UNKNOWN, "the measure command said nothing")


@pytest.mark.parametrize(
    "said", ['{"seconds": 1e13}', '{"units": [{"name": "orders", "count": 1' + "0" * 400 + "}]}"]
)
async def test_a_loss_beyond_all_measure_is_told_as_another_shape(shop: CommandWorld, said: str) -> None:
    measure = ProgramCall(("echo", said))
    with pytest.raises(PermanentError, match="The measure command `echo` must print"):
        await executor(shop, measure=measure).measure(RestorePoint("v41", None), NOW)


async def test_loss_is_what_the_measure_command_says(shop: CommandWorld) -> None:
    way = await executor(shop, measure=shop.call("measure", "{point}")).plan(Goal(point="v41"), NOW)
    assert (way.loss.quality, way.loss.since, way.loss.units, way.loss.measured_at) == (
        LossQuality.MEASURED,
        NOW - timedelta(minutes=1),
        (Unit("orders", 212),),
        NOW,
    )


async def test_a_measure_command_tells_new_changed_and_returning_apart_and_counts_bytes(
    shop: CommandWorld,
) -> None:
    units = [
        {"name": "orders", "count": 7},
        {"name": "orders", "count": 3, "change": "changed"},
        {"name": "orders", "count": 1, "change": "returns"},
        {"name": "photos", "count": 4096, "measure": "bytes"},
    ]
    command = executor(shop, measure=ProgramCall(("echo", json.dumps({"units": units}))))
    assert (await command.measure(RestorePoint("v41", None), NOW)).units == (
        Unit("orders", 7),
        Unit("orders", 3, Change.CHANGED),
        Unit("orders", 1, Change.RETURNS),
        Unit("photos", 4096, measure=Measure.BYTES),
    )


@pytest.mark.parametrize(
    "said", ['{"seconds": -1}', '{"seconds": NaN}', '{"units": [{"name": "x", "count": -1}]}']
)
async def test_an_impossible_loss_is_refused(shop: CommandWorld, said: str) -> None:
    command = executor(shop, measure=ProgramCall(("echo", said)))
    with pytest.raises(PermanentError, match="must print"):
        await command.measure(RestorePoint("v41", None), NOW)


async def test_a_restore_is_done_once_and_verified(shop: CommandWorld) -> None:
    command = executor(shop)
    end = await ended(command, await started(command))
    assert (end.ok, end.left) == (True, Left.POINT)
    assert shop.done() == [{"point": "v41", "op": WORK.op_id}]
    assert (await command.find(WORK)).fate is Fate.DONE
    assert [finding.verdict for finding in await command.verify(WORK)] == [Verdict.PASSED]


async def test_a_restore_says_how_far_it_is(shop: CommandWorld) -> None:
    shop.wishes(wait_for="go")
    command = executor(shop)
    work = await started(command)
    log = shop.root / "spool" / WORK.op_id / "1" / supervisor.LOGS[0]
    await until(lambda: log.exists() and log.read_text().endswith("\n"))
    progress = await command.poll(work)
    assert isinstance(progress, Progress)
    assert (progress.done, progress.total, progress.unit) == (1, 2, "steps")


async def test_a_restore_may_take_longer_than_its_command_is_given(shop: CommandWorld) -> None:
    """It is stopped then, and that takes a while, too."""
    restore = shop.call("restore", "{point}", "--op", "{op}", timeout=7.0)
    assert executor(shop, restore=restore).capabilities.timeouts[Do.RESTORE] > 7.0


async def test_a_second_start_is_taken_even_after_the_world_has_moved(shop: CommandWorld) -> None:
    command = executor(shop)
    await ended(command, await started(command))
    assert await command.start(WORK) is Taken.TAKEN
    assert shop.effects() == 1


SEALED = replace(WORK, fingerprint="sha256:aaaa")


def _sealed(shop: CommandWorld, fingerprint: str | None) -> None:
    shop.offers({"id": "v42"}, {"id": "v41", "fingerprint": fingerprint})


async def test_a_plan_pins_the_fingerprint_that_the_tool_prints(shop: CommandWorld) -> None:
    _sealed(shop, "sha256:aaaa")
    assert (await executor(shop).plan(Goal(point="v41"), NOW)).point.fingerprint == "sha256:aaaa"


@pytest.mark.parametrize(
    ("now", "words"), [("sha256:bbbb", "is `sha256:bbbb` now"), (None, "is not said now")]
)
async def test_nothing_is_started_towards_other_content_and_both_are_named(
    shop: CommandWorld, now: str | None, words: str
) -> None:
    _sealed(shop, now)
    with pytest.raises(StateChanged, match=f"`v41` is not what was approved.*was `sha256:aaaa` and {words}"):
        await executor(shop).start(SEALED)
    assert shop.effects() == 0


async def test_the_tool_is_told_what_it_must_find(shop: CommandWorld) -> None:
    _sealed(shop, "sha256:aaaa")
    shop.goes_live("v42", token="cluster 7")
    telling = ("sh", "-c", 'echo "$@" >told; exit 0', "restore", "{point}", "{fingerprint}", "{expected}")
    command = executor(shop, restore=ProgramCall(telling))
    work = replace(SEALED, expected="cluster 7")
    await ended(command, await started(command, work))
    assert (shop.root / "told").read_text() == "v41 sha256:aaaa cluster 7\n"


async def test_what_the_tool_never_said_is_not_filled_in(shop: CommandWorld) -> None:
    command = executor(shop, restore=ProgramCall(("echo", "{fingerprint}")))
    with pytest.raises(PermanentError, match=r"\{fingerprint\} cannot be filled in: this operation has none"):
        await command.start(WORK)


async def test_nothing_is_started_when_the_token_moved_though_the_id_did_not(shop: CommandWorld) -> None:
    shop.goes_live("v42", token="cluster 8")
    with pytest.raises(StateChanged, match="`v42` is live now, and not as the plan found it"):
        await executor(shop).start(replace(WORK, expected="cluster 7"))


async def test_a_run_of_an_earlier_version_expects_the_id_alone(shop: CommandWorld) -> None:
    shop.goes_live("v42", token="cluster 7")
    with pytest.raises(StateChanged):
        await executor(shop).start(WORK)
    assert (await started(executor(shop), replace(WORK, unsigned=True))).handle is not None


async def test_what_is_live_under_a_token_is_not_overtaken(shop: CommandWorld) -> None:
    work = replace(WORK, expected="cluster 7")
    shop.goes_live("v42", token="cluster 7")
    command = executor(shop, restore=ProgramCall(("true",)))
    await ended(command, await started(command, work))
    assert (await command.find(work)).fate is Fate.DONE


# A platform that switches some time after its tool has ended
LATER = """
echo asked >>asked
if [ $(wc -l <asked) -ge 3 ]; then echo '{"id": "v41"}'; else cat current.json; fi
"""


async def test_what_is_live_is_asked_again_for_a_while(shop: CommandWorld) -> None:
    command = executor(shop, current=ProgramCall(("sh", "-c", LATER)), settles=20.0)
    [finding] = await command.verify(WORK)
    assert finding.verdict is Verdict.PASSED
    assert len((shop.root / "asked").read_text().splitlines()) == 3


async def test_what_is_live_is_not_asked_for_longer_than_the_step_has(shop: CommandWorld) -> None:
    command = executor(shop, settles=600.0)
    async with asyncio.timeout(30):
        [finding] = await command.verify(replace(WORK, timeout=0.2))
    assert finding.verdict is Verdict.FAILED


async def test_another_content_under_the_right_id_does_not_pass(shop: CommandWorld) -> None:
    shop.goes_live("v41", fingerprint="sha256:bbbb")
    [finding] = await executor(shop).verify(SEALED)
    assert finding.verdict is Verdict.FAILED
    assert "was `sha256:aaaa` and is `sha256:bbbb` now" in finding.words


@pytest.mark.parametrize("fingerprint", ["sha256:aaaa", None])
async def test_the_right_content_passes_and_so_does_one_that_nobody_tells(
    shop: CommandWorld, fingerprint: str | None
) -> None:
    shop.goes_live("v41", fingerprint=fingerprint)
    [finding] = await executor(shop).verify(SEALED)
    assert finding.verdict is Verdict.PASSED


async def test_nothing_is_started_when_something_else_is_live(shop: CommandWorld) -> None:
    shop.goes_live("v40")
    with pytest.raises(StateChanged):
        await executor(shop).start(WORK)
    assert (await executor(shop).find(WORK)).fate is Fate.ABSENT


async def test_nothing_is_started_towards_a_point_that_is_not_offered_any_more(shop: CommandWorld) -> None:
    shop.loses("v41")
    with pytest.raises(PointUnavailable):
        await executor(shop).start(WORK)
    assert (await executor(shop).find(WORK)).fate is Fate.ABSENT


async def test_a_restore_that_the_tool_refuses_is_failed_in_its_words(shop: CommandWorld) -> None:
    shop.wishes(fail="no space left on shelf")
    command = executor(shop)
    end = await ended(command, await started(command))
    assert (end.ok, end.left, end.words) == (False, Left.UNKNOWN, "Ended with 1: no space left on shelf")


async def test_a_restore_that_somebody_changed_since_is_overtaken(shop: CommandWorld) -> None:
    command = executor(shop)
    await ended(command, await started(command))
    shop.goes_live("v40")
    assert (await command.find(WORK)).fate is Fate.OVERTAKEN


async def test_a_tool_that_says_done_and_did_nothing_is_found_out_by_verify(shop: CommandWorld) -> None:
    command = executor(shop, restore=ProgramCall(("true",)))
    await ended(command, await started(command))
    assert (await command.find(WORK)).fate is Fate.DONE
    [finding] = await command.verify(WORK)
    assert (finding.verdict, finding.value) == (Verdict.FAILED, "v42")


async def test_verify_is_inconclusive_when_nobody_can_say_what_is_live(shop: CommandWorld) -> None:
    [finding] = await executor(shop, current=CLOSED).verify(WORK)
    assert finding.verdict is Verdict.INCONCLUSIVE


async def test_the_tool_decides_what_another_machine_has_started(shop: CommandWorld) -> None:
    here, there = (
        executor(shop, find=FIND),
        executor(shop, spool="another", find=FIND),
    )
    await ended(here, await started(here))
    assert (await there.find(WORK)).fate is Fate.DONE
    assert await there.start(WORK) is Taken.TAKEN
    assert shop.effects() == 1


def begun_by(shop: CommandWorld, spool: str) -> Work:
    """The work, as its intent says where its op id was taken."""
    return replace(WORK, place=executor(shop, spool).place)


async def test_what_another_worker_began_is_unknown_without_a_find_command(shop: CommandWorld) -> None:
    found = await executor(shop).find(begun_by(shop, "another"))
    assert (found.fate, found.words) == (Fate.UNKNOWN, ELSEWHERE)


async def test_what_another_worker_began_is_not_begun_here(shop: CommandWorld) -> None:
    assert await executor(shop).start(begun_by(shop, "another")) is Taken.TAKEN
    assert shop.effects() == 0


async def test_what_this_worker_began_and_nobody_took_is_absent(shop: CommandWorld) -> None:
    assert (await executor(shop).find(begun_by(shop, "spool"))).fate is Fate.ABSENT


async def test_what_began_before_places_were_recorded_is_judged_as_it_was(shop: CommandWorld) -> None:
    assert WORK.place is None
    assert (await executor(shop).find(WORK)).fate is Fate.ABSENT


@pytest.mark.parametrize("state", ["absent", "in_flight", "done", "failed"])
async def test_the_tool_decides_what_another_worker_began(shop: CommandWorld, state: str) -> None:
    shop.knows(WORK.op_id, state)
    shop.goes_live("v41")
    found = await executor(shop, find=FIND).find(begun_by(shop, "another"))
    assert found.fate is Fate(state)


async def test_what_the_tool_says_never_arrived_from_another_worker_is_begun_here_once(
    shop: CommandWorld,
) -> None:
    command = executor(shop, find=FIND)
    assert (await command.find(begun_by(shop, "another"))).fate is Fate.ABSENT
    end = await ended(command, await started(command))
    assert (end.ok, end.left) == (True, Left.POINT)
    assert shop.effects() == 1


async def test_what_another_machine_has_in_flight_is_polled_through_the_tool(shop: CommandWorld) -> None:
    shop.knows(WORK.op_id, "in_flight")
    command = executor(shop, find=FIND)
    found = await command.find(WORK)
    assert found.handle is not None
    work = replace(WORK, handle=found.handle)
    assert isinstance(await command.poll(work), Progress)
    shop.knows(WORK.op_id, "done")
    assert await command.poll(work) == Ended(True, Left.POINT, "The find command says done.")


async def test_a_find_command_in_another_shape_leaves_it_unknown(shop: CommandWorld) -> None:
    found = await executor(shop, find=ProgramCall(("echo", "perhaps"))).find(WORK)
    assert found.fate is Fate.UNKNOWN
    assert "absent|in_flight|done|failed|unknown" in found.words


async def test_nothing_is_started_while_the_tool_cannot_say_whether_it_was(shop: CommandWorld) -> None:
    with pytest.raises(PermanentError):
        await executor(shop, find=ProgramCall(("echo", "perhaps"))).start(WORK)
    assert shop.effects() == 0


async def cut_off_restore(shop: CommandWorld, command: Command) -> None:
    shop.wishes(wait_for="go")
    await started(command)
    await cut_off(shop.root / "spool" / WORK.op_id / "1")


async def test_a_cut_off_restore_is_unknown_without_a_find_command(shop: CommandWorld) -> None:
    command = executor(shop)
    await cut_off_restore(shop, command)
    assert (await command.find(WORK)).fate is Fate.UNKNOWN
    assert await command.start(WORK) is Taken.TAKEN


async def test_a_cut_off_restore_of_which_the_tool_knows_nothing_is_started_again(shop: CommandWorld) -> None:
    command = executor(shop, find=FIND)
    await cut_off_restore(shop, command)
    assert (await command.find(WORK)).fate is Fate.ABSENT
    (shop.root / "go").touch()
    end = await ended(command, await started(command))
    assert (end.ok, end.left) == (True, Left.POINT)
    assert shop.effects() == 1


async def test_a_cut_off_restore_that_the_tool_finished_is_done(shop: CommandWorld) -> None:
    command = executor(shop, find=FIND)
    await cut_off_restore(shop, command)
    shop.goes_live("v41")
    shop.knows(WORK.op_id, "done")
    assert (await command.find(WORK)).fate is Fate.DONE


async def test_the_tool_has_no_say_over_what_was_started_for_another_plan(shop: CommandWorld) -> None:
    command = executor(shop, find=FIND)
    await ended(command, await started(command))
    assert (await command.find(replace(WORK, digest="e" * 64))).fate is Fate.UNKNOWN


async def test_a_restore_is_cancelled_the_way_of_the_tool(shop: CommandWorld) -> None:
    shop.wishes(wait_for="go")
    command = executor(shop, cancel=shop.call("cancel", "{op}"))
    work = await started(command)
    assert await command.cancel(work) is Left.UNKNOWN
    assert (await ended(command, work)).words == "Ended with 1: cancelled in time"


async def test_a_tool_that_refuses_to_cancel_is_left_alone(shop: CommandWorld) -> None:
    shop.wishes(wait_for="go")
    command = executor(shop, cancel=ProgramCall(("false",)))
    work = await started(command)
    assert await command.cancel(work) is None
    (shop.root / "go").touch()
    end = await ended(command, work)
    assert (end.ok, end.left) == (True, Left.POINT)


async def test_without_a_cancel_command_the_restore_is_stopped(shop: CommandWorld) -> None:
    shop.wishes(wait_for="go")
    command = executor(shop)
    work = await started(command)
    assert await command.cancel(work) is Left.UNKNOWN
    end = await command.poll(work)
    assert isinstance(end, Ended)
    assert (shop.effects(), end.ok, end.left) == (0, False, Left.UNKNOWN)


async def test_what_is_barred_is_never_restored(shop: CommandWorld) -> None:
    command = executor(shop)
    assert (await command.bar(WORK)).fate is Fate.ABSENT
    assert await command.start(WORK) is Taken.TAKEN
    found = await command.find(WORK)
    assert (found.fate, found.left, shop.effects()) == (Fate.FAILED, Left.BEFORE, 0)


async def test_what_the_tool_does_not_know_is_barred_and_never_restored(shop: CommandWorld) -> None:
    shop.knows(WORK.op_id, "absent")
    command = executor(shop, find=FIND)
    assert (await command.bar(WORK)).fate is Fate.ABSENT
    assert await command.start(WORK) is Taken.TAKEN
    found = await command.find(WORK)
    assert (found.fate, found.left, shop.effects()) == (Fate.FAILED, Left.BEFORE, 0)


@pytest.mark.parametrize("state", ["in_flight", "done", "failed", "unknown"])
async def test_what_the_tool_knows_is_not_barred(shop: CommandWorld, state: str) -> None:
    shop.knows(WORK.op_id, state)
    command = executor(shop, find=FIND)
    assert (await command.bar(WORK)).fate is Fate(state)
    assert attempts(shop) == []


async def test_what_another_worker_began_is_not_barred_even_if_the_tool_does_not_know_it(
    shop: CommandWorld,
) -> None:
    found = await executor(shop, find=FIND).bar(begun_by(shop, "another"))
    assert (found.fate, found.words) == (Fate.UNKNOWN, ELSEWHERE)
    assert attempts(shop) == []


async def test_nothing_is_barred_while_the_tool_cannot_say_whether_it_was_begun(shop: CommandWorld) -> None:
    found = await executor(shop, find=ProgramCall(("echo", "perhaps"))).bar(WORK)
    assert (found.fate, attempts(shop)) == (Fate.UNKNOWN, [])


async def test_barring_finds_what_is_restored_here_and_lets_it_end(shop: CommandWorld) -> None:
    shop.wishes(wait_for="go")
    command = executor(shop, find=FIND)
    work = await started(command)
    found = await command.bar(WORK)
    assert (found.fate, found.handle) == (Fate.IN_FLIGHT, work.handle)
    (shop.root / "go").touch()
    end = await ended(command, work)
    assert (end.ok, end.left, shop.effects()) == (True, Left.POINT, 1)
    assert (await command.bar(WORK)).fate is Fate.DONE
    assert attempts(shop) == ["1"]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
async def test_a_hostile_name_is_never_handed_to_a_command(shop: CommandWorld, name: str) -> None:
    command = executor(shop, points=ProgramCall(("echo", json.dumps([{"id": "v42"}, {"id": name}]))))
    if name in {point.id for point in (await command.points()).points}:
        assert name.isprintable()
        assert name[0] != "-"
    else:
        with pytest.raises(PointUnavailable):
            await command.start(replace(WORK, point=name))
    assert shop.effects() == 0
