import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import web

from handlers.door.guard import BODY_AT_MOST_BYTES, NotAdmitted
from handlers.web.slack_events import read_body
from tests.handlers.conftest import Open
from tests.handlers.door.test_shapes import WELL
from tests.handlers.web.browsing import Answer, ask
from tests.handlers.world import STANDARD, World

pytestmark = pytest.mark.asyncio(loop_scope="module")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
POST = b"POST /slack/events HTTP/1.1\r\nHost: x\r\n"
COMMAND = b"command=%2Frollback&text=status"
ODD: list[Any] = [None, 5, 10**300, True, "", "x" * 3_000, [], {}, [[]], {"id": []}]


async def post(world: World, raw: bytes, headers: dict[str, str]) -> Answer:
    return await ask(world, "/slack/events", headers, method="POST", data=raw)


async def signed(world: World, raw: bytes, headers: dict[str, str]) -> Answer:
    return await post(world, raw, {**headers, **world.slack.signed_headers(raw)})


async def sent_raw(world: World, request: bytes, *, close: bool = False) -> bytes:
    """The first line of the answer to exactly these bytes; empty when the line was cut."""
    host, port = world.bot.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    if close:
        writer.write_eof()
    line = await asyncio.wait_for(reader.readline(), 5.0)
    writer.close()
    await writer.wait_closed()
    return line.strip()


# What is not Slack's ---------------------------------------------------------------------------


async def test_an_unsigned_request_is_refused_without_a_word(rolled_back: World) -> None:
    answer = await post(rolled_back, COMMAND, FORM)
    assert (answer.status, answer.body) == (401, "")


async def test_a_stale_request_is_refused(rolled_back: World) -> None:
    stale = rolled_back.slack.signed_headers(COMMAND, time.time() - 301)
    assert (await post(rolled_back, COMMAND, {**FORM, **stale})).status == 401


async def test_an_oversized_request_is_refused_by_its_own_word(rolled_back: World) -> None:
    said = f"Content-Length: {BODY_AT_MOST_BYTES + 1}\r\n\r\n".encode()
    assert await sent_raw(rolled_back, POST + said) == b"HTTP/1.1 413 Request Entity Too Large"


async def test_an_oversized_request_is_refused_when_it_does_not_say_so(rolled_back: World) -> None:
    size = BODY_AT_MOST_BYTES + 1
    request = (
        POST + f"Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n".encode() + b"x" * size + b"\r\n0\r\n\r\n"
    )
    assert await sent_raw(rolled_back, request) == b"HTTP/1.1 413 Request Entity Too Large"


@pytest.mark.parametrize(
    "request_bytes",
    [
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        POST + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b00",
        POST + b"Content-Encoding: deflate\r\nContent-Length: 4\r\n\r\nabcd",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"X-Slack-Signature: \xff\xfe\r\nContent-Length: 0\r\n\r\n",
        b"POST /slack/events?\xff\xfe HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not even HTTP\r\n\r\n",
    ],
    ids=["bad chunk", "half gzip", "no deflate", "negative", "bytes in a header", "bytes in a query", "TLS"],
)
async def test_broken_http_is_refused_and_never_an_error_of_ours(
    rolled_back: World, request_bytes: bytes
) -> None:
    line = await sent_raw(rolled_back, request_bytes)
    assert line.split()[1] in {b"400", b"401"}


async def test_a_body_that_breaks_off_does_no_harm(rolled_back: World) -> None:
    line = await sent_raw(rolled_back, POST + b"Content-Length: 100\r\n\r\ncommand=", close=True)
    assert line == b"" or line.split()[1] == b"400"
    assert (await ask(rolled_back, "/readyz")).status == 200


# Slow bodies -----------------------------------------------------------------------------------


@pytest.fixture
async def slow_server() -> AsyncIterator[str]:
    """Reads as the real one does, with less patience."""

    async def answer(request: web.Request) -> web.Response:
        body = await read_body(request, within=0.05)
        return web.Response(status=body.status if isinstance(body, NotAdmitted) else 200)

    app = web.Application()
    app.router.add_post("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield str(runner.addresses[0][1])
    await runner.cleanup()


@pytest.mark.asyncio(loop_scope="function")
async def test_a_body_that_never_ends_is_given_up(slow_server: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(slow_server))
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\ncom")
    line = await asyncio.wait_for(reader.readline(), 5.0)
    assert line.split()[1] == b"408"
    writer.close()
    await writer.wait_closed()


# What is Slack's -------------------------------------------------------------------------------


async def test_slacks_question_to_a_new_address_is_answered(rolled_back: World) -> None:
    assert await rolled_back.slack.verify_url()


@pytest.mark.parametrize(
    ("raw", "headers"),
    [
        (b"", FORM),
        (b"\xff\xfe", FORM),
        (b"payload=%7B", FORM),
        (b"[1, 2]", JSON),
        (b'{"a": NaN}', JSON),
        (rb'{"type": "url_verification", "challenge": "\ud800"}', JSON),
        (b'{"a":' * 10_000, JSON),
        (b'{"type": "block_suggestion"}', JSON),
    ],
)
async def test_signed_garbage_is_refused(rolled_back: World, raw: bytes, headers: dict[str, str]) -> None:
    assert (await signed(rolled_back, raw, headers)).status == 400


async def test_another_workspace_is_refused(rolled_back: World) -> None:
    fields = {**WELL[0], "team_id": "T99"}
    assert (await signed(rolled_back, urlencode(fields).encode(), FORM)).status == 403


@pytest.mark.parametrize("payload", WELL, ids=lambda p: p.get("command") or p["type"])
async def test_no_shape_of_a_signed_payload_is_an_error_of_ours(
    rolled_back: World, payload: dict[str, Any]
) -> None:
    ours = json.loads(json.dumps(payload).replace('"T01"', f'"{rolled_back.workspace.app.team_id}"'))
    ours.pop("api_app_id", None)
    for changed in _changed(ours):
        answer = await signed(rolled_back, json.dumps(changed).encode(), JSON)
        assert answer.status < 500, f"{answer.body}: {json.dumps(changed)[:500]}"


def _changed(payload: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The payload with each of its places made odd, or missing."""
    for path in _places(payload):
        for odd in ODD:
            yield _with(payload, path, odd)
        yield _without(payload, path)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*path, key))


def _with(payload: dict[str, Any], path: tuple[Any, ...], odd: Any) -> dict[str, Any]:
    made, place = _copied(payload, path)
    place[path[-1]] = odd
    return made


def _without(payload: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    made, place = _copied(payload, path)
    del place[path[-1]]
    return made


def _copied(payload: dict[str, Any], path: tuple[Any, ...]) -> tuple[dict[str, Any], Any]:
    made = deepcopy(payload)
    place: Any = made
    for step in path[:-1]:
        place = place[step]
    return made, place


@pytest.mark.asyncio(loop_scope="function")
async def test_a_target_called_payload_api_can_be_asked_for_over_http(open_world: Open) -> None:
    world = await open_world(STANDARD.replace("  shop:", "  payload-api:"), mode="http")
    run = await world.asks("ana", "payload-api to v41 because payload= was lost")
    assert (run.request.target, run.request.reason) == ("payload-api", "payload= was lost")


@pytest.mark.asyncio(loop_scope="function")
async def test_without_a_signing_secret_nothing_from_slack_is_heard_by_http(world: World) -> None:
    assert (await signed(world, COMMAND, FORM)).status == 404
