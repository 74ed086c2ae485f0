"""Check `http`, beyond what all checks must do."""

import asyncio
from datetime import UTC, datetime

import pytest

from backends.http.check import HttpCheck
from bot.model import Finding, Verdict, When

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


async def look(url: str, status: int = 200, contains: str | None = None) -> Finding:
    check = HttpCheck(when=When.ONLINE, url=url, status=status, contains=contains)
    return await check.look(None, NOW)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (
            "https://shop.example:8443/hooks/canary-7f3a?token=canary-7f3a",
            "http GET https://shop.example:8443",
        ),
        ("http://user:canary-7f3a@shop/", "http GET http://shop"),
        ("canary-7f3a", "http GET ?"),
        ("http://[::1?token=canary-7f3a", "http GET ?"),
    ],
)
async def test_it_is_called_after_scheme_and_host_and_nothing_else(url: str, name: str) -> None:
    assert HttpCheck(when=When.ONLINE, url=url).name == name


async def test_its_value_is_the_status_and_its_words_say_how_long_it_took(site: str) -> None:
    finding = await look(f"{site}/ill")
    assert (finding.verdict, finding.value) == (Verdict.FAILED, 500)
    assert finding.words.startswith("500 in ")
    assert finding.words.endswith(" ms, not 200")


async def test_any_status_may_be_the_expected_one(site: str) -> None:
    assert (await look(f"{site}/nowhere", status=404)).verdict is Verdict.PASSED


async def test_the_body_must_contain_what_was_said(site: str) -> None:
    assert (await look(f"{site}/well", contains="all ok")).verdict is Verdict.PASSED
    assert (await look(f"{site}/well", contains="on sale")).verdict is Verdict.FAILED


async def test_a_redirect_is_an_answer_of_its_own(site: str) -> None:
    finding = await look(f"{site}/moved")
    assert (finding.verdict, finding.value) == (Verdict.FAILED, 302)


async def test_a_body_without_end_is_read_in_bounds(site: str) -> None:
    async with asyncio.timeout(5):
        assert (await look(f"{site}/long", contains="y")).verdict is Verdict.FAILED
        assert (await look(f"{site}/long", contains="xxx")).verdict is Verdict.PASSED


@pytest.mark.parametrize(
    "url", ["", "no address", "http://", "http://[::1", "ftp://127.0.0.1/", "http://127.0.0.1:99999/"]
)
async def test_an_address_that_cannot_be_used_is_inconclusive(url: str) -> None:
    assert (await look(url)).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    "address", ["http://[::1?token={}", "http://127.0.0.1:1/{}", "http://127.0.0.1:1/?t={}", "ftp://h/{}"]
)
async def test_an_address_with_a_token_is_not_repeated(address: str) -> None:
    finding = await look(address.format("canary-7f3a"))
    assert "canary-7f3a" not in f"{finding.name} {finding.words}"


async def test_a_refused_connection_says_so(free_port: int) -> None:
    words = (await look(f"http://127.0.0.1:{free_port}/")).words
    assert words.startswith("no connection: ")
    assert "refused" in words.lower()


async def test_a_certificate_that_nobody_trusts_is_named_as_the_cause(untrusted: str) -> None:
    assert (await look(untrusted)).words.startswith("its certificate is not trusted: self")
