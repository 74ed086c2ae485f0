"""On the wire: bytes that are hardly HTTP, against the real application over real sockets.

Each request has its own connection. It is answered or the connection is closed, in time; nothing of it
reaches a listener, nothing is an error of ours, and the bot is as ready afterwards as before.
"""

import asyncio
import gzip
import random
import time
from collections.abc import Callable

from tests.handlers.world import World
from tests.hostile import before
from tests.hostile.after import errors
from tests.hostile.result import Result
from tests.hostile.texts import any_text

ANSWERED_WITHIN = 5.0  # seconds
PATIENCE = 0.3  # seconds
AT_ONCE = 50
POST = b"POST /slack/events HTTP/1.1\r\nHost: x\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
COMMAND = b"command=%2Frollback&text=shop+to+v41"
TRANSFER = b"Transfer-Encoding: chunked\r\n\r\n"


async def run(world: World, n: int, seed: int) -> Result:
    """`world` hears Slack over HTTP."""
    result, chance = Result("on the wire", seed), random.Random(seed)
    host, port = world.bot.url.removeprefix("http://").split(":")
    heard, began = _heard(world), time.perf_counter()
    with errors() as found:
        for done in range(0, n, AT_ONCE):
            requests = [make(chance) for _ in range(min(AT_ONCE, n - done))]
            await asyncio.gather(*(_try(host, int(port), request, result) for request in requests))
    result.seconds = time.perf_counter() - began
    for error in found:
        result.violation(f"logged: {error}")
    if _heard(world) != heard:
        result.violation(f"{_heard(world) - heard} unsigned requests reached the door")
    return result


def _heard(world: World) -> float:
    """Payloads that came through the door."""
    deliveries = world.front.context.metrics.deliveries.collect()
    return sum(s.value for metric in deliveries for s in metric.samples if s.name.endswith("_total"))


async def _try(host: str, port: int, request: bytes, result: Result) -> None:
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection(host, port)
    try:
        async with asyncio.timeout(ANSWERED_WITHIN):
            writer.write(request)
            answer = _status(await _first_line(reader, writer))
    except ConnectionError:
        answer = "closed"
    except TimeoutError:
        answer = "silent"
    finally:
        writer.close()
    result.answered(answer, time.perf_counter() - began)
    if answer in {"200", "silent"} or answer.startswith("5"):
        result.violation(f"{answer} for {request[:900]!r}")


async def _first_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """After a while the other side hears that nothing more will come."""
    reading = asyncio.ensure_future(reader.readline())
    if not (await asyncio.wait({reading}, timeout=PATIENCE))[0]:
        writer.write_eof()
    return await reading


def _status(line: bytes) -> str:
    words = line.split()
    return words[1].decode("ascii", "replace") if len(words) > 1 else "closed"


# Making them -----------------------------------------------------------------------------------


def make(chance: random.Random) -> bytes:
    return _KINDS[chance.randrange(len(_KINDS))](chance)


def _forged(chance: random.Random) -> bytes:
    """Whole and well-formed, only not Slack's."""
    request = before.make(chance)
    while request.signed:  # with a secret that this bot has not
        request = before.make(chance)
    lines = b"".join(_line(name, value) for name, value in request.headers.items())
    return POST + lines + b"Content-Length: %d\r\n\r\n" % len(request.raw) + request.raw


def _line(name: str, value: str) -> bytes:
    return f"{name}: {value}".encode("utf-8", "replace").replace(b"\n", b" ") + b"\r\n"


def _lengths(chance: random.Random) -> bytes:
    lengths = (
        b"-1",
        b"+5",
        b"1e3",
        b"0x10",
        b"9" * 30,
        b"5, 6",
        b" 5",
        b"",
        b"\xd9\xa1",
        b"1048577",
        b"3\r\nContent-Length: 4",
    )
    return POST + FORM + b"Content-Length: " + chance.choice(lengths) + b"\r\n\r\n" + COMMAND


def _chunks(chance: random.Random) -> bytes:
    chunks = (
        b"zz\r\n",
        b"-1\r\nx\r\n",
        b"5;" + b"x" * 9_000 + b"\r\n",
        b"ffffffffffffffffff\r\nx",
        b"5\r\ncomm",
        b"1\r\na\r\n0\r\nX: y\r\n\r\n",
        b"\r\n",
        b"0\r\n\r\n" + POST,
    )
    return POST + FORM + TRANSFER + chance.choice(chunks)


def _smuggled(chance: random.Random) -> bytes:
    both = b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    odd = b"Transfer-Encoding: " + chance.choice(
        (b"xchunked", b"chunked, identity", b" chunked", b"\x0bchunked")
    )
    return POST + chance.choice((both, odd + b"\r\n\r\n5\r\nabcde\r\n0\r\n\r\n")) + POST


def _encodings(chance: random.Random) -> bytes:
    """Among them ten megabytes in ten kilobytes."""
    bomb = gzip.compress(b"a" * 10_000_000, 9, mtime=0)
    body = chance.choice((bomb, b"\x1f\x8b00", b"", COMMAND, chance.randbytes(50)))
    named = chance.choice((b"gzip", b"deflate", b"br", b"zstd", b"gzip, gzip", b"x", b"identity"))
    return POST + FORM + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (named, len(body)) + body


def _headers(chance: random.Random) -> bytes:
    lines = (
        b"X-Slack-Signature: v0=00\r\n" * 2,
        b"X-Slack-Request-Timestamp: 1\r\nX-Slack-Request-Timestamp: 2\r\n",
        b"X-Slack-Signature: \xff\xfe\x00\r\n",
        b"X-Slack-Signature : v0=00\r\n",
        b" folded: line\r\n",
        b"no colon\r\n",
        b": no name\r\n",
        b"X: " + b"y" * 20_000 + b"\r\n",
        b"X: y\r\n" * 500,
        b"Expect: 100-continue\r\n",
        b"Upgrade: websocket\r\nConnection: upgrade\r\n",
        b"Host: evil.example\r\nX-Forwarded-For: 127.0.0.1\r\n",
    )
    return POST + FORM + chance.choice(lines) + b"Content-Length: %d\r\n\r\n" % len(COMMAND) + COMMAND


def _first_lines(chance: random.Random) -> bytes:
    line = chance.choice(
        (
            b"GET /slack/events HTTP/1.1",
            b"POST /slack/events?\xff\xfe HTTP/1.1",
            b"POST //slack/events HTTP/1.1",
            b"POST /slack/../slack/events HTTP/1.1",
            b"POST /runs/RB-1 HTTP/1.1",
            b"GET /runs/%00 HTTP/1.1",
            b"GET /runs/" + any_text(chance).encode("utf-8", "replace").replace(b"\n", b"") + b" HTTP/1.1",
            b"OPTIONS * HTTP/1.1",
            b"CONNECT evil.example:443 HTTP/1.1",
            b"POST /slack/events HTTP/9.9",
            b"POST /slack/events",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"PRI * HTTP/2.0",
            chance.randbytes(200),
        )
    )
    return line + b"\r\nHost: x\r\n\r\n"


def _cut(chance: random.Random) -> bytes:
    whole = POST + FORM + b"Content-Length: 100\r\n\r\n" + COMMAND
    return whole[: chance.randrange(1, len(whole))]


_KINDS: tuple[Callable[[random.Random], bytes], ...] = (
    _forged,
    _lengths,
    _chunks,
    _smuggled,
    _encodings,
    _headers,
    _first_lines,
    _cut,
)
