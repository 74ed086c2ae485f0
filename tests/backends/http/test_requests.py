"""The request as it is written down: method, headers, redirects. None of their secrets is told to anybody."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from backends.discreet import DiscreetCheck
from backends.http.check import HttpCheck, build
from backends.http.settings import HttpCheckSettings
from backends.references import Resolver
from backends.surroundings import Surroundings
from bot.configuration.values import Reference
from bot.errors import ConfigurationError
from bot.model import Finding, Verdict, When
from tests.backends.http.peers import head, saying, serving

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
CANARY = "canary-7f3a"


async def look(url: str, **settings: Any) -> Finding:
    async with asyncio.timeout(5):
        return await HttpCheck(when=When.ONLINE, url=url, **settings).look(None, NOW)


def checking(folder: Path, environ: Mapping[str, str] | None = None, **settings: Any) -> DiscreetCheck:
    surroundings = Surroundings(folder, folder / "spool")
    check = build(HttpCheckSettings(type="http", **settings), Resolver(surroundings, environ or {}))
    return DiscreetCheck(check, "http", surroundings.secrets)


class Site:
    """Notes who asked for what; a path that begins with `to/` redirects to the rest of it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str | None]] = []
        self.address = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path, request.headers.get("X-Key")))
        if request.path.startswith("/to/"):
            return web.Response(status=302, headers={"Location": request.raw_path.removeprefix("/to/")})
        return web.Response(text="all ok")


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    made = Site()
    async with serving(made.answer) as made.address:
        yield made


async def test_a_head_asks_without_a_body() -> None:
    async with site() as shop:
        finding = await look(f"{shop.address}/well", method="HEAD")
    assert (finding.verdict, finding.name) == (Verdict.PASSED, f"http HEAD {shop.address}")
    assert shop.asked == [("HEAD", "/well", None)]


async def test_a_redirect_says_where_to_and_no_more_than_the_host() -> None:
    there = f"https://user:{CANARY}@login.example:8443/{CANARY}?token={CANARY}#{CANARY}"
    async with site() as shop:
        finding = await look(f"{shop.address}/to/{there}")
        expected = await look(f"{shop.address}/to/{there}", status=302)
    assert (finding.verdict, finding.value) == (Verdict.FAILED, 302)
    assert finding.words.endswith(" ms, not 200: it redirects to https://login.example:8443")
    assert (expected.verdict, expected.words.partition(": ")[2]) == (
        Verdict.PASSED,
        "it redirects to https://login.example:8443",
    )


@pytest.mark.parametrize("follows", [False, True])
@pytest.mark.parametrize(
    "location",
    [
        f"http://[::1?{CANARY}",
        f"ftp://user:{CANARY}@127.0.0.1/{CANARY}",
        f"http://127.0.0.1:99999/{CANARY}",
        f"http:{CANARY}",
        f"javascript:{CANARY}",
        f"http://{CANARY}@[/x",
        f"http://127.0.0.1%2F{CANARY}/",
        f"//user:{CANARY}@127.0.0.1:1/{CANARY}",
    ],
)
async def test_a_redirect_tells_nothing_of_an_address_in_any_spelling(location: str, follows: bool) -> None:
    async with saying(head("302 Found", f"Location: {location}", "Content-Length: 0")) as shop:
        finding = await look(f"{shop}/", redirects=follows)
    assert CANARY not in f"{finding}"


async def test_redirects_are_followed_where_that_is_written_down() -> None:
    async with site() as shop:
        finding = await look(f"{shop.address}/to//well", redirects=True, contains="ok")
    assert finding.verdict is Verdict.PASSED
    assert finding.words.endswith(f" ms after 1 redirect, from {shop.address}")
    assert [path for _, path, _ in shop.asked] == ["/to//well", "/well"]


async def test_too_many_redirects_fail_and_say_where_they_lead() -> None:
    asked: list[str] = []

    async def round_and_round(request: web.Request) -> web.Response:
        asked.append(request.path)
        raise web.HTTPFound(f"/{CANARY}")

    async with serving(round_and_round) as shop:
        finding = await look(shop, redirects=True)
    words = f"more than 10 redirects, the last of them to {shop}"
    assert (finding.verdict, finding.value, finding.words) == (Verdict.FAILED, 302, words)
    assert len(asked) == 1 + 10


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("ftp://mirror.example/", ": it redirects to ftp://mirror.example, which cannot be followed"),
        ("http://[::1", ": it redirects to an address that cannot be used, which cannot be followed"),
    ],
)
async def test_a_redirect_that_leads_nowhere_fails(location: str, words: str) -> None:
    async with saying(head("302 Found", f"Location: {location}", "Content-Length: 0")) as shop:
        finding = await look(shop, redirects=True)
    assert finding.verdict is Verdict.FAILED
    assert finding.words.endswith(words)


async def test_a_redirect_to_where_nobody_listens_is_inconclusive_and_says_where(free_port: int) -> None:
    async with site() as shop:
        finding = await look(f"{shop.address}/to/http://127.0.0.1:{free_port}/{CANARY}", redirects=True)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert finding.words.startswith(f"after 1 redirect, to http://127.0.0.1:{free_port}: no connection: ")
    assert CANARY not in finding.words


async def test_a_header_is_sent_and_goes_to_no_other_origin(tmp_path: Path) -> None:
    async with site() as shop, site() as other:
        url = f"{shop.address}/to/{shop.address}/to/{other.address}/well"
        check = checking(
            tmp_path, {"KEY": CANARY}, url=url, headers={"X-Key": Reference("env", "KEY")}, redirects=True
        )
        finding = await check.look(None, NOW)
    assert finding.verdict is Verdict.PASSED
    assert [key for _, _, key in shop.asked] == [CANARY, CANARY]
    assert [key for _, _, key in other.asked] == [None]


async def test_the_user_of_an_address_goes_to_no_other_origin() -> None:
    seen: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(text="all ok")

    async with serving(answer) as other, site() as shop:
        with_user = shop.address.replace("//", f"//ana:{CANARY}@")
        await look(f"{with_user}/to/{other}/well", redirects=True)
    assert seen == [None]


@pytest.mark.parametrize(
    "answer",
    [
        head("401 No", "Content-Length: 0"),
        head("302 Found", f"Location: /{CANARY}", "Content-Length: 0"),
        head("200 OK", "Content-Length: 9") + CANARY[:3].encode(),
        head(f"200 {CANARY}", "Content-Length: x"),
        b"",
        CANARY.encode(),
    ],
)
@pytest.mark.parametrize("literal", [False, True])
async def test_no_header_and_nothing_of_the_address_is_told_whatever_comes_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, answer: bytes, literal: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    key: Any = CANARY if literal else Reference("env", "KEY")
    async with saying(answer) as shop:
        url = f"{shop}/{CANARY}?{CANARY}#{CANARY}"
        check = checking(tmp_path, {"KEY": CANARY}, url=url, headers={"X-Key": key}, redirects=True)
        finding = await check.look(None, NOW)
    assert finding.verdict is not Verdict.PASSED
    assert CANARY not in f"{finding} {check.name} {caplog.text}"


def test_a_check_shows_neither_address_nor_headers_where_it_is_shown_itself() -> None:
    url = f"http://ana:{CANARY}@shop/{CANARY}"
    check = HttpCheck(when=When.ONLINE, url=url, headers={"X-Key": CANARY}, contains="ok")
    assert CANARY not in f"{check!r}"


async def test_a_text_that_is_a_secret_is_struck_before_it_is_spelled(tmp_path: Path) -> None:
    secret = "it's\\a\"canary"
    async with site() as shop:
        check = checking(
            tmp_path, {"KEY": secret}, url=f"{shop.address}/well", contains=Reference("env", "KEY")
        )
        finding = await check.look(None, NOW)
    assert finding.words.endswith(" but '***' is not in the answer")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"ca": "none.pem"}, "The file none.pem of `ca` of an http check cannot be read: No such file"),
        ({"ca": "spool"}, "The file spool of `ca` of an http check cannot be read: Is a directory."),
        ({"ca": "empty.pem"}, "The file empty.pem of `ca` of an http check holds no certificate."),
        ({"headers": {"X-Key": Reference("env", "TWO")}}, "The header `X-Key` of an http check leads to"),
        (
            {"contains": Reference("env", "EMPTY")},
            "The text that `contains` of an http check leads to is empty.",
        ),
        (
            {"url": Reference("env", "USER"), "headers": {"authorization": "Bearer x"}},
            "Both the `url` of an http check and its header `Authorization` name a user.",
        ),
    ],
)
def test_a_setting_that_leads_to_what_cannot_be_used_is_refused_before_anybody_looks(
    tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    (tmp_path / "empty.pem").write_text("")
    (tmp_path / "spool").mkdir()
    environ = {
        "BYTES": f"{CANARY}\udcff",
        "TWO": f"{CANARY}\r\nX: {CANARY}",
        "EMPTY": "",
        "USER": f"http://ana:{CANARY}@shop/",
    }
    with pytest.raises(ConfigurationError) as refused:
        checking(tmp_path, environ, **{"url": "https://shop/", **settings})
    assert str(refused.value).startswith(words)
    assert CANARY not in str(refused.value)
