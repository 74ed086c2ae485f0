"""Times as the tables keep them."""

from datetime import datetime

from bot.canonical_json import from_iso


def loaded(at: str) -> datetime:
    return from_iso(at)


def loaded_if(at: str | None) -> datetime | None:
    return None if at is None else from_iso(at)
