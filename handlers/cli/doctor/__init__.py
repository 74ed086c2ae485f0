"""`doctor`: looks at everything live, in the order in which one thing needs another.

`installation` looks at this machine, `slack` at Slack, `targets` at the backends, `people` at who could
approve; `rehearsal` sends a card to the operator. `results` says what they all come to.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy.exc import DBAPIError

from bot.clock import Clock, SteadyClock
from bot.configuration import Configuration
from bot.errors import ConfigurationError, TemporaryError
from bot.planner import Planner
from bot.practice import is_inactive
from handlers.cli.database import stored
from handlers.cli.doctor import installation, people, rehearsal, slack, targets
from handlers.cli.doctor.results import Result, exit_code
from handlers.cli.reading import opened_world
from handlers.settings import ProcessSettings
from handlers.slack.directory import SlackDirectory
from storage.practices import PracticeStore

__all__ = ["examine", "exit_code"]

SHELL_WAITS_FOR_SLACK_SECONDS = 10  # nobody waits with a trigger


async def examine(
    settings: ProcessSettings,
    configuration: Configuration,
    operator: str | None = None,
    mounts: Path = installation.MOUNTS,
) -> AsyncIterator[Result]:
    """Each result as it is found. `operator`: the Slack user id of who rehearses; None: nobody does."""
    clock = SteadyClock()
    yield installation.tokens(settings)
    for result in installation.configuration(configuration):
        yield result
    yield installation.guard(clock())
    yield installation.state_folder(settings.state)
    for result in installation.spool(settings.state, configuration, mounts):
        yield result
    yield await installation.database(settings)
    for result in await _processes(settings, configuration, clock):
        yield result
    backends = await _backends(settings, configuration, clock)
    for backend in backends.values():
        for result in backend.results:
            yield result
    if settings.bot_token is not None:
        needed = {name: backend.needed for name, backend in backends.items()}
        async with ClientSession(timeout=ClientTimeout(total=SHELL_WAITS_FOR_SLACK_SECONDS)) as session:
            client = AsyncWebClient(
                token=settings.bot_token.get_secret_value(),
                base_url=settings.api_url,
                session=session,
                timeout=SHELL_WAITS_FOR_SLACK_SECONDS,
                retry_handlers=[],
            )
            async for result in _slack(client, settings, configuration, clock, needed, operator):
                yield result


async def _processes(settings: ProcessSettings, configuration: Configuration, clock: Clock) -> list[Result]:
    try:
        async with stored(settings) as store:
            seen = await store.processes(clock())
        return [*installation.processes(seen), *installation.one_can_tell(configuration, seen)]
    except (ConfigurationError, TemporaryError, DBAPIError, OSError):
        return []  # the database has had its own line


async def _silent(settings: ProcessSettings, clock: Clock) -> frozenset[str]:
    """The accounts of approvers who have not practised when they were asked to."""
    try:
        async with stored(settings) as store:
            practices = PracticeStore(store)
            decided, known = await practices.decided(), await practices.all()
    except (ConfigurationError, TemporaryError, DBAPIError, OSError):
        return frozenset()  # the database has had its own line
    now = clock()
    return frozenset(one for one, of in known.items() if is_inactive(of, decided.get(one), now))


async def _backends(
    settings: ProcessSettings, configuration: Configuration, clock: Clock
) -> dict[str, targets.Examined]:
    """All at once: the slowest says how long it takes."""
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(opened_world(configuration, settings))
        try:
            store = await stack.enter_async_context(stored(settings))
            planner = Planner(configuration, store, world, clock)
        except (ConfigurationError, TemporaryError, DBAPIError, OSError):
            planner = None  # the database has had its own line
        found = await asyncio.gather(
            *(targets.examine(target, planner, world) for target in configuration.targets.values())
        )
    return dict(zip(configuration.targets, found, strict=True))


async def _slack(
    client: AsyncWebClient,
    settings: ProcessSettings,
    configuration: Configuration,
    clock: Clock,
    needed: Mapping[str, int],
    operator: str | None,
) -> AsyncIterator[Result]:
    introduced = await slack.introduce(client, clock)
    if isinstance(introduced, Result):
        yield introduced
        return
    for result in introduced.results:
        yield result
    if settings.app_token is not None:
        yield await slack.socket_mode(client, settings.app_token.get_secret_value())
    for result in await slack.channels(client, configuration):
        yield result
    for result in await people.user_groups(client, configuration):
        yield result
    directory = SlackDirectory(configuration, client, introduced.team_id, clock)
    silent = await _silent(settings, clock)
    for name, target in configuration.targets.items():
        yield await people.second_person(directory, target, needed[name], silent)
    if operator is not None:
        person = await directory.person(operator)
        yield await people.rights(directory, configuration, person)
        async for result in rehearsal.rehearse(client, settings, person):
            yield result
