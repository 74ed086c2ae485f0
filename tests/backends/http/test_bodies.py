"""A text is found wherever it stands in an answer, in bounded time and memory; what was not read is said."""

import asyncio
import gzip
import zlib
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from backends.http.body import MIB, Search
from backends.http.check import HttpCheck
from bot.model import Finding, Verdict, When
from tests.backends.http.peers import Handler, head, saying, serving

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
TEXT = b"all ok"


async def look(url: str, **settings: Any) -> Finding:
    async with asyncio.timeout(5):
        return await HttpCheck(when=When.ONLINE, url=url, **settings).look(None, NOW)


def packed(body: bytes, packing: str, window_bits: int | None = None) -> Handler:
    """Always so, whatever the client has asked for."""
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS if window_bits is None else window_bits)
    data = gzip.compress(body) if window_bits is None else packer.compress(body) + packer.flush()

    async def handler(request: web.Request) -> web.Response:
        return web.Response(body=data, headers={"Content-Encoding": packing})

    return handler


def dripping(first: bytes) -> Handler:
    """Sends this, and never ends."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(first)
        await asyncio.Event().wait()
        return response

    return handler


async def test_a_text_behind_the_first_mib_is_found() -> None:
    body = b"x" * 3 * MIB + TEXT

    async def long(request: web.Request) -> web.Response:
        return web.Response(body=body)

    async with serving(long) as site:
        assert (await look(site, contains="all ok")).verdict is Verdict.PASSED
        missing = await look(site, contains="on sale")
    assert missing.verdict is Verdict.FAILED
    assert missing.words.endswith("but 'on sale' is not in the answer")


@given(st.lists(st.binary(max_size=5).map(lambda junk: junk.replace(b"k", b"")), max_size=4), st.data())
def test_a_text_is_found_however_it_is_cut_into_pieces(junk: list[bytes], data: st.DataObject) -> None:
    body = b"".join(junk) + TEXT
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)))))
    search = Search((TEXT,), most=MIB)
    *pieces, last = _pieces(body, cuts)
    for piece in pieces:
        search.take(piece)
        assert not search.found
    search.take(last)
    assert search.found


def _pieces(body: bytes, cuts: list[int]) -> Iterable[bytes]:
    """The last one is not empty: it brings the end of the text."""
    edges = [0, *(cut for cut in cuts if cut < len(body)), len(body)]
    return [body[begin:end] for begin, end in pairwise(edges)]


async def test_an_answer_that_is_too_long_says_how_much_of_it_was_read() -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 256 * 1024)
        except ConnectionError:
            return response

    async with serving(endless) as site:
        finding = await look(site, contains="on sale")
        unsearched = await look(site)
    assert finding.verdict is Verdict.FAILED
    assert finding.words.endswith("but 'on sale' is not in the first 16 MiB of the answer")
    assert unsearched.verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("contains", "verdict", "words"),
    [
        (None, Verdict.PASSED, "and the answer did not end within 0.3 s"),
        ("all ok", Verdict.PASSED, " ms"),
        ("on sale", Verdict.INCONCLUSIVE, "but 'on sale' is not in the 6 bytes of it that came within 0.3 s"),
    ],
)
async def test_an_answer_without_end_is_judged_by_what_is_decided_when_the_time_is_over(
    contains: str | None, verdict: Verdict, words: str
) -> None:
    async with serving(dripping(TEXT)) as site:
        finding = await look(site, contains=contains, timeout=0.3)
    assert (finding.verdict, finding.value) == (verdict, 200)
    assert finding.words.endswith(words)


@pytest.mark.parametrize(
    ("packing", "window_bits"),
    [("gzip", None), ("x-gzip", None), ("deflate", zlib.MAX_WBITS), ("deflate", -zlib.MAX_WBITS)],
)
async def test_an_answer_that_is_packed_unasked_is_unpacked(packing: str, window_bits: int | None) -> None:
    async with serving(packed(b"x" * MIB + TEXT, packing, window_bits)) as site:
        assert (await look(site, contains="all ok")).verdict is Verdict.PASSED
        assert (await look(site, contains="on sale")).verdict is Verdict.FAILED


async def test_archives_one_after_another_are_one_answer() -> None:
    data = gzip.compress(b"all ") + gzip.compress(b"ok")
    answer = head("200 OK", "Content-Encoding: gzip", f"Content-Length: {len(data)}") + data
    async with saying(answer) as site:
        assert (await look(site, contains="all ok")).verdict is Verdict.PASSED


async def test_a_small_answer_that_unpacks_to_much_is_read_in_bounds() -> None:
    async with serving(packed(b"x" * 40 * MIB, "gzip")) as site:
        finding = await look(site, contains="y")
    assert finding.words.endswith("is not in the first 16 MiB of the answer")


async def test_a_packing_that_nobody_here_can_undo_proves_nothing() -> None:
    async with serving(packed(TEXT, "br")) as site:
        finding = await look(site, contains="all ok")
        unsearched = await look(site)
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "packed in a way that cannot be searched" in finding.words
    assert unsearched.verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"no gzip at all", "but the answer is not packed as it says"),
        (gzip.compress(TEXT, mtime=0)[:-1], "but the answer breaks off after 6 bytes"),
    ],
    ids=["garbled", "cut off"],
)
async def test_a_packed_answer_that_is_broken_fails(data: bytes, words: str) -> None:
    answer = head("200 OK", "Content-Encoding: gzip", f"Content-Length: {len(data)}") + data
    async with saying(answer) as site:
        finding = await look(site, contains="on sale")
    assert (finding.verdict, finding.value) == (Verdict.FAILED, 200)
    assert finding.words.endswith(words)


async def test_a_text_is_looked_for_in_the_encoding_that_the_answer_names() -> None:
    async def western(request: web.Request) -> web.Response:
        named = {"Content-Type": "text/html; charset=latin1"}
        return web.Response(body="Größe".encode("latin-1"), headers=named)

    async with serving(western) as site:
        assert (await look(site, contains="Größe")).verdict is Verdict.PASSED


async def test_a_text_of_any_bytes_is_looked_for_as_it_is() -> None:
    """As an environment variable holds one that is no UTF-8."""

    async def western(request: web.Request) -> web.Response:
        return web.Response(body=b"Gr\xf6\xdfe")

    async with serving(western) as site:
        assert (await look(site, contains="Gr\udcf6\udcdfe")).verdict is Verdict.PASSED
