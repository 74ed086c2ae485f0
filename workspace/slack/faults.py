"""What can go wrong with Slack, each switchable: in answers, in deliveries, in connections.

Faults of the Web API queue up by method ("*" for all) and are used up `times` times (None: until cleared);
`chance` below 1 lets the workspace's seeded randomness decide at each call. The server asks what to do wrong.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

FaultKind = Literal["refused", "limited", "broken", "garbled", "lost"]


@dataclass(slots=True)
class SlackFault:
    kind: FaultKind
    method: str
    left: int | None  # None: until cleared
    chance: float
    error: str = ""  # refused: the code
    status: int = 200  # broken: the status
    seconds: float | None = (
        None  # limited: Retry-After, None for none; lost: hang so long, None resets at once
    )


class Faults:
    def __init__(self, clock: Callable[[], float], randomness: random.Random) -> None:
        self.latency = 0.0  # seconds before each Web API answer
        self.delivery_latency = 0.0  # seconds before each payload goes out
        self.duplicates = 0  # so many further copies of each payload
        self.failed_handshakes = 0  # so many WebSocket handshakes are refused
        self.on_down: Callable[[], None] = lambda: None  # what else breaks when Slack goes down
        self._clock = clock
        self._random = randomness
        self._api: list[SlackFault] = []
        self._down_until: float | None = None  # None: up
        self._held: list[asyncio.Future[None]] = []
        self._hold = 0

    # The Web API

    def refuse(self, method: str, error: str, *, times: int | None = 1, chance: float = 1.0) -> None:
        """`ok: false` with this error; nothing is done."""
        self._api.append(SlackFault("refused", method, times, chance, error=error))

    def rate_limit(
        self, method: str, *, retry_after: float | None = 1, times: int | None = 1, chance: float = 1.0
    ) -> None:
        """429; `retry_after=None` leaves the header out."""
        self._api.append(SlackFault("limited", method, times, chance, seconds=retry_after))

    def break_down(
        self, method: str, *, status: int = 500, times: int | None = 1, chance: float = 1.0
    ) -> None:
        """A 5xx without JSON; nothing is done."""
        self._api.append(SlackFault("broken", method, times, chance, status=status))

    def garble(self, method: str, *, times: int | None = 1, chance: float = 1.0) -> None:
        """It is done, but the answer is no JSON."""
        self._api.append(SlackFault("garbled", method, times, chance))

    def lose_answer(
        self, method: str, *, hang: float | None = None, times: int | None = 1, chance: float = 1.0
    ) -> None:
        """It is done, and the connection breaks before the answer, after `hang` seconds of silence."""
        self._api.append(SlackFault("lost", method, times, chance, seconds=hang))

    def storm(self, chance: float = 0.04) -> None:
        """A bit of everything that Slack can do wrong, as the seed has it, until cleared."""
        self.rate_limit("*", retry_after=1, times=None, chance=chance)
        self.rate_limit("*", retry_after=None, times=None, chance=chance)
        self.break_down("*", status=503, times=None, chance=chance)
        self.refuse("*", "internal_error", times=None, chance=chance)
        self.garble("*", times=None, chance=chance)
        self.lose_answer("*", times=None, chance=chance)
        self.duplicates = 3

    def take(self, method: str) -> SlackFault | None:
        """The fault that this call meets, used up once; None: the call goes well."""
        for fault in self._api:
            if fault.method in (method, "*") and fault.left != 0 and self._random.random() < fault.chance:
                if fault.left is not None:
                    fault.left -= 1
                return fault
        return None

    # All of Slack

    def down(self) -> None:
        """No answer, no connection, no delivery, until `up`."""
        self.down_for(float("inf"))

    def down_for(self, seconds: float) -> None:
        self._down_until = self._clock() + seconds
        self.on_down()

    def up(self) -> None:
        self._down_until = None

    @property
    def is_down(self) -> bool:
        return self._down_until is not None and self._clock() < self._down_until

    # Deliveries

    def reorder(self, count: int) -> None:
        """Hold the next `count` payloads until all are there, then let them go in a shuffled order."""
        self._hold = count

    async def turn(self) -> None:
        """Wait for this payload's turn."""
        if self._hold == 0:
            return
        held = asyncio.get_running_loop().create_future()
        self._held.append(held)
        if len(self._held) == self._hold:
            self.let_go()
        await held

    @property
    def held(self) -> int:
        """How many payloads wait for their turn."""
        return len(self._held)

    def let_go(self) -> None:
        """Release what is held, shuffled, even when it is fewer than were asked for."""
        self._hold = 0
        held, self._held = self._held, []
        self._random.shuffle(held)
        for each in held:
            # Not at once: whoever brought the last one must not run ahead of those who wait.
            each.get_loop().call_soon(_release, each)

    def refuses_handshake(self) -> bool:
        if self.failed_handshakes > 0:
            self.failed_handshakes -= 1
            return True
        return False

    # All together

    def clear(self) -> None:
        """Everything goes well from now on."""
        self._api.clear()
        self.latency = self.delivery_latency = 0.0
        self.duplicates = self.failed_handshakes = 0
        self.up()
        self.let_go()

    def active(self) -> dict[str, object]:
        """Returns what is switched on, for the page."""
        switched: dict[str, object] = {
            "down": self.is_down,
            "latency": self.latency,
            "duplicates": self.duplicates,
            "failed_handshakes": self.failed_handshakes,
            "api": [f"{fault.kind} {fault.method}" for fault in self._api if fault.left != 0],
        }
        return {name: value for name, value in switched.items() if value}


def _release(held: asyncio.Future[None]) -> None:
    if not held.done():
        held.set_result(None)
