"""`POST /hooks/changes`: who may tell what, how often it counts, what a card says, when a drill follows."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DataError

from bot.canonical_json import iso
from bot.duties import Duty
from bot.outside import OutsideChange
from handlers.web.inbox import Inbox
from storage.changes import ChangeStore, ToldChange
from storage.duty_rows import duty_in
from storage.tables import changes, duties
from tests.handlers.conftest import Open
from tests.handlers.test_drills import DRILLED, back_up, make_orders
from tests.handlers.test_reminders import HOURS, reminded, ticks
from tests.handlers.web.browsing import Answer, ask
from tests.handlers.world import World

TOKEN, OTHER = "k3y-of-the-deployer-0001", "k3y-of-the-importer-0002"
TOLD = (
    DRILLED.replace(
        "drill: {{mode: beside}}", "owner: U01DORA\n    drill: {{mode: beside, after: significant}}"
    )
    + HOURS
    + """
hooks:
  deployer: {{token: {{file: deployer.token}}}}
  importer: {{token: {{file: importer.token}}, targets: [shop]}}
significant:
  - {{target: orders, kind: migration}}
  - {{path: "schema/*"}}
  - {{kind: deploy, size: 500}}
"""
)


@pytest.fixture
async def told(open_world: Open, tmp_path: Path) -> World:
    make_orders(tmp_path)
    (tmp_path / "deployer.token").write_text(f"{TOKEN}\n")
    (tmp_path / "importer.token").write_text(OTHER)
    return await open_world(TOLD)


async def tell(world: World, said: object, token: str = TOKEN, **headers: str) -> Answer:
    data = said if isinstance(said, bytes) else json.dumps(said).encode()
    sent = {"Authorization": f"Bearer {token}", **headers}
    return await ask(world, "/hooks/changes", sent, method="POST", data=data)


def a_change(**fields: Any) -> dict[str, Any]:
    return {"target": "orders", "kind": "deploy", **fields}


async def kept(world: World) -> list[Mapping[str, Any]]:
    async with world.store.database.read() as connection:
        return [row._asdict() for row in await connection.execute(select(changes).order_by(changes.c.id))]


# Who may tell ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer \udcff\udcfe"},
    ],
    ids=["none", "wrong", "another scheme", "no scheme", "no text"],
)
async def test_without_a_token_of_a_source_nothing_is_read_or_kept(
    told: World, headers: dict[str, str]
) -> None:
    answer = await ask(told, "/hooks/changes", headers, method="POST", data=b'{"no": "json')
    assert answer.status == 401
    assert "`hooks`" in answer.body
    assert await kept(told) == []


async def test_without_hooks_in_the_configuration_there_is_no_such_address(world: World) -> None:
    assert (await tell(world, a_change(target="shop"))).status == 404


async def test_a_token_that_was_renewed_counts_at_once_and_the_old_one_no_more(told: World) -> None:
    (told.folder / "deployer.token").write_text("another-one-of-the-deployer")
    assert (await tell(told, a_change())).status == 401
    assert (await tell(told, a_change(), "another-one-of-the-deployer")).status == 202


async def test_a_token_that_is_too_short_is_none(told: World) -> None:
    (told.folder / "deployer.token").write_text("short")
    assert (await tell(told, a_change(), "short")).status == 401


async def test_a_source_tells_of_its_own_targets_only(told: World) -> None:
    answer = await tell(told, a_change(), OTHER)
    assert (answer.status, "may not tell of `orders`" in answer.body) == (400, True)
    assert (await tell(told, a_change(target="shop"), OTHER)).status == 202


# What may be told ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"{", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        ([], "a list of 100 at most"),
        ([a_change()] * 101, "a list of 100 at most"),
        ("deploy", "has to be an object"),
        ({"kind": "deploy"}, "`target`"),
        (a_change(target="order"), "there is no target `order`"),
        (a_change(knd="x"), "`knd`"),
        (a_change(at="yesterday"), "`at`"),
        (a_change(at="2026-11-22T10:00:00"), "`at`"),
        (a_change(label="x" * 201), "`label`"),
        (a_change(size=-1), "`size`"),
        (a_change(size=True), "`size`"),
        (a_change(label="a\x00b"), "`label`"),
        (a_change(kind="  "), "`kind`"),
        (a_change(at="0001-01-01T00:00:00+14:00"), "`at`"),
        (a_change(at="9999-12-31T23:59:59-12:00"), "`at`"),
        (a_change(paths=["x"] * 201), "`paths`"),
    ],
    ids=lambda value: str(value)[:24],
)
async def test_what_cannot_be_kept_is_refused_in_one_sentence(told: World, said: object, words: str) -> None:
    answer = await tell(told, said)
    assert answer.status == 400
    assert words in json.loads(answer.body)["error"]
    assert await kept(told) == []


async def test_what_is_too_large_is_not_read_to_its_end(told: World) -> None:
    answer = await tell(told, b"x" * (1_048_576 + 1))
    assert (answer.status, await kept(told)) == (413, [])


@pytest.mark.parametrize(("later", "words"), [(3_600.0, "in the future"), (-86_400.0 * 366, "over a year")])
async def test_a_moment_that_cannot_be_right_is_refused(told: World, later: float, words: str) -> None:
    at = told.clock() + timedelta(seconds=later)
    assert words in (await tell(told, a_change(at=iso(at)))).body


# How often it counts ---------------------------------------------------------------------------


async def test_a_delivery_counts_once(told: World) -> None:
    for _ in range(3):
        assert (await tell(told, a_change(id="build-7", label="v43"))).status == 202
    assert [(row["label"], row["times"]) for row in await kept(told)] == [("v43", 1)]


async def test_under_one_id_several_things_are_told_and_each_counts_once(told: World) -> None:
    said = [a_change(id="build-7", label="a"), a_change(id="build-7", label="b")]
    for _ in range(2):
        await tell(told, [*said, a_change(id="build-7", target="shop", label="a")])
    rows = {(row["target"], row["label"], row["times"]) for row in await kept(told)}
    assert rows == {("orders", "a", 1), ("orders", "b", 1), ("shop", "a", 1)}


async def test_what_differs_in_anything_is_not_counted_as_the_same(told: World) -> None:
    plain = a_change(label="v43")
    others: list[dict[str, Any]] = [
        {"author": "Cy"},
        {"paths": ["a.sql"]},
        {"size": 9},
        {"kind": "migration"},
    ]
    await tell(told, [plain, *(plain | other for other in others)])
    assert [row["times"] for row in await kept(told)] == [1] * 5


async def test_what_is_told_again_with_an_older_time_keeps_the_newer(told: World) -> None:
    await tell(told, a_change(label="v43"))
    (before,) = await kept(told)
    await tell(told, a_change(label="v43", at=iso(told.clock() - timedelta(hours=30))))
    (after,) = await kept(told)
    assert (after["at"], after["times"]) == (before["at"], 2)


async def test_a_flood_hides_no_significant_change(told: World) -> None:
    good = back_up(told.folder, 5, 10)
    await tell(told, [a_change(label=f"v{n}") for n in range(80)])
    await tell(told, a_change(kind="migration", label="0042", author="Cy"))
    await tell(told, [a_change(kind="config", label=f"c{n}") for n in range(80)])
    await told.asks(text=f"orders to {good} because totals are broken")
    assert "Changed since: migration 0042, Cy " in await told.shows("Changed since")


async def test_one_that_cannot_be_stored_takes_no_other_with_it(told: World) -> None:
    inbox = Inbox(Refusing(told.front.context.changes), told.clock)
    told_now = [
        ToldChange(OutsideChange("orders", told.clock(), "deploy", label)) for label in ("a", "bad", "c")
    ]
    answers = await asyncio.gather(*(inbox.take([one]) for one in told_now), return_exceptions=True)
    assert [type(answer).__name__ for answer in answers] == ["NoneType", "DataError", "NoneType"]
    assert {row["label"] for row in await kept(told)} == {"a", "c"}


class Refusing(ChangeStore):
    """A database that cannot hold one of them, as PostgreSQL may."""

    def __init__(self, others: ChangeStore) -> None:
        self._others = others

    async def hear(self, told: Sequence[ToldChange], now: datetime) -> int:
        if any(one.change.label == "bad" for one in told):
            raise DataError("insert", {}, ValueError("out of range"))
        return await self._others.hear(told, now)


async def test_the_same_told_again_within_a_minute_is_counted(told: World) -> None:
    for _ in range(3):
        await tell(told, [a_change(label="v43"), a_change(label="v44")])
    assert {(row["label"], row["times"]) for row in await kept(told)} == {("v43", 3), ("v44", 3)}


async def test_a_source_that_goes_wild_fills_no_disk(told: World) -> None:
    bursts = [[a_change(label=f"v{n}.{m}") for m in range(100)] for n in range(20)]
    answers = await asyncio.gather(*(tell(told, burst) for burst in bursts))
    assert {answer.status for answer in answers} == {202}
    rows = await kept(told)
    assert sum(row["times"] for row in rows) == 2_000
    assert len(rows) == 61


# What it is for --------------------------------------------------------------------------------


async def test_the_card_says_what_was_changed_since_the_restore_point(told: World) -> None:
    good = back_up(told.folder, 5, 10)
    await tell(told, a_change(kind="config", label="limits", author="Dan"))
    await tell(told, a_change(kind="migration", label="0042", author="Cy", paths=["schema/0042.sql"]))
    await told.asks(text=f"orders to {good} because totals are broken")
    card = await told.shows("Changed since")
    assert "Changed since: migration 0042, Cy " in card
    assert "1 more" in card


async def test_what_was_changed_before_it_is_not_said(told: World) -> None:
    good = back_up(told.folder, 0, 10)
    await tell(told, a_change(at=iso(told.clock() - timedelta(hours=30)), label="v1"))
    await told.asks(text=f"orders to {good} because totals are broken")
    assert "Changed since" not in await told.shows("PRODUCTION")


async def test_a_significant_change_makes_a_drill_due_and_its_owner_is_told_why(told: World) -> None:
    back_up(told.folder, 5, 10)
    await tell(told, a_change(kind="deploy", label="v43", size=3))
    assert await told.front.context.duties.all() == ()
    await tell(told, a_change(kind="migration", label="0042"))
    told.later(days=1)
    await ticks(told)
    message = await reminded(told, "1 drill is due")
    assert "after migration 0042" in message.plain()


async def test_what_makes_an_overdue_drill_more_urgent_is_said_as_well(told: World) -> None:
    back_up(told.folder, 5, 10)
    await tell(told, a_change(kind="migration", label="0042"))
    await tell(told, a_change(kind="migration", label="0043"))
    assert (await of_orders(told)).because == "migration 0042"


async def test_another_one_within_two_weeks_makes_it_due_no_sooner(told: World) -> None:
    back_up(told.folder, 5, 10)
    await tell(told, a_change(kind="migration", label="0042"))
    await told.says("dora", "drill orders")
    await told.reaches("succeeded")
    first = (await of_orders(told)).due_at
    assert (await of_orders(told)).done_at is not None
    told.later(days=3)
    await tell(told, a_change(kind="migration", label="0043"))
    (again,) = await told.front.context.duties.all()
    assert again.due_at - first == timedelta(days=14)
    assert again.because == "migration 0043"


async def of_orders(world: World) -> Duty:
    """What is due of its drills, or was."""
    async with world.store.database.read() as connection:
        (row,) = await connection.execute(select(duties))
        return duty_in(row)


async def test_what_a_source_writes_has_no_power_on_a_card(told: World) -> None:
    good = back_up(told.folder, 5, 10)
    await tell(told, a_change(kind="<!channel>", label="*x* <https://evil.example|ok>", author="<@U01BEN>"))
    await told.asks(text=f"orders to {good} because totals are broken")
    card = await told.shows("Changed since")
    assert "<!channel>" not in str(told.card_message().blocks)
    assert "<https://evil" not in str(told.card_message().blocks)
    assert "evil" in card
