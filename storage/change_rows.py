"""Rows of what was done to targets without the bot, as nouns and back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.canonical_json import iso
from bot.outside import OutsideChange
from storage.tables import changes
from storage.times import loaded

SHOWN_CHANGES = 20  # of a plan


async def told_since(
    connection: AsyncConnection, target: str, since: datetime
) -> tuple[tuple[OutsideChange, ...], int]:
    """Returns changes since then, SHOWN_CHANGES at most, and how many were told of in all.

    Significant ones come first, and of each sort the newest.
    """
    mine = (changes.c.target == target) & (changes.c.at > iso(since))
    newest = (
        select(changes)
        .where(mine)
        .order_by(changes.c.significant.desc(), changes.c.at.desc(), changes.c.id.desc())
    )
    rows = (await connection.execute(newest.limit(SHOWN_CHANGES))).all()
    total = await connection.scalar(select(func.sum(changes.c.times)).where(mine))
    return tuple(map(_change, rows)), int(total or 0)


def change_row(one: OutsideChange) -> Mapping[str, Any]:
    return {
        "target": one.target,
        "at": iso(one.at),
        "source": one.source,
        "kind": one.kind,
        "label": one.label,
        "author": one.author,
        "paths": list(one.paths),
        "size": one.size,
        "significant": one.significant,
        "times": one.times,
    }


def _change(row: Row[Any]) -> OutsideChange:
    return OutsideChange(
        row.target,
        loaded(row.at),
        row.kind,
        row.label,
        row.author,
        row.source,
        tuple(row.paths),
        row.size,
        row.significant,
        row.times,
    )
