"""Tables about people: of each it is known whether deleted rows return, or it is said that nobody knows."""

from collections.abc import Collection, Iterable, Iterator

from backends.sqlite.identifiers import folded
from bot.model import Loss


def not_counted(personal: Iterable[str], loss: Loss, there: Collection[str] | None) -> Iterator[str]:
    """Warns of each table about people that has no figures. What has some is told by them.

    `there`: the folded names of all tables; None: nobody knows them.
    """
    counted = {folded(unit.name) for unit in loss.units}
    for name in personal:
        if folded(name) in counted:
            continue
        if there is None or folded(name) in there:
            yield f"NOT KNOWN whether deleted {name} return and have to be erased again"
        else:
            yield f"No table {name}, which the settings call personal: correct its name"
