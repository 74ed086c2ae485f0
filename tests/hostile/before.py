"""Before authentication: whatever is not signed by Slack is turned away, whatever it looks like.

What is signed, but by somebody who has the secret and no manners, is read or refused. Neither is ever an
error of ours. The guard is called as the application calls it, without a network.
"""

import gzip
import hmac
import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from handlers.door.guard import AGE_AT_MOST_SECONDS, BODY_AT_MOST_BYTES, Admitted, admit
from tests.hostile.result import Result
from tests.hostile.texts import any_text, any_value, nested

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
NOW = 1_531_420_618.0
LARGE_IN = 500  # one of so many bodies is larger than what is read
TYPES = (
    "application/x-www-form-urlencoded",
    "application/json",
    "application/json; charset=utf-16",
    "application/x-www-form-urlencoded; charset=\xff",
    "multipart/form-data; boundary=x",
    "text/plain",
    "APPLICATION/JSON ;;;",
    "",
    ";",
)
_HUGE = b"x" * (BODY_AT_MOST_BYTES + 1)


@dataclass(frozen=True, slots=True)
class Request:
    headers: Mapping[str, str]
    raw: bytes
    signed: bool  # as Slack signs, just now


def run(n: int, seed: int, progress: Callable[[int], None] = lambda _: None) -> Result:
    result, chance = Result("before authentication", seed), random.Random(seed)
    began = time.perf_counter()
    for count in range(n):
        _try(make(chance), result)
        if count % 10_000 == 0:
            progress(count)
    result.seconds = time.perf_counter() - began
    return result


def _try(request: Request, result: Result) -> None:
    began = time.perf_counter()
    try:
        answer = admit(request.headers, request.raw, SECRET, NOW)
    except Exception as problem:  # noqa: BLE001 - the property: no input is an error of ours
        result.answered("raised", time.perf_counter() - began)
        result.violation(f"{problem!r} for {request}")
        return
    status = 200 if isinstance(answer, Admitted) else answer.status
    result.answered(f"{'signed' if request.signed else 'unsigned'} {status}", time.perf_counter() - began)
    if not request.signed and status not in {401, 413}:
        result.violation(f"{status} for the unsigned {request}")
    if isinstance(answer, Admitted) and not _storable(answer.payload):
        result.violation(f"let through what cannot be stored: {request}")


def _storable(payload: Any) -> bool:
    try:
        json.dumps(payload, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return False
    return isinstance(payload, dict)


# Making them -----------------------------------------------------------------------------------


def make(chance: random.Random) -> Request:
    raw = _HUGE if chance.randrange(LARGE_IN) == 0 else _body(chance)
    if chance.random() < 0.4:
        return Request({**signature(raw, NOW), "Content-Type": chance.choice(TYPES)}, raw, signed=True)
    headers = _FORGERIES[chance.randrange(len(_FORGERIES))](chance, raw)
    if chance.random() < 0.8:
        headers["Content-Type"] = chance.choice(TYPES)
    return Request(headers, raw, signed=False)


def signature(raw: bytes, at: float, secret: str = SECRET) -> dict[str, str]:
    """As Slack's documentation says, written without the guard's own help."""
    stamp = str(int(at))
    mac = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + raw, sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={mac}"}


def _none(chance: random.Random, raw: bytes) -> dict[str, str]:
    return {any_text(chance): any_text(chance) for _ in range(chance.randrange(3))}


def _other_secret(chance: random.Random, raw: bytes) -> dict[str, str]:
    return signature(raw, NOW, chance.choice(("", "x", SECRET.upper(), SECRET + " ", SECRET[:-1])))


def _other_time(chance: random.Random, raw: bytes) -> dict[str, str]:
    away = AGE_AT_MOST_SECONDS + chance.randrange(1, 10**9)
    return signature(raw, max(0.0, NOW + chance.choice((away, -away))))


def _other_body(chance: random.Random, raw: bytes) -> dict[str, str]:
    return signature(raw + chance.choice((b"\x00", b"&", b" ", b"\n")), NOW)


def _other_stamp(chance: random.Random, raw: bytes) -> dict[str, str]:
    """A good signature under a time that is none, or another one."""
    stamps = (
        "",
        "-1",
        "+1",
        "1e9",
        "0x1",
        "١٢٣",
        "９９９",
        " 1531420618",
        "1531420618 ",
        "9" * 13,
        "9" * 5_000,
    )
    stamp = chance.choice((*stamps, any_text(chance), str(int(NOW) + 1)))
    return {**signature(raw, NOW), "X-Slack-Request-Timestamp": stamp if stamp != str(int(NOW)) else ""}


def _other_signature(chance: random.Random, raw: bytes) -> dict[str, str]:
    good = signature(raw, NOW)
    mac = good["X-Slack-Signature"]
    forged = chance.choice(
        (
            "",
            "v0=",
            "v1=" + mac[3:],
            mac[:-1],
            mac + "0",
            mac.upper(),
            " " + mac,
            mac[3:],
            any_text(chance),
            "\xff",
        )
    )
    return {**good, "X-Slack-Signature": forged}


def _half(chance: random.Random, raw: bytes) -> dict[str, str]:
    good = signature(raw, NOW)
    del good[chance.choice(tuple(good))]
    return good


_FORGERIES: tuple[Callable[[random.Random, bytes], dict[str, str]], ...] = (
    _none,
    _other_secret,
    _other_time,
    _other_body,
    _other_stamp,
    _other_signature,
    _half,
)


def _body(chance: random.Random) -> bytes:
    return _BODIES[chance.randrange(len(_BODIES))](chance)


def _bytes(chance: random.Random) -> bytes:
    return chance.randbytes(chance.randrange(300))


def _form(chance: random.Random) -> bytes:
    fields = [(any_text(chance)[:200], any_text(chance)[:2_000]) for _ in range(chance.randrange(6))]
    fields += [("command", "/rollback")] * chance.randrange(3) + [("payload", "{}")] * chance.randrange(3)
    chance.shuffle(fields)
    return urlencode(fields, errors="replace").encode()


def _many_fields(chance: random.Random) -> bytes:
    return b"&".join(b"a=%d" % n for n in range(chance.randrange(150, 1_000)))


def _broken_escapes(chance: random.Random) -> bytes:
    parts = (
        b"%",
        b"%%",
        b"%zz",
        b"%00",
        b"%ff",
        b"%ed%a0%80",
        b"=",
        b"&",
        b";",
        b"+",
        b"payload=",
        b"command=",
    )
    return b"".join(chance.choices(parts, k=chance.randrange(1, 30)))


def _json(chance: random.Random) -> bytes:
    value = {any_text(chance)[:200]: any_value(chance) for _ in range(chance.randrange(5))}
    text = json.dumps(value, ensure_ascii=chance.random() < 0.5)
    raw = text.encode("utf-8", "surrogatepass")
    return (
        raw if chance.random() < 0.5 else b"payload=" + urlencode({"": text}, errors="replace").encode()[1:]
    )


def _broken_json(chance: random.Random) -> bytes:
    texts = (
        "[" * 50_000,
        '{"a":' * 20_000,
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": ' + "9" * 5_000 + "}",
        "\ufeff{}",
    )
    return chance.choice((*texts, '{"a": 1, "a": 2}', "{'a': 1}", '{"a"', json.dumps(nested(40)))).encode()


def _packed(chance: random.Random) -> bytes:
    return gzip.compress(b"\x00" * chance.randrange(100_000), mtime=0)


_BODIES: tuple[Callable[[random.Random], bytes], ...] = (
    _bytes,
    _form,
    _many_fields,
    _broken_escapes,
    _json,
    _broken_json,
    _packed,
)
