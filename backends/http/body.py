"""Looks for a text in a body while it comes in, unpacks it, and keeps nothing of it.

The finds are values; what they mean is the business of `check`.
"""

import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from aiohttp import ClientError, ClientResponse
from aiohttp.hdrs import CONTENT_ENCODING

MIB: Final = 1024 * 1024
MOST_SEARCHED_BYTES: Final = 16 * MIB  # unpacked
MOST_UNSEARCHED_BYTES: Final = 1 * MIB  # where nothing is looked for: only whether it breaks off
PIECE_BYTES: Final = 64 * 1024  # that are unpacked at once: a small answer may unpack to gigabytes
GZIP: Final = b"\x1f\x8b"
DEFLATED: Final = 8  # in the low half of the first byte: with a header of zlib, as it should be


class BodyEnd(Enum):
    """Why no more of a body is read."""

    FOUND = "found"
    WHOLE = "whole"  # it has come in full
    LIMIT = "limit"  # there is more, and it is not read
    BROKE_OFF = "broke off"
    GARBLED = "garbled"  # it is not packed as it says
    PACKED = "packed"  # in a way that we cannot unpack


@dataclass(slots=True)
class Search:
    """How far a body was read, also when the time is over in the middle of it."""

    needles: tuple[bytes, ...]  # one text in several encodings; (): nothing is looked for
    most: int  # bytes
    read: int = 0  # bytes, unpacked
    found: bool = False
    _tail: bytes = b""  # what may be the beginning of a needle

    def take(self, piece: bytes) -> None:
        piece = piece[: self.most - self.read]
        window = self._tail + piece
        self.found = any(needle in window for needle in self.needles)
        self.read += len(piece)
        self._tail = window[-self._overlap :] if self._overlap else b""

    @property
    def _overlap(self) -> int:
        return max(map(len, self.needles), default=1) - 1


def search_for(text: str | None, charset: str | None) -> Search:
    """`text`: None when nothing is looked for. `charset`: that the answer names, if any."""
    if text is None:
        return Search((), MOST_UNSEARCHED_BYTES)
    return Search(tuple(_spellings(text, charset)), MOST_SEARCHED_BYTES)


def _spellings(text: str, charset: str | None) -> Iterator[bytes]:
    spelled = text.encode("utf-8", "surrogateescape")  # an environment may hold any bytes
    yield spelled
    with suppress(LookupError, ValueError):  # nobody knows it, or it lacks a letter
        if charset and (other := text.encode(charset)) != spelled:
            yield other


async def read_through(response: ClientResponse, search: Search) -> BodyEnd:
    """Raises TimeoutError; how far it came by then is in `search`."""
    packing = _packing(response.headers.getall(CONTENT_ENCODING, ()))
    if packing is None:
        return BodyEnd.PACKED
    try:
        async for chunk in response.content.iter_any():
            for piece in packing.unpacked(chunk):
                search.take(piece)
                if search.found:
                    return BodyEnd.FOUND
                if search.read >= search.most:
                    return BodyEnd.LIMIT
    except zlib.error:
        return BodyEnd.GARBLED
    except TimeoutError:
        raise
    except (ClientError, OSError):
        return BodyEnd.BROKE_OFF
    return BodyEnd.WHOLE if packing.is_whole else BodyEnd.BROKE_OFF


class Packing(Protocol):
    @property
    def is_whole(self) -> bool: ...

    def unpacked(self, data: bytes) -> Iterator[bytes]:
        """Yields it in bounded pieces. Raises zlib.error."""


def _packing(encodings: Iterable[str]) -> Packing | None:
    """None: it is packed in a way, or twice, that nobody here can undo."""
    names = [name.strip().lower() for line in encodings for name in line.split(",")]
    match [name for name in names if name not in {"", "identity"}]:
        case []:
            return Plain()
        case ["gzip" | "x-gzip" | "deflate"]:
            return Deflated()
    return None


class Plain:
    is_whole = True

    def unpacked(self, data: bytes) -> Iterator[bytes]:
        yield data


class Deflated:
    """gzip, and both that servers mean by deflate; the first byte says which it is."""

    def __init__(self) -> None:
        self._inflater: zlib._Decompress | None = None  # None: nothing has come
        self._is_over = False  # what follows is no part of it

    @property
    def is_whole(self) -> bool:
        return self._inflater is None or self._inflater.eof

    def unpacked(self, data: bytes) -> Iterator[bytes]:
        if self._inflater is None and data:
            self._inflater = zlib.decompressobj(_window_bits(data))
        while self._inflater is not None and not self._is_over:
            piece = self._inflater.decompress(data, PIECE_BYTES)
            yield piece
            if self._inflater.eof:
                data = self._inflater.unused_data
                self._is_over = bool(data) and not data.startswith(GZIP)
                if not data or self._is_over:
                    return
                self._inflater = zlib.decompressobj(_window_bits(data))  # one archive after another
                continue
            data = self._inflater.unconsumed_tail
            if not data and len(piece) < PIECE_BYTES:
                return


def _window_bits(data: bytes) -> int:
    """Says in zlib's terms whether a header of gzip, of zlib, or none stands before the data."""
    if data[0] == GZIP[0]:
        return zlib.MAX_WBITS | 16
    return zlib.MAX_WBITS if data[0] & 0x0F == DEFLATED else -zlib.MAX_WBITS


def size(count: int) -> str:
    return f"{count / MIB:.3g} MiB" if count >= MIB else f"{count:,} bytes"
