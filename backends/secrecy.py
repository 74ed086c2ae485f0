"""What must not be said on: the values that references became, and of addresses all but scheme and host.

A backend, a library or a child process may repeat them in its complaints. Whoever takes words over from one
of those strikes them here first, before they are cut to a length: half a secret is told as well. A backend
as a whole is held to it by `discreet`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import unquote, unquote_plus, urlsplit

STRUCK: Final = "***"
HIDDEN: Final = "…"  # in the place of a host
SHORTEST_CHARACTERS: Final = 6  # less is a word such as `main` or `on`, and struck from half of what is said
SHORTEST_STEP_CHARACTERS: Final = 8  # of a path
SHORTEST_WORD_CHARACTERS: Final = 12  # of letters alone: less is `services` or `require`, and no token
MOST_CLOSING_CHARACTERS: Final = 6  # more are no end of a sentence, they may be a secret
ASKED_BY: Final = frozenset({"id", "token"})  # of a point: struck, nobody could go there any more

# One sign as it is, percent-encoded however often, escaped in JSON however often, or as an entity of HTML.
# Possessive, as every search here has to stay linear.
_COLON: Final = r"(?::|%(?:25)*+3A|\\(?:u00|x)3A|&(?:#0{0,5}58|#x0{0,5}3A|colon);)"
_SLASH: Final = r"(?:\\*+/|%(?:25)*+2F|\\++(?:u00|x)2F|&(?:#0{0,5}47|#x0{0,5}2F|sol);)"
_AT: Final = r"(?:@|\\(?:u00|x)40|&(?:#0{0,5}64|#x0{0,5}40|commat);)"
# What stands before it does not matter: a scheme would be looked for from each letter of a long line.
_ADDRESS: Final = re.compile(rf"({_COLON}{_SLASH}{{2}})(\S*)", re.IGNORECASE)
_NAMED: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,30}://)(\S*)")
_HOST: Final = re.compile(r"(?:[\w.*-]*|\[[0-9A-Fa-f:.*]+(?:%\w{1,20})?\])(?::[\d*]*)?")
# Where the separator is spelled oddly, all that follows may be: what ends an authority, and who ends a name.
_AUTHORITY: Final = re.compile(r"[^/?#'\"<>`]*+")
_ODD_AUTHORITY: Final = re.compile(
    r"(?:[^/?#'\"<>`\\&%]|%(?!(?:25)*+(?:2F|3F|23|5C|2[27]|3[CE]|60)))*+", re.IGNORECASE
)
_USER: Final = re.compile(rf".*{_AT}", re.IGNORECASE)
_ODD_USER: Final = re.compile(rf".*(?:{_AT}|%(?:25)*+40)", re.IGNORECASE)
_OPENED_BY: Final = {")": "(", "]": "[", "}": "{", ">": "<"}
_QUOTES: Final = "\"'`"
_CLOSING: Final = frozenset((*_OPENED_BY, *_QUOTES, *",.;:!"))

T = TypeVar("T")
Cut: TypeAlias = tuple[int, int, str]  # from, to, and what stands there instead


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

    @property
    def known(self) -> list[str]:
        """Returns what is struck, for a process that strikes for itself. It is told nowhere else."""
        return sorted(self._known)

    def struck(self, text: str) -> str:
        """Path and query of an address may hold a token, in whatever spelling a library has given them.

        What was struck says the same when it is struck again.
        """
        if self._pattern is None:
            return without_paths(text)
        # Both are looked for in the text as it was said. Either one, done first, could tear the other apart.
        values = [(*found.span(), STRUCK) for found in self._pattern.finditer(text)]
        told = _with_cuts(text, [*_cuts(text), *values])
        return self._pattern.sub(STRUCK, told)  # `https://name@host` has become a value, maybe

    def struck_bytes(self, text: bytes) -> bytes:
        """Whatever the bytes mean beside."""
        return self.struck(text.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def struck_from(self, noun: T) -> T:
        """A copy in which no text for people holds one of them."""
        told: T = self._without(noun)
        return told

    def strike_from(self, problem: BaseException) -> None:
        """From the text of an error, and of those that it came from: a log may tell all of them.

        They may go round in a circle. What cannot be struck, such as the name of a file in an error of the
        operating system or the title of a group, is not among what the error came from any more.
        """
        met, left = dict[int, BaseException](), [problem]
        while left:
            each = left.pop()
            if id(each) in met:
                continue
            met[id(each)] = each
            each.args = tuple(map(self._without, each.args))
            each.__dict__.update({name: self._without(value) for name, value in vars(each).items()})
            left += filter(None, (each.__cause__, each.__context__))
            left += each.exceptions if isinstance(each, BaseExceptionGroup) else ()
        for each in met.values():
            if not self._is_struck(each.__cause__):
                each.__cause__ = None
            if not self._is_struck(each.__context__):
                each.__context__ = None

    def _is_struck(self, problem: BaseException | None) -> bool:
        try:
            words = str(problem)
        except Exception:  # noqa: BLE001 - its class may be somebody else's
            return False
        members = problem.exceptions if isinstance(problem, BaseExceptionGroup) else ()
        return words == self.struck(words) and all(map(self._is_struck, members))

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
    """Returns the text with nothing but scheme and host of the addresses in it, however they are spelled.

    An address ends with a blank. What closes a sentence around it stays.
    """
    return _with_cuts(text, _cuts(text))


def address_name(url: str) -> str:
    """Returns the scheme and host of an address, and `?` of what is none."""
    address = _NAMED.fullmatch(url)
    try:
        is_one = bool(address and urlsplit(url).netloc)
    except ValueError:
        is_one = False
    if address is None or not is_one:
        return "?"
    host = _host(address[2], is_odd=False)
    return f"{address[1]}{HIDDEN if host is None else address[2][host]}"


def _cuts(text: str) -> Iterator[Cut]:
    """Yields what of each address is cut away, or put into the place of what cannot be told from a host."""
    for address in _ADDRESS.finditer(text):
        begin, end = address.start(2), address.end(2) - _closing_characters(address[2])
        host = _host(text[begin:end], is_odd=address[1] != "://")
        if host is None:
            yield begin, end, HIDDEN
        else:
            yield begin, begin + host.start, ""
            yield begin + host.stop, end, ""


def _with_cuts(text: str, cuts: Iterable[Cut]) -> str:
    """Returns the text without what was cut. Where two cuts overlap, the outer one says what stands there."""
    told, done, word = [], 0, ""
    for begin, end, instead in sorted(cuts, key=lambda cut: (cut[0], -cut[1])):
        if begin == end or end <= done:
            continue
        if begin >= done:
            told += [word, text[done:begin]]
            word = instead
        else:  # neither is the outer one
            word = STRUCK
        done = end
    return "".join([*told, word, text[done:]])


def _closing_characters(rest: str) -> int:
    """Returns how many characters at the end belong to the sentence around: they close what it had opened."""
    end = len(rest)
    while end > max(0, len(rest) - MOST_CLOSING_CHARACTERS) and rest[end - 1] in _CLOSING:
        mark, end = rest[end - 1], end - 1
        opened = rest.count(_OPENED_BY.get(mark, mark), 0, end)
        closed = rest.count(mark, 0, end)
        if (mark in _OPENED_BY and opened > closed) or (mark in _QUOTES and opened % 2):
            return len(rest) - end - 1
    return len(rest) - end


def _host(rest: str, *, is_odd: bool) -> slice | None:
    """Returns where the host stands in what follows a scheme, or None where more could be told with it."""
    authority = (_ODD_AUTHORITY if is_odd else _AUTHORITY).match(rest)
    user = _ODD_USER if is_odd else _USER
    assert authority is not None  # it may be empty
    if user.match(rest, authority.end()):  # what looks like a path may belong to a password
        return None
    name = user.match(authority.group())
    host = slice(name.end() if name else 0, authority.end())
    plain = unquote(re.sub("%(?:25)+", "%", rest[host])) if is_odd else rest[host]
    return host if _HOST.fullmatch(plain) else None


def _tellable(value: str) -> Iterator[str]:
    """The value, and what of it is a secret by itself: a line of a key, the parts of an address."""
    yield value
    yield from (line.strip() for line in value.splitlines())
    for word in {value, *value.split()}:
        if "://" in word:
            for part in _parts_of_address(word):
                yield from (part, unquote(part), unquote_plus(part))


def _parts_of_address(value: str) -> Iterator[str]:
    """Yields the credentials, and of path, query and fragment what is no word that anybody may say."""
    try:
        address = urlsplit(value)
    except ValueError:
        return
    if address.netloc and (user := address.password or address.username):
        yield user
    path, query = address.path.strip("/"), address.query
    steps = [*path.split("/"), address.fragment]
    yield from (step for step in steps if len(step) >= SHORTEST_STEP_CHARACTERS and not _is_word(step))
    values = [pair.partition("=")[2] or pair for pair in re.split("[&;]", query)]
    yield from (each for each in values if not _is_word(each))
    # Its short parts are secret only beside each other, as in a path of `v1/T0/B0`.
    for whole, parts in ((f"{path}?{query}", [*steps, *values]), (path, steps), (query, values)):
        if len(whole) >= SHORTEST_STEP_CHARACTERS and not all(map(_is_word, parts)):
            yield whole


def _is_word(text: str) -> bool:
    return not text or (text.isalpha() and len(text) < SHORTEST_WORD_CHARACTERS)
