"""Backups from the shell: made beside a running `serve`, put back while none runs, and how to go on then."""

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from backends.installed import definitions
from bot.clock import SteadyClock
from bot.configuration import load
from bot.errors import TemporaryError, UserError
from bot.run import Run
from handlers.cli.database import alone, opened, stored, why_not_readable
from handlers.cli.forgotten import RUN_ID, Forgotten, look
from handlers.cli.reading import opened_world
from handlers.settings import ProcessSettings
from storage.backup import Backup, PutBack, back_up, put_back
from storage.database import revision
from storage.restored import RestoredDatabase, confirm, mark_restored, restored

SHELL_WAITS_FOR_SLACK_SECONDS = 10


async def backed_up(settings: ProcessSettings, file: Path) -> Backup:
    """Raises UserError, Unsound."""
    return await back_up(settings.database, file.absolute())


async def restored_from(settings: ProcessSettings, file: Path) -> PutBack:
    """Raises Locked when a `serve` runs, UserError and NewerDatabase."""
    with alone(settings):
        return await put_back(settings.database, file.absolute(), SteadyClock()(), operator())


async def marked(settings: ProcessSettings) -> RestoredDatabase:
    """Marks a database that was put back by other means. Raises as `restored_from` does."""
    with alone(settings):
        async with opened(settings.database) as database:
            if reason := why_not_readable(await revision(database)):
                raise TemporaryError(reason)
            return await mark_restored(database, SteadyClock()(), operator())


async def forgotten(settings: ProcessSettings) -> tuple[RestoredDatabase, Forgotten] | None:
    """None: it was not put back, or people have confirmed. Raises as `stored` does."""
    async with stored(settings) as store:
        told = await restored(store.database)
        if told is None:
            return None
        configuration = load(settings.config, definitions())
        async with opened_world(configuration, settings) as world, _slack(settings) as client:
            return told, await look(told, store, configuration, world, client)


def newest_number(found: Forgotten, said: str | None) -> int:
    """After which new runs are numbered. `said`: the newest run that people remember, such as RB-57.

    Raises UserError while an operation is under way, and TemporaryError when a run may have gone unseen.
    """
    if found.under_way:
        words = " ".join(trace.words for trace in found.under_way)
        raise UserError(f"Not yet: {words} Wait until it has ended, or end it at the target.")
    number = 0 if said is None else _number(said)
    if found.unasked and said is None:
        words = " ".join(found.unasked)
        raise TemporaryError(
            f"{words} Try again, or name the newest run that people remember: --highest RB-57."
        )
    return max(found.highest, number)


def _number(said: str) -> int:
    matched = RUN_ID.fullmatch(said.upper())
    if matched is None:
        raise UserError(f"{said} is no run. Write it like RB-57.")
    return int(matched[1])


async def confirmed(settings: ProcessSettings, highest: int) -> tuple[Run, ...]:
    """The runs of the backup that were ended, or are stuck now. Raises UserError."""
    async with stored(settings) as store:
        return await confirm(store.database, highest, SteadyClock()(), operator())


@asynccontextmanager
async def _slack(settings: ProcessSettings) -> AsyncIterator[AsyncWebClient | None]:
    """None: there is no token. Waits where Slack asks it to: nobody's trigger runs out here."""
    if settings.bot_token is None:
        yield None
        return
    async with ClientSession(timeout=ClientTimeout(total=SHELL_WAITS_FOR_SLACK_SECONDS)) as session:
        yield AsyncWebClient(
            token=settings.bot_token.get_secret_value(),
            base_url=settings.api_url,
            session=session,
            timeout=SHELL_WAITS_FOR_SLACK_SECONDS,
            retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=10)],
        )


def operator() -> str:
    """Returns who sits at this shell, for the evidence."""
    return f"os:{getpass.getuser()}"
