"""Snapshots: the state as of a moment, agreed by two, copied beside, looked at again, and dropped."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot import machine, snapshots
from bot.configuration import Snapshots
from bot.contents import Contents, Rows
from bot.contract import Denied
from bot.errors import UserError
from bot.event_kinds import EventKind
from bot.looking import contents_of
from bot.manifest import manifest
from bot.model import (
    Current,
    Do,
    Finding,
    Goal,
    Points,
    Purpose,
    RestorePoint,
    State,
    Verdict,
    When,
)
from bot.presses import DROP_SNAPSHOT, RETRY, Attempt, Click
from tests.bot.configured import CAREFUL, configuration
from tests.bot.scripted import Killed, Play
from tests.bot.stories import T0, later
from tests.people import BEN

DAY = 86_400.0
AUDITED = CAREFUL.model_copy(update={"snapshots": Snapshots(keep=30 * DAY)})
HOLDS = Contents({"orders": Rows(31_114, "9e07" * 16)}, "51d0" * 16)
OTHER = Contents({"orders": Rows(31_113, "9e08" * 16)}, "51d0" * 16)


@pytest.fixture
def play() -> Play:
    play = Play(configuration(AUDITED))
    able, beside = play.backend.capabilities, frozenset({Do.PREPARE})
    play.backend.capabilities = replace(able, does=able.does | beside, drops=beside)
    play.backend.holds = HOLDS
    return play


async def taken(play: Play) -> Play:
    await agreed(play)
    await play.drive()
    return play


async def agreed(play: Play) -> Play:
    await play.approved(Goal(as_of=later(-600)), Purpose.SNAPSHOT)
    return play


async def test_it_copies_looks_and_has_no_other_effect(play: Play) -> None:
    await taken(play)
    assert play.run.state is State.SUCCEEDED
    assert play.effects == ["PREPARE orders p41"]
    assert play.backend.live == "v42"


async def test_the_newest_point_that_was_complete_then_is_copied(play: Play) -> None:
    play.backend.offered["p42"] = RestorePoint("p42", later(-300))
    await taken(play)
    assert play.run.approval.plan.point.id == "p41"


async def test_one_word_is_not_enough(play: Play) -> None:
    play.ask(Goal(as_of=later(-600)), Purpose.SNAPSHOT)
    await play.drive()
    assert play.run.state is State.AWAITING_APPROVAL
    assert play.run.approval.plan.approvals_needed == 1
    assert not machine.may_stand_alone(play.run)


async def test_no_check_of_the_target_has_a_part_in_it(play: Play) -> None:
    play.world.offline.sees = [Verdict.FAILED]
    await taken(play)
    assert play.run.state is State.SUCCEEDED


async def test_a_copy_that_is_not_the_point_ends_it_and_goes(play: Play) -> None:
    await agreed(play)
    play.backend.verified = [Finding("copy", When.OFFLINE, Verdict.FAILED, arrived=True)]
    await play.drive()
    assert play.run.state is State.FAILED
    assert machine.due(play.run) is not None


async def test_what_cannot_be_described_now_is_not_verified(play: Play) -> None:
    play.backend.holds = Denied("no right to read")
    await taken(play)
    assert (play.run.state, play.run.work.verdict) == (State.FAILED, Verdict.INCONCLUSIVE)


async def test_without_tables_the_copy_itself_is_what_is_looked_at(play: Play) -> None:
    play.backend.holds = None
    await taken(play)
    assert play.run.state is State.SUCCEEDED
    assert manifest(play.run, "here")["contents"] is None


async def looked_at_again(play: Play) -> None:
    await play.press(BEN, RETRY)
    await play.drive()


async def test_it_is_looked_at_again_as_often_as_somebody_asks(play: Play) -> None:
    await taken(play)
    for _ in range(2):
        await looked_at_again(play)
    assert play.run.work.verdict is Verdict.PASSED


async def test_other_rows_under_the_same_name_are_seen_and_the_manifest_stays(play: Play) -> None:
    first = manifest((await taken(play)).run, "here")
    play.backend.holds = OTHER
    await looked_at_again(play)
    assert play.run.work.verdict is Verdict.FAILED
    assert contents_of(play.run) == HOLDS
    assert manifest(play.run, "here") == first
    await looked_at_again(play)
    assert (contents_of(play.run), manifest(play.run, "here")) == (HOLDS, first)


async def test_it_stands_as_long_as_was_agreed_and_then_it_goes(play: Play) -> None:
    await taken(play)
    ended = play.run.end.at
    assert ended is not None
    turn = machine.due(play.run)
    assert turn is not None
    assert turn[0] == ended + timedelta(days=30)
    await play.due()
    assert play.effects[-1] == "DROP orders copy-k7f3a91c.RB-42.1"


async def test_what_is_to_go_is_not_looked_at_any_more(play: Play) -> None:
    await taken(play)
    await play.press(BEN, DROP_SNAPSHOT)
    assert not machine.allows(play.run, EventKind.RETRIED)
    await play.drive()
    assert isinstance(machine.next_action(play.run), machine.Wait)


async def test_a_look_that_was_asked_for_before_the_copy_goes_holds_up_nothing(play: Play) -> None:
    await taken(play)
    await play.press(BEN, RETRY)
    await play.press(BEN, DROP_SNAPSHOT)
    await play.drive()
    assert isinstance(machine.next_action(play.run), machine.Wait)
    assert play.effects[-1].startswith("DROP")


async def _dies() -> None:
    raise Killed


async def test_whoever_takes_it_over_makes_no_second_copy(play: Play) -> None:
    await agreed(play)
    play.backend.preparing.meanwhile = _dies
    with pytest.raises(Killed):
        await play.drive()
    await play.drive()
    assert play.run.state is State.SUCCEEDED
    assert play.effects.count("PREPARE orders p41") == 1


async def test_a_point_that_holds_something_else_now_voids_it(play: Play) -> None:
    await agreed(play)
    play.backend.offered["p41"] = replace(play.backend.offered["p41"], fingerprint="cd" * 32)
    await play.drive()
    assert play.run.state is State.VOID
    assert play.effects == []


async def test_it_is_looked_at_under_other_settings_as_well(play: Play) -> None:
    await taken(play)
    play.configuration = configuration(AUDITED.model_copy(update={"checks": ()}))
    await looked_at_again(play)
    assert play.run.work.verdict is Verdict.PASSED


async def test_a_target_that_is_not_configured_any_more_is_said_and_not_called_verified(play: Play) -> None:
    await taken(play)
    play.world.misconfigured.add("orders")
    await looked_at_again(play)
    assert play.run.work.verdict is Verdict.INCONCLUSIVE
    assert isinstance(machine.next_action(play.run), machine.Wait)


async def test_a_look_that_nobody_may_believe_is_none(play: Play) -> None:
    await taken(play)
    await play.write_by_hand(EventKind.RETRIED, BEN)
    await play.drive()
    assert play.run.work.verdict is Verdict.INCONCLUSIVE
    assert "no valid signature" in play.run.why


async def test_a_look_that_cannot_be_made_ends(play: Play) -> None:
    await taken(play)
    await play.press(BEN, RETRY)
    await play.give_up(RuntimeError("again and again"))
    assert play.run.work.verdict is Verdict.INCONCLUSIVE


async def test_what_its_backend_does_not_drop_is_dropped_by_nobody(play: Play) -> None:
    play.backend.capabilities = replace(play.backend.capabilities, drops=frozenset())
    await taken(play)
    attempt = Attempt(play.run, BEN, play.register.now, Click(), play.clock())
    assert "no copy that could be dropped" in str(DROP_SNAPSHOT.why_not_now(attempt))


# Which point -----------------------------------------------------------------------------------


def newest(*points: RestorePoint, asked: float = 0.0) -> str:
    return snapshots.newest_before("orders", Points(points, Current("v42", "token")), later(asked)).id


def test_what_is_younger_than_the_moment_or_has_no_time_shows_another_state() -> None:
    points = (RestorePoint("late", later(60)), RestorePoint("undated", None), RestorePoint("old", later(-60)))
    assert newest(*points) == "old"


def test_a_point_of_that_very_moment_shows_it() -> None:
    assert newest(RestorePoint("then", T0), RestorePoint("old", later(-60))) == "then"


def test_of_equal_times_the_backends_own_order_counts() -> None:
    assert newest(RestorePoint("b", later(-60)), RestorePoint("a", later(-60))) == "b"


@pytest.mark.parametrize(("seconds", "said"), [(60, "03:03"), (61, "03:04")])
def test_before_the_first_one_a_moment_is_named_that_it_shows(seconds: float, said: str) -> None:
    with pytest.raises(
        UserError, match=rf"the first is of 2026-11-22 {said} UTC.*as of 2026-11-22 {said} UTC"
    ):
        newest(RestorePoint("late", later(seconds)))


def test_points_without_times_show_no_moment() -> None:
    with pytest.raises(UserError, match="says when it was made"):
        newest(RestorePoint("undated", None))


async def test_there_is_none_where_the_backend_makes_no_copies() -> None:
    play = Play(configuration(AUDITED))
    play.ask(Goal(as_of=later(-600)), Purpose.SNAPSHOT)
    await play.drive()
    assert play.run.state is State.REFUSED
    assert "makes no copies, so there are no snapshots" in play.run.why
