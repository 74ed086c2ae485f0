"""How often a worker looks unasked what is live, so that somebody knows since when it is."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends.installed import definitions
from bot.configuration import MAIN_ZONE, load
from bot.duties import BackupsSeen
from bot.model import PointKind, RestorePoint, State
from handlers.watching import BETWEEN_LOOKS_SECONDS, WATCH_SECONDS, Watching, round_every, watched
from storage.database import open_database, sqlite_url
from storage.duties import DutyStore
from storage.runs import Store, open_store
from storage.spans import SpanStore
from tests.bot.configured import configuration, target
from tests.bot.scripted import Play
from tests.bot.stories import T0, later

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
async def store(tmp_path: Path, template: Path) -> AsyncIterator[Store]:
    file = tmp_path / "rollback.db"
    shutil.copy(template, file)
    database = open_database(sqlite_url(file))
    yield await open_store(database, None, T0)
    await database.close()


@pytest.fixture
def spans(store: Store) -> SpanStore:
    return SpanStore(store.database)


def _watching(play: Play, store: Store) -> Watching:
    return Watching(play.configuration, MAIN_ZONE, play.planner(), store, play.clock, play.clock.sleep)


async def test_a_round_looks_at_what_nobody_has_looked_at_for_long_enough(
    store: Store, spans: SpanStore
) -> None:
    play = Play(configuration(target(watch=600.0)))
    play.backend.since = None
    watching = _watching(play, store)
    for seconds in (0, 599, 600):
        play.clock.now = later(seconds)
        play.backend.live = f"v{seconds}"
        await watching.look_around()
    assert [lived.point for lived in await spans.lived("orders")] == ["v0", "v600"]


async def test_a_round_over_many_targets_leaves_others_room_between_two_looks(
    store: Store, spans: SpanStore
) -> None:
    play = Play(configuration(*(target(f"shop-{n}") for n in range(20))))
    await _watching(play, store).look_around()
    assert play.clock() == later(20 * BETWEEN_LOOKS_SECONDS)


async def test_a_target_that_cannot_be_seen_hides_no_other(store: Store, spans: SpanStore) -> None:
    play = Play(configuration(target("orders"), target("search")))
    play.world.misconfigured.add("orders")
    await _watching(play, store).look_around()
    assert await spans.lived("orders") == ()
    assert [lived.point for lived in await spans.lived("search")] == ["v42"]


async def test_what_planning_has_seen_is_noted_without_another_look(store: Store, spans: SpanStore) -> None:
    play = Play()
    play.ask()
    run = await play.drive()
    play.backend.live = "v43"
    await _watching(play, store).note_what_it_found(run)
    assert [lived.point for lived in await spans.lived("orders")] == ["v42"]


async def test_what_a_run_has_brought_is_noted_as_its_own(store: Store, spans: SpanStore) -> None:
    play = Play()
    play.ask()
    run = await play.drive()
    play.backend.live = "p41"
    await _watching(play, store).note_what_it_brought(run)
    assert [(lived.point, lived.run) for lived in await spans.lived("orders")] == [("p41", run.id)]


# What somebody has changed without the bot ------------------------------------------------------


async def outside(store: Store) -> list[tuple[str, str]]:
    """Kind and label of what was seen."""
    changes, _ = await store.changes_since("orders", later(-86_400))
    return [(change.kind, change.label) for change in changes]


async def test_what_somebody_else_has_changed_is_noted_by_the_look_that_sees_it(store: Store) -> None:
    play = Play(configuration(target(watch=600.0)))
    watching = _watching(play, store)
    await watching.points("orders")
    assert await outside(store) == []
    play.backend.live = "v43"
    play.clock.now = later(900)
    await watching.points("orders")
    await watching.points("orders")
    assert await outside(store) == [("live", "v43")]


async def test_what_planning_sees_first_is_noted_as_well(store: Store) -> None:
    play = Play()
    await _watching(play, store).points("orders")
    play.backend.live = "v43"
    play.ask()
    await _watching(play, store).note_what_it_found(await play.drive())
    assert await outside(store) == [("live", "v43")]


async def test_what_a_run_of_ours_has_changed_is_not_somebody_elses(store: Store) -> None:
    play = Play(configuration(target(watch=600.0)))
    await _watching(play, store).points("orders")
    await play.driven()
    assert play.run.state is State.SUCCEEDED
    await _watching(play, store).points("orders")
    assert await outside(store) == []


# Whether restore points stay fresh -------------------------------------------------------------


def backed_up(play: Play, *seconds: float) -> None:
    """Backups that were made so many seconds after the beginning."""
    backups = (RestorePoint(f"p{at:.0f}", later(at), kind=PointKind.BACKUP) for at in seconds)
    play.backend.offered = {backup.id: backup for backup in backups}


async def test_a_backup_that_is_older_than_the_rpo_is_told_until_there_is_a_newer_one(store: Store) -> None:
    play, duties = Play(configuration(target(watch=60.0, rpo=3_600.0))), DutyStore(store)
    watching = _watching(play, store)
    backed_up(play, -7_200, 0)
    for seconds, since in ((3_600, None), (3_601, later(3_600)), (9_000, later(3_600))):
        play.clock.now = later(seconds)
        await watching.points("orders")
        assert [duty.due_at for duty in await duties.all()] == ([] if since is None else [since])
    backed_up(play, 9_100)
    play.clock.now = later(9_200)
    await watching.points("orders")
    assert await duties.all() == ()


async def test_one_that_is_too_old_once_more_is_told_once_more(store: Store) -> None:
    play, duties = Play(configuration(target(rpo=3_600.0))), DutyStore(store)
    watching = _watching(play, store)
    for made, looked in ((0, 4_000), (4_100, 4_200), (4_100, 9_000)):
        backed_up(play, made)
        play.clock.now = later(looked)
        await watching.points("orders")
    (duty,) = await duties.all()
    assert (duty.due_at, duty.next_at, duty.told) == (later(7_700), later(9_000), 0)


@pytest.mark.parametrize(
    ("points", "rpo"),
    [
        ((RestorePoint("p0", later(0), kind=PointKind.BACKUP),), None),
        ((RestorePoint("v41", later(0)),), 3_600.0),
        ((RestorePoint("undated", None, kind=PointKind.BACKUP),), 3_600.0),
        ((RestorePoint("pre-RB-7", later(0), kind=PointKind.UNDO),), 3_600.0),
        ((), 3_600.0),
    ],
    ids=["no RPO", "what the backend keeps anyway", "no time", "saved before a rollback", "none at all"],
)
async def test_where_nobody_can_tell_nothing_is_said(
    store: Store, points: tuple[RestorePoint, ...], rpo: float | None
) -> None:
    play = Play(configuration(target(rpo=rpo)))
    play.backend.offered = {point.id: point for point in points}
    play.clock.now = later(90_000)
    await _watching(play, store).points("orders")
    assert await DutyStore(store).all() == ()


async def test_where_every_backup_is_gone_what_was_told_stays_open_and_says_so(store: Store) -> None:
    play, duties = Play(configuration(target(rpo=3_600.0))), DutyStore(store)
    watching = _watching(play, store)
    backed_up(play, 0)
    play.clock.now = later(4_000)
    await watching.points("orders")
    assert [duty.newest_at for duty in await duties.all()] == [later(0)]
    backed_up(play)
    for seconds in (5_000, 6_000):
        play.clock.now = later(seconds)
        await watching.points("orders")
        assert [(duty.newest_at, duty.told) for duty in await duties.all()] == [(None, 1)]


async def test_where_no_rpo_is_configured_any_more_nothing_is_left_to_do_and_no_newer_one_is_claimed(
    store: Store,
) -> None:
    play, duties = Play(configuration(target(rpo=3_600.0))), DutyStore(store)
    backed_up(play, 0)
    play.clock.now = later(4_000)
    await _watching(play, store).points("orders")
    (known,) = await duties.all()
    await duties.saw("orders", BackupsSeen(later(0)), None, later(5_000))
    gone = await duties.get(known.key)
    assert gone is not None
    assert (gone.newest_at, gone.done_at) == (None, later(5_000))


async def test_a_target_that_never_had_a_backup_is_told_once_it_could_have_had_one(store: Store) -> None:
    play, duties = Play(configuration(target(rpo=3_600.0))), DutyStore(store)
    watching = _watching(play, store)
    broken = RestorePoint("p0", later(0), kind=PointKind.BACKUP, doubt="not whole")
    play.backend.offered = {"p0": broken}
    for seconds in (100, 200):
        play.clock.now = later(seconds)
        await watching.points("orders")
    assert [(duty.newest_at, duty.next_at) for duty in await duties.all()] == [(None, later(3_700))]
    play.backend.offered["undated"] = RestorePoint("undated", None, kind=PointKind.BACKUP)
    await watching.points("orders")
    assert len(await duties.all()) == 1
    backed_up(play, 250)
    play.clock.now = later(300)
    await watching.points("orders")
    assert await duties.all() == ()


async def test_of_a_target_that_is_configured_no_more_no_point_is_old(store: Store) -> None:
    play, duties = Play(configuration(target(rpo=3_600.0))), DutyStore(store)
    backed_up(play, 0)
    play.clock.now = later(90_000)
    await _watching(play, store).points("orders")
    await duties.keep({}, ["orders"], play.clock(), play.clock())
    assert len(await duties.all()) == 1
    await duties.keep({}, [], play.clock(), play.clock())
    assert await duties.all() == ()
