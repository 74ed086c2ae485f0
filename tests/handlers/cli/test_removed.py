"""What a run has removed, as it is typed and printed: after a real run, over real SQLite files."""

import asyncio
import csv
import io
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing, redirect_stdout
from dataclasses import dataclass, replace
from getpass import getuser
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from bot.contract import BrokenText, Removal, RowListed, TableListed
from bot.errors import UserError
from bot.model import Change, Do, Left, Outcome
from bot.run import Run, StepRecord, StepState
from handlers.cli.removed import TargetRemoved, Wanted, refuse_more_than_one, removal_of, targets_asked_for
from handlers.cli.removed_words import LeftOut, PrintedCsv, literal
from tests.bot.stories import having
from tests.bot.views import examples
from tests.handlers.cli.conftest import Shell
from tests.handlers.world import World

POINT = "20261122T100000Z"
CONFIGURATION = """\
version: 1
groups:
  responders: {members: [U01ANA]}
  managers: {members: [U01BEN, U01CY]}
defaults:
  approval: {from: [managers]}
targets:
  orders:
    kind: database
    requesters: [responders]
    executor: {type: sqlite, database: orders/orders.db, backups: orders/backups, personal: [customers]}
"""
THEN = (
    "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, photo BLOB)",
    "INSERT INTO customers VALUES (1, 'Ada', x'00ff'), (2, 'Bo', NULL), (3, '', NULL), (4, 'Cy', NULL)",
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, total INTEGER, note TEXT)",
    "INSERT INTO orders VALUES (1, 100, 'first'), (2, 200, NULL)",
)
SINCE = (
    "DELETE FROM customers WHERE id < 4",
    "UPDATE orders SET total = -100 WHERE id = 1",
    "INSERT INTO orders VALUES (3, 300, 'third'), (4, 400, 'two\nlines \x1b[2J')",
)


@dataclass(frozen=True)
class Ended:
    """A run that has restored, and what people saw of it."""

    folder: Path
    asked: str  # the card
    dialog: str
    ended: str  # the card


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("ended")
    return asyncio.run(_carried_out(folder))


async def _carried_out(folder: Path) -> Ended:
    backups = folder / "orders" / "backups"
    backups.mkdir(parents=True)
    run(folder / "orders" / "orders.db", *THEN)
    shutil.copy(folder / "orders" / "orders.db", backups / f"{POINT}.db")
    run(folder / "orders" / "orders.db", *SINCE)
    world = World(folder)
    await world.open(CONFIGURATION.replace("{", "{{").replace("}", "}}"))
    try:
        await world.asks(text=f"orders to {POINT} because totals are broken")
        asked, dialog = world.card(), json.dumps(world.card_message().blocks, ensure_ascii=False)
        await world.clicks("ben", "Approve and start")
        await world.reaches("succeeded")
        return Ended(folder, asked, dialog, world.card())
    finally:
        await world.close()


@pytest.fixture
def after(shell: Shell, ended: Ended) -> Shell:
    """A shell beside the files of that run, which are this test's own."""
    for name in ("state", "orders"):
        shutil.copytree(ended.folder / name, shell.folder / name)
    shell.configure(CONFIGURATION)
    return shell


def run(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def evidence(shell: Shell) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(shell.state / "rollback.db")) as stored:
        found = stored.execute("SELECT body FROM evidence WHERE kind = 'removed_shown' ORDER BY n").fetchall()
    return [json.loads(body) for (body,) in found]


def told(shell: Shell, *words: str) -> dict[str, dict[str, Any]]:
    done = shell.types("removed", "RB-1", *words, "--json")
    assert done.code == 0, done.err
    return {table["table"]: table for table in json.loads(done.out)}


# What people see before it, and at the end ---------------------------------------------------------


def test_who_returns_is_named_before_and_after(ended: Ended) -> None:
    assert "⚠️ 3 deleted customers return: erase them again" in ended.asked
    assert "⚠️ 3 deleted customers return: erase them again." in ended.dialog
    row = "⚠️ 3 deleted customers returned, erase them again: rollback-bot removed RB-1 --table customers"
    assert row in ended.ended.replace("`", "")


def test_the_plan_names_who_returns_first(after: Shell) -> None:
    run(after.folder / "orders" / "orders.db", "DELETE FROM customers WHERE id = 1")
    done = after.types("plan", "orders", POINT, "--json")
    assert json.loads(done.out)["warnings"][0] == "1 deleted customer returns: erase it again"


# Figures -------------------------------------------------------------------------------------------


def test_without_rows_there_are_figures_alone(after: Shell) -> None:
    done = after.types("removed", "rb-1")
    assert re.search(r"^customers +0 +0 +3 +id +about people", done.out, re.MULTILINE)
    assert re.search(r"^orders +2 +1 +0 +id", done.out, re.MULTILINE)
    assert "third" not in done.out
    assert done.code == 0


def test_a_table_that_was_not_compared_is_named_with_the_reason(after: Shell) -> None:
    after.configure(CONFIGURATION.replace("[customers]", "[customers, customrs]"))
    done = after.types("removed", "RB-1")
    why = "the settings call it personal, and there is no such table"
    assert re.search(rf"^customrs +not known +not known +not known +{why}", done.out, re.MULTILINE)
    assert f"left out: customrs: {why}\n" in done.err
    customrs = told(after)["customrs"]
    assert (customrs["why_not"], customrs["new"], customrs["rows"]) == (why, None, None)


def test_one_table_can_be_asked_for_in_other_letters(after: Shell) -> None:
    assert list(told(after, "--table", "Orders")) == ["orders"]


def test_it_lists_the_same_after_newer_rows_were_written(after: Shell) -> None:
    before = told(after, "--rows")
    run(
        after.folder / "orders" / "orders.db",
        "INSERT INTO orders VALUES (9, 9, 'newer')",
        "DROP TABLE customers",
    )
    assert told(after, "--rows") == before


# Rows ----------------------------------------------------------------------------------------------


def test_rows_are_printed_with_both_values_where_they_differ(after: Shell) -> None:
    done = after.types("removed", "RB-1", "--table", "orders", "--rows")
    assert done.out.splitlines()[-4:] == [
        "orders · orders: 2 new, 1 changed, 0 returning",
        '  new        id=3, total=300, note="third"',
        r'  new        id=4, total=400, note="two\nlines \u001b[2J"',
        '  changed    id=1, total=-100 → 100, note="first"',
    ]


def test_rows_are_data_for_programs(after: Shell) -> None:
    found = told(after, "--rows", "--personal")
    assert found["customers"]["rows"][0] == {
        "change": "returning",
        "removed": None,
        "restored": [1, "Ada", {"hex": "00ff"}],
        "struck": 0,
    }
    assert [row["restored"][1] for row in found["customers"]["rows"]] == ["Ada", "Bo", ""]
    assert found["orders"]["columns"] == {
        "removed": ["id", "total", "note"],
        "restored": ["id", "total", "note"],
    }
    assert found["orders"]["rows"][2]["removed"] == [1, -100, "first"]


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_rows_about_people_are_left_out_unless_that_is_said(after: Shell, more: Sequence[str]) -> None:
    done = after.types("removed", "RB-1", "--rows", *more)
    assert "Ada" not in done.out
    assert "left out: 3 rows of customers, which is about people. Add --personal; that is noted\n" in done.err
    assert "Ada" in after.types("removed", "RB-1", "--rows", "--personal", *more).out


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (None, "NULL"),
        ("", '""'),
        ("NULL", '"NULL"'),
        (1, "1"),
        (1.0, "1.0"),
        (b"\x00\xff", "X'00ff'"),
        (BrokenText(b"a\xff"), "CAST(X'61ff' AS TEXT)"),
        ("X'00ff'", "\"X'00ff'\""),
        ('a"b\\n', r'"a\"b\\n"'),
        ("\u202etxt\x9b", r'"\u202etxt\u009b"'),
    ],
)
def test_no_two_values_look_the_same_on_a_terminal(cell: Any, said: str) -> None:
    assert literal(cell) == said


def test_values_that_are_not_whole_are_counted_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    left_out = LeftOut()
    left_out.of_rows([RowListed(Change.NEW, ("***", "https://h"), None, struck=2)] * 600)
    left_out.say_struck()
    why = "a secret, or the path of an address, is struck from it"
    assert capsys.readouterr().err == f"left out: 1,200 values are not whole: {why}\n"


@pytest.mark.parametrize("wanted", [Wanted(), Wanted(rows=True)])
def test_a_table_that_was_compared_by_its_bytes_is_named(
    wanted: Wanted, capsys: pytest.CaptureFixture[str]
) -> None:
    table = TableListed("t", 1, 0, 0, key=(), removed=("k",), restored=("k",), without=("icu",))
    LeftOut().of_table(table, wanted)
    said = "t was compared by its bytes: only the application has the collation icu\n"
    assert capsys.readouterr().err == said


# CSV -----------------------------------------------------------------------------------------------


def test_a_table_as_csv_tells_null_from_the_empty_text_and_bytes_from_text(after: Shell) -> None:
    done = after.types("removed", "RB-1", "--table", "customers", "--csv", "--personal")
    assert done.out == (
        '"rollback_change","rollback_state","id","name","photo"\n'
        '"returning","restored",1,"Ada",X\'00ff\'\n'
        '"returning","restored",2,"Bo",\n'
        '"returning","restored",3,"",\n'
    )
    assert done.err == "orders · customers: 0 new, 0 changed, 3 returning\n"


def test_a_column_that_is_called_like_ours_stands_beside_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    columns = ("id", "Rollback_Change")
    table = TableListed("t", 1, 0, 0, (), columns, columns)
    PrintedCsv().begin_table(TargetRemoved("orders", Removal("pre", "", "p", ""), (table,)), table)
    assert capsys.readouterr().out == '"rollback_change_","rollback_state","id","Rollback_Change"\n'


def test_a_changed_row_takes_two_lines_and_text_stays_as_it_is(after: Shell) -> None:
    done = after.types("removed", "RB-1", "--table", "orders", "--csv")
    assert list(csv.reader(io.StringIO(done.out, newline="")))[1:] == [
        ["new", "removed", "3", "300", "third"],
        ["new", "removed", "4", "400", "two\nlines \x1b[2J"],
        ["changed", "removed", "1", "-100", "first"],
        ["changed", "restored", "1", "100", "first"],
    ]


def test_people_are_written_as_csv_only_where_that_is_said(after: Shell) -> None:
    done = after.types("removed", "RB-1", "--table", "customers", "--csv")
    assert (done.code, done.out) == (1, "")
    assert done.err == "`customers` is about people. Add --personal to print its rows; that is noted.\n"
    assert evidence(after) == []


@pytest.mark.parametrize(
    "words", [("--csv",), ("--csv", "--json", "--table", "orders"), ("--personal",)], ids=" ".join
)
def test_what_means_nothing_is_usage(after: Shell, words: Sequence[str]) -> None:
    done = after.types("removed", "RB-1", *words)
    assert (done.code, done.out) == (2, "")


# Evidence ------------------------------------------------------------------------------------------


def test_each_look_is_noted_with_who_looked_and_at_what(after: Shell) -> None:
    after.types("removed", "RB-1")
    after.types("removed", "RB-1", "--table", "customers", "--rows", "--personal")
    figures, people = evidence(after)
    assert (figures["by"], figures["run"], figures["rows"]) == (f"os:{getuser()}", "RB-1", False)
    (shown,) = figures["shown"]
    assert (shown["tables"], shown["rows_of"]) == (["customers", "orders"], [])
    (shown,) = people["shown"]
    assert shown == {
        "target": "orders",
        "undo_point": "pre-RB-1",
        "restore_point": POINT,
        "tables": ["customers"],
        "rows_of": ["customers"],
    }
    assert (people["rows"], people["personal"]) == (True, True)


@pytest.mark.parametrize(
    "words", [(), ("--json",), ("--rows",), ("--csv", "--table", "orders")], ids=" ".join
)
def test_nothing_is_printed_when_the_evidence_cannot_be_stored(after: Shell, words: Sequence[str]) -> None:
    refuses = "CREATE TRIGGER full BEFORE INSERT ON evidence BEGIN SELECT RAISE(ABORT, 'no room'); END"
    run(after.state / "rollback.db", refuses)
    done = after.types("removed", "RB-1", *words)
    assert (done.code, done.out) == (3, "")


def test_the_database_is_still_whole_after_a_look(after: Shell, tmp_path: Path) -> None:
    after.types("removed", "RB-1", "--rows")
    done = after.types("db", "backup", str(tmp_path / "copy.db"))
    assert (done.code, done.err) == (0, "")


# Refusals ------------------------------------------------------------------------------------------


def nothing_done(run: Run) -> Run:
    steps = (replace(record, left=record.left and Left.BEFORE) for record in run.work.steps)
    return having(run, work_steps=tuple(steps))


def dropped(run: Run) -> Run:
    """Its undo point went a week later."""
    step = replace(run.work.steps[-1].step, n=9, do=Do.DROP, drops=Do.SAVE)
    record = StepRecord(step, StepState.ENDED, Outcome.SUCCEEDED, ended_at=examples.at("03:17", 29))
    return having(run, work_steps=(*run.work.steps, record))


def refused(shell: Shell, *words: str) -> str:
    done = shell.types("removed", *words)
    assert (done.code, done.out) == (1, "")
    assert done.err.count("\n") == 1
    assert evidence(shell) == []
    return done.err


def test_an_undo_point_that_somebody_has_replaced_is_refused(after: Shell) -> None:
    undo = after.folder / "orders" / "backups" / "pre-RB-1.db"
    was = sha256(undo.read_bytes()).hexdigest()
    run(undo, "INSERT INTO orders VALUES (9, 9, 'planted')")
    assert refused(after, "RB-1").startswith(f"`pre-RB-1` is not what was saved: that was {was[:8]}…, ")


def test_an_undo_point_that_is_gone_is_refused(after: Shell) -> None:
    (after.folder / "orders" / "backups" / "pre-RB-1.db").unlink()
    assert "There is no restore point `pre-RB-1`" in refused(after, "RB-1")


def test_a_table_that_nobody_knows_is_asked_about(after: Shell) -> None:
    assert "Did you mean `orders`?" in refused(after, "RB-1", "--table", "order")


def test_a_target_that_is_not_of_the_run_is_asked_about(after: Shell) -> None:
    assert "Did you mean `orders`?" in refused(after, "RB-1", "--target", "order")


def test_a_target_that_is_not_configured_any_more_is_refused(after: Shell) -> None:
    after.configure(CONFIGURATION.replace("  orders:", "  others:"))
    assert "`orders` is not in the configuration any more" in refused(after, "RB-1")


def test_a_run_that_is_not_there_is_a_no(shell: Shell) -> None:
    done = shell.types("removed", "RB-9")
    assert (done.code, done.out) == (1, "")
    assert "There is no run RB-9" in done.err


def test_a_backend_that_lists_nothing_says_so(after: Shell) -> None:
    other = "executor: {type: releases, root: shop}"
    after.configure(re.sub(r"executor: \{type: sqlite.*\}", other, CONFIGURATION))
    words = "Type `releases` cannot list what a run has removed: look at the backend itself.\n"
    assert refused(after, "RB-1") == words


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (examples.REQUESTED, "RB-42 was never planned, so it has removed nothing."),
        (examples.AWAITING, "RB-42 has not restored `orders`, so it has removed nothing of it."),
        (nothing_done(examples.FAILED_BEFORE), "RB-42 has not restored `orders`, so it has removed nothing"),
        (examples.STUCK, "It is not known what RB-42 has left of `orders`"),
        (having(examples.SUCCEEDED, work_undo_points={}), "RB-42 has saved no undo point of `orders`"),
        (dropped(examples.SUCCEEDED), "The undo point of `orders` was dropped at 2026-11-29 03:17 UTC"),
    ],
    ids=["no plan", "not begun", "nothing done", "nobody knows", "none saved", "dropped"],
)
def test_where_nobody_can_say_what_was_removed_the_reason_is_said(run: Run, why: str) -> None:
    with pytest.raises(UserError) as caught:
        [removal_of(run, target) for target in targets_asked_for(run, Wanted())]
    assert str(caught.value).startswith(why)


ORDERS = TargetRemoved("orders", Removal("u", "", "p", ""), (TableListed("a", 1, 0, 0, (), ("v",), ("v",)),))


def test_csv_of_a_table_that_several_targets_have_asks_for_the_target() -> None:
    both = [ORDERS, replace(ORDERS, target="archive")]
    with pytest.raises(UserError, match="2 targets have a table `a`: add --target"):
        refuse_more_than_one(both, Wanted(table="a", rows=True, alone=True))


def test_csv_has_no_place_on_a_terminal(after: Shell) -> None:
    """It holds whatever is in the rows: a terminal would carry it out."""
    ours, theirs = os.openpty()
    with open(ours, "rb", buffering=0) as screen, open(theirs, "w") as terminal, redirect_stdout(terminal):
        done = after.types("removed", "RB-1", "--table", "orders", "--csv")
        os.set_blocking(ours, False)
        assert screen.read() is None
    assert (done.code, "add `> rows.csv`" in done.err) == (1, True)
