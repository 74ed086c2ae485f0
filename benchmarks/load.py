"""The load: requests on a fixed schedule, whatever the answers do, timed from when each was due.

Order: {"url", "rate", "requests": [[headers, body], …]}; answer: [[seconds, status, text], …], same order.
A late answer does not hold the next request back, so nothing is left out of the picture.
"""

import asyncio
import gc
from typing import Any

from aiohttp import ClientSession, ClientTimeout, TCPConnector

from benchmarks.orders import answer, orders

SLACK_GIVES_UP = 3.0  # seconds
HEAD_START = 0.2  # seconds for making every timer before the first request is due


async def main() -> None:
    async for order in orders():
        gc.disable()
        answer(await _send_all(order))
        gc.enable()


async def _send_all(order: dict[str, Any]) -> list[Any]:
    connector = TCPConnector(limit=0)
    async with ClientSession(connector=connector, timeout=ClientTimeout(total=SLACK_GIVES_UP)) as session:
        first = asyncio.get_running_loop().time() + HEAD_START
        return await asyncio.gather(
            *(
                _send(session, order["url"], headers, body, first + n / order["rate"])
                for n, (headers, body) in enumerate(order["requests"])
            )
        )


async def _send(
    session: ClientSession, url: str, headers: dict[str, str], body: str, due: float
) -> tuple[float, int | None, str]:
    """Status None: no answer."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(due - loop.time())
    try:
        async with session.post(url, data=body, headers=headers) as response:
            text = await response.text()
            return loop.time() - due, response.status, text
    except (OSError, TimeoutError) as problem:
        return loop.time() - due, None, type(problem).__name__


if __name__ == "__main__":
    asyncio.run(main())
