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
from typing import Any, ClassVar, Final

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
from backends.http.body import MIB, BodyEnd, Search, read_through, search_for, size
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
class Heard:
    """Holds what one look has come to know, also when the time is over in the middle of it."""

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
    reaches_target: ClassVar[bool] = True
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
        heard = Heard(url, loop.time())
        deadline = heard.started + self.timeout
        try:
            async with asyncio.timeout_at(deadline):
                judged = await self._asked(heard)
        except TimeoutError:
            return self._late(heard)
        except (ClientError, OSError, ValueError) as error:
            judged = _told(_cause(error, heard), _after(heard))
        if _may_be_tls(heard, judged) and await _speaks_tls(url, deadline):
            return _told(causes.TLS_INSTEAD, f"{heard.answer}: " if heard.status else "")
        return judged

    async def _asked(self, heard: Heard) -> Judged:
        async with self._session(heard) as session:
            while True:
                async with self._request(session, heard) as response:
                    to = self._led_to(response, heard)
                    if to is None:
                        return await self._judge(response, heard)
                if heard.redirects == MOST_REDIRECTS:
                    words = f"more than {MOST_REDIRECTS} redirects, the last of them to {heard.to}"
                    return Verdict.FAILED, words, heard.status
                if to.scheme not in {"http", "https"}:
                    return (
                        Verdict.FAILED,
                        f"{heard.answer}{heard.leads}, which cannot be followed",
                        heard.status,
                    )
                heard.is_led_to(to)

    def _session(self, heard: Heard) -> ClientSession:
        """A connection of its own for each look: what is kept open says nothing about who comes anew."""

        async def connected(*_: Any) -> None:
            heard.connected = True

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
    async def _request(self, session: ClientSession, heard: Heard) -> AsyncIterator[ClientResponse]:
        """Tells the headers only to the origin that they were written down for."""
        headers = self.headers if heard.url.origin() == URL(self.url).origin() else {}
        asked = session.request(self.method, heard.url, headers=headers, allow_redirects=False)
        async with asked as response:
            heard.status = response.status
            heard.ms = (asyncio.get_running_loop().time() - heard.started) * 1000
            yield response

    def _led_to(self, response: ClientResponse, heard: Heard) -> URL | None:
        """Returns where to go on, and notes where any redirect leads."""
        location = response.headers.get(LOCATION)
        if response.status not in REDIRECTS or location is None:
            return None
        try:
            to = _redirect(URL(self.url), heard.url, location)
        except ValueError:
            to = URL()
        heard.to = _host_of(to)
        return to if self.redirects else None

    async def _judge(self, response: ClientResponse, heard: Heard) -> Judged:
        if response.status != self.status:
            return Verdict.FAILED, f"{heard.answer}, not {self.status}{heard.leads}", heard.status
        if self.method == "HEAD":
            return Verdict.PASSED, f"{heard.answer}{heard.leads}", heard.status
        heard.search = search_for(self.contains, response.charset)
        end = await read_through(response, heard.search)
        return self._judge_body(end, heard, heard.search)

    def _judge_body(self, end: BodyEnd, heard: Heard, search: Search) -> Judged:
        but = f"{heard.answer}, but"
        match end:
            case BodyEnd.BROKE_OFF:
                return Verdict.FAILED, f"{but} the answer breaks off after {size(search.read)}", heard.status
            case BodyEnd.GARBLED:
                return Verdict.FAILED, f"{but} the answer is not packed as it says", heard.status
            case BodyEnd.FOUND:
                return Verdict.PASSED, f"{heard.answer}{heard.leads}", heard.status
        if self.contains is None:
            return Verdict.PASSED, f"{heard.answer}{heard.leads}", heard.status
        match end:
            case BodyEnd.PACKED:
                words = f"{but} it is packed in a way that cannot be searched. Have it sent plain, or as gzip"
                return Verdict.INCONCLUSIVE, words, heard.status
            case BodyEnd.LIMIT:
                where = f"the first {search.most // MIB} MiB of the answer"
            case _:
                where = "the answer"
        return Verdict.FAILED, f"{but} {self._text} is not in {where}", heard.status

    def _late(self, heard: Heard) -> Judged:
        within = f"within {self.timeout:g} s"
        if heard.search is None:
            nothing = "answer" if heard.connected else "connection"
            return Verdict.INCONCLUSIVE, f"{_after(heard)}no {nothing} {within}", None
        if self.contains is None:
            return Verdict.PASSED, f"{heard.answer}, and the answer did not end {within}", heard.status
        came = f"the {size(heard.search.read)} of it that came {within}"
        return Verdict.INCONCLUSIVE, f"{heard.answer}, but {self._text} is not in {came}", heard.status

    @property
    def _text(self) -> str:
        """Struck before it is spelled for people: its spelling would hide a secret from others who strike."""
        text = self.secrets.struck(self.contains or "")
        cut = text if len(text) <= MOST_TEXT_CHARACTERS else f"{text[: MOST_TEXT_CHARACTERS - 1]}…"
        return repr(cut)


def _told(cause: Cause, before: str = "") -> Judged:
    return cause.verdict, f"{before}{cause.words}", cause.value


def _cause(error: Exception, heard: Heard) -> Cause:
    cause = causes.cause_of(error)
    is_led_astray = cause is causes.NO_ADDRESS and heard.redirects > 0
    return causes.NOWHERE if is_led_astray else cause


def _after(heard: Heard) -> str:
    return f"after {_times(heard.redirects)}, to {_host_of(heard.url)}: " if heard.redirects else ""


def _times(redirects: int) -> str:
    return "1 redirect" if redirects == 1 else f"{redirects} redirects"


def _host_of(url: URL) -> str:
    name = address_name(str(url))
    if name == "?":
        return "an address that cannot be used"
    return name if len(name) <= MOST_HOST_CHARACTERS else HIDDEN


def _redirect(first: URL, url: URL, location: str) -> URL:
    """Keeps the user only where the first address has one, and only back to its origin. Raises ValueError."""
    to = url.join(URL(location)).with_user(None)
    if first.user is None or to.origin() != first.origin():
        return to
    return to.with_user(first.user).with_password(first.password)


def _may_be_tls(heard: Heard, judged: Judged) -> bool:
    """Returns whether what came to a plain request is what a server that speaks TLS says to one."""
    if heard.redirects or heard.url.scheme != "http" or not heard.connected:
        return False
    is_bad_request = judged[0] is Verdict.FAILED and heard.status == HTTPStatus.BAD_REQUEST
    return is_bad_request or heard.status is None


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
        words = (
            f"The header `{name}` of an http check leads to a control character, a line break or no UTF-8."
        )
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
