"""The real cause is named at once, and on the side where it belongs: *failed*, or *inconclusive*."""

import asyncio
import errno
import os
import re
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectorDNSError, web
from aiohttp.client_reqrep import ConnectionKey
from cryptography import x509

from backends.http.causes import cause_of
from backends.http.check import HttpCheck, build
from backends.http.settings import HttpCheckSettings
from backends.references import Resolver
from backends.surroundings import Surroundings
from bot.model import Finding, Verdict, When
from tests.backends.http.certificates import ELSEWHERE, HERE, Authority
from tests.backends.http.peers import guarding, head, saying, serving

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
AT_ONCE_SECONDS = 2.0  # of the 10 that a look may take
DAY = timedelta(days=1)


async def look(url: str, **settings: Any) -> Finding:
    async with asyncio.timeout(AT_ONCE_SECONDS):
        return await HttpCheck(when=When.ONLINE, url=url, **settings).look(None, NOW)


def checking(folder: Path, **settings: Any) -> HttpCheck:
    resolver = Resolver(Surroundings(folder, folder / "spool"), {})
    return build(HttpCheckSettings(type="http", **settings), resolver)


async def well(request: web.Request) -> web.Response:
    return web.Response(text="all ok")


async def test_a_service_with_a_certificate_of_an_authority_that_is_named_passes(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with serving(well, authority.signs()) as site:
        finding = await checking(tmp_path, url=f"{site}/well", ca="authority.pem", contains="ok").look(
            None, NOW
        )
    assert (finding.verdict, finding.value) == (Verdict.PASSED, 200)


@pytest.mark.parametrize(
    ("name", "since", "until", "words"),
    [
        (HERE, -3 * DAY, -DAY, "its certificate is not trusted: it has expired"),
        (HERE, DAY, 3 * DAY, "its certificate is not trusted: it is not valid yet"),
        (ELSEWHERE, -DAY, DAY, "its certificate is not trusted: it is made out to another host"),
    ],
)
async def test_a_bad_certificate_fails_at_once_and_says_what_is_bad_about_it(
    tmp_path: Path, name: x509.GeneralName, since: timedelta, until: timedelta, words: str
) -> None:
    authority = Authority(tmp_path)
    async with serving(well, authority.signs(name, since, until)) as site, asyncio.timeout(AT_ONCE_SECONDS):
        finding = await checking(tmp_path, url=site, ca="authority.pem").look(None, NOW)
    assert (finding.verdict, finding.value) == (Verdict.FAILED, "bad certificate")
    assert finding.words.startswith(words)


async def test_a_certificate_for_another_name_of_the_host_is_named_so(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with serving(well, authority.signs(ELSEWHERE)) as site:
        named = site.replace("127.0.0.1", "localhost")
        finding = await checking(tmp_path, url=named, ca="authority.pem").look(None, NOW)
    assert finding.words.startswith("its certificate is not trusted: it is made out to another host name")


async def test_an_authority_that_nobody_here_knows_is_named_as_the_cause(tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    Authority(tmp_path)
    async with serving(well, stranger.signs()) as site:
        by_the_machine = await look(site)
        by_another = await checking(tmp_path, url=site, ca="authority.pem").look(None, NOW)
    for finding in (by_the_machine, by_another):
        assert finding.verdict is Verdict.FAILED
        assert "the authority that signed it is not known here" in finding.words


async def test_plain_http_where_tls_was_asked_is_named(tmp_path: Path) -> None:
    async with serving(well) as site:
        finding = await look(site.replace("http:", "https:"))
    assert (finding.verdict, finding.value) == (Verdict.FAILED, "no TLS")
    assert "Write http:// in `url`" in finding.words


async def test_tls_where_plain_http_was_asked_is_named(tmp_path: Path) -> None:
    async with serving(well, Authority(tmp_path).signs()) as site:
        finding = await look(site.replace("https:", "http:"))
    assert (finding.verdict, finding.value) == (Verdict.FAILED, "TLS")
    assert finding.words.endswith("it speaks TLS. Write https:// in `url`")


async def test_a_bad_request_of_a_server_that_speaks_tls_is_named_so(tmp_path: Path) -> None:
    """As nginx and Apache answer: 400, in plain words."""
    async with guarding(Authority(tmp_path).signs(), head("400 Bad Request", "Content-Length: 0")) as site:
        finding = await look(site)
    assert (finding.verdict, finding.value) == (Verdict.FAILED, "TLS")
    assert re.fullmatch(r"400 in \d+ ms: http:// was asked, and it speaks TLS. Write .*", finding.words)


async def test_a_bad_request_of_a_server_without_tls_stays_one() -> None:
    async with saying(head("400 Bad Request", "Content-Length: 0")) as site:
        finding = await look(site)
    assert (finding.verdict, finding.value) == (Verdict.FAILED, 400)
    assert finding.words.endswith(" ms, not 200")


async def test_a_server_that_refuses_to_encrypt_fails_in_the_words_of_tls() -> None:
    """As one that asks the client for a certificate, or knows no cipher of ours."""
    alert = bytes.fromhex("15 03 03 00 02 02 28")  # fatal, handshake_failure: RFC 8446, section 6
    async with saying(alert) as site:
        finding = await look(site.replace("http:", "https:"))
    assert (finding.verdict, finding.value) == (Verdict.FAILED, "no encryption")
    assert finding.words.startswith("no encrypted connection can be made: ")
    assert finding.words.endswith("alert handshake failure")


async def test_a_connection_that_is_closed_before_it_is_encrypted_is_inconclusive() -> None:
    async with saying(b"") as site:
        finding = await look(site.replace("http:", "https:"))
    assert (finding.verdict, finding.value) == (Verdict.INCONCLUSIVE, None)
    assert "closed" in finding.words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (socket.EAI_NONAME, "no connection: the name of the host is not known"),
        (socket.EAI_AGAIN, "no connection: the name of the host cannot be looked up now"),
    ],
)
def test_a_name_that_nobody_knows_is_not_a_resolver_that_is_away(number: int, words: str) -> None:
    """No name is looked up: that would need a network."""
    key = ConnectionKey("shop.invalid", 80, False, True, None, None, None)
    cause = cause_of(ClientConnectorDNSError(key, socket.gaierror(number, "canary-7f3a")))
    assert (cause.verdict, cause.words) == (Verdict.INCONCLUSIVE, words)


async def test_nobody_who_listens_is_inconclusive(free_port: int) -> None:
    finding = await look(f"http://127.0.0.1:{free_port}/")
    assert (finding.verdict, finding.value) == (Verdict.INCONCLUSIVE, None)
    assert finding.words == f"no connection: {os.strerror(errno.ECONNREFUSED)}"


async def test_no_connection_in_time_is_not_an_answer_that_is_late() -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)  # nobody accepts: the first is kept waiting, and more are not even answered
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        finding = await look(f"http://127.0.0.1:{full.getsockname()[1]}/", timeout=0.2)
    assert (finding.verdict, finding.words) == (Verdict.INCONCLUSIVE, "no connection within 0.2 s")


async def test_an_answer_that_is_late_is_inconclusive_and_not_called_a_missing_connection() -> None:
    async with saying(b"", hangs_up=False) as site:
        finding = await look(site, timeout=0.2)
    assert (finding.verdict, finding.words) == (Verdict.INCONCLUSIVE, "no answer within 0.2 s")


async def test_a_connection_that_is_closed_without_a_word_is_inconclusive() -> None:
    async with saying(b"") as site:
        finding = await look(site)
    words = "it closed the connection without an answer"
    assert (finding.verdict, finding.value, finding.words) == (Verdict.INCONCLUSIVE, None, words)


@pytest.mark.parametrize(
    "answer",
    [
        b"220 smtp.shop ESMTP\r\n",
        b"HTTP/1.1 fine\r\n\r\n",
        head("200 OK", f"X-Long: {'x' * 100_000}"),
        head("200 OK", "Content-Length: many"),
    ],
)
async def test_an_answer_that_is_no_http_fails(answer: bytes) -> None:
    async with saying(answer) as site:
        finding = await look(site)
    words = "its answer is broken: it cannot be read as HTTP"
    assert (finding.verdict, finding.value, finding.words) == (Verdict.FAILED, "no HTTP", words)


@pytest.mark.parametrize(
    "answer",
    [
        head("200 OK", "Content-Length: 100") + b"all ok",
        head("200 OK", "Transfer-Encoding: chunked") + b"6\r\nall ok\r\n",
    ],
)
async def test_an_answer_that_breaks_off_fails(answer: bytes) -> None:
    async with saying(answer) as site:
        finding = await look(site)
        searched = await look(site, contains="on sale")
    for each in (finding, searched):
        assert (each.verdict, each.value) == (Verdict.FAILED, 200)
        assert each.words.endswith("but the answer breaks off after 6 bytes")


async def test_a_status_that_is_wrong_is_said_whatever_follows_it() -> None:
    async with saying(head("500 Oh", "Content-Length: 100"), hangs_up=False) as site:
        finding = await look(site)
    assert (finding.verdict, finding.value) == (Verdict.FAILED, 500)
    assert finding.words.endswith(" ms, not 200")
