"""Check `http`: one request, judged by its status and what the body contains.

One rule parts the verdicts. A look that tells something about the service is `failed`: another status, a
text that is missing, a redirect that leads nowhere, a certificate that cannot be trusted, an answer that
breaks off or is no HTTP. A look that tells nothing about it is `inconclusive`: its host is not known, nobody
listens, nothing comes in time, the connection is closed without a word. Right after a restart a service is
like that.

Unless they are to be followed, redirects are answers of their own: the status of somewhere else proves
nothing here. The address of the service, and of where it redirects to, is never told beyond scheme and host;
neither is what a header says.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    TraceConfig,
)
from aiohttp.hdrs import LOCATION
from yarl import URL

from backends.http import causes
from backends.http.body import MIB, End, Search, read_through, search_for, size
from backends.http.causes import Cause
from backends.http.definition import NOT_IN_A_HEADER, REDIRECTS, TWICE_WHO_ASKS, says_twice_who_asks
from backends.http.settings import HttpCheckSettings
from backends.references import Resolver
from backends.secrecy import HIDDEN, Secrets, address_name
from bot.errors import ConfigurationError
from bot.looking import Habits
from bot.model import Finding, Value, Verdict

MOST_REDIRECTS: Final = 10
MOST_HOST_CHARACTERS: Final = 300  # no name of a host has more
MOST_TEXT_CHARACTERS: Final = 100  # of `contains`, in a sentence
TLS_SECONDS: Final = 1.0  # for the question whether it speaks TLS


@dataclass(slots=True)
class Seen:
    """What one look has come to know, also when the time is over in the middle of it."""

    url: URL
    started: float  # on the loop's clock
    redirects: int = 0  # that were followed
    connected: bool = False
    status: int | None = None  # None: no answer yet
    ms: float = 0.0  # from the beginning to the status
    to: str | None = None  # scheme and host of a redirect
    search: Search | None = None  # None: nothing is read of the body yet

    def is_led_to(self, url: URL) -> None:
        self.url = url
        self.redirects += 1
        self.connected, self.status, self.to = False, None, None

    @property
    def answer(self) -> str:
        """`200 in 12 ms`, and where that was when it is not where it was asked."""
        where = f" after {_times(self.redirects)}, from {_host_of(self.url)}" if self.redirects else ""
        return f"{self.status} in {self.ms:.0f} ms{where}"

    @property
    def leads(self) -> str:
        """The end of a sentence that says where it redirects to."""
        return f": it redirects to {self.to}" if self.to else ""


Judged = tuple[Verdict, str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCheck(Habits):
    url: str = field(repr=False)
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    authorities: ssl.SSLContext | None = None  # None: those of the machine
    redirects: bool = False  # whether they are followed
    status: int = 200
    contains: str | None = None  # None: any body will do
    secrets: Secrets = field(default_factory=Secrets, repr=False)  # what `contains` may hold

    @property
    def name(self) -> str:
        return self.label or f"http {self.method} {address_name(self.url)}"

    async def look(self, before: Finding | None, now: datetime) -> Finding:
        try:
            verdict, words, value = await self._looked(URL(self.url))
        except ValueError:
            verdict, words, value = _told(causes.NO_ADDRESS)
        return Finding(self.name, self.when, verdict, value, before.value if before else None, words)

    async def _looked(self, url: URL) -> Judged:
        """Raises ValueError when that is no address."""
        loop = asyncio.get_running_loop()
        seen = Seen(url, loop.time())
        deadline = seen.started + self.timeout
        try:
            async with asyncio.timeout_at(deadline):
                judged = await self._asked(seen)
        except TimeoutError:
            return self._late(seen)
        except (ClientError, OSError, ValueError) as error:
            judged = _told(_cause(error, seen), _after(seen))
        if _may_be_tls(seen, judged) and await _speaks_tls(url, deadline):
            return _told(causes.TLS_INSTEAD, f"{seen.answer}: " if seen.status else "")
        return judged

    async def _asked(self, seen: Seen) -> Judged:
        async with self._session(seen) as session:
            while True:
                async with self._request(session, seen) as response:
                    to = self._led_to(response, seen)
                    if to is None:
                        return await self._judge(response, seen)
                if seen.redirects == MOST_REDIRECTS:
                    words = f"more than {MOST_REDIRECTS} redirects, the last of them to {seen.to}"
                    return Verdict.FAILED, words, seen.status
                if to.scheme not in {"http", "https"}:
                    return Verdict.FAILED, f"{seen.answer}{seen.leads}, which cannot be followed", seen.status
                seen.is_led_to(to)

    def _session(self, seen: Seen) -> ClientSession:
        """A connection of its own for each look: what is kept open says nothing about who comes anew."""

        async def connected(*_: Any) -> None:
            seen.connected = True

        trace = TraceConfig()
        trace.on_connection_create_end.append(connected)
        return ClientSession(
            connector=TCPConnector(force_close=True, ssl=self.authorities or True),
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(),  # the look has one for all
            headers={"Accept-Encoding": "identity"},
            auto_decompress=False,
            trace_configs=[trace],
        )

    @asynccontextmanager
    async def _request(self, session: ClientSession, seen: Seen) -> AsyncIterator[ClientResponse]:
        """Tells the headers only to the origin that they were written down for."""
        headers = self.headers if seen.url.origin() == URL(self.url).origin() else {}
        asked = session.request(self.method, seen.url, headers=headers, allow_redirects=False)
        async with asked as response:
            seen.status = response.status
            seen.ms = (asyncio.get_running_loop().time() - seen.started) * 1000
            yield response

    def _led_to(self, response: ClientResponse, seen: Seen) -> URL | None:
        """Returns where to go on, and notes where any redirect leads."""
        location = response.headers.get(LOCATION)
        if response.status not in REDIRECTS or location is None:
            return None
        try:
            to = _redirect(URL(self.url), seen.url, location)
        except ValueError:
            to = URL()
        seen.to = _host_of(to)
        return to if self.redirects else None

    async def _judge(self, response: ClientResponse, seen: Seen) -> Judged:
        if response.status != self.status:
            return Verdict.FAILED, f"{seen.answer}, not {self.status}{seen.leads}", seen.status
        if self.method == "HEAD":
            return Verdict.PASSED, f"{seen.answer}{seen.leads}", seen.status
        seen.search = search_for(self.contains, response.charset)
        end = await read_through(response, seen.search)
        return self._judge_body(end, seen, seen.search)

    def _judge_body(self, end: End, seen: Seen, search: Search) -> Judged:
        but = f"{seen.answer}, but"
        match end:
            case End.BROKE_OFF:
                return Verdict.FAILED, f"{but} the answer breaks off after {size(search.read)}", seen.status
            case End.GARBLED:
                return Verdict.FAILED, f"{but} the answer is not packed as it says", seen.status
            case End.FOUND:
                return Verdict.PASSED, f"{seen.answer}{seen.leads}", seen.status
        if self.contains is None:
            return Verdict.PASSED, f"{seen.answer}{seen.leads}", seen.status
        match end:
            case End.PACKED:
                words = f"{but} it is packed in a way that cannot be searched. Have it sent plain, or as gzip"
                return Verdict.INCONCLUSIVE, words, seen.status
            case End.LIMIT:
                where = f"the first {search.most // MIB} MiB of the answer"
            case _:
                where = "the answer"
        return Verdict.FAILED, f"{but} {self._text} is not in {where}", seen.status

    def _late(self, seen: Seen) -> Judged:
        within = f"within {self.timeout:g} s"
        if seen.search is None:
            nothing = "answer" if seen.connected else "connection"
            return Verdict.INCONCLUSIVE, f"{_after(seen)}no {nothing} {within}", None
        if self.contains is None:
            return Verdict.PASSED, f"{seen.answer}, and the answer did not end {within}", seen.status
        came = f"the {size(seen.search.read)} of it that came {within}"
        return Verdict.INCONCLUSIVE, f"{seen.answer}, but {self._text} is not in {came}", seen.status

    @property
    def _text(self) -> str:
        """Struck before it is spelled for people: its spelling would hide a secret from others who strike."""
        text = self.secrets.struck(self.contains or "")
        cut = text if len(text) <= MOST_TEXT_CHARACTERS else f"{text[: MOST_TEXT_CHARACTERS - 1]}…"
        return repr(cut)


def _told(cause: Cause, before: str = "") -> Judged:
    return cause.verdict, f"{before}{cause.words}", cause.value


def _cause(error: Exception, seen: Seen) -> Cause:
    cause = causes.cause_of(error)
    is_led_astray = cause is causes.NO_ADDRESS and seen.redirects > 0
    return causes.NOWHERE if is_led_astray else cause


def _after(seen: Seen) -> str:
    return f"after {_times(seen.redirects)}, to {_host_of(seen.url)}: " if seen.redirects else ""


def _times(redirects: int) -> str:
    return "1 redirect" if redirects == 1 else f"{redirects} redirects"


def _host_of(url: URL) -> str:
    name = address_name(str(url))
    if name == "?":
        return "an address that cannot be used"
    return name if len(name) <= MOST_HOST_CHARACTERS else HIDDEN


def _redirect(first: URL, url: URL, location: str) -> URL:
    """With a user only where the first address has one, and only back to its origin. Raises ValueError."""
    to = url.join(URL(location)).with_user(None)
    if first.user is None or to.origin() != first.origin():
        return to
    return to.with_user(first.user).with_password(first.password)


def _may_be_tls(seen: Seen, judged: Judged) -> bool:
    """Returns whether what came to a plain request is what a server that speaks TLS says to one."""
    if seen.redirects or seen.url.scheme != "http" or not seen.connected:
        return False
    is_bad_request = judged[0] is Verdict.FAILED and seen.status == HTTPStatus.BAD_REQUEST
    return is_bad_request or seen.status is None


async def _speaks_tls(url: URL, deadline: float) -> bool:
    try:
        async with asyncio.timeout_at(min(deadline, asyncio.get_running_loop().time() + TLS_SECONDS)):
            return await causes.speaks_tls(url)
    except TimeoutError:
        return False


def build(settings: HttpCheckSettings, resolver: Resolver) -> HttpCheck:
    """Raises ConfigurationError when a reference cannot be resolved, or what it holds cannot be used."""
    contains = None if settings.contains is None else resolver.text(settings.contains)
    if contains == "":
        raise ConfigurationError(
            ("The text that `contains` of an http check leads to is empty. Write one there.",)
        )
    url = resolver.text(settings.url)
    headers = {name: _header(name, resolver.text(value)) for name, value in settings.headers.items()}
    if says_twice_who_asks(url, headers):
        raise ConfigurationError((TWICE_WHO_ASKS,))
    return HttpCheck(
        url=url,
        method=settings.method,
        headers=headers,
        authorities=None if settings.ca is None else _authorities(settings.ca, resolver),
        redirects=settings.redirects,
        status=settings.status,
        contains=contains,
        secrets=resolver.surroundings.secrets,
        **settings.habits(),
    )


def _header(name: str, value: str) -> str:
    if NOT_IN_A_HEADER.search(value):
        words = f"The header `{name}` of an http check leads to a control character or a line break."
        raise ConfigurationError((f"{words} Write one line there.",))
    return value


def _authorities(ca: str, resolver: Resolver) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(resolver.surroundings.base / ca))
    except ssl.SSLError:
        words = f"The file {ca} of `ca` of an http check holds no certificate."
        raise ConfigurationError((f"{words} Put the authority's there, in PEM.",)) from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is no name of a file"
        raise ConfigurationError(
            (f"The file {ca} of `ca` of an http check cannot be read: {why}. Put the authority's PEM there.",)
        ) from None
