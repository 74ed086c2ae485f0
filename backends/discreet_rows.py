"""Rows of somebody's data, as a backend lists them: each is of the contract, and repeats no secret of ours.

Whoever wants a row back must know that a value is not the whole one: what was struck is counted.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from backends.secrecy import Secrets
from bot.contract import BrokenText, Cell, RowListed
from bot.model import Change

CELLS: Final = frozenset({str, int, float, bytes, BrokenText, type(None)})
STANDS: Final[Mapping[Change, tuple[bool, bool]]] = {  # whether a row was there before, and is there now
    Change.NEW: (True, False),
    Change.CHANGED: (True, True),
    Change.RETURNS: (False, True),
}


def is_row(row: object) -> bool:
    """Whether it is a row with the parts that its change has. Bytes cannot go through the codec."""
    if not isinstance(row, RowListed) or not isinstance(row.change, Change):
        return False
    parts = (row.removed, row.restored)
    return STANDS[row.change] == tuple(part is not None for part in parts) and all(map(_is_part, parts))


def _is_part(cells: object) -> bool:
    return cells is None or (isinstance(cells, tuple) and CELLS.issuperset(map(type, cells)))


def struck_row(row: RowListed, secrets: Secrets) -> RowListed:
    removed, restored = _struck(row.removed, secrets), _struck(row.restored, secrets)
    pairs = [*zip(row.removed or (), removed or ()), *zip(row.restored or (), restored or ())]  # noqa: B905
    struck = sum(was != now for was, now in pairs)
    return replace(row, removed=removed, restored=restored, struck=struck)


def _struck(cells: tuple[Cell, ...] | None, secrets: Secrets) -> tuple[Cell, ...] | None:
    return None if cells is None else tuple(_cell(cell, secrets) for cell in cells)


def _cell(cell: Cell, secrets: Secrets) -> Cell:
    match cell:
        case str():
            return secrets.struck(cell)
        case bytes():
            return type(cell)(secrets.struck_bytes(cell))
        case _:
            return cell
