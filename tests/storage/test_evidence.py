"""The one gapless log: complete, in order, each entry naming the one before, and no change unnoticed."""

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import text

from bot.event_kinds import EventKind as E
from storage.evidence import FIRST_PREV, first_break, link
from storage.runs import Store
from storage.transaction import TargetTaken, Transaction
from tests.bot.stories import T0, happened, later
from tests.people import ANA, BEN
from tests.storage.told import approved, ask, driven, rows, tell


async def log(store: Store) -> list[dict[str, Any]]:
    return await rows(store, "select * from evidence order by n")


async def broken(store: Store) -> int | None:
    async with store.database.snapshot() as connection:
        return await first_break(connection)


async def tamper(store: Store, statement: str, **values: object) -> None:
    await store.database.write(lambda connection: connection.execute(text(statement), values))


async def test_every_event_is_an_entry_in_the_same_order(store: Store) -> None:
    await driven(store)
    events = await store.events("RB-1")
    entries = await log(store)
    assert [(row["kind"], row["by"], json.loads(row["body"])["seq"]) for row in entries] == [
        (event.kind.value, event.by, event.seq) for event in events
    ]


async def test_an_entry_holds_all_that_was_said(store: Store) -> None:
    await tell(store, await ask(store), E.CANCELLED, ANA, why="never mind")
    event, entry = (await store.events("RB-1"))[-1], (await log(store))[-1]
    assert json.loads(entry["body"]) == {
        "n": 2,
        "at": "2026-11-22T03:02:01.000Z",
        "kind": "cancelled",
        "run": "RB-1",
        "by": ANA.id,
        "seq": 2,
        "data": {"marks": sorted(ANA.marks), "why": "never mind"},
        "signature": event.signature,
    }


async def test_entries_are_gapless_and_name_the_one_before(store: Store) -> None:
    await asyncio.gather(*(ask(store, f"t{n}") for n in range(10)))
    await driven(store)
    entries = await log(store)
    assert [row["n"] for row in entries] == list(range(1, len(entries) + 1))
    assert [row["prev"] for row in entries] == [FIRST_PREV, *(row["hash"] for row in entries[:-1])]
    assert all(row["hash"] == link(row["prev"], row["body"].encode()) for row in entries)
    assert await broken(store) is None


async def test_two_processes_write_one_chain(store: Store, beside: Store) -> None:
    await asyncio.gather(*(ask([store, beside][n % 2], f"t{n}") for n in range(20)))
    assert len(await log(store)) == 20
    assert await broken(store) is None


async def test_what_was_not_stored_left_no_entry(store: Store) -> None:
    await ask(store)
    with pytest.raises(TargetTaken):
        await ask(store)
    assert [row["kind"] for row in await log(store)] == ["requested"]
    assert await broken(store) is None


async def test_an_entry_that_cannot_be_written_takes_its_event_with_it(store: Store) -> None:
    run = await ask(store)

    async def half(change: Transaction) -> None:
        await change.append(run, (happened(E.CANCELLED, T0, ANA.id),))
        change.note("press_refused", T0, BEN.id, {"seconds": float("nan")})  # JSON has no such number

    with pytest.raises(ValueError, match="JSON"):
        await store.change(half)
    assert await store.load("RB-1") == run
    assert len(await log(store)) == 1


async def test_a_refusal_is_an_entry_beside_the_run(store: Store) -> None:
    await ask(store)
    await store.note("press_refused", later(5), BEN.id, {"press": "approve", "why": "…"}, run_id="RB-1")
    entry = (await log(store))[-1]
    assert (entry["kind"], entry["run_id"], entry["by"]) == ("press_refused", "RB-1", BEN.id)
    assert json.loads(entry["body"])["press"] == "approve"


async def test_what_an_entry_tells_cannot_hide_what_it_is(store: Store) -> None:
    await store.note("press_refused", T0, BEN.id, {"kind": "approved", "by": ANA.id, "n": 99, "run": "RB-9"})
    body = json.loads((await log(store))[-1]["body"])
    assert (body["kind"], body["by"], body["n"], body["run"]) == ("press_refused", BEN.id, 1, None)


async def test_what_stays_so_is_noted_once(store: Store) -> None:
    for digest in ("a", "a", "b", "a"):
        await store.note_if_new("configuration", T0, {"digest": digest})
    assert [json.loads(row["body"])["digest"] for row in await log(store)] == ["a", "b", "a"]


async def test_two_processes_that_start_at_once_note_it_once(store: Store, beside: Store) -> None:
    for n in range(20):
        both = (one.note_if_new("configuration", T0, {"digest": n}) for one in (store, beside))
        await asyncio.gather(*both)
    assert [json.loads(row["body"])["digest"] for row in await log(store)] == list(range(20))


async def test_an_empty_log_is_whole(store: Store) -> None:
    assert await broken(store) is None


TAMPERED = {
    "an entry is changed": "update evidence set body = replace(body, 'U01BEN', 'U01EVE') where n = 4",
    "an entry is changed, and its hash is forgotten": "update evidence set body = '{}' where n = 4",
    "a hash is changed": "update evidence set hash = prev where n = 4",
    "a link is changed": "update evidence set prev = hash where n = 4",
    "an entry is taken away": "delete from evidence where n = 4",
    "who it says it was is changed": "update evidence set by = 'U01EVE' where n = 4",
    "when it says it was is changed": "update evidence set at = '2020-01-01T00:00:00.000Z' where n = 4",
    "what it says it was is changed": "update evidence set kind = 'vetoed' where n = 4",
    "which run it says it was of is changed": "update evidence set run_id = 'RB-9' where n = 4",
    "an entry is moved": "update evidence set n = 40 where n = 4",
}


@pytest.mark.parametrize("how", TAMPERED)
async def test_a_change_is_found_where_it_was_made(store: Store, how: str) -> None:
    await approved(store)
    await tamper(store, TAMPERED[how])
    assert await broken(store) == 4


async def test_a_cut_tail_is_found_as_long_as_the_head_stands(store: Store) -> None:
    await approved(store)
    await tamper(store, "delete from evidence where n = 5")
    assert await broken(store) == 5


async def test_an_entry_that_was_put_behind_the_head_is_found(store: Store) -> None:
    await approved(store)
    await tamper(store, "update evidence_head set n = 4, hash = (select hash from evidence where n = 4)")
    assert await broken(store) == 6
