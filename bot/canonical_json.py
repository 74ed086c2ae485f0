"""Canonical JSON and its digest: what is signed, hashed or compared goes through here.

Shape: keys sorted, no spaces, UTF-8, no NaN. Times are `2026-11-22T10:00:00.000Z`.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def canonical(value: Mapping[str, Any] | list[Any]) -> bytes:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def digest(value: Mapping[str, Any] | list[Any]) -> str:
    """SHA-256 of the canonical form, as 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def iso(at: datetime) -> str:
    """Milliseconds and a Z, always UTC: sorts as text in the order of time."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def iso_if(at: datetime | None) -> str | None:
    return None if at is None else iso(at)


def from_iso(text: str) -> datetime:
    return datetime.fromisoformat(text)
