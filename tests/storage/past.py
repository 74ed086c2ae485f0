"""What a database holds after years: runs that ended, and runs that wait for people.

Those that wait are told to the store. Those that ended are copies of one that was: the same rows that the
store writes, signed for their own run and linked into the chain of evidence, inserted many at a time.
"""

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Engine, RowMapping, insert, select, update
from sqlalchemy.engine import Connection

from bot.canonical_json import canonical, from_iso
from bot.envelope import Event
from bot.event_kinds import EventKind
from bot.model import Person
from bot.signatures import Signer, statement
from storage.database import open_database
from storage.evidence import link
from storage.runs import Store, open_store
from storage.tables import cards, evidence, evidence_head, installation, run_events, runs
from storage.transaction import Opening, Transaction
from tests.bot.stories import T0, happened, plan_data, requested
from tests.people import ANA, CHANNEL
from tests.storage.told import driven, plan_for

AT_ONCE = 200  # runs
POSTED = {"channel": CHANNEL, "ts": "1.0", "drawn": "as it is", "drawn_at": "2026-11-22T10:00:00.000Z"}


async def write_finished(url: str, looking: Engine, signer: Signer, count: int) -> None:
    """Writes `count` more runs that succeeded. `looking`: another way into the same database."""
    database = open_database(url)
    store = await open_store(database, signer, T0)
    run = await driven(store)
    await database.close()
    with looking.begin() as connection:
        connection.execute(update(cards).where(cards.c.run_id == run.id).values(**POSTED))
        connection.execute(update(runs).where(runs.c.run_id == run.id).values(shown_seq=runs.c.seq))
    with looking.begin() as connection:
        original = _read(connection, run.id, run.approval.digest)
        copier = _Copier(connection, original, store.installation, signer)
    numbers = iter(range(original.number + 1, original.number + count))
    while part := list(islice(numbers, AT_ONCE)):
        with looking.begin() as connection:
            copier.copy(connection, part)


@dataclass(frozen=True, slots=True)
class _Original:
    digest: str
    number: int
    run: RowMapping
    events: tuple[RowMapping, ...]
    cards: tuple[RowMapping, ...]


def _read(connection: Connection, run_id: str, digest: str) -> _Original:
    run = connection.execute(select(runs).where(runs.c.run_id == run_id)).mappings().one()
    told = select(run_events).where(run_events.c.run_id == run_id).order_by(run_events.c.seq)
    posted = select(cards).where(cards.c.run_id == run_id)
    return _Original(
        digest,
        run["number"],
        run,
        tuple(connection.execute(told).mappings()),
        tuple(connection.execute(posted).mappings()),
    )


class _Copier:
    def __init__(
        self, connection: Connection, original: _Original, installation_id: str, signer: Signer
    ) -> None:
        head = connection.execute(select(evidence_head)).one()
        self._n, self._hash = head.n, head.hash
        self._original = original
        self._installation = installation_id
        self._signer = signer

    def copy(self, connection: Connection, numbers: Iterable[int]) -> None:
        """All of these in the transaction of `connection`."""
        copies = [(n, f"RB-{n}") for n in numbers]
        original = self._original
        connection.execute(
            insert(runs), [{**original.run, "run_id": run_id, "number": n} for n, run_id in copies]
        )
        events = [row for _, run_id in copies for row in self._events(run_id)]
        connection.execute(insert(run_events), events)
        connection.execute(insert(evidence), [self._entry(row) for row in events])
        posted = [
            {**card, "run_id": run_id, "key": secrets.token_hex(6)}
            for _, run_id in copies
            for card in original.cards
        ]
        connection.execute(insert(cards), posted)
        connection.execute(update(evidence_head).values(n=self._n, hash=self._hash))
        connection.execute(update(installation).values(runs=copies[-1][0]))

    def _events(self, run_id: str) -> Iterator[dict[str, Any]]:
        for row in self._original.events:
            signature = self._signed(run_id, row) if row["signature"] else ""
            yield {**row, "run_id": run_id, "signature": signature}

    def _signed(self, run_id: str, row: RowMapping) -> str:
        event = happened(row["kind"], from_iso(row["at"]), row["by"], row["data"], row["seq"])
        digest = "" if event.kind is EventKind.REQUESTED else self._original.digest
        assert event.stored is not None
        return self._signer.sign(statement(self._installation, run_id, digest, event, event.stored))

    def _entry(self, row: dict[str, Any]) -> dict[str, Any]:
        self._n += 1
        about = {"n": self._n, "at": row["at"], "kind": row["kind"], "by": row["by"]}
        told = {"seq": row["seq"], "data": row["data"], "signature": row["signature"]}
        body = canonical({**told, **about, "run": row["run_id"]})
        prev, self._hash = self._hash, link(self._hash, body)
        linked = {"body": body.decode(), "prev": prev, "hash": self._hash}
        return {**about, **linked, "run_id": row["run_id"]}


async def write_waiting(url: str, signer: Signer, count: int, now: datetime) -> None:
    """Writes `count` more runs that wait for an approval, each for its own target, their cards posted."""
    database = open_database(url)
    store = await open_store(database, signer, now)
    targets = iter([f"waiting-{n}" for n in range(count)])
    while part := list(islice(targets, AT_ONCE)):
        await _wait(store, part, now)
    await database.close()


async def _wait(store: Store, targets: Iterable[str], now: datetime) -> None:
    async def work(change: Transaction) -> None:
        for n, target in enumerate(targets):
            asks = replace(ANA, human=f"{ANA.human}-{n}")
            run = await change.open(Opening(_asked(asks, target, now), (target,), CHANNEL))
            run = await change.append(run, (happened(EventKind.PLANNED, now, "", plan_data(plan_for(run))),))
            await change.append(
                run, (happened(EventKind.POSTED, now, "", {"channel": CHANNEL, "ts": "1.0"}),)
            )
        await change.connection.execute(update(cards).where(cards.c.ts.is_(None)).values(**POSTED))
        behind = update(runs).where(runs.c.shown_seq < runs.c.seq)
        await change.connection.execute(behind.values(shown_seq=runs.c.seq))

    await store.change(work)


def _asked(asks: Person, target: str, now: datetime) -> Event:
    return requested(asks, now, target=target)
