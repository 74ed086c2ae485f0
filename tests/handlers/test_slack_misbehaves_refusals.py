"""Every `ok: false` that Slack documents has an outcome: nothing raises, and nobody is left without news."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from bot.errors import TemporaryError
from bot.event_kinds import EventKind as E
from bot.run import Run
from handlers.slack.refusals import Meaning, meaning
from handlers.slack.sending import READS
from handlers.slack.undrawn import DRAWING_TRIED_AT_MOST_TIMES
from storage.cards import CardKind
from tests.bot.stories import plan_data
from tests.handlers.publishing import Publishing, publishing
from tests.people import ANA, CHANNEL
from tests.storage.told import ask, plan_for, tell
from workspace.slack.documented import DOCUMENTED
from workspace.slack.methods.table import FORM_ONLY, METHODS

MINUTE = 60  # seconds


@pytest.fixture
async def alone(tmp_path: Path, template: Path) -> AsyncIterator[Publishing]:
    async with publishing(tmp_path, template) as made:
        yield made


async def wrong_within_a_minute(alone: Publishing, fine: Callable[[], Awaitable[bool]]) -> bool:
    for _ in range(MINUTE):
        await alone.publisher.round()
        if await fine():
            return False
        alone.clock.turn(1)
    return True


def told(alone: Publishing, run: Run) -> int:
    """How many messages of this run its requester got."""
    direct = alone.slack.workspace.messages(alone.slack.workspace.direct(ANA.id))
    return sum(m.metadata is not None and m.metadata["event_payload"]["run_id"] == run.id for m in direct)


def card(alone: Publishing, run: Run) -> str | None:
    """What the newest card of this run says; None: there is none."""
    found = [
        m.plain()
        for m in alone.slack.workspace.messages(CHANNEL)
        if m.metadata and m.metadata["event_payload"].get("run_id") == run.id
    ]
    return found[-1] if found else None


async def planned(alone: Publishing, n: int) -> Run:
    run = await ask(alone.store, f"shop-{n}")
    return await tell(alone.store, run, E.PLANNED, **plan_data(plan_for(run), awaited=[]))


async def test_a_card_whose_post_is_refused_once_is_there_or_who_asked_is_told(alone: Publishing) -> None:
    wrong = []
    for n, error in enumerate(DOCUMENTED["chat.postMessage"]):
        alone.slack.faults.refuse("chat.postMessage", error)
        run = await planned(alone, n)

        async def fine(run: Run = run) -> bool:
            stored = await alone.store.load(run.id)
            return card(alone, run) is not None if not stored.state.final else told(alone, run) > 0

        if await wrong_within_a_minute(alone, fine):
            wrong.append(error)
        alone.slack.faults.clear()
    assert wrong == []


async def test_a_card_whose_change_is_refused_once_is_true_or_who_asked_is_told(alone: Publishing) -> None:
    wrong = []
    for n, error in enumerate(DOCUMENTED["chat.update"]):
        run = await planned(alone, n)
        await alone.until_shown()
        alone.slack.faults.refuse("chat.update", error)
        run = await tell(alone.store, await alone.store.load(run.id), E.CANCELLED, ANA)

        async def fine(run: Run = run) -> bool:
            shown = card(alone, run)
            return (shown is not None and "Cancelled" in shown) or told(alone, run) > 0

        if await wrong_within_a_minute(alone, fine):
            wrong.append(error)
        alone.slack.faults.clear()
    assert wrong == []


@pytest.mark.parametrize("method", ["conversations.history", "dnd.teamInfo"])
async def test_a_refused_question_holds_no_card_up(alone: Publishing, method: str) -> None:
    wrong = []
    for n, error in enumerate(DOCUMENTED[method]):
        alone.slack.faults.refuse(method, error, times=None)
        alone.slack.faults.lose_answer("chat.postMessage")
        run = await planned(alone, n)

        async def fine(run: Run = run) -> bool:
            return card(alone, run) is not None and not await alone.context.cards.unposted()

        if await wrong_within_a_minute(alone, fine):
            wrong.append(error)
        alone.slack.faults.clear()
        alone.clock.turn(30)
    assert wrong == []


async def test_whoever_slack_does_not_describe_is_nobody_who_may_decide(alone: Publishing) -> None:
    open_to = []
    for error in DOCUMENTED["users.info"]:
        alone.slack.faults.refuse("users.info", error)
        try:
            person = await alone.context.directory.person(ANA.id, age=0)
        except TemporaryError:
            continue
        if person.barred is None:
            open_to.append(error)
    assert open_to == []


async def test_a_channel_that_slack_does_not_describe_gets_no_card(alone: Publishing) -> None:
    open_to = []
    for error in DOCUMENTED["conversations.info"]:
        alone.slack.faults.refuse("conversations.info", error)
        if (await alone.context.channels.place(CHANNEL)).why_not is None:
            open_to.append(error)
    assert open_to == []


async def test_a_person_described_in_malformed_json_may_decide_nothing_yet(alone: Publishing) -> None:
    alone.slack.faults.garble("users.info")
    with pytest.raises(TemporaryError):
        await alone.context.directory.person("U01BEN", age=0)


async def test_a_channel_described_in_malformed_json_gets_no_card_yet(alone: Publishing) -> None:
    alone.slack.faults.garble("conversations.info")
    assert (await alone.context.channels.place(CHANNEL)).why_not is not None


def test_every_refusal_of_a_token_waits_for_the_operator() -> None:
    tokens = {"token_revoked", "invalid_auth", "account_inactive", "not_authed", "token_expired"}
    assert {meaning("chat.update", error) for error in tokens} == {Meaning.TOKEN}


def test_what_is_documented_is_about_methods_that_there_are() -> None:
    assert set(DOCUMENTED) <= set(METHODS)


def test_whatever_takes_no_json_goes_out_as_a_query() -> None:
    assert set(FORM_ONLY) <= READS


async def in_a_thread(alone: Publishing, run: Run) -> str:
    """Its line is owed in a thread, whose first message this is."""
    first = await alone.slack.say(ANA.id, CHANNEL, "something is wrong with totals")
    await alone.context.cards.want(run.id, CardKind.LINE, CHANNEL, alone.clock(), thread_ts=first.message.ts)
    return first.message.ts


def asked_for_links(alone: Publishing) -> int:
    return sum(call.method == "chat.getPermalink" for call in alone.slack.workspace.calls)


async def test_a_line_whose_answer_was_lost_is_found_in_its_thread_and_not_posted_twice(
    alone: Publishing,
) -> None:
    run = await planned(alone, 1)
    await alone.until_shown()
    first = await in_a_thread(alone, run)
    alone.slack.faults.lose_answer("chat.postMessage")
    await alone.until_shown()
    assert len(alone.slack.workspace.messages(CHANNEL, thread_ts=first)) == 1


async def test_a_line_that_cannot_be_drawn_is_given_up_after_ten_tries(alone: Publishing) -> None:
    alone.slack.faults.refuse("chat.getPermalink", "message_not_found", times=None)
    run = await planned(alone, 1)
    await in_a_thread(alone, run)
    await alone.until_shown(step=1)
    line = next(card for card in await alone.context.cards.of_run(run.id) if card.kind is CardKind.LINE)
    assert line.gone == "no link to its card"
    for _ in range(MINUTE):
        await alone.publisher.round()
        alone.clock.turn(1)
    assert asked_for_links(alone) == DRAWING_TRIED_AT_MOST_TIMES


async def test_a_line_that_cannot_be_drawn_is_tried_with_growing_pauses(alone: Publishing) -> None:
    alone.slack.faults.refuse("chat.getPermalink", "message_not_found", times=None)
    await in_a_thread(alone, await planned(alone, 1))
    for _ in range(MINUTE):
        await alone.publisher.round()
        alone.clock.turn(1)
    assert 4 <= asked_for_links(alone) <= 6  # after 0, 1, 3, 7, 15 and 31 seconds


async def test_a_line_is_posted_when_its_link_can_be_had_again(alone: Publishing) -> None:
    alone.slack.faults.refuse("chat.getPermalink", "message_not_found", times=3)
    first = await in_a_thread(alone, await planned(alone, 1))
    await alone.until_shown()
    assert "RB-1" in alone.slack.workspace.messages(CHANNEL, thread_ts=first)[0].plain()
