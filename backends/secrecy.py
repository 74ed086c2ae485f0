"""What must not be said on: the values that references became, and of addresses all but scheme and host.

A backend, a library or a child process may repeat them in its complaints. Whoever takes words over from one
of those strikes them here first, before they are cut to a length: half a secret is told as well. A backend
as a whole is held to it by `discreet`.
"""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

STRUCK: Final = "***"
HIDDEN: Final = "…"  # in the place of a host
SHORTEST_CHARACTERS: Final = 6  # less is a word such as `main` or `on`, and struck from half of what is said
ASKED_BY: Final = frozenset({"id", "token"})  # of a point: struck, nobody could go there any more

# A scheme of any length would be looked for from each letter of a long line to its end.
_ADDRESS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}://)([^\s<>`]*)")
_HOST: Final = re.compile(r"(?:[\w.*-]*|\[[0-9A-Fa-f:.]+\])(?::\d*)?")
_AUTHORITY: Final = re.compile(r"[^/?#'\"]*")

T = TypeVar("T")


class Secrets:
    """All that one process has resolved so far."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None  # None: there is none yet

    def add(self, value: str) -> None:
        new = {part for part in _tellable(value) if len(part) >= SHORTEST_CHARACTERS} - self._known
        if new:
            self._known |= new
            longest_first = sorted(self._known, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def struck(self, text: str) -> str:
        """Path and query of an address may hold a token, in whatever spelling a library has given them."""
        told = text if self._pattern is None else self._pattern.sub(STRUCK, text)
        return without_paths(told)

    def struck_bytes(self, text: bytes) -> bytes:
        """Whatever the bytes mean beside."""
        return self.struck(text.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def struck_from(self, noun: T) -> T:
        """A copy in which no text for people holds one of them."""
        told: T = self._without(noun)
        return told

    def strike_from(self, problem: BaseException | None) -> None:
        """From the text of an error, and of those that it came from: a log may tell all of them."""
        while problem is not None:
            problem.args = tuple(self._without(each) for each in problem.args)
            problem.__dict__.update({name: self._without(each) for name, each in vars(problem).items()})
            problem = problem.__cause__ or problem.__context__

    def _without(self, value: Any) -> Any:
        if type(value) is str:  # an enumeration's values are not said by anybody
            return self.struck(value)
        if isinstance(value, tuple):
            return tuple(self._without(each) for each in value)
        if isinstance(value, list):  # in an error: nouns hold tuples
            return [self._without(each) for each in value]
        if not is_dataclass(value) or isinstance(value, type):
            return value
        told = [field.name for field in fields(value) if field.name not in ASKED_BY]
        return replace(value, **{name: self._without(getattr(value, name)) for name in told})


def without_paths(text: str) -> str:
    """Returns the text with nothing but scheme and host of the addresses in it."""
    return _ADDRESS.sub(_scheme_and_host, text) if "://" in text else text


def address_name(url: str) -> str:
    """Returns the scheme and host of an address, and `?` of what is none."""
    try:
        is_one = bool(_ADDRESS.fullmatch(url) and urlsplit(url).netloc)
    except ValueError:
        is_one = False
    address = _ADDRESS.fullmatch(url)
    return f"{address[1]}{_host(address[2])}" if address and is_one else "?"


def _scheme_and_host(address: re.Match[str]) -> str:
    """Returns the scheme with the host, or with `…` where what looks like a path may belong to a password."""
    scheme, rest = address.groups()
    host = _host(rest)
    quoted = re.search(r"['\"].*", rest, re.DOTALL) if host != HIDDEN else None
    return f"{scheme}{host}{quoted.group() if quoted else ''}"


def _host(rest: str) -> str:
    """Returns the host of what follows a scheme, or `…` where something else could be told with it."""
    authority = _AUTHORITY.match(rest)
    assert authority is not None  # it may be empty
    host = authority.group().rpartition("@")[2]
    return host if "@" not in rest[authority.end() :] and _HOST.fullmatch(host) else HIDDEN


def _tellable(value: str) -> Iterator[str]:
    """The value, and what of it is a secret by itself: a line of a key, the credentials in an address."""
    yield value
    yield from (line.strip() for line in value.splitlines())
    try:
        address = urlsplit(value)
    except ValueError:
        return
    for part in (address.password, None if address.password else address.username):
        if part and address.netloc:
            yield from (part, unquote(part))
