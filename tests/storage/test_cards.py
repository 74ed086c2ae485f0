"""Messages that are owed, posted, redrawn, lost: as rows, so that none is posted twice or forgotten."""

import asyncio

import pytest

from bot.event_kinds import EventKind as E
from bot.run import Run
from storage.cards import Card, CardKind, CardStore, place
from storage.database import Database
from storage.runs import Store
from tests.bot.stories import ORDERS, T0, happened, later, plan_data
from tests.storage.told import ask


@pytest.fixture
def cards(database: Database) -> CardStore:
    return CardStore(database)


async def owed(
    cards: CardStore, kind: CardKind = CardKind.CARD, recipient: str = "C01INC", moment: str = ""
) -> Card:
    await cards.want("RB-1", kind, recipient, T0, moment=moment)
    return next(
        card
        for card in await cards.of_run("RB-1")
        if (card.kind, card.recipient, card.moment) == (kind, recipient, moment)
    )


async def posted(cards: CardStore, database: Database, key: str, ts: str = "17.1") -> None:
    await database.write(lambda connection: place(connection, key, "C01INC", ts, "drawn", later(1)))


async def test_what_is_owed_stands_nowhere_yet(cards: CardStore) -> None:
    card = await owed(cards)
    assert (card.run_id, card.channel, card.ts, card.drawn, card.tried_at, card.gone) == (
        "RB-1",
        None,
        None,
        None,
        None,
        None,
    )


async def test_owing_it_again_changes_nothing(cards: CardStore) -> None:
    first = await owed(cards)
    assert await owed(cards) == first
    assert len(await cards.of_run("RB-1")) == 1


async def test_owing_it_many_times_at_once_owes_it_once(cards: CardStore) -> None:
    await asyncio.gather(
        *(cards.want("RB-1", CardKind.NOTICE, "C01INC", T0, moment="stuck") for _ in range(20))
    )
    assert len(await cards.of_run("RB-1")) == 1


async def test_each_kind_person_and_moment_is_owed_for_itself(cards: CardStore) -> None:
    await owed(cards)
    await owed(cards, CardKind.DIRECT, "U01BEN")
    await owed(cards, CardKind.DIRECT, "U01CY")
    await owed(cards, CardKind.NOTICE, "C01INC", "stuck")
    await owed(cards, CardKind.NOTICE, "C01INC", "ended")
    keys = {card.key for card in await cards.of_run("RB-1")}
    assert len(keys) == 5


async def test_what_is_owed_is_unposted_until_it_stands(cards: CardStore, database: Database) -> None:
    card = await owed(cards)
    assert await cards.unposted() == ["RB-1"]
    await posted(cards, database, card.key)
    assert await cards.unposted() == []


async def test_a_card_is_found_by_its_key_and_by_its_place(cards: CardStore, database: Database) -> None:
    card = await owed(cards)
    await posted(cards, database, card.key)
    found = await cards.by_key(card.key)
    assert found is not None
    assert (found.channel, found.ts, found.drawn, found.drawn_at) == ("C01INC", "17.1", "drawn", later(1))
    assert await cards.at("C01INC", "17.1") == found


async def test_what_is_no_card_of_ours_is_not_found(cards: CardStore) -> None:
    await owed(cards)
    assert await cards.by_key("nosuchkey") is None
    assert await cards.at("C01INC", "17.1") is None


async def test_a_post_whose_answer_was_lost_is_marked_and_still_unposted(cards: CardStore) -> None:
    card = await owed(cards)
    await cards.tried(card.key, later(1))
    found = await cards.by_key(card.key)
    assert found is not None
    assert (found.tried_at, found.ts) == (later(1), None)
    assert await cards.unposted() == ["RB-1"]


async def test_a_card_remembers_what_it_shows(cards: CardStore, database: Database) -> None:
    card = await owed(cards)
    await posted(cards, database, card.key)
    await cards.redrawn(card.key, "newer", later(60))
    found = await cards.by_key(card.key)
    assert found is not None
    assert (found.drawn, found.drawn_at, found.ts) == ("newer", later(60), "17.1")


async def test_a_message_that_is_gone_from_slack_is_owed_once_more(
    cards: CardStore, database: Database
) -> None:
    card = await owed(cards)
    await posted(cards, database, card.key)
    await cards.tried(card.key, later(1))
    await cards.lost(card.key)
    assert await cards.by_key(card.key) == card
    assert await cards.unposted() == ["RB-1"]


async def test_what_can_never_be_posted_is_no_longer_owed(cards: CardStore) -> None:
    card = await owed(cards)
    await cards.impossible(card.key, "is_archived, and a very long story about why that is so, told twice")
    found = await cards.by_key(card.key)
    assert found is not None
    assert found.gone == "is_archived, and a very long story about why that is so, told tw"
    assert await cards.unposted() == []


async def test_a_line_goes_into_the_thread_where_it_was_asked(cards: CardStore) -> None:
    await cards.want("RB-1", CardKind.LINE, "C01INC", T0, thread_ts="16.9")
    (line,) = await cards.of_run("RB-1")
    assert (line.kind, line.thread_ts) == (CardKind.LINE, "16.9")


async def test_cards_of_other_runs_are_their_own(cards: CardStore) -> None:
    await owed(cards)
    assert await cards.of_run("RB-2") == ()


async def planned(store: Store, target: str, seconds: float) -> Run:
    """A run that waits for an approval since then."""
    return await store.append(
        await ask(store, target), happened(E.PLANNED, later(seconds), "", plan_data(ORDERS))
    )


async def owing_a_line(store: Store, cards: CardStore) -> set[str]:
    """Older runs whose card is posted and true, and that owe nothing but their line."""
    older = [await planned(store, target, seconds=1) for target in ("a", "b", "c")]
    for run in older:
        (card,) = await cards.of_run(run.id)
        await posted(cards, store.database, card.key)
        await store.shown(run.id, run.seq)
        await cards.want(run.id, CardKind.LINE, "C01INC", T0, thread_ts="16.9")
    return {run.id for run in older}


async def test_a_new_card_comes_before_older_runs_that_only_owe_a_line(
    cards: CardStore, store: Store
) -> None:
    older = await owing_a_line(store, cards)
    new = await planned(store, "new", seconds=60)
    first, *others = [one.run_id for one in await cards.to_draw()]
    assert first == new.id
    assert set(others) == older


async def test_a_card_that_is_owed_once_more_comes_before_older_runs_that_only_owe_a_line(
    cards: CardStore, store: Store
) -> None:
    await owing_a_line(store, cards)
    again = await planned(store, "again", seconds=60)
    await store.shown(again.id, again.seq)
    assert (await cards.to_draw())[0].run_id == again.id
