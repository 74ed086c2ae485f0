"""Drills on a copy: nothing live is touched, one person's word is enough, what they show is kept."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot import drilling, machine, presses
from bot.configuration import Drill, policy_digest
from bot.contract import COPY, Ended, Trouble
from bot.errors import UserError
from bot.looking import of_copy
from bot.model import (
    Current,
    Do,
    Finding,
    Goal,
    Left,
    Person,
    PointKind,
    Points,
    Purpose,
    RestorePoint,
    State,
    Verdict,
    When,
)
from bot.policy import Entitled
from tests.bot.configured import CAREFUL, ONLINE, configuration
from tests.bot.scripted import Killed, Play, Register
from tests.bot.stories import T0, later
from tests.people import ANA, BEN, CY

DRILLED = CAREFUL.model_copy(update={"drill": Drill()})
COPIED = "copy-k7f3a91c.RB-42.1"
FINGERPRINT = "ab" * 32


@pytest.fixture
def play() -> Play:
    play = Play(configuration(DRILLED))
    able = play.backend.capabilities
    beside = frozenset({Do.PREPARE})
    play.backend.capabilities = replace(able, does=able.does | beside, drops=beside)
    return play


async def drilled(play: Play, goal: Goal | None = None) -> Play:
    play.ask(goal or Goal(point="p41"), Purpose.DRILL)
    await play.drive()
    return play


# What it does ----------------------------------------------------------------------------------


async def test_a_drill_copies_checks_and_drops_and_does_nothing_else(play: Play) -> None:
    await drilled(play)
    await play.due()
    assert play.effects == ["PREPARE orders p41", f"DROP orders {COPIED}"]
    assert (play.run.state, play.run.work.live, play.backend.live) == (State.SUCCEEDED, Left.BEFORE, "v42")
    assert play.backend.copies == []


async def test_nobody_else_has_to_agree_and_the_policy_that_says_so_is_kept(play: Play) -> None:
    await drilled(play)
    assert play.run.approval.given == ()
    agreed = next(event for event in play.notes.runs[play.run.id] if event.kind == "quorum_reached")
    assert vars_of(agreed.fact)["standing"] == policy_digest(play.configuration, DRILLED)


def vars_of(fact: object) -> dict[str, object]:
    return {name: getattr(fact, name) for name in ("standing",)}


async def test_a_rollback_never_stands_alone_however_few_have_to_agree(play: Play) -> None:
    await play.planned()
    run = play.run
    plan = replace(run.approval.plan, approvals_needed=0)
    alone = replace(run, approval=replace(run.approval, planned=plan))
    assert not machine.may_stand_alone(alone)


async def test_a_drill_whose_plan_would_touch_its_target_does_not_stand_alone(play: Play) -> None:
    await play.planned()
    rollback = play.run.approval.plan
    await drilled(play)
    plan = replace(play.run.approval.plan, steps=rollback.steps)
    touching = replace(play.run, approval=replace(play.run.approval, planned=plan))
    assert not machine.may_stand_alone(touching)


async def test_what_is_live_is_told_to_no_backend(play: Play) -> None:
    await drilled(play)
    assert [work.expected for work in play.backend.preparing.works] == [""]


async def test_what_is_live_may_move_before_a_drill_begins(play: Play) -> None:
    play.ask(Goal(point="p41"), Purpose.DRILL)

    async def deploy() -> None:
        play.backend.live = "v43"

    play.backend.preparing.meanwhile = deploy
    await play.drive()
    assert play.run.state is State.SUCCEEDED


async def test_checks_look_at_the_copy_and_those_that_cannot_are_named(play: Play) -> None:
    await drilled(play)
    assert play.world.told_of_copy == [{COPY: "/copies/k7f3a91c.RB-42.1"}]
    assert [finding.name for finding in play.run.work.findings] == ["copy", play.world.offline.name]
    assert play.run.work.unchecked == (play.world.online.name,)


# One that makes no copy ------------------------------------------------------------------------


LOOKED = CAREFUL.model_copy(update={"drill": Drill(mode="plan", scenario="the migration broke totals")})


async def looked(play: Play) -> Play:
    play.ask(Goal(point="p41"), Purpose.DRILL)
    await play.drive()
    return play


async def test_a_drill_by_plan_looks_and_has_no_effect_at_all() -> None:
    play = await looked(Play(configuration(LOOKED)))
    assert (play.run.state, play.effects) == (State.SUCCEEDED, [])
    assert [finding.name for finding in play.run.work.findings] == ["plan", "restore point", "approvers"]
    assert play.run.approval.plan.scenario == "the migration broke totals"


async def test_a_drill_by_plan_proves_nothing_whatever_it_saw() -> None:
    play = await looked(Play(configuration(LOOKED)))
    assert drilling.has_shown(play.run)
    assert drilling.shown_by([play.run]) == {}
    assert "not proven" in play.run.approval.plan.warnings[-1]


async def test_what_stands_against_a_rollback_fails_the_drill_and_not_its_point() -> None:
    play = Play(configuration(LOOKED))
    play.backend.blockers = ("No room for the undo point.",)
    await looked(play)
    assert (play.run.state, play.run.work.verdict) == (State.FAILED, Verdict.FAILED)
    assert "No room for the undo point." in play.run.why
    assert drilling.shown_by([play.run]) == {}


@pytest.mark.parametrize(
    ("approvers", "verdict"), [((BEN, CY), Verdict.PASSED), ((BEN,), Verdict.FAILED), ((), Verdict.FAILED)]
)
async def test_a_drill_by_plan_says_whether_anybody_could_approve(
    approvers: tuple[Person, ...], verdict: Verdict
) -> None:
    play = Play(configuration(LOOKED))
    play.register = Register(Entitled(approvers, requesters=frozenset({ANA.id})))
    await looked(play)
    found = {finding.name: finding.verdict for finding in play.run.work.findings}
    assert found["approvers"] is verdict


def test_a_backend_that_finds_something_serious_fails_the_look() -> None:
    assert drilling.as_examined([Trouble("no git here")]).verdict is Verdict.FAILED
    assert drilling.as_examined([Trouble("old git", serious=False)]).verdict is Verdict.PASSED


# What is refused -------------------------------------------------------------------------------


async def test_there_is_no_drill_where_the_configuration_has_none() -> None:
    play = Play(configuration(CAREFUL))
    await drilled(play)
    assert play.run.state is State.REFUSED
    assert "has no drills" in play.run.why


async def test_there_is_no_drill_where_the_backend_makes_no_copies() -> None:
    play = Play(configuration(DRILLED))
    await drilled(play)
    assert (play.run.state, play.effects) == (State.REFUSED, [])
    assert "makes no copies" in play.run.why


async def test_a_drill_does_not_begin_for_somebody_who_may_not_ask_any_more(play: Play) -> None:
    play.ask(Goal(point="p41"), Purpose.DRILL)
    play.register = Register(Entitled((BEN,), requesters=frozenset({BEN.id})))
    await play.drive()
    assert (play.run.state, play.effects) == (State.VOID, [])


async def test_a_drill_waits_for_a_run_that_works_on_its_target(play: Play) -> None:
    play.world.offline.sees = [Verdict.PASSED, Verdict.FAILED, Verdict.FAILED]
    await play.driven()
    assert play.run.state is State.PAUSED
    play.effects.clear()
    await drilled(play)
    assert "under way" in play.run.why
    assert not [effect for effect in play.effects if effect.startswith("PREPARE")]


async def test_a_copy_gives_way_to_a_run_that_begins(play: Play) -> None:
    play.backend.preparing.starts = ["takes_long"]
    play.ask(Goal(point="p41"), Purpose.DRILL)
    drill = play.run.id

    async def rollback() -> None:
        passes, fails = Verdict.PASSED, Verdict.FAILED
        play.world.offline.sees = [passes, passes, fails, fails, fails]  # so that it waits for people
        mine = play.notes.epoch
        await play.approved(Goal(point="p40"))
        await play.drive()
        play.notes.epoch = mine  # claims are of one run each

    play.backend.preparing.meanwhile = rollback
    await play.engine().drive(play.claim())
    ended = play.notes._load(drill)
    assert (ended.state, ended.why) == (State.FAILED, "it gave way to RB-43")


# How it fails ----------------------------------------------------------------------------------


async def test_a_check_that_fails_ends_the_drill_and_asks_nobody(play: Play) -> None:
    play.world.offline.sees = [Verdict.FAILED, Verdict.FAILED]
    await drilled(play)
    assert (play.run.state, play.run.work.live) == (State.FAILED, Left.BEFORE)
    assert play.kinds()[-2:] == ["checks_failed", "step_stopped"]


async def test_the_copy_of_a_drill_that_failed_is_kept_for_a_look(play: Play) -> None:
    play.world.offline.sees = [Verdict.FAILED, Verdict.FAILED]
    await drilled(play)
    due = machine.due(play.run)
    assert due is not None
    assert play.run.end.at is not None
    assert due[0] - play.run.end.at == timedelta(days=2)


async def test_a_copy_that_cannot_be_made_ends_the_drill(play: Play) -> None:
    play.backend.preparing.polls = [Ended(False, Left.UNKNOWN, "no room")]
    play.backend.preparing.starts = ["takes_long"]
    await drilled(play)
    assert (play.run.state, play.run.why, play.run.work.live) == (State.FAILED, "no room", Left.BEFORE)


async def test_who_asked_can_cancel_while_the_copy_is_made(play: Play) -> None:
    play.backend.preparing.starts = ["takes_long"]
    play.ask(Goal(point="p41"), Purpose.DRILL)

    async def cancel() -> None:
        await play.clock.sleep(2)
        await play.press(ANA, presses.CANCEL)

    play.backend.preparing.meanwhile = cancel
    await play.drive()
    assert play.run.state is State.CANCELLED


# What it shows ---------------------------------------------------------------------------------


async def test_a_point_that_a_drill_has_verified_says_so_wherever_it_is_listed(play: Play) -> None:
    await drilled(play)
    listed = await play.planner().points("orders")
    assert {point.id: point.proven_at for point in listed.points} == {"p41": play.run.end.at, "p40": None}


async def test_a_point_whose_drill_failed_says_which_checks_and_is_not_suggested(play: Play) -> None:
    play.world.offline.sees = [Verdict.FAILED, Verdict.FAILED]
    live = RestorePoint("v42", later(-600), current=True)
    play.backend.offered = {"v42": live, **play.backend.offered}
    await drilled(play)
    listed = await play.planner().points("orders")
    assert (listed.points[1].failed_at, listed.points[1].failed) == (
        play.run.end.at,
        (play.world.offline.name,),
    )
    assert (await play.planner().offer("orders", listed)).suggested == "p40"


async def test_the_newest_drill_of_a_point_has_the_last_word(play: Play) -> None:
    play.world.offline.sees = [Verdict.FAILED, Verdict.FAILED]
    await drilled(play)
    await drilled(play)
    assert (await play.planner().points("orders")).points[0].failed_at is None


async def test_a_drill_that_was_broken_off_shows_nothing(play: Play) -> None:
    play.backend.preparing.polls = [Ended(False, Left.UNKNOWN, "no room")]
    play.backend.preparing.starts = ["takes_long"]
    await drilled(play)
    point = (await play.planner().points("orders")).points[0]
    assert (point.proven_at, point.failed_at) == (None, None)


async def test_a_drill_in_which_nothing_was_looked_at_proves_nothing(play: Play) -> None:
    await drilled(play)
    unseen = replace(play.run, work=replace(play.run.work, findings=()))
    assert drilling.shown_by([unseen]) == {}


async def test_other_content_under_the_same_name_is_not_proven(play: Play) -> None:
    await drilled(play)
    shown = drilling.shown_by([play.run])["p41"]
    other = RestorePoint("p41", T0)
    assert drilling.with_proof(other, replace(shown, content="cd" * 32), FINGERPRINT) == other


@pytest.mark.parametrize(("failed", "is_told"), [((), False), (("totals",), True)])
async def test_where_nobody_can_read_the_content_only_what_failed_counts(
    play: Play, failed: tuple[str, ...], is_told: bool
) -> None:
    await drilled(play)
    shown = replace(drilling.shown_by([play.run])["p41"], content=FINGERPRINT, failed=failed)
    seen = drilling.with_proof(RestorePoint("p41", T0), shown, "")
    assert (seen.proven_at is None, seen.failed_at is not None) == (True, is_told)


# Which point is drawn --------------------------------------------------------------------------


def listed(*points: RestorePoint) -> Points:
    return Points(points, Current("v42", "token"))


def test_every_point_of_the_window_can_be_drawn_and_no_other() -> None:
    points = listed(
        RestorePoint("live", later(-10), current=True),
        RestorePoint("a", later(-100)),
        RestorePoint("pre-RB-7", later(-150), kind=PointKind.UNDO),
        RestorePoint("b", later(-200)),
        RestorePoint("undated", None),
        RestorePoint("old", later(-15 * 86_400)),
        RestorePoint("tomorrow", later(86_400)),
    )
    assert {drilling.drawn(DRILLED, points, seed, T0) for seed in range(20)} == {"a", "b"}


def test_what_has_failed_a_drill_is_drawn_where_there_is_nothing_else() -> None:
    bad = RestorePoint("a", later(-100), failed_at=T0, failed=("totals",))
    both = listed(bad, RestorePoint("b", later(-200)))
    assert {drilling.drawn(DRILLED, both, seed, T0) for seed in range(20)} == {"b"}
    assert drilling.drawn(DRILLED, listed(bad), 1, T0) == "a"


def test_the_same_seed_draws_the_same_point_whatever_their_order() -> None:
    one, other = RestorePoint("a", later(-100)), RestorePoint("b", later(-200))
    for seed in range(4):
        there = drilling.drawn(DRILLED, listed(one, other), seed, T0)
        assert there == drilling.drawn(DRILLED, listed(other, one), seed, T0)


def test_where_nothing_can_be_drawn_a_point_has_to_be_named() -> None:
    with pytest.raises(UserError, match=r"no restore point of the last 14 days.*drill orders POINT"):
        drilling.drawn(DRILLED, listed(RestorePoint("old", later(-15 * 86_400))), 1, T0)


async def test_a_drawn_point_is_the_one_that_is_copied(play: Play) -> None:
    await drilled(play, Goal(drawn=1))
    assert play.run.approval.plan.point.id == drilling.drawn(
        DRILLED, await play.backend.points(), 1, play.run.approval.plan.made_at
    )


# What happens to it meanwhile ------------------------------------------------------------------


async def _dies() -> None:
    raise Killed


async def test_a_drill_under_other_settings_ends_and_its_copy_is_dropped_by_its_own_name(play: Play) -> None:
    play.backend.preparing.meanwhile = _dies
    play.ask(Goal(point="p41"), Purpose.DRILL)
    with pytest.raises(Killed):
        await play.drive()
    play.configuration = configuration(DRILLED.model_copy(update={"checks": (ONLINE,)}))
    await play.drive()
    assert (play.run.state, play.run.work.verdict) == (State.FAILED, None)
    await play.due()
    assert play.effects[-1] == f"DROP orders {COPIED}"


async def test_a_drill_whose_database_was_put_back_ends_and_asks_nobody(play: Play) -> None:
    play.backend.preparing.starts = ["takes_long"]
    play.backend.preparing.meanwhile = _dies
    play.ask(Goal(point="p41"), Purpose.DRILL)
    with pytest.raises(Killed):
        await play.drive()
    events = machine.forgotten(play.run, play.clock(), "the database was put back", "k7f3a91c")
    await play.notes.append(play.run, *events)
    await play.drive()
    assert (play.run.state, play.run.why) == (State.FAILED, "the database was put back")


async def test_a_drill_that_cannot_be_driven_ends(play: Play) -> None:
    play.world.offline.sees = [Verdict.PASSED]
    play.ask(Goal(point="p41"), Purpose.DRILL)
    play.backend.preparing.starts = ["takes_long"]
    play.backend.preparing.meanwhile = _dies
    with pytest.raises(Killed):
        await play.drive()
    await play.give_up(RuntimeError("again and again"))
    await play.drive()
    assert play.run.state is State.FAILED


def found(name: str, verdict: Verdict, *, arrived: bool = False) -> Finding:
    return Finding(name, When.OFFLINE, verdict, arrived=arrived)


@pytest.mark.parametrize("seen", [Verdict.PASSED, Verdict.FAILED])
def test_a_copy_that_somebody_has_changed_shows_nothing_of_its_point(seen: Verdict) -> None:
    as_made = found("copy", Verdict.PASSED, arrived=True)
    changed = found("copy", Verdict.FAILED, arrived=True)
    judged = of_copy([as_made], [found("totals", seen)], [changed])
    assert {finding.verdict for finding in judged} == {Verdict.INCONCLUSIVE}


def test_a_copy_that_stayed_as_it_was_made_shows_what_the_checks_have_seen() -> None:
    as_made = found("copy", Verdict.PASSED, arrived=True)
    judged = of_copy([as_made], [found("totals", Verdict.FAILED)], [as_made])
    assert [finding.verdict for finding in judged] == [Verdict.PASSED, Verdict.FAILED]


def test_what_failed_where_it_was_rehearsed_is_not_drawn_again() -> None:
    shown = {"a": drilling.DrillResult("RB-1", T0, "", ("totals",))}
    points = listed(RestorePoint("a", later(-100)), RestorePoint("b", later(-200)))
    assert {drilling.drawn(DRILLED, points, seed, T0, shown) for seed in range(20)} == {"b"}
