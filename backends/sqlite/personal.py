"""Tables about people: of each it is known whether deleted rows return, or it is said that nobody knows."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from backends.sqlite.comparing import folded
from backends.sqlite.reading import reading, reading_backup, tables
from bot.model import Loss


def not_counted(personal: Iterable[str], loss: Loss, database: Path, backup: Path) -> Iterator[str]:
    """Warns of each table about people that has no figures. What has some is told by them."""
    counted = {folded(unit.name) for unit in loss.units}
    missing = [name for name in personal if folded(name) not in counted]
    if not missing:
        return
    with reading(database) as live, reading_backup(backup) as old:
        there = {folded(name) for name in (*tables(live), *tables(old))}
    for name in missing:
        if folded(name) in there:
            yield f"NOT KNOWN whether deleted {name} return and have to be erased again"
        else:
            yield f"No table {name}, which the settings call personal: correct its name"
