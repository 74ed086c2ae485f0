"""What is looked at before anything is parsed: size, signature, age, shape. Pure.

Bolt parses before it verifies and drops commands whose text contains "payload"; so this verifies
the raw bytes, parses them, and hands on a plain mapping.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

BODY_AT_MOST_BYTES = 1_048_576  # Slack's largest view is 250 kB, and its state comes with it
AGE_AT_MOST_SECONDS = 300  # as Slack recommends
_HALF = re.compile("[\ud800-\udfff]")
DEPTH_AT_MOST_LEVELS = 32  # Slack's deepest payload (a view with rich text) nests about 15


@dataclass(frozen=True, slots=True)
class NotAdmitted:
    status: int
    why: str  # for the log; the answer's body says nothing


@dataclass(frozen=True, slots=True)
class Admitted:
    payload: dict[str, Any]


def admit(headers: Mapping[str, str], raw: bytes, secret: str, now: float) -> Admitted | NotAdmitted:
    """`now` in seconds since 1970."""
    if len(raw) > BODY_AT_MOST_BYTES:
        return NotAdmitted(413, "too large")
    if refusal := _why_not_signed(headers, raw, secret, now):
        return refusal
    try:
        payload = _parse(headers.get("Content-Type", ""), raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return NotAdmitted(400, "cannot be read")
    if not isinstance(payload, dict) or why_unreadable(payload):
        return NotAdmitted(400, "has no readable shape")
    return Admitted(payload)


def _why_not_signed(headers: Mapping[str, str], raw: bytes, secret: str, now: float) -> NotAdmitted | None:
    stamp = headers.get("X-Slack-Request-Timestamp", "")
    given = headers.get("X-Slack-Signature", "")
    if (
        not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12)
        or abs(now - int(stamp)) > AGE_AT_MOST_SECONDS
    ):
        return NotAdmitted(401, "has no time, or an old one")
    expected = (
        "v0=" + hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + raw, hashlib.sha256).hexdigest()
    )
    if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")):
        return NotAdmitted(401, "is not signed by Slack")
    return None


def _parse(content_type: str, text: str) -> Any:
    if content_type.split(";")[0].strip().lower() == "application/json":
        return _loads(text)
    fields = dict(parse_qsl(text, keep_blank_values=True, max_num_fields=200))
    if "command" not in fields and "payload" in fields:
        return _loads(fields["payload"])
    return fields


def _loads(text: str) -> Any:
    """Raises ValueError, also for what parses and cannot be stored: NaN, infinities, halves of characters."""
    value = json.loads(text)
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    return value


def why_unreadable(value: Any) -> str | None:
    """Nested deeper than anything of Slack's, or with half a character: JSON can write one, UTF-8 cannot."""
    level = [value]
    for _ in range(DEPTH_AT_MOST_LEVELS):
        inner: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                inner += [*node.keys(), *node.values()]
            elif isinstance(node, list):
                inner += node
            elif isinstance(node, str) and _HALF.search(node):
                return "holds half a character"
        if not inner:
            return None
        level = inner
    return "nested too deep"


def sign(raw: bytes, secret: str, stamp: int) -> dict[str, str]:
    """The headers that Slack would send: for the self-test at start."""
    mac = hmac.new(secret.encode(), b"v0:" + str(stamp).encode() + b":" + raw, hashlib.sha256)
    return {"X-Slack-Request-Timestamp": str(stamp), "X-Slack-Signature": "v0=" + mac.hexdigest()}


def self_test(now: float) -> str | None:
    """Why the guard must not be trusted; None: it refuses what it has to and admits the rest."""
    raw, secret = b"command=%2Frollback&text=a", "self-test"
    good = {**sign(raw, secret, int(now)), "Content-Type": "application/x-www-form-urlencoded"}
    if isinstance(admit(good, raw, secret, now), NotAdmitted):
        return "a signed request was refused"
    for headers in (
        {},
        {**good, "X-Slack-Signature": "v0=00"},
        sign(raw, secret, int(now) - 2 * AGE_AT_MOST_SECONDS),
    ):
        answer = admit(headers, raw, secret, now)
        if not isinstance(answer, NotAdmitted) or answer.status != 401:
            return "an unsigned or old request was let through"
    return None
