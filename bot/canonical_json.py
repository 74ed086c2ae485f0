"""Canonical JSON and its digest: what is signed, hashed or compared goes through here.

Shape: keys sorted, no spaces, UTF-8, no NaN. Times are `2026-11-22T10:00:00.000Z`.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(value: Mapping[str, Any] | list[Any]) -> bytes:
    return canonical_text(value).encode()


def canonical_text(value: object) -> str:
    """Returns the canonical form of any JSON value, before it is encoded."""
    return _ENCODER.encode(value)


def digest(value: Mapping[str, Any] | list[Any]) -> str:
    """SHA-256 of the canonical form, as 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def iso(at: datetime) -> str:
    """Milliseconds and a Z, always UTC: sorts as text in the order of time."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"  # instead of +00:00


def iso_if(at: datetime | None) -> str | None:
    return None if at is None else iso(at)


def from_iso(text: str) -> datetime:
    return datetime.fromisoformat(text)
