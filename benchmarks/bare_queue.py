"""What a worker is woken by, alone: from a job's commit to its start, both ends in this process.

Order: {"database", "jobs"}; answer: for each job, one after another, the seconds.
"""

import asyncio
import contextlib
import time

from procrastinate import App, PsycopgConnector
from procrastinate.jobs import DeleteJobCondition

from benchmarks.orders import answer, orders
from storage.postgres import libpq

QUEUE = "bare"


async def main() -> None:
    async for order in orders():
        app = App(connector=PsycopgConnector(conninfo=libpq(order["database"])))
        async with app.open_async():
            answer(await _times(app, order["jobs"]))


async def _times(app: App, count: int) -> list[float]:
    began: asyncio.Queue[float] = asyncio.Queue()

    @app.task(name="bare", queue=QUEUE)
    async def bare() -> None:
        began.put_nowait(time.perf_counter())

    worker = asyncio.create_task(
        app.run_worker_async(
            queues=[QUEUE], install_signal_handlers=False, delete_jobs=DeleteJobCondition.ALWAYS
        )
    )
    await bare.defer_async()
    await began.get()  # the first may come before the worker listens; from now on it does
    seconds = []
    for _ in range(count):
        sent = time.perf_counter()
        await bare.defer_async()
        seconds.append(await began.get() - sent)
    worker.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await worker
    return seconds


if __name__ == "__main__":
    asyncio.run(main())
