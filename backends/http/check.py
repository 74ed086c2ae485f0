"""Check `http`: one GET, judged by its status and what the body contains.

An answer that is not the expected one is `failed`; no answer in time is `inconclusive`: right after a restart
nobody listens yet. Redirects are not followed: the status of somewhere else proves nothing here.
"""

import asyncio
import os
import socket
from dataclasses import dataclass
from datetime import datetime

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    DummyCookieJar,
    InvalidURL,
    ServerDisconnectedError,
    TCPConnector,
)

from backends.http.settings import HttpCheckSettings
from backends.references import Resolver
from backends.secrecy import address_name
from bot.looking import Habits
from bot.model import Finding, Verdict

MOST_BODY_BYTES = 1024 * 1024  # that are read and searched


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCheck(Habits):
    url: str
    status: int = 200
    contains: str | None = None  # None: any body will do

    @property
    def name(self) -> str:
        return self.label or f"http GET {address_name(self.url)}"

    async def look(self, before: Finding | None, now: datetime) -> Finding:
        was = before.value if before else None
        try:
            status, body, seconds = await self._get()
        except (ClientError, TimeoutError, OSError, ValueError) as error:
            return Finding(self.name, self.when, Verdict.INCONCLUSIVE, None, was, self._nothing(error))
        took = f"{status} in {seconds * 1000:.0f} ms"
        if status != self.status:
            return Finding(self.name, self.when, Verdict.FAILED, status, was, f"{took}, not {self.status}")
        if self.contains is not None and self.contains.encode() not in body:
            words = f"{took}, but {self.contains!r} is not in the answer"
            return Finding(self.name, self.when, Verdict.FAILED, status, was, words)
        return Finding(self.name, self.when, Verdict.PASSED, status, was, took)

    async def _get(self) -> tuple[int, bytes, float]:
        """A connection of its own for each look: what is kept open says nothing about who comes anew."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with (
            ClientSession(
                connector=TCPConnector(force_close=True),
                cookie_jar=DummyCookieJar(),
                timeout=ClientTimeout(total=self.timeout),
                headers={"Accept-Encoding": "identity"},
                auto_decompress=False,
            ) as session,
            session.get(self.url, allow_redirects=False) as response,
        ):
            return response.status, await _first_of_body(response), loop.time() - started

    def _nothing(self, error: Exception) -> str:
        """Says why nothing was seen. The text of the error is left out: it may repeat the address."""
        match error:
            case TimeoutError():
                return f"no answer within {self.timeout:g} s"
            case ClientConnectorCertificateError():
                return f"its certificate is not trusted: {_why_not_trusted(error.certificate_error)}"
            case ClientSSLError():
                return "no encrypted connection can be made"
            case InvalidURL() | ValueError():
                return "the address cannot be used"
            case ClientConnectorError() as refused:
                return f"no connection: {_why_no_connection(refused.os_error)}"
            case ServerDisconnectedError():
                return "it closed the connection without an answer"
            case _:
                return f"no answer: {type(error).__name__}"


def _why_no_connection(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "the name of the host is not known"
    return os.strerror(error.errno) if error.errno else type(error).__name__


def _why_not_trusted(error: Exception) -> str:
    return str(getattr(error, "verify_message", "")) or type(error).__name__


async def _first_of_body(response: ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk[: MOST_BODY_BYTES - len(body)]
        if len(body) >= MOST_BODY_BYTES:
            break
    return bytes(body)


def build(settings: HttpCheckSettings, resolver: Resolver) -> HttpCheck:
    """Raises ConfigurationError when a reference cannot be resolved."""
    contains = None if settings.contains is None else resolver.text(settings.contains)
    url = resolver.text(settings.url)
    return HttpCheck(url=url, status=settings.status, contains=contains, **settings.habits())
