"""What an earlier version of this program has written, at each state of a run, goes on after the upgrade.

The files in `golden` hold every row of databases that earlier versions' own code has written.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest

from bot import machine, presses
from bot.canonical_json import canonical, from_iso, iso
from bot.codec import decode, events_schema
from bot.envelope import Stored
from bot.event_kinds import EventKind
from bot.model import State
from bot.presses import Click
from bot.run import Run
from bot.signatures import why_not_signed
from storage.claims import Claims, Due
from storage.database import (
    HEAD,
    Database,
    open_database,
    revision,
    sqlite_url,
    upgrade,
    why_not_upgrade,
)
from storage.evidence import first_break
from storage.integrity import damage_of
from storage.looks import LookStore
from storage.restored import RestoredStore, confirm, restored
from storage.runs import Store, open_store
from storage.transaction import Repeated
from tests.bot.scripted import ENTITLED
from tests.bot.stories import T0, later
from tests.people import ANA, BEN
from tests.postgres import Databases
from tests.storage import golden
from tests.storage.conftest import FRONT
from tests.storage.told import ask, press, rows

PUT_BACK = tuple(name for name in golden.EVERY if golden.was_put_back(name))  # read only until confirmed
IN_USE = tuple(name for name in golden.EVERY if name not in PUT_BACK)
SIGNED_AS_TODAY = tuple(name for name in IN_USE if name != "0001")  # the first version signed less of a word
OLDER = tuple(name for name in golden.EVERY if golden.revision_of(name) != HEAD)
LONG_AFTER = T0 + timedelta(days=30)  # whatever lease a file holds is over
NEXT = {  # what people say, by the state that waits for them
    "awaiting_approval": (presses.CANCEL, Click()),
    "paused": (presses.STOP, Click()),
    "stuck": (presses.RESOLVE, Click(answer="unclear")),
}
in_use = pytest.mark.parametrize("name", IN_USE, indirect=True)


@pytest.fixture(params=golden.EVERY)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["sqlite", "postgres"])
async def old(
    request: pytest.FixtureRequest, name: str, golden_files: dict[str, Path], tmp_path: Path
) -> AsyncIterator[Database]:
    """A database as that version has left it."""
    with ExitStack() as stack:
        if request.param == "postgres":
            server: Databases = request.getfixturevalue("server")
            url = stack.enter_context(server.fresh())
            await asyncio.to_thread(golden.write, name, url)
        else:
            url = sqlite_url(tmp_path / "rollback.db")
            shutil.copy(golden_files[name], tmp_path / "rollback.db")
        database = open_database(url)
        yield database
        await database.close()


async def upgraded(old: Database, name: str) -> Store:
    assert await revision(old) == golden.revision_of(name)
    await upgrade(old)
    assert await revision(old) == HEAD
    return await open_store(old, FRONT, T0)


def ends_by_upgrade(run: Run) -> bool:
    """Whether it waits under a plan that pins nothing: a worker ends it before anybody presses."""
    return run.state is State.AWAITING_APPROVAL and not run.approval.plan.pins


@pytest.mark.parametrize(("name", "asks"), [("0003", True), (golden.NEWEST, False)])
async def test_an_upgrade_asks_first_where_it_would_end_what_waits(
    golden_files: dict[str, Path], tmp_path: Path, name: str, asks: bool
) -> None:
    shutil.copy(golden_files[name], tmp_path / "rollback.db")
    database = open_database(sqlite_url(tmp_path / "rollback.db"))
    assert bool(await why_not_upgrade(database, may_end_runs=False)) is asks
    assert await why_not_upgrade(database, may_end_runs=True) is None
    await database.close()


async def test_every_run_is_what_it_was(old: Database, name: str) -> None:
    store = await upgraded(old, name)
    for row in golden.written(name)["runs"]:
        run = await store.load(row["run_id"])
        due = machine.due_at(run)
        assert {
            "state": run.state.value,
            "phase": run.phase.value if run.phase else None,
            "seq": run.seq,
            "wants_driving": machine.wants_driving(run) and not ends_by_upgrade(run),
            "due_at": iso(due) if due else None,
        } == {known: row.get(known) for known in ("state", "phase", "seq", "wants_driving", "due_at")}


@pytest.mark.parametrize("name", golden.EVERY)
def test_a_database_is_dumped_as_the_lines_of_its_golden_file(
    golden_files: dict[str, Path], name: str
) -> None:
    lines = [json.loads(line) for line in golden.dumped(f"sqlite:///{golden_files[name]}")]
    assert sorted(lines, key=canonical) == sorted(golden.lines(name), key=canonical)


async def test_a_run_of_every_state_was_written() -> None:
    assert {row["state"] for row in golden.written("0001")["runs"]} == {state.value for state in State}


async def test_a_run_in_every_place_of_the_table_was_written() -> None:
    written = [row for name in golden.EVERY for row in golden.written(name)["runs"]]
    known = {(state.value, phase and phase.value) for state, phase in machine.TABLE}
    assert {(row["state"], row.get("phase")) for row in written} == known


async def test_an_event_of_every_kind_is_read_from_what_was_written() -> None:
    written = [row for name in golden.EVERY for row in golden.written(name)["run_events"]]
    read = {decode(Stored(row["kind"], row["data"]), row["by"], from_iso(row["at"])).kind for row in written}
    assert read == set(EventKind)


def test_every_event_that_was_written_fits_the_schema_that_is_printed(name: str) -> None:
    printed = jsonschema.Draft202012Validator(events_schema())
    events = golden.written(name)["run_events"]
    assert [each for each in events if not printed.is_valid(each)] == []


@pytest.mark.parametrize("name", SIGNED_AS_TODAY, indirect=True)
async def test_every_word_of_a_person_still_carries_its_signature(old: Database, name: str) -> None:
    store = await upgraded(old, name)
    for row in golden.written(name)["runs"]:
        assert None in [await why_not_believed(store, row["run_id"], had) for had in names_of(name)]


def names_of(name: str) -> list[str]:
    """Returns the installation's name, and those it had: words of a run that had ended stay with theirs."""
    written = golden.written(name)
    bodies = [json.loads(row["body"]) for row in written["evidence"] if row["kind"] == "database_restored"]
    return [written["installation"][0]["id"], *(body["before"] for body in bodies)]


async def why_not_believed(store: Store, run_id: str, installation: str) -> str | None:
    run, said = await store.load(run_id), await store.events(run_id)
    return why_not_signed(installation, run, said, [FRONT.public])


def test_every_open_run_is_driven_or_waits_for_people() -> None:
    written = [row for name in golden.EVERY for row in golden.written(name)["runs"]]
    assert {row["state"] for row in written if not row["final"] and not row["wants_driving"]} == NEXT.keys()


@in_use
async def test_every_run_that_has_to_be_driven_can_be_claimed(old: Database, name: str) -> None:
    store = await upgraded(old, name)
    waiting = [row["run_id"] for row in golden.written(name)["runs"] if row["wants_driving"]]
    assert waiting
    for run_id in waiting:
        assert await Claims(store).claim(run_id, LONG_AFTER, timedelta(seconds=15)) is not None


@in_use
async def test_every_run_that_waits_for_people_takes_their_next_word(old: Database, name: str) -> None:
    store = await upgraded(old, name)
    waiting = [row for row in golden.written(name)["runs"] if row["state"] in NEXT]
    assert waiting
    for row in waiting:
        run = await store.load(row["run_id"])
        wanted, click = NEXT[row["state"]]
        assert presses.why_not(wanted, run, BEN, ENTITLED, click, later(10_000)) is None
        moved = await press(store, run, BEN, wanted, click, later(10_000))
        assert moved.seq == run.seq + 1
        assert await store.load(run.id) == moved


async def test_locks_holds_and_cards_are_what_they_were(old: Database, name: str) -> None:
    store, written = await upgraded(old, name), golden.written(name)
    locks = {row["target"]: row["run_id"] for row in written["target_locks"]}
    assert await store.open_runs() == locks
    held = [row for row in written.get("holds", ()) if "lifted_at" not in row]
    assert len(await store.holds([row["target"] for row in held])) == len(held)
    for row in written["cards"]:
        found = await rows(store, f"select * from cards where key = '{row['key']}'")
        assert {name: value for name, value in found[0].items() if value is not None} == row


async def test_a_delivery_that_had_its_effect_has_it_no_second_time(old: Database, name: str) -> None:
    store = await upgraded(old, name)
    for row in golden.written(name).get("deliveries", ()):
        with pytest.raises(Repeated):
            await store.heard(row["key"])


@pytest.mark.parametrize("name", ["0003", "0003-facts"], indirect=True)
async def test_a_look_and_the_form_that_waits_for_it_are_what_they_were(old: Database, name: str) -> None:
    await upgraded(old, name)
    looks = LookStore(old)
    (modal,) = await looks.waiting_modals()
    assert modal.look_id in {look.id for look in await looks.unanswered()}
    assert await looks.want("approved", {}, later(10_000)) == len(golden.written(name)["looks"]) + 1


async def test_the_log_still_holds_and_goes_on(old: Database, name: str) -> None:
    store = await upgraded(old, name)
    await store.note("press_refused", later(10_000), ANA.id, {})
    async with old.snapshot() as connection:
        assert await first_break(connection) is None


async def test_no_damage_is_found(old: Database, name: str) -> None:
    await upgraded(old, name)
    assert await damage_of(old, fully_up_to=None) is None


@in_use
async def test_the_next_run_takes_the_next_number(old: Database, name: str) -> None:
    store = await upgraded(old, name)
    written = golden.written(name)
    newest = written["installation"][0].get("runs", len(written["runs"]))  # the first version counted rows
    assert (await ask(store, "somewhere new")).id == f"RB-{newest + 1}"


@pytest.mark.parametrize("name", PUT_BACK, indirect=True)
async def test_what_was_put_back_is_still_read_only(old: Database, name: str) -> None:
    await upgraded(old, name)
    told = await restored(old)
    assert told is not None
    store = RestoredStore(old, told.installation, None)
    assert await Claims(store).due(later(10_000)) == Due()


@pytest.mark.parametrize("name", PUT_BACK, indirect=True)
async def test_what_was_put_back_can_be_confirmed(old: Database, name: str) -> None:
    store = await upgraded(old, name)
    moved = await confirm(old, 40, later(10_000), "operator")
    assert [(run.request.target, run.state.value) for run in moved] == [
        ("put-back-approved", "void"),
        ("requested", "void"),
        ("put-back-running", "stuck"),
    ]
    assert [await why_not_believed(store, run.id, store.installation) for run in moved] == [None, None, None]
    assert (await ask(store, "somewhere new")).id == "RB-41"


@pytest.mark.parametrize("name", OLDER)
async def test_a_file_that_was_upgraded_has_its_copy_aside(name: str, tmp_path: Path) -> None:
    path = tmp_path / "rollback.db"
    await asyncio.to_thread(golden.write, name, f"sqlite:///{path}")
    database = open_database(sqlite_url(path))
    await upgrade(database)
    await database.close()
    aside = open_database(sqlite_url(path.with_suffix(f".before-{HEAD}.db")))
    assert await revision(aside) == golden.revision_of(name)
    await aside.close()
