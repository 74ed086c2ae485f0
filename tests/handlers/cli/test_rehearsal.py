"""A card to the operator's direct messages: pressed, not pressed, and when nobody may listen for it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.model import Person
from handlers.cli.doctor.rehearsal import rehearse
from handlers.cli.doctor.results import Grade, Result
from storage.database import LockFile
from tests import people
from tests.handlers.cli.clinic import ANA, BEN, Clinic
from workspace.slack.nouns import Message

WHO = people.ANA
SOON = 0.2  # seconds, where nobody will press


async def rehearsing(
    clinic: Clinic, within: float = 10.0, person: Person = WHO, **changed: str
) -> AsyncIterator[Result]:
    settings = clinic.settings(**changed)
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(token=clinic.slack.bot_token, base_url=clinic.slack.api_url, session=session)
        async for result in rehearse(client, settings, person, within):
            yield result


async def rehearsed(
    clinic: Clinic, within: float = 10.0, person: Person = WHO, **changed: str
) -> dict[str, Result]:
    return {result.name: result async for result in rehearsing(clinic, within, person, **changed)}


def direct(clinic: Clinic) -> list[Message]:
    workspace = clinic.slack.workspace
    return workspace.messages(workspace.direct(ANA))


async def press(clinic: Clinic) -> bool:
    """Ana presses as soon as there is something to press."""
    shown = await clinic.slack.until(lambda: [card for card in direct(clinic) if card.buttons()])
    return (await clinic.slack.click(ANA, shown[-1], "details")).acked


async def test_a_press_is_heard_acknowledged_and_the_card_taken_back(clinic: Clinic) -> None:
    pressing = asyncio.create_task(press(clinic))
    results = await rehearsed(clinic)
    assert [(name, result.grade) for name, result in results.items()] == [
        ("rehearsal, card", Grade.OK),
        ("rehearsal, press", Grade.OK),
    ]
    assert await pressing
    assert [card.plain() for card in direct(clinic)] == ["Rehearsal over. Nothing was rolled back."]
    assert not direct(clinic)[0].buttons()


async def test_nobody_pressing_fails_and_the_card_is_taken_back(clinic: Clinic) -> None:
    results = await rehearsed(clinic, SOON)
    assert results["rehearsal, press"].grade is Grade.FAIL
    assert [card.plain() for card in direct(clinic)] == ["Rehearsal over. Nothing was rolled back."]


async def test_something_else_that_is_pressed_meanwhile_is_not_taken_for_it(clinic: Clinic) -> None:
    workspace = clinic.slack.workspace
    other = workspace.post("C01INC", workspace.app.bot_user, "x", blocks=_a_button())
    clicking = asyncio.create_task(_click_when_somebody_listens(clinic, other))
    assert (await rehearsed(clinic, SOON))["rehearsal, press"].grade is Grade.FAIL
    clicking.cancel()


def _a_button() -> list[dict[str, object]]:
    label = {"type": "plain_text", "text": "Details"}
    return [{"type": "actions", "elements": [{"type": "button", "action_id": "details", "text": label}]}]


async def _click_when_somebody_listens(clinic: Clinic, message: Message) -> None:
    await clinic.slack.until(lambda: len(clinic.slack.sockets) == 1)
    await clinic.slack.click(BEN, message, "details")


async def test_beside_a_serve_it_is_not_listened(clinic: Clinic) -> None:
    settings = clinic.settings()
    settings.state.mkdir(mode=0o700)
    serve = LockFile(settings.lock)
    serve.acquire()
    results = await rehearsed(clinic)
    serve.release()
    assert results["rehearsal, card"].grade is Grade.OK
    assert results["rehearsal, press"].grade is Grade.WARN
    assert "serves from this state folder" in results["rehearsal, press"].words
    assert not any(call.method == "apps.connections.open" for call in clinic.slack.workspace.calls)


async def test_while_another_process_hears_the_app_no_press_is_taken_from_it(clinic: Clinic) -> None:
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(token=clinic.slack.app_token, base_url=clinic.slack.api_url, session=session)
        opened = await client.apps_connections_open(app_token=clinic.slack.app_token)
        async with session.ws_connect(opened["url"]):
            result = (await rehearsed(clinic))["rehearsal, press"]
            await clinic.slack.until(lambda: len(clinic.slack.sockets) == 1)
    assert result.grade is Grade.WARN
    assert "another process" in result.words


async def test_over_http_the_press_cannot_be_heard_here(clinic: Clinic) -> None:
    results = await rehearsed(clinic, SLACK_APP_TOKEN="", SLACK_SIGNING_SECRET="s3cret-s3cret")
    assert results["rehearsal, press"].grade is Grade.WARN


async def test_a_scope_that_is_missing_is_named(clinic: Clinic) -> None:
    clinic.slack.workspace.scopes.discard("im:write")
    result = (await rehearsed(clinic))["rehearsal, card"]
    assert result.grade is Grade.FAIL
    assert "im:write" in result.words


async def test_somebody_who_may_not_decide_is_not_sent_a_card(clinic: Clinic) -> None:
    guest = replace(WHO, barred="guests may neither ask nor approve")
    assert (await rehearsed(clinic, person=guest))["rehearsal, card"].grade is Grade.FAIL
    assert direct(clinic) == []


async def test_the_lock_is_free_again_afterwards(clinic: Clinic) -> None:
    await rehearsed(clinic, SOON)
    lock = LockFile(clinic.settings().lock)
    lock.acquire()
    lock.release()


async def test_an_interrupted_rehearsal_takes_its_card_back(clinic: Clinic) -> None:
    said: list[Result] = []

    async def look() -> None:
        async for result in rehearsing(clinic):
            said.append(result)

    looking = asyncio.create_task(look())
    await clinic.slack.until(lambda: said)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    assert [card.plain() for card in direct(clinic)] == ["Rehearsal over. Nothing was rolled back."]
