"""What a way to the bot is: it carries one payload and says whether the bot acknowledged it."""

from dataclasses import dataclass
from typing import Protocol

from workspace.slack.wire import Json, PayloadKind


@dataclass(frozen=True, slots=True)
class Envelope:
    kind: PayloadKind
    payload: Json
    attempt: int = 0  # 0: the first; events only
    reason: str | None = None  # why it is sent again


@dataclass(frozen=True, slots=True)
class Carried:
    acked: bool
    body: Json | None = None  # what came with the acknowledgement
    status: int | None = None  # the HTTP status; None over a socket, or when nothing answered
    error: str | None = None  # timeout, connection_failed, http_error, no_connection
    no_retry: bool = False  # the bot asked not to be sent this again


class Transport(Protocol):
    async def carry(self, envelope: Envelope) -> Carried: ...
