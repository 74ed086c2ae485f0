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
from tests.bot.configured import CAREFUL, configuration
from tests.bot.scripted import Killed, Play
from tests.bot.stories import later
from tests.bot.test_as_of import HOLDS
from tests.bot.test_configuration import load, written
from tests.bot.test_configuration import path as path  # a fixture

GIVEN_AWAY = Snapshots(keep=86_400.0, to=HandOver(folder="/srv/audit", owner="auditors"))


@pytest.fixture
def play() -> Play:
    play = Play(configuration(CAREFUL.model_copy(update={"snapshots": GIVEN_AWAY})))
    able, beside = play.backend.capabilities, frozenset({Do.PREPARE})
    play.backend.capabilities = replace(able, does=able.does | beside, drops=beside)
    play.backend.holds = HOLDS
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
    assert (play.run.state, play.run.why) == (State.FAILED, "the copy was not handed over: no room")
    assert machine.due(play.run) is not None


async def test_of_one_that_nobody_saw_end_nobody_is_asked(play: Play) -> None:
    await agreed(play)
    play.world.handing_over.starts = ["answer_lost"]
    play.world.handing_over.finds = [Found(Fate.UNKNOWN, "nobody said how it ended")] * 20
    await play.drive()
    assert play.run.state is State.FAILED
    assert play.run.why.startswith("nobody knows whether the copy was handed over")


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
        ("[give]", "not told where the copy stands"),
    ],
)
def test_a_hand_over_that_cannot_be_meant_is_refused(path: Path, to: str, words: str) -> None:
    audited = f"    kind: database\n    snapshots: {{to: {to}}}\n"
    with pytest.raises(ConfigurationError, match=words):
        load(written(path, "    kind: database\n", audited))
