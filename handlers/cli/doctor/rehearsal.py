"""A dummy card with a real button in the operator's direct messages: proves that presses reach this bot.

It listens on a Socket Mode connection of its own, and only while nobody else hears this app: each press goes
to one of all connections, so listening beside a `serve` would take somebody's real press away from it.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from bot.model import Person
from bot.views.limits import MessageContent, actions, button, message, sections
from handlers.cli.doctor.results import Result, fail, ok, warn
from handlers.cli.doctor.slack import NotAnswered, SlackRefused, asked
from handlers.settings import ProcessSettings
from storage.database import Locked, LockFile

CARD = "rehearsal, card"
PRESS = "rehearsal, press"
HELLO_WITHIN_SECONDS = 10.0
PRESSED_WITHIN_SECONDS = 60.0


class NotHere(Exception):
    """Why presses cannot be heard by the rehearsal, with what to do next."""


@dataclass(frozen=True, slots=True)
class RehearsalMessage:
    channel: str
    ts: str


async def rehearse(
    client: AsyncWebClient,
    settings: ProcessSettings,
    person: Person,
    pressed_within: float = PRESSED_WITHIN_SECONDS,
) -> AsyncIterator[Result]:
    """The card is taken back at the end, whatever happens in between."""
    if person.barred:
        yield fail(CARD, f"{person.id} could not press anything: {person.barred}. Rehearse as somebody else.")
        return
    try:
        async with _ear(client, settings) as ear:
            async for result in _with_card(client, person, ear, pressed_within):
                yield result
    except NotHere as reason:
        async for result in _with_card(client, person, None, pressed_within):
            yield result
        yield warn(PRESS, str(reason))


async def _with_card(
    client: AsyncWebClient, person: Person, ear: "Ear | None", pressed_within: float
) -> AsyncIterator[Result]:
    try:
        posted = await _post(client, person.id, pressed_within)
    except (NotAnswered, SlackRefused) as problem:
        yield fail(CARD, f"it could not be posted to {person.name}: {problem}. Correct that first.")
        return
    try:
        then = f": press its button within {pressed_within:.0f} s" if ear else ""
        yield ok(CARD, f"posted to the direct messages of {person.name}{then}")
        if ear is not None:
            yield await _press(ear, posted, person, pressed_within)
    finally:
        await _take_back(client, posted)


async def _post(client: AsyncWebClient, user: str, pressed_within: float) -> RehearsalMessage:
    opened = await asked(client.conversations_open(users=user))
    card = drawing(pressed_within)
    answer = await asked(
        client.chat_postMessage(channel=opened["channel"]["id"], text=card.text, blocks=list(card.blocks))
    )
    return RehearsalMessage(answer["channel"], answer["ts"])


async def _take_back(client: AsyncWebClient, posted: RehearsalMessage) -> None:
    over = drawing(None)
    try:
        await asked(
            client.chat_update(channel=posted.channel, ts=posted.ts, text=over.text, blocks=list(over.blocks))
        )
    except (NotAnswered, SlackRefused):
        return  # the card says itself for how long it counts, and its button does nothing anywhere


def drawing(seconds: float | None) -> MessageContent:
    """`seconds` to press; None: it is over."""
    if seconds is None:
        text = "Rehearsal over. Nothing was rolled back."
        return message(text, sections([text]))
    text = f"Rehearsal: press the button within {seconds:.0f} s. Nothing is rolled back."
    return message(text, [*sections([text]), *actions("looks", [button("Details", "details", "rehearsal")])])


async def _press(ear: "Ear", posted: RehearsalMessage, person: Person, within: float) -> Result:
    try:
        async with asyncio.timeout(within):
            await ear.hears(posted)
    except TimeoutError:
        advice = "Look at the message, and see that interactivity is on as in manifest.yml."
        return fail(PRESS, f"nothing was heard within {within:.0f} s. {advice}")
    except NotAnswered as problem:
        return fail(PRESS, f"the connection broke: {problem}. Rehearse again.")
    return ok(PRESS, f"the button that {person.name} pressed was heard here")


# Hearing -------------------------------------------------------------------------------------------


class Ear:
    """One Socket Mode connection. It answers nothing but the press that it waits for."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def next(self) -> dict[str, Any]:
        """Raises NotAnswered when the connection is over."""
        heard = await self._socket.receive()
        if heard.type is not aiohttp.WSMsgType.TEXT:
            raise NotAnswered("Slack closed it")
        said: dict[str, Any] = json.loads(heard.data)
        return said

    async def hears(self, posted: RehearsalMessage) -> None:
        """Returns when the button of this message was pressed."""
        while True:
            envelope = await self.next()
            if _is_press(envelope.get("payload") or {}, posted):
                await self._socket.send_json({"envelope_id": envelope["envelope_id"]})
                return


def _is_press(payload: dict[str, Any], posted: RehearsalMessage) -> bool:
    container = payload.get("container") or {}
    pressed = (container.get("channel_id"), container.get("message_ts"))
    return payload.get("type") == "block_actions" and pressed == (posted.channel, posted.ts)


@asynccontextmanager
async def _ear(client: AsyncWebClient, settings: ProcessSettings) -> AsyncIterator[Ear]:
    """Raises NotHere. Nobody can start a `serve` on this state folder meanwhile."""
    if settings.app_token is None:
        raise NotHere(
            "there is no SLACK_APP_TOKEN, so presses come to `serve` by HTTP and cannot be heard here. "
            "Start `serve` and look at its answer to a press."
        )
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = LockFile(settings.lock)
    try:
        lock.acquire()
    except Locked as locked:
        raise NotHere(f"{locked}, and hears the presses instead. Stop it, and rehearse again.") from None
    try:
        token = settings.app_token.get_secret_value()
        async with aiohttp.ClientSession() as session, await _connected(client, session, token) as socket:
            ear = Ear(socket)
            await _alone(ear)
            yield ear
    finally:
        lock.release()


async def _connected(
    client: AsyncWebClient, session: aiohttp.ClientSession, app_token: str
) -> aiohttp.ClientWebSocketResponse:
    try:
        opened = await asked(client.apps_connections_open(app_token=app_token))
        return await session.ws_connect(opened["url"], heartbeat=10)
    except (NotAnswered, SlackRefused, aiohttp.ClientError, OSError) as problem:
        raise NotHere(f"no socket could be opened: {problem}. See the line on Socket Mode.") from None


async def _alone(ear: Ear) -> None:
    """Raises NotHere when another process hears the same app."""
    try:
        async with asyncio.timeout(HELLO_WITHIN_SECONDS):
            hello = await ear.next()
    except (TimeoutError, NotAnswered):
        raise NotHere("Slack did not greet the new socket. Rehearse again in a moment.") from None
    if hello.get("num_connections", 1) > 1:
        raise NotHere("another process hears this app, perhaps elsewhere. Stop it, and rehearse again.")
