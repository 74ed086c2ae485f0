"""Brings payloads to the bot by the configured way, with Slack's retries and the faults that are on."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Final

from workspace.slack.faults import Faults
from workspace.slack.transport import Carried, Envelope, Transport
from workspace.slack.wire import Json, PayloadKind

RETRIES_AFTER_SECONDS: Final = (0.0, 60.0, 300.0)  # the first, second and third retry of an event
_REASONS: Final = {"timeout": "timeout", "no_connection": "connection_failed"}


@dataclass(frozen=True, slots=True)
class Delivered:
    """Says what became of one payload: the newest attempt of an event, the only one of anything else."""

    kind: PayloadKind
    payload: Json
    acked: bool
    after: float  # seconds from sending to the answer
    body: Json | None = None
    status: int | None = None
    error: str | None = None
    attempt: int = 0


class Deliverer:
    def __init__(
        self,
        transport: Transport,
        faults: Faults,
        *,
        retries: Sequence[float] = RETRIES_AFTER_SECONDS,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.transport = transport
        self.log: list[Delivered] = []
        self._faults = faults
        self._retries = retries
        self._sleep = sleep
        self._background: set[asyncio.Task[None]] = set()

    async def send(self, kind: PayloadKind, payload: Json) -> Delivered:
        """Send once (and the duplicates that are switched on); an event that fails is sent again later."""
        delivered = await self._attempt(Envelope(kind, payload))
        if payload.get("type") == "event_callback" and not delivered.acked:
            self._later(self._retry(payload, delivered))
        return delivered

    @property
    def is_down(self) -> bool:
        return self._faults.is_down

    async def stop(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)

    async def _retry(self, payload: Json, failed: Delivered) -> None:
        for attempt, pause in enumerate(self._retries, start=1):
            if failed.acked or failed.error == "no_retry":
                return
            await self._sleep(pause)
            reason = _REASONS.get(failed.error or "", failed.error)
            failed = await self._attempt(Envelope("events_api", payload, attempt, reason))

    async def _attempt(self, envelope: Envelope) -> Delivered:
        await self._faults.turn()
        if self._faults.delivery_latency:
            await asyncio.sleep(self._faults.delivery_latency)
        loop = asyncio.get_running_loop()
        started = loop.time()
        if self._faults.is_down:
            carried = Carried(False, error="slack_down")
        else:
            for _ in range(self._faults.duplicates):
                self._later(self._copy(envelope))
            carried = await self.transport.carry(envelope)
        delivered = Delivered(
            kind=envelope.kind,
            payload=envelope.payload,
            acked=carried.acked,
            after=loop.time() - started,
            body=carried.body,
            status=carried.status,
            error="no_retry" if carried.no_retry else carried.error,
            attempt=envelope.attempt,
        )
        self.log.append(delivered)
        return delivered

    async def _copy(self, envelope: Envelope) -> None:
        await self.transport.carry(envelope)

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
