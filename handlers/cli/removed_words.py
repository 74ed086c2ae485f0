"""How the rows that a run has removed are printed: as words for people, as JSON, or one table as CSV.

Nothing is dropped in silence. What cannot stand on a terminal is written as an escape, NULL is no empty text,
bytes are hexadecimal, and whatever is left out is said on standard error.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

from bot.contract import BrokenText, Cell, RowListed, TableListed, TableNotListed
from bot.model import Change
from bot.run import Run
from bot.spelling import listed
from handlers.cli.output import aside, part, say, table, utf8
from handlers.cli.removed import TargetRemoved, Wanted

CALLED: Mapping[Change, str] = {
    Change.NEW: "new",
    Change.CHANGED: "changed",
    Change.RETURNS: "returning",
}
ABSENT = "(no such column)"
WHOLE_ROW = "the whole row"


class LeftOut:
    """Says beside the answer what is not in it."""

    def __init__(self) -> None:
        self._struck = 0

    def of_targets(self, refused: Iterable[str]) -> None:
        aside(*(f"left out: {why}" for why in refused))

    def of_table(self, of: TableListed | TableNotListed, wanted: Wanted) -> None:
        if isinstance(of, TableNotListed):
            aside(f"left out: {of.table}: {of.why}")
            return
        if of.without:
            orders = listed(of.without)
            aside(f"{of.table} was compared by its bytes: only the application has the collation {orders}")
        if wanted.shows_rows_of(of):
            if of.computed:
                aside(f"left out of {of.table}: {listed(of.computed)}, computed from the other columns")
        elif wanted.rows and (count := of.new + of.changed + of.returning):
            rows = "1 row" if count == 1 else f"{count:,} rows"
            aside(f"left out: {rows} of {of.table}, which is about people. Add --personal; that is noted")

    def of_rows(self, rows: Iterable[RowListed]) -> None:
        self._struck += sum(row.struck for row in rows)

    def say_struck(self) -> None:
        if self._struck:
            values = "1 value is" if self._struck == 1 else f"{self._struck:,} values are"
            aside(f"left out: {values} not whole: a secret, or the path of an address, is struck from it")


# For people ----------------------------------------------------------------------------------------


class PrintedWords:
    def __init__(self) -> None:
        self._left_out = LeftOut()
        self._wanted = Wanted()
        self._columns: tuple[Sequence[str], Sequence[str]] = ((), ())

    def begin(
        self, run: Run, wanted: Wanted, targets: Sequence[TargetRemoved], refused: Sequence[str]
    ) -> None:
        self._wanted = wanted
        for one in targets:
            say(f"{one.target} · {run.id} went from {one.removal.undo} to {one.removal.point}")
            table(
                ("table", "new, removed", "changed", "returning", "rows told apart by", ""),
                [_figures(each) for each in one.tables],
            )
        self._left_out.of_targets(refused)

    def begin_table(self, of: TargetRemoved, table: TableListed | TableNotListed) -> None:
        self._left_out.of_table(table, self._wanted)
        if isinstance(table, TableListed) and self._wanted.shows_rows_of(table):
            self._columns = table.removed, table.restored
            say("", f"{of.target} · {table.table}: {_count(table)}")

    def rows(self, rows: Iterable[RowListed]) -> None:
        rows = tuple(rows)
        say(*(f"  {CALLED[row.change]:10} {_row(row, *self._columns)}" for row in rows))
        self._left_out.of_rows(rows)

    def end_table(self) -> None: ...

    def end(self) -> None:
        self._left_out.say_struck()


def _figures(of: TableListed | TableNotListed) -> tuple[str, ...]:
    if isinstance(of, TableNotListed):
        return (of.table, "not known", "not known", "not known", "", of.why)
    told_apart = ", ".join(of.key) or WHOLE_ROW
    about = "about people" if of.personal else ""
    return (of.table, f"{of.new:,}", f"{of.changed:,}", f"{of.returning:,}", told_apart, about)


def _count(of: TableListed) -> str:
    return f"{of.new:,} new, {of.changed:,} changed, {of.returning:,} returning"


def _row(row: RowListed, removed: Sequence[str], restored: Sequence[str]) -> str:
    """`id=1, total=-100 → 100`: each value once, both where they differ."""
    if row.removed is None or row.restored is None:
        cells = row.removed if row.restored is None else row.restored
        names = removed if row.restored is None else restored
        return ", ".join(
            f"{_name(name)}={literal(cell)}" for name, cell in zip(names, cells or (), strict=True)
        )
    before, after = (
        dict(zip(removed, row.removed, strict=True)),
        dict(zip(restored, row.restored, strict=True)),
    )
    return ", ".join(f"{_name(name)}={_both(name, before, after)}" for name in _columns_of(removed, restored))


def _both(name: str, before: Mapping[str, Cell], after: Mapping[str, Cell]) -> str:
    was, now = (literal(of[name]) if name in of else ABSENT for of in (before, after))
    return was if was == now else f"{was} → {now}"


def _columns_of(removed: Sequence[str], restored: Sequence[str]) -> list[str]:
    return list(dict.fromkeys((*removed, *restored)))


def literal(cell: Cell) -> str:
    """Returns it so that nothing else looks the same: `NULL`, `12`, `1.0`, `"text"`, `X'00ff'` for a blob."""
    match cell:
        case None:
            return "NULL"
        case bytes():
            return _bytes(cell)
        case str():
            return "".join(map(_seen, json.dumps(cell, ensure_ascii=False)))
        case _:
            return repr(cell)


def _bytes(cell: bytes) -> str:
    """Returns them as SQL has them, a blob or a text that cannot be read as one."""
    return f"CAST(X'{cell.hex()}' AS TEXT)" if isinstance(cell, BrokenText) else f"X'{cell.hex()}'"


def _name(of: str) -> str:
    return "".join(map(_seen, of))


def _seen(character: str) -> str:
    return character if character.isprintable() else json.dumps(character)[1:-1]


# For programs --------------------------------------------------------------------------------------


class PrintedJson:
    """One array, an object a table, written as it comes: what is cut off is no JSON."""

    def __init__(self) -> None:
        self._left_out = LeftOut()
        self._wanted = Wanted()
        self._first = True  # until a table was written
        self._first_row = True  # of this table
        self._shows_rows = False  # of this table

    def begin(
        self, run: Run, wanted: Wanted, targets: Sequence[TargetRemoved], refused: Sequence[str]
    ) -> None:
        self._wanted = wanted
        self._left_out.of_targets(refused)
        part("[")

    def begin_table(self, of: TargetRemoved, table: TableListed | TableNotListed) -> None:
        self._left_out.of_table(table, self._wanted)
        head = json.dumps(as_value(of, table), allow_nan=False)
        part(f'{"" if self._first else ","}\n{head[:-1]}, "rows": ')
        self._first, self._first_row = False, True
        self._shows_rows = self._wanted.shows_rows_of(table)
        part("[" if self._shows_rows else "null")

    def rows(self, rows: Iterable[RowListed]) -> None:
        rows = tuple(rows)
        for row in rows:
            part(f"{'' if self._first_row else ','}\n  {json.dumps(_row_value(row), allow_nan=False)}")
            self._first_row = False
        self._left_out.of_rows(rows)

    def end_table(self) -> None:
        part("]}" if self._shows_rows else "}")

    def end(self) -> None:
        part("\n]\n")
        self._left_out.say_struck()


def as_value(of: TargetRemoved, table: TableListed | TableNotListed) -> dict[str, Any]:
    """`rows` follows: null where they are not shown. What is not known is null."""
    head = {
        "target": of.target,
        "undo_point": of.removal.undo,
        "restore_point": of.removal.point,
        "table": table.table,
    }
    if isinstance(table, TableNotListed):
        unknown = ("new", "changed", "returning", "key", "personal", "columns", "computed", "without")
        return {**head, "why_not": table.why, **dict.fromkeys(unknown)}
    return {
        **head,
        "why_not": None,
        "new": table.new,
        "changed": table.changed,
        "returning": table.returning,
        "key": list(table.key),
        "personal": table.personal,
        "columns": {"removed": list(table.removed), "restored": list(table.restored)},
        "computed": list(table.computed),
        "without": list(table.without),
    }


def _row_value(row: RowListed) -> dict[str, Any]:
    removed, restored = (
        None if part is None else [_cell_value(cell) for cell in part] for part in (row.removed, row.restored)
    )
    return {
        "change": CALLED[row.change],
        "removed": removed,
        "restored": restored,
        "struck": row.struck,
    }


def _cell_value(cell: Cell) -> Any:
    match cell:
        case BrokenText():
            return {"text_hex": cell.hex()}
        case bytes():
            return {"hex": cell.hex()}
        case float() if not isfinite(cell):
            return {"real": repr(cell)}
        case _:
            return cell


# For spreadsheets and databases --------------------------------------------------------------------


class PrintedCsv:
    """UTF-8, one table: text is always in quotes and nothing else is, so that an empty field is NULL.

    A changed row takes two lines: as it was removed, and as it was restored.
    """

    def __init__(self) -> None:
        self._left_out = LeftOut()
        self._wanted = Wanted()
        self._columns: list[str] = []
        self._of_parts: tuple[Sequence[str], Sequence[str]] = ((), ())

    def begin(
        self, run: Run, wanted: Wanted, targets: Sequence[TargetRemoved], refused: Sequence[str]
    ) -> None:
        self._wanted = wanted
        self._left_out.of_targets(refused)

    def begin_table(self, of: TargetRemoved, table: TableListed | TableNotListed) -> None:
        self._left_out.of_table(table, self._wanted)
        if isinstance(table, TableNotListed):
            return
        aside(f"{of.target} · {table.table}: {_count(table)}")
        self._of_parts = table.removed, table.restored
        self._columns = _columns_of(*self._of_parts)
        if table.removed and table.restored:
            _say_absent(self._columns, self._of_parts)
        ours = (_free(name, self._columns) for name in ("rollback_change", "rollback_state"))
        utf8(_line([*ours, *self._columns]))

    def rows(self, rows: Iterable[RowListed]) -> None:
        rows = tuple(rows)
        for row in rows:
            for state, names, cells in zip(
                ("removed", "restored"), self._of_parts, (row.removed, row.restored), strict=True
            ):
                if cells is not None:
                    values = dict(zip(names, cells, strict=True))
                    line = [values.get(name) for name in self._columns]
                    utf8(_line([CALLED[row.change], state, *line]))
        self._left_out.of_rows(rows)

    def end_table(self) -> None: ...

    def end(self) -> None:
        self._left_out.say_struck()


def _free(name: str, taken: Sequence[str]) -> str:
    """Returns the name, with an underscore for each column of the table that is called so."""
    return _free(f"{name}_", taken) if name.casefold() in map(str.casefold, taken) else name


def _say_absent(columns: Iterable[str], parts: tuple[Sequence[str], Sequence[str]]) -> None:
    """An empty field is then no NULL of the row."""
    for state, names in zip(("removed", "restored"), parts, strict=True):
        if missing := [name for name in columns if name not in names]:
            aside(f"empty because there is no such column in what was {state}: {listed(missing)}")


def _line(cells: Iterable[Cell]) -> str:
    return ",".join(map(_field, cells)) + "\n"


def _field(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case bytes():
            return _bytes(cell)
        case str():
            return '"' + cell.replace('"', '""') + '"'
        case _:
            return repr(cell)
