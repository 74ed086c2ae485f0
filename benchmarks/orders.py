"""The other end of `Program.ask`: JSON lines on standard input, one answer each on standard output."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any


async def orders() -> AsyncIterator[dict[str, Any]]:
    """Until the asker hangs up."""
    loop = asyncio.get_running_loop()
    stdin = asyncio.StreamReader(limit=64 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    while line := await stdin.readline():
        yield json.loads(line)


def answer(value: Any) -> None:
    print(json.dumps(value), flush=True)
