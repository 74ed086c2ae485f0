"""The hand-over of a snapshot: after it was verified, once, and never of a drill."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot import machine
from bot.configuration import HandOver, Snapshots
from bot.contract import Ended, Fate, Found
from bot.errors import ConfigurationError
from bot.manifest import manifest
from bot.model import Do, Finding, Goal, Left, Purpose, State, Verdict, When
from bot.pins import Pin
from bot.presses import CANCEL, Attempt, Click
from bot.procedures import Aside, steps_beside
from tests.bot.configured import CAREFUL, configuration
from tests.bot.scripted import Killed, Play
from tests.bot.stories import later
from tests.bot.test_as_of import HOLDS
from tests.bot.test_configuration import load, written
from tests.bot.test_configuration import path as path  # a fixture
from tests.people import BEN

GIVEN_AWAY = Snapshots(keep=86_400.0, to=HandOver(folder="/srv/audit", owner="auditors"))


@pytest.fixture
def play() -> Play:
    play = Play(configuration(CAREFUL.model_copy(update={"snapshots": GIVEN_AWAY})))
    able, beside = play.backend.capabilities, frozenset({Do.PREPARE})
    play.backend.capabilities = replace(able, does=able.does | beside, drops=beside)
    play.backend.holds = HOLDS
    play.backend.verified = [Finding("copy", When.OFFLINE, Verdict.PASSED, arrived=True)]
    return play


async def agreed(play: Play) -> None:
    await play.approved(Goal(as_of=later(-600)), Purpose.SNAPSHOT)


async def test_what_was_verified_is_handed_over_with_its_manifest(play: Play) -> None:
    await agreed(play)
    await play.drive()
    assert play.run.state is State.SUCCEEDED
    assert play.world.handed_over[-1][1] == manifest(play.run, play.notes.installation)


async def test_a_copy_that_is_not_its_point_goes_nowhere(play: Play) -> None:
    await agreed(play)
    play.backend.verified = [Finding("copy", When.OFFLINE, Verdict.FAILED, arrived=True)]
    await play.drive()
    assert play.run.state is State.FAILED
    assert play.world.handed_over == []


async def test_one_that_fails_ends_the_run_and_the_copy_may_go(play: Play) -> None:
    await agreed(play)
    play.world.handing_over.polls = [Ended(False, Left.UNKNOWN, "no room")]
    await play.drive()
    assert (play.run.state, play.run.why) == (State.FAILED, "the hand-over failed: no room")
    assert machine.due(play.run) is not None


async def test_of_one_that_nobody_saw_end_nobody_is_asked(play: Play) -> None:
    await agreed(play)
    play.world.handing_over.starts = ["answer_lost"]
    play.world.handing_over.finds = [Found(Fate.UNKNOWN, "nobody said how it ended")] * 20
    await play.drive()
    assert play.run.state is State.FAILED
    assert play.run.why.startswith("nobody knows whether the copy was handed over")


async def test_what_leads_to_somebody_else_by_then_gets_nothing(play: Play) -> None:
    async def led_elsewhere() -> None:
        play.world.pinned["orders"] = (Pin("setting of the hand-over", "cd" * 32),)

    play.world.pinned["orders"] = (Pin("setting of the hand-over", "ab" * 32),)
    await agreed(play)
    play.backend.preparing.meanwhile = led_elsewhere
    await play.drive()
    assert "setting of the hand-over of `orders` is another one" in play.run.why
    assert "HAND_OVER" not in play.effects


async def test_nobody_stops_what_is_being_given_away(play: Play) -> None:
    async def pressed() -> None:
        attempt = Attempt(play.run, BEN, play.register.now, Click(), play.clock())
        said.append(CANCEL.why_not_now(attempt))

    said: list[object] = []
    await agreed(play)
    play.world.handing_over.meanwhile = pressed
    await play.drive()
    assert "which nobody can take back" in str(said[0])


def test_it_has_the_time_that_its_supervisor_needs_besides() -> None:
    (given,) = (step for step in steps_beside("orders", Aside(), GIVEN_AWAY.to) if step.do is Do.HAND_OVER)
    assert given.timeout == 3_660.0


async def test_whoever_takes_it_over_hands_nothing_over_twice(play: Play) -> None:
    async def dies() -> None:
        raise Killed

    await agreed(play)
    play.world.handing_over.meanwhile = dies
    with pytest.raises(Killed):
        await play.drive()
    await play.drive()
    assert play.run.state is State.SUCCEEDED
    assert play.effects.count("HAND_OVER") == 1


def test_nobody_hands_anything_over_without_two_people() -> None:
    assert not any(Do.HAND_OVER in may for may in machine.ALONE.values())


async def test_a_drill_hands_nothing_over(play: Play) -> None:
    play.ask(Goal(point="p41"), Purpose.DRILL)
    await play.drive()
    assert play.world.handed_over == []


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("{folder: /srv/audit, argv: [give, '{copy}']}", "one of two"),
        ("{}", "one of two"),
        ("audit", "from `/` on"),
        ("{argv: [give, '{copy}'], owner: auditors}", "`owner` is of the files in a `folder`"),
        ("[give]", "among its arguments `{copy}`"),
        ("['{copy}']", "among its arguments `{copy}`"),
        ("['', '{copy}']", "among its arguments `{copy}`"),
        ("[give, '{point}', '{copy}']", "`{point}` is not filled in"),
        ("[give, '--of={copy}', '{copy}']", "`--of={copy}` is not filled in"),
        ("'/srv/{run}'", "from `/` on"),
        ('"/srv/\\0"', "from `/` on"),
        ('{folder: /srv, owner: "a\\0"}', "no name of an account"),
        ("{folder: /srv, environment: {A: b}}", "`environment` is of a program"),
    ],
)
def test_a_hand_over_that_cannot_be_meant_is_refused(path: Path, to: str, words: str) -> None:
    audited = f"    kind: database\n    snapshots: {{to: {to}}}\n"
    with pytest.raises(ConfigurationError, match=words):
        load(written(path, "    kind: database\n", audited))
