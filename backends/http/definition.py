"""Check `http`."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from backends.http.settings import HttpCheckSettings
from bot.configuration import Target
from bot.configuration.definitions import Definition, Fault

ADDRESS: Final = re.compile(r"https?://[^\s/?#]+.*", re.IGNORECASE)
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token of RFC 9110
# In its value: what would end the line and begin another header, and bytes that are no text.
NOT_IN_A_HEADER: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
TWICE_WHO_ASKS: Final = (
    "Both the `url` of an http check and its header `Authorization` name a user. Remove one of them."
)
# They say how the request itself is sent, and which packing we can read.
OUR_HEADERS: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def _faults(settings: HttpCheckSettings, target: Target) -> Iterable[Fault]:
    if target.maintenance is not None and "when" not in settings.model_fields_set:
        words = f"This check of `{target.name}` must say when it looks, since the target has maintenance."
        yield Fault(("when",), f"{words} Add `when: offline` (behind it) or `when: online` (after it).")
    if isinstance(settings.url, str):
        yield from _faults_of_address(settings, settings.url)
    yield from _faults_of_headers(settings)
    if settings.contains == "":
        yield Fault(("contains",), "`contains` is empty, and so in every answer. Name a text, or remove it.")
    if settings.contains is not None and settings.method == "HEAD":
        yield Fault(("contains",), "A HEAD has no body that could hold `contains`. Use `method: GET`.")
    if settings.redirects and settings.status in REDIRECTS:
        words = f"A {settings.status} would be followed and never be the last answer."
        yield Fault(("redirects",), f"{words} Remove `redirects`, or expect another `status`.")


def _faults_of_address(settings: HttpCheckSettings, url: str) -> Iterable[Fault]:
    if not ADDRESS.fullmatch(url):
        yield Fault(("url",), "The `url` of an http check must begin with http:// or https://.")
        return
    try:
        address = urlsplit(url)
        is_usable = bool(address.hostname) and (address.port is None or address.port > 0)
    except ValueError:
        yield Fault(("url",), "The `url` of an http check has a host or a port that cannot be used.")
        return
    if not is_usable:
        yield Fault(("url",), "The `url` of an http check has a host or a port that cannot be used.")
    if settings.ca is not None and address.scheme == "http" and not settings.redirects:
        yield Fault(("ca",), "`ca` is of no use for http://: there is no certificate. Remove it.")


def _faults_of_headers(settings: HttpCheckSettings) -> Iterable[Fault]:
    times = Counter(name.lower() for name in settings.headers)
    for name, value in settings.headers.items():
        where = ("headers", name)
        if not HEADER.fullmatch(name):
            words = "cannot be the name of a header. Use letters, digits and dashes."
            yield Fault(where, f"{name!r} {words}")
        elif name.lower() in OUR_HEADERS:
            yield Fault(where, f"`{name}` is what the bot itself says of its requests. Remove it.")
        elif times[name.lower()] > 1:
            yield Fault(where, f"The header `{name}` stands here in two spellings. Keep one.")
        if isinstance(value, str) and NOT_IN_A_HEADER.search(value):
            yield Fault(where, f"The value of `{name}` has a control character or a line break. Remove it.")
    if isinstance(settings.url, str) and says_twice_who_asks(settings.url, settings.headers):
        yield Fault(("headers",), TWICE_WHO_ASKS)


def says_twice_who_asks(url: str, headers: Iterable[str]) -> bool:
    """Returns whether both the address and a header name a user: only one of them can be sent."""
    try:
        user = "@" in urlsplit(url).netloc
    except ValueError:
        return False
    return user and any(name.lower() == "authorization" for name in headers)


CHECK = Definition("http", HttpCheckSettings, "backends.http.check:build", faults=_faults)
