"""`doctor`: looks at everything live, in the order in which one thing needs another.

`installation` looks at this machine, `slack` at Slack, `targets` at the backends, `people` at who could approve;
`rehearsal` sends a card to the operator. `results` says what they all come to. It changes nothing.
"""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import ClientSession, ClientTimeout
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy.exc import DBAPIError

from bot.clock import Clock, SteadyClock
from bot.configuration import Configuration
from bot.errors import ConfigurationError, TemporaryError
from handlers.cli.database import stored
from handlers.cli.doctor import installation, people, rehearsal, slack, targets
from handlers.cli.doctor.results import Result, exit_code
from handlers.cli.doctor.slack import Introduced
from handlers.cli.reading import planner, world_of
from handlers.settings import Settings
from handlers.slack.directory import SlackDirectory

__all__ = ["examine", "exit_code"]

SLACK_ANSWERS_WITHIN = 10  # seconds: nobody waits with a trigger


async def examine(
    settings: Settings, configuration: Configuration, operator: str | None = None
) -> AsyncIterator[Result]:
    """Each result as it is found. `operator`: the Slack user id of who rehearses; None: nobody does."""
    clock = SteadyClock()
    yield installation.tokens(settings)
    for result in installation.configuration(configuration):
        yield result
    yield installation.guard(clock())
    yield installation.state_folder(settings.state)
    yield await installation.database(settings)
    needed: dict[str, int] = {}
    async for examined, name in _targets(settings, configuration, clock):
        needed[name] = examined.needed
        for result in examined.results:
            yield result
    async for result in _slack(settings, configuration, clock, needed, operator):
        yield result
