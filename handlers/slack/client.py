"""Our client of Slack's Web API, and who we are there."""

import asyncio

import structlog
from aiohttp import ClientSession
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.errors import ConfigurationError, words_of

log = structlog.get_logger()

SLACK_ANSWERS_WITHIN_SECONDS = 3  # while a trigger waits


def client_for(api_url: str, token: str, session: ClientSession) -> AsyncWebClient:
    return AsyncWebClient(
        token=token,
        base_url=api_url,
        session=session,
        timeout=SLACK_ANSWERS_WITHIN_SECONDS,
        retry_handlers=[],  # a resent chat.postMessage is a second card; `sending` decides what comes again
    )


async def who_am_i(client: AsyncWebClient) -> AsyncSlackResponse:
    """`auth.test`, asked until Slack answers. Raises ConfigurationError when it says no."""
    pause = 0.5
    while True:
        try:
            return await client.auth_test()
        except SlackApiError as problem:
            if problem.response.status_code < 500 and problem.response.get("error") != "ratelimited":
                refused = (
                    f"Slack refuses the token: {problem.response.get('error')}. "
                    "Copy it again from the app's page, under OAuth & Permissions."
                )
                raise ConfigurationError((refused,)) from None
        except (OSError, TimeoutError) as problem:
            log.warning("Slack does not answer yet", error=words_of(problem))
        await asyncio.sleep(pause)
        pause = min(pause * 2, 15.0)
