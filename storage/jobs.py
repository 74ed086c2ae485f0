"""Procrastinate carries "drive RB-42" and "answer look 7" from who decided to a worker of the zone.

A job is sent in the transaction of what caused it, so none comes of what was taken back. Jobs carry no truth:
one too many finds a live claim and ends, one that was lost is found by the sweep.
The extra `postgres` brings the library: import this file only where it is used.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType

from procrastinate import App, PsycopgConnector
from procrastinate.exceptions import ProcrastinateException
from procrastinate.jobs import DeleteJobCondition, Status
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.errors import TemporaryError
from storage.postgres import CONNECTING, libpq

DRIVE = "drive"
LOOK = "look"
CONNECTIONS = 4  # at most, for fetching and deleting jobs
ENDED_WITHIN_SECONDS = 5.0  # for the jobs under way when the worker stops
POLLED_EVERY_SECONDS = 5.0  # a notification comes at once, this is for those that were lost
BEATS_EVERY_SECONDS = 5.0  # between the heartbeats of a worker
DEAD_AFTER_SECONDS = 30.0  # without a heartbeat
FETCHED_AGAIN_AFTER_SECONDS = 1.0  # when the server is away


class Jobs:
    """Fulfils `storage.runs.Dispatch`. Only `run` and `forget_stalled` need it to be entered."""

    def __init__(self, url: str, zone_of: Callable[[str], str]) -> None:
        """`zone_of`: from the name of a target to that of the zone whose workers can reach it."""
        self._zone_of = zone_of
        connector = PsycopgConnector(
            conninfo=libpq(url), kwargs=dict(CONNECTING), min_size=1, max_size=CONNECTIONS
        )
        self._app = App(connector=connector)

    async def __aenter__(self) -> "Jobs":
        await self._app.open_async()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._app.close_async()

    async def drive(self, connection: AsyncConnection, run_id: str, target: str) -> None:
        await self._send(connection, DRIVE, target, run_id=run_id)

    async def look(self, connection: AsyncConnection, look_id: int, target: str) -> None:
        await self._send(connection, LOOK, target, look_id=look_id)

    async def _send(self, connection: AsyncConnection, name: str, target: str, **about: str | int) -> None:
        """Without a queueing lock: what is queued already would end the transaction of the decision."""
        raw = await connection.get_raw_connection()
        job = self._app.configure_task(name, queue=self._zone_of(target), connection=raw.driver_connection)
        await job.defer_async(**about)

    async def run(
        self,
        zones: Sequence[str],
        on_drive: Callable[[str], Awaitable[None]],
        on_look: Callable[[int], Awaitable[None]],
        concurrency: int,
    ) -> None:
        """Takes jobs until it is cancelled; a server that is away is waited for."""

        async def drive(run_id: str) -> None:
            await on_drive(run_id)

        async def look(look_id: int) -> None:
            await on_look(look_id)

        self._app.task(name=DRIVE)(drive)
        self._app.task(name=LOOK)(look)
        while True:
            try:
                await self._app.run_worker_async(
                    queues=zones,
                    concurrency=concurrency,
                    install_signal_handlers=False,
                    delete_jobs=DeleteJobCondition.ALWAYS,
                    fetch_job_polling_interval=POLLED_EVERY_SECONDS,
                    shutdown_graceful_timeout=ENDED_WITHIN_SECONDS,
                    update_heartbeat_interval=BEATS_EVERY_SECONDS,
                    stalled_worker_timeout=DEAD_AFTER_SECONDS,
                )
            except ProcrastinateException:
                await asyncio.sleep(FETCHED_AGAIN_AFTER_SECONDS)

    async def forget_stalled(self) -> int:
        """Deletes what a worker took and died with, and says how many: the sweep finds those runs anyway.

        Raises TemporaryError when the server is away.
        """
        manager = self._app.job_manager
        try:
            stalled = [
                job.id for job in await manager.get_stalled_jobs(seconds_since_heartbeat=DEAD_AFTER_SECONDS)
            ]
            for job_id in stalled:
                assert job_id is not None  # it was read from its table
                await manager.finish_job_by_id_async(job_id, Status.FAILED, delete_job=True)
        except ProcrastinateException as away:
            raise TemporaryError(str(away)) from away
        return len(stalled)
