"""A database that an earlier version has written opens and goes on, with runs in every state.

Each run of the golden files that can go on is driven by the engine of today, after what people say next, over
backends that have done by then what was begun. An upgrade doubts none, and voids only what waits under a plan
that pins nothing: people have to ask again.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from backends.installed import definitions
from bot import codec, presses
from bot.configuration import load
from bot.contract import Fate
from bot.engine import Engine
from bot.model import MAINTENANCE, Do, Loss, Person, RestorePoint
from bot.planner import Planner
from bot.presses import Click, Press
from bot.run import Run
from storage.claims import Claims
from storage.database import open_database, sqlite_url, upgrade
from storage.runs import Store, open_store
from storage.tables import runs
from tests.bot.scripted import ENTITLED, HandClock, Journal, Register, Scripted, World
from tests.bot.stories import T0
from tests.people import ANA, BEN, CY
from tests.storage import golden
from tests.storage.conftest import FRONT
from tests.storage.told import press

LEASE = timedelta(seconds=15)
KNOWN = load(golden.CONFIGURATION, definitions())
Said = tuple[Person, Press, str]  # who, what, and the answer

AGAIN = (BEN, presses.RETRY, "")
ANA_GOES_ON = (ANA, presses.CONTINUE, "")
BEN_GOES_ON = (BEN, presses.CONTINUE, "")
NO = (BEN, presses.CANCEL, "")

# By the story that a file tells and by target: what people say next, and the state that it leads to.
GOES: dict[tuple[str, str], tuple[tuple[Said, ...], str]] = {
    ("0003", "requested"): ((), "awaiting_approval"),
    ("0003", "planned"): ((NO,), "cancelled"),  # its card was never posted
    ("0003", "posted"): (((CY, presses.APPROVE, ""),), "succeeded"),
    ("0003", "approved"): ((), "succeeded"),
    ("0003", "agreed-long-ago"): ((), "expired"),
    ("0003", "running-prepare"): ((), "succeeded"),
    ("0003", "running-undo-point"): ((), "succeeded"),
    ("0003", "running-maintenance"): ((), "succeeded"),
    ("0003", "running-intent"): ((), "succeeded"),
    ("0003", "running-restore"): ((), "succeeded"),
    ("0003", "running-reviewed"): ((), "succeeded"),
    ("0003", "running-stop"): ((), "paused"),
    ("0003", "running-verify"): ((), "succeeded"),
    ("0003", "running-finish"): ((), "succeeded"),
    ("0003", "paused-checkpoint"): ((BEN_GOES_ON,), "succeeded"),
    ("0003", "paused-loss"): ((AGAIN,), "succeeded"),
    ("0003", "paused-step-failed"): ((AGAIN,), "succeeded"),
    ("0003", "paused-stopped"): ((BEN_GOES_ON,), "succeeded"),
    ("0003", "paused-as-before"): ((AGAIN,), "succeeded"),
    ("0003", "paused-outgrown"): ((AGAIN,), "succeeded"),
    ("0003", "paused-checks"): ((BEN_GOES_ON,), "succeeded"),  # the second of two people
    ("0003", "paused-halted"): ((AGAIN,), "succeeded"),
    ("0003", "paused-finish"): ((AGAIN,), "succeeded"),
    ("0003", "stuck-undo-point"): ((AGAIN,), "succeeded"),
    ("0003", "stuck-maintenance"): ((AGAIN,), "succeeded"),
    ("0003", "stuck-restore"): (((BEN, presses.RESOLVE, "point"),), "succeeded"),  # the second of two people
    ("0003", "stuck-doubted"): ((AGAIN,), "succeeded"),
    ("0003", "stuck-finish"): ((AGAIN,), "succeeded"),
    ("0003", "failed-undone"): ((NO,), "cancelled"),
    ("0003", "running-copied"): ((), "succeeded"),
    ("0003", "cancelled-copied"): ((), "cancelled"),
    ("0003", "running-drill"): ((), "succeeded"),
    ("0003", "running-snapshot"): ((), "succeeded"),
    ("0003", "succeeded-snapshot"): ((AGAIN,), "succeeded"),
    ("0003", "running-backup"): ((), "succeeded"),
    ("0003", "failed-in-maintenance"): ((ANA_GOES_ON, BEN_GOES_ON), "failed"),
    ("0003", "failed-proposed"): ((BEN_GOES_ON,), "failed"),  # the second of two people
    ("0003", "failed-agreed"): ((), "failed"),
    ("0003", "failed-leaving"): ((), "failed"),
    ("0003", "failed-lost"): ((ANA_GOES_ON, BEN_GOES_ON), "failed"),
    ("0003-restored", "put-back-running"): (
        ((ANA, presses.RESOLVE, "point"), (BEN, presses.RESOLVE, "point")),
        "succeeded",
    ),
    ("0003-restored", "put-back-paused"): (
        ((ANA, presses.RESOLVE, "unchanged"), (BEN, presses.RESOLVE, "unchanged"), (BEN, presses.STOP, "")),
        "failed",
    ),
    ("0003-restored", "put-back-stuck"): (((BEN, presses.RESOLVE, "point"),), "succeeded"),
    ("0003-restored", "put-back-verified"): (
        ((ANA, presses.RESOLVE, "point"), (BEN, presses.RESOLVE, "point")),
        "succeeded",
    ),
    ("0003-restored", "put-back-told"): ((), "succeeded"),
    ("0003-restored", "put-back-unchanged"): (((BEN, presses.STOP, ""),), "failed"),
    ("0003-restored", "put-back-leaving"): ((ANA_GOES_ON, BEN_GOES_ON), "failed"),
    ("0003-restored", "put-back-failed"): ((ANA_GOES_ON, BEN_GOES_ON), "failed"),
    ("0003-restored", "running-restore"): ((), "succeeded"),
    ("0003-restored", "posted"): (((BEN, presses.APPROVE, ""),), "succeeded"),
}
NEVER_ARRIVED = {  # what was announced last in these; everything else that was begun is done by now
    "running-maintenance",
    "running-intent",
    "running-finish",
    "paused-as-before",
    "paused-outgrown",
    "failed-leaving",
    "cancelled-copied",
}


DRIVEN = tuple(name for name in golden.EVERY if name != "0001" and not golden.was_put_back(name))


NOT_PINNED = ("0003", "0003-facts", "0003-restored", "0003-facts-restored")  # plans of before pin nothing
UNDER_SUCH_A_PLAN = {"planned", "posted", "approved", "agreed-long-ago", "failed-undone"}  # nothing was begun


def goes(name: str, target: str) -> tuple[tuple[Said, ...], str]:
    """Returns what people say next about a run, and the state that it leads to."""
    if name in NOT_PINNED and target in UNDER_SUCH_A_PLAN:
        return (), "void"
    return GOES[story_of(name), target]


def story_of(name: str) -> str:
    """Returns the file whose rows of `GOES` hold: later files leave the runs of a target where it did."""
    return "0003-restored" if name.endswith("-restored") else "0003"


def rows_of(name: str) -> list[tuple[str, str]]:
    targets = {row["target"] for row in golden.written(name)["runs"]}
    return [(name, target) for story, target in GOES if story == story_of(name) and target in targets]


every_run = pytest.mark.parametrize(("name", "target"), [row for name in DRIVEN for row in rows_of(name)])


class Upgraded:
    """A golden file under the version of today, with a world that stands where its runs have left it."""

    def __init__(self, store: Store, name: str, clock: HandClock) -> None:
        self.store = store
        self.clock = clock
        self.rows = golden.written(name)["run_events"]
        self.journal = Journal()
        self.world = World(KNOWN, self.journal, clock)

    async def newest_of(self, target: str) -> Run:
        newest = select(runs.c.run_id).where(runs.c.target == target).order_by(runs.c.number.desc()).limit(1)
        async with self.store.database.read() as connection:
            return await self.store.load(str(await connection.scalar(newest)))

    async def hears(self, run: Run, said: tuple[Said, ...]) -> Run:
        for who, wanted, answer in said:
            click = Click(why="seen", answer=answer, code=run.code[:4])
            assert presses.why_not(wanted, run, who, ENTITLED, click, self.clock()) is None
            run = await press(self.store, run, who, wanted, click, self.clock())
        return run

    async def drives(self, run: Run) -> Run:
        """Returns the run as it is when nothing is to be done about it."""
        claim = await Claims(self.store).claim(run.id, self.clock(), LEASE)
        if claim is None:
            return run
        planner = Planner(KNOWN, self.store, self.world, self.clock)
        engine = Engine(
            KNOWN, self.store, self.world, planner, Register(), [FRONT.public], self.clock, self.clock.sleep
        )
        return await engine.drive(claim)

    def told(self, run: Run) -> list[dict[str, Any]]:
        """Returns the data of its events, as stored: no noun of ours is trusted here."""
        return [row["data"] for row in self.rows if row["run_id"] == run.id]

    def begun(self, run: Run) -> list[dict[str, Any]]:
        return [data for data in self.told(run) if "op" in data]

    def arrived(self, run: Run) -> list[dict[str, Any]]:
        """Returns the intents of what is done by now."""
        begun = self.begun(run)
        return begun[:-1] if run.request.target in NEVER_ARRIVED else begun

    def stands(self, run: Run, said: tuple[Said, ...]) -> None:
        """Puts the backends of a run where they were left, and does what was begun at them."""
        told = self.told(run)
        answers = {data.get("answer") for data in told} | {answer for _, _, answer in said}
        for leg in next((data["plan"]["legs"] for data in told if "plan" in data), ()):
            backend = self.world.backends[leg["target"]]
            backend.loss = codec.load(Loss, leg["loss"])
            backend.offered[leg["point"]["id"]] = RestorePoint(leg["point"]["id"], T0)
            backend.live = (leg["point"] if "point" in answers else leg["current"])["id"]
        for intent in self.begun(run):
            self.operation(intent).place = intent.get("place")
        for intent in self.arrived(run):
            self.does(intent)

    def operation(self, intent: dict[str, Any]) -> Scripted:
        do, target = Do(intent["do"]), intent["target"]
        if do in MAINTENANCE:
            return self.world.maintenance(target, do)
        return self.world.backends[target].part(do)

    def does(self, intent: dict[str, Any]) -> None:
        op, backend = intent["op"], self.world.backends[intent["target"]]
        self.operation(intent).fates[op] = Fate.DONE
        if intent["do"] == Do.RESTORE:
            backend.live = intent["point"]
        if intent["do"] == Do.PREPARE:
            backend.copies.append(f"copy-{op}")
        if intent["do"] == Do.SAVE:
            backend.saving.kept[op] = backend.offered["undo-v42"] = RestorePoint("undo-v42", T0)


Open = Callable[[str], Coroutine[Any, Any, Upgraded]]


@pytest.fixture(scope="session")
def brought_up_to_date(
    golden_files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Returns a golden file after the upgrade, which is made once."""
    folder = tmp_path_factory.mktemp("upgraded")

    async def made(path: Path) -> None:
        database = open_database(sqlite_url(path))
        await upgrade(database)
        await database.close()

    @cache
    def upgraded(name: str) -> Path:
        path = folder / f"{name}.db"
        shutil.copy(golden_files[name], path)
        asyncio.run(made(path))
        return path

    return upgraded


@pytest.fixture
async def opened(brought_up_to_date: Callable[[str], Path], tmp_path: Path) -> AsyncIterator[Open]:
    """Opens a golden file a minute after its newest entry."""
    database = open_database(sqlite_url(tmp_path / "rollback.db"))

    async def opens(name: str) -> Upgraded:
        shutil.copy(await asyncio.to_thread(brought_up_to_date, name), tmp_path / "rollback.db")
        store, clock = await open_store(database, FRONT, T0), HandClock()
        clock.now = (await store.newest_time() or T0) + timedelta(seconds=60)
        return Upgraded(store, name, clock)

    yield opens
    await database.close()


def effect(intent: dict[str, Any]) -> str:
    """Returns what the journal of the scripted world says of a restore or an undo point."""
    target, point = intent["target"], intent["point"]
    return f"RESTORE {target} {point}" if intent["do"] == Do.RESTORE else f"SAVE {target}"


@every_run
async def test_what_an_earlier_version_has_left_goes_on(opened: Open, name: str, target: str) -> None:
    old, (said, to) = await opened(name), goes(name, target)
    run = await old.newest_of(target)
    old.stands(run, said)
    run = await old.drives(await old.hears(run, said))
    assert (run.state.value, run.work.in_maintenance) == (to, False), run.why


@every_run
async def test_what_was_restored_or_saved_before_the_upgrade_is_not_again(
    opened: Open, name: str, target: str
) -> None:
    old, (said, _) = await opened(name), goes(name, target)
    run = await old.newest_of(target)
    old.stands(run, said)
    done = {effect(intent) for intent in old.arrived(run) if intent["do"] in {Do.RESTORE, Do.SAVE}}
    await old.drives(await old.hears(run, said))
    assert done & set(old.journal.entries) == set()


async def test_what_another_worker_announced_before_the_upgrade_is_not_begun_here(opened: Open) -> None:
    old = await opened("0003")
    run = await old.newest_of("running-intent")
    old.stands(run, ())
    old.world.backends[run.request.target].place = "another"
    run = await old.drives(run)
    assert (run.state.value, old.journal.entries) == ("stuck", [])


@pytest.mark.parametrize("name", DRIVEN)
def test_every_run_that_can_go_on_is_in_the_table(name: str) -> None:
    runs = golden.written(name)["runs"]
    left = {row["target"] for row in runs if not row["final"] or row["wants_driving"]}
    assert left <= {target for _, target in rows_of(name)}


def test_every_row_of_the_table_is_of_a_run() -> None:
    assert GOES.keys() == {(story_of(name), target) for name in DRIVEN for _, target in rows_of(name)}
