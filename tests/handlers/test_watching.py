"""How often a worker looks unasked what is live, so that somebody knows since when it is."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends.installed import definitions
from bot.configuration import MAIN_ZONE, load
from handlers.watching import BETWEEN_LOOKS_SECONDS, WATCH_SECONDS, Watching, round_every, watched
from storage.database import open_database, sqlite_url
from storage.spans import SpanStore
from tests.bot.configured import configuration, target
from tests.bot.scripted import Play
from tests.bot.stories import later

EXAMPLE = load(Path(__file__).parents[2] / "rollback.example.yaml", definitions())


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("orders", 600.0), ("storefront", WATCH_SECONDS), ("search-index", None)],
    ids=["as the file says", "unless the file says otherwise", "a program only where the file says so"],
)
def test_what_is_live_is_looked_at_every(name: str, seconds: float | None) -> None:
    assert watched(EXAMPLE, EXAMPLE.targets[name].zone).get(name) == seconds


def test_the_targets_of_another_zone_are_watched_by_its_own_workers() -> None:
    assert watched(configuration(target("near"), target("far", zone="far")), "far") == {"far": WATCH_SECONDS}


@pytest.mark.parametrize(
    ("every", "seconds"),
    [({}, 60.0), ({"a": 1800.0, "b": 10.0}, 10.0), ({"a": 1800.0}, 60.0), ({"a": 0.1}, 1.0)],
)
def test_rounds_are_as_often_as_the_target_that_is_watched_most_needs_them(
    every: dict[str, float], seconds: float
) -> None:
    assert round_every(every) == seconds


@pytest.fixture
async def spans(tmp_path: Path, template: Path) -> AsyncIterator[SpanStore]:
    file = tmp_path / "rollback.db"
    shutil.copy(template, file)
    database = open_database(sqlite_url(file))
    yield SpanStore(database)
    await database.close()


def _watching(play: Play, spans: SpanStore) -> Watching:
    return Watching(play.configuration, MAIN_ZONE, play.planner(), spans, play.clock, play.clock.sleep)


async def test_a_round_looks_at_what_nobody_has_looked_at_for_long_enough(spans: SpanStore) -> None:
    play = Play(configuration(target(watch=600.0)))
    play.backend.since = None
    watching = _watching(play, spans)
    for seconds in (0, 599, 600):
        play.clock.now = later(seconds)
        play.backend.live = f"v{seconds}"
        await watching.look_around()
    assert [lived.point for lived in await spans.lived("orders")] == ["v0", "v600"]


async def test_a_round_over_many_targets_leaves_others_room_between_two_looks(spans: SpanStore) -> None:
    play = Play(configuration(*(target(f"shop-{n}") for n in range(20))))
    await _watching(play, spans).look_around()
    assert play.clock() == later(20 * BETWEEN_LOOKS_SECONDS)


async def test_a_target_that_cannot_be_seen_hides_no_other(spans: SpanStore) -> None:
    play = Play(configuration(target("orders"), target("search")))
    play.world.misconfigured.add("orders")
    await _watching(play, spans).look_around()
    assert await spans.lived("orders") == ()
    assert [lived.point for lived in await spans.lived("search")] == ["v42"]


async def test_what_planning_has_seen_is_noted_without_another_look(spans: SpanStore) -> None:
    play = Play()
    play.ask()
    run = await play.drive()
    play.backend.live = "v43"
    await _watching(play, spans).note_what_it_found(run)
    assert [lived.point for lived in await spans.lived("orders")] == ["v42"]


async def test_what_a_run_has_brought_is_noted_as_its_own(spans: SpanStore) -> None:
    play = Play()
    play.ask()
    run = await play.drive()
    play.backend.live = "p41"
    await _watching(play, spans).note_what_it_brought(run)
    assert [(lived.point, lived.run) for lived in await spans.lived("orders")] == [("p41", run.id)]
