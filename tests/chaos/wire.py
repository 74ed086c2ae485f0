"""What the bot under test and the outside say to each other, over one socket pair.

Pickled, because both are the same program: one forked the other.
"""

import pickle
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_LENGTH = struct.Struct("!I")


# From the bot ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Call:
    """Asks Slack, or a backend. `epoch` None: under no claim."""

    id: int
    place: str  # slack, or the name of a target
    what: str
    given: Any
    epoch: int | None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    delivery: str
    status: int
    body: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing is left to do. `sleep` None: for ever; else seconds to the next timer. `now` in seconds."""

    sleep: float | None
    now: float


# From the outside ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answered:
    """`value` is raised when it is an exception."""

    id: int
    value: Any


@dataclass(frozen=True, slots=True)
class Later:
    """An answer that takes its time, in seconds of the story."""

    seconds: float
    value: Any


@dataclass(frozen=True, slots=True)
class Deliver:
    delivery: str
    doing: str  # for the names of moments
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PassTime:
    seconds: float


class Wire:
    """Whole messages over a stream socket."""

    def __init__(self, own: socket.socket) -> None:
        self.socket = own
        self._received = bytearray()

    def send(self, message: object) -> None:
        data = pickle.dumps(message)
        self.socket.sendall(_LENGTH.pack(len(data)) + data)

    @property
    def has_more(self) -> bool:
        """A whole message was received together with the one before it."""
        if len(self._received) < _LENGTH.size:
            return False
        (length,) = _LENGTH.unpack_from(self._received)
        return len(self._received) >= _LENGTH.size + int(length)

    def receive(self) -> Any:
        """The next message, waited for; None: the other side is gone."""
        while not self.has_more:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self._received += data
        (length,) = _LENGTH.unpack_from(self._received)
        end = _LENGTH.size + length
        message = pickle.loads(bytes(self._received[_LENGTH.size : end]))
        del self._received[:end]
        return message
