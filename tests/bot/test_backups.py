"""Backups by the clock: what is live is saved and looked into, nothing else is done, and nobody is asked."""

from dataclasses import replace
from datetime import timedelta
from typing import Never

import pytest

from bot import backups, beside, machine
from bot.backups import LISTED, Schedule
from bot.configuration import Backups, Configuration, Target, policy_digest
from bot.contract import Ended
from bot.dropping import Around, Keep, kept_by_rule, why_keep
from bot.errors import UserError
from bot.model import (
    THE_SCHEDULE,
    Current,
    Do,
    Left,
    PointKind,
    Points,
    Purpose,
    RestorePoint,
    State,
    Verdict,
)
from bot.policy import Entitled
from bot.run import Run
from tests.bot.configured import CAREFUL, configuration
from tests.bot.scripted import Play
from tests.bot.stories import T0, later
from tests.people import ANA

BACKED_UP = CAREFUL.model_copy(update={"backup": Backups(every=3_600.0, keep=3 * 86_400.0)})
QUICK = CAREFUL.model_copy(update={"backup": Backups(every=3_600.0, keep=3 * 86_400.0, verify="quick")})
SAVED, HELD = "undo-v42", "5a5e" * 16
COPIED = "copy-k7f3a91c.RB-42.2"


def playing(target: Target = BACKED_UP, *does: Do, drops: bool = True) -> Play:
    play = Play(configuration(target))
    able = play.backend.capabilities
    makes = frozenset(does or {Do.PREPARE, Do.SAVE})
    play.backend.capabilities = replace(
        able, does=able.does | makes, drops=makes if drops else frozenset(), backs_up=True
    )
    return play


@pytest.fixture
def play() -> Play:
    return playing()


async def taken(play: Play) -> Run:
    play.ask(purpose=Purpose.BACKUP, by=THE_SCHEDULE)
    return await play.drive()


# What it does ----------------------------------------------------------------------------------


async def test_it_saves_copies_looks_and_drops_the_copy_and_does_nothing_else(play: Play) -> None:
    await taken(play)
    await play.due()
    assert play.effects == ["SAVE orders", f"PREPARE orders {SAVED}", f"DROP orders {COPIED}"]
    assert (play.run.state, play.run.work.live, play.backend.live) == (State.SUCCEEDED, Left.BEFORE, "v42")


async def test_what_is_looked_into_is_what_was_saved(play: Play) -> None:
    await taken(play)
    (work,) = play.backend.preparing.works
    assert (work.point, work.fingerprint) == (SAVED, play.run.work.undo_contents["orders"])


async def test_what_is_saved_is_what_was_live_when_it_was_planned(play: Play) -> None:
    await taken(play)
    (work,) = play.backend.saving.works
    assert (work.expected, work.is_backup) == ("token-v42", True)


async def test_a_quick_look_makes_no_copy_and_proves_nothing() -> None:
    play = playing(QUICK)
    run = await taken(play)
    assert (play.effects, run.state) == (["SAVE orders"], State.SUCCEEDED)
    assert [finding.name for finding in run.work.findings] == [LISTED]
    listed = {point.id: point for point in (await play.planner().points("orders")).points}
    assert listed[SAVED].proven_at is None


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (RestorePoint(SAVED, T0, fingerprint=HELD), Verdict.PASSED),
        (RestorePoint(SAVED, T0, fingerprint="0bad" * 16), Verdict.FAILED),
        (RestorePoint(SAVED, T0, fingerprint=HELD, doubt="it is unfinished"), Verdict.FAILED),
        (None, Verdict.FAILED),
    ],
    ids=["as saved", "other content", "in doubt", "not listed"],
)
def test_a_quick_look_passes_only_what_is_listed_as_it_was_saved(
    found: RestorePoint | None, verdict: Verdict
) -> None:
    assert backups.quick_look(found, HELD, found.fingerprint if found else "").verdict is verdict


async def test_where_the_backend_makes_no_copies_it_is_only_looked_for() -> None:
    run = await taken(playing(BACKED_UP, Do.SAVE))
    assert [record.step.do for record in run.work.steps] == [Do.SAVE, Do.CHECK, Do.DROP]


# Who agrees to it ------------------------------------------------------------------------------


class Asked:
    """Slack, which does not answer."""

    now = Entitled(())

    async def entitled(self, target: Target) -> Never:
        raise AssertionError(f"somebody was looked up for {target.name}")


async def test_nobody_is_looked_up_for_it(play: Play) -> None:
    play.register = Asked()
    assert (await taken(play)).state is State.SUCCEEDED


async def test_the_policy_that_says_so_is_kept(play: Play) -> None:
    await taken(play)
    agreed = next(event for event in play.notes.runs[play.run.id] if event.kind == "quorum_reached")
    assert vars_of(agreed.fact)["standing"] == policy_digest(play.configuration, BACKED_UP)


def vars_of(fact: object) -> dict[str, object]:
    return {name: getattr(fact, name) for name in ("standing",)}


async def test_what_a_person_has_opened_does_not_stand_alone(play: Play) -> None:
    play.ask(purpose=Purpose.BACKUP, by=ANA)
    run = await play.drive()
    assert (run.state, play.effects) == (State.AWAITING_APPROVAL, [])


async def test_one_whose_plan_would_touch_its_target_does_not_stand_alone(play: Play) -> None:
    await play.planned()
    rollback = play.run.approval.plan
    run = await taken(play)
    plan = replace(run.approval.plan, steps=rollback.steps)
    assert not machine.may_stand_alone(replace(run, approval=replace(run.approval, planned=plan)))


# What is refused -------------------------------------------------------------------------------


def composed(target: Target, play: Play) -> None:
    able, now = play.backend.capabilities, T0
    listed = Points((), Current("v42", "token-v42"))
    beside.compose_backup(configuration(target), target, listed, (), able, now)


def test_there_is_none_where_the_configuration_has_none(play: Play) -> None:
    with pytest.raises(UserError, match="no backups of `orders` any more"):
        composed(CAREFUL, play)


def test_there_is_none_where_the_backend_saves_nothing(play: Play) -> None:
    play.backend.capabilities = replace(play.backend.capabilities, backs_up=False)
    with pytest.raises(UserError, match="saves nothing that would be a backup"):
        composed(BACKED_UP, play)


def test_a_look_that_the_backend_cannot_give_is_refused_and_not_made_less() -> None:
    beside_only = Backups(every=3_600.0, keep=86_400.0, verify="beside")
    with pytest.raises(UserError, match=r"makes no copies.*verify: quick"):
        composed(CAREFUL.model_copy(update={"backup": beside_only}), playing(BACKED_UP, Do.SAVE))


async def test_it_waits_for_a_run_that_works_on_its_target(play: Play) -> None:
    play.world.offline.sees = [Verdict.PASSED, Verdict.FAILED, Verdict.FAILED]
    await play.driven()
    assert play.run.state is State.PAUSED
    before = play.effects
    run = await taken(play)
    assert "a backup gives way to it" in run.why
    assert "SAVE orders" not in play.effects[len(before) :]


# How it fails ----------------------------------------------------------------------------------


async def test_checks_that_fail_end_it_and_ask_nobody_and_its_point_says_so(play: Play) -> None:
    play.world.offline.sees = [Verdict.FAILED, Verdict.FAILED]
    run = await taken(play)
    assert (run.state, play.kinds()[-2:]) == (State.FAILED, ["checks_failed", "step_stopped"])
    point = {each.id: each for each in (await play.planner().points("orders")).points}[SAVED]
    assert (point.failed, point.shown_by) == ((play.world.offline.name,), Purpose.BACKUP)


async def test_a_save_that_fails_ends_it(play: Play) -> None:
    play.backend.saving.starts = ["takes_long"]
    play.backend.saving.polls = [Ended(False, Left.BEFORE, "no room")]
    run = await taken(play)
    assert (run.state, run.why, play.effects) == (State.FAILED, "no room", ["SAVE orders begins"])


async def test_a_backend_that_has_saved_nothing_has_taken_no_backup(play: Play) -> None:
    play.backend.saving.starts = ["takes_long"]
    play.backend.saving.polls = [Ended(True, Left.BEFORE)]
    run = await taken(play)
    assert (run.state, run.why) == (State.FAILED, "nothing was saved")


async def test_what_was_there_before_is_no_backup_of_ours(play: Play) -> None:
    play.backend.offered = {SAVED: RestorePoint(SAVED, T0, fingerprint=HELD), **play.backend.offered}
    run = await taken(play)
    assert (run.state, run.why) == (State.FAILED, f"nothing new was saved: `{SAVED}` was there before")
    assert machine.due(run) is None


# How long it is kept ---------------------------------------------------------------------------


async def test_it_goes_when_its_own_days_are_over_and_not_those_of_an_undo_point(play: Play) -> None:
    run = await taken(play)
    await play.due()  # the copy
    due = machine.due(play.run)
    assert run.end.at is not None
    assert due is not None
    assert due[0] - run.end.at == timedelta(days=3)


async def test_where_the_backend_drops_none_the_plan_says_so() -> None:
    run = await taken(playing(BACKED_UP, Do.SAVE, drops=False))
    assert run.approval.plan.warnings == ("The backend drops no backups: somebody has to do it",)
    assert machine.due(run) is None


def points(*others: RestorePoint) -> Points:
    mine = RestorePoint(SAVED, later(60), kind=PointKind.BACKUP, fingerprint=HELD)
    return Points((*others, mine), Current("v42", "token-v42", at=later(9_000)))


async def kept(play: Play, listed: Points, around: Around | None = None) -> str | None:
    run = await taken(play)
    drop = next(record.step for record in run.work.steps if record.step.drops is Do.SAVE)
    found = why_keep(run, drop, around or Around(), listed, later(9_000))
    return found.why if found else None


NEWER = RestorePoint("newer", later(3_600), kind=PointKind.BACKUP)


async def test_one_goes_where_a_newer_one_is_good(play: Play) -> None:
    assert await kept(play, points(NEWER)) is None


async def test_the_newest_one_that_is_good_stays(play: Play) -> None:
    bad = replace(NEWER, failed_at=T0, failed=("totals",))
    assert await kept(play, points(bad)) == "It is the newest backup of `orders` that is good."


async def test_what_no_backend_calls_a_backup_stays_while_it_is_the_newest_that_was_taken_well(
    play: Play,
) -> None:
    plain = points(replace(NEWER, kind=PointKind.MADE))
    untyped = replace(plain, points=tuple(replace(point, kind=PointKind.MADE) for point in plain.points))
    assert await kept(play, untyped) is None
    why = await kept(playing(), untyped, Around(newest_backup="RB-42"))
    assert why == "It is the newest backup of `orders` that is good."


async def test_one_of_the_future_is_not_the_newest_that_is_good(play: Play) -> None:
    future = replace(NEWER, at=later(900_000))
    assert await kept(play, points(future)) == "It is the newest backup of `orders` that is good."


async def test_one_stays_while_a_run_of_its_target_is_under_way(play: Play) -> None:
    assert await kept(play, points(NEWER), Around("RB-43")) == "RB-43 is under way on `orders`."


async def test_a_file_that_somebody_has_put_in_its_place_stays(play: Play) -> None:
    listed = points(NEWER)
    other = replace(listed.points[-1], fingerprint="0bad" * 16)
    why = await kept(play, replace(listed, points=(NEWER, other)))
    assert why is not None
    assert "another content" in why


async def test_what_the_configuration_agrees_to_no_more_is_not_dropped(play: Play) -> None:
    run = await taken(play)
    over = (run.end.at or T0) + timedelta(days=4)
    longer = CAREFUL.model_copy(update={"backup": Backups(every=3_600.0, keep=5 * 86_400.0)})
    none, more = kept_by_rule(run, CAREFUL, over), kept_by_rule(run, longer, over)
    assert none is not None
    assert "no backups of `orders` any more" in none.why
    assert more == Keep("By now backups are kept for longer.", 86_400.0)
    assert kept_by_rule(run, BACKED_UP, over) is None


# When ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "expected"), [(0, 3_600), (5, 3_600), (3_599, 3_600), (3_600, 7_200), (86_400 * 90, None)]
)
def test_the_next_one_is_due_on_the_same_minute_however_late_the_last_one_was(
    seconds: float, expected: float | None
) -> None:
    due = backups.next_after(Schedule("orders", 3_600.0, T0), later(seconds))
    assert due == later(86_400 * 90 + 3_600 if expected is None else expected)


@pytest.mark.parametrize(("every", "again"), [(300.0, 300.0), (3_600.0, 900.0)])
def test_one_that_failed_is_tried_again_soon(every: float, again: float) -> None:
    assert backups.again_at(every, T0) == later(again)


def test_how_often_one_is_taken_agrees_to_nothing_and_how_long_it_is_kept_does() -> None:
    def digest(**changes: object) -> str:
        assert BACKED_UP.backup is not None
        target = BACKED_UP.model_copy(update={"backup": BACKED_UP.backup.model_copy(update=changes)})
        known: Configuration = configuration(target)
        return policy_digest(known, target)

    assert digest(every=7_200.0) == digest()
    assert digest(keep=7_200.0) != digest()
