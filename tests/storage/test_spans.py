"""What is kept of looks at what is live."""

from dataclasses import replace

from bot.model import Current
from bot.spans import Lived
from storage.database import Database
from storage.spans import SpanStore
from tests.bot.stories import later

V41, V42 = Current("v41", "token-41", "v41"), Current("v42", "token-42", "v42", author="cy")


async def test_a_change_is_kept_with_when_the_state_before_was_seen_last(database: Database) -> None:
    spans = SpanStore(database)
    await spans.saw({"shop": V41}, later(0))
    await spans.saw({"shop": V41}, later(600))
    await spans.saw({"shop": V42}, later(900), "RB-7")
    assert await spans.lived("shop") == (
        Lived("v41", "token-41", later(0), later(600), None, "v41"),
        Lived("v42", "token-42", later(900), later(900), later(600), "v42", "cy", "RB-7"),
    )
    assert await spans.lived("search") == ()


async def test_the_same_state_is_written_down_once_a_minute_at_most(database: Database) -> None:
    spans = SpanStore(database)
    for seconds in (0, 1, 59):
        await spans.saw({"shop": V41}, later(seconds))
    assert [each.seen for each in await spans.lived("shop")] == [later(0)]
    await spans.saw({"shop": V41}, later(60))
    assert [each.seen for each in await spans.lived("shop")] == [later(60)]


async def test_a_state_that_comes_back_lives_a_second_time(database: Database) -> None:
    spans = SpanStore(database)
    for seconds, current in ((0, V41), (100, V42), (200, V41)):
        await spans.saw({"shop": current}, later(seconds))
    assert [each.point for each in await spans.lived("shop")] == ["v41", "v42", "v41"]


async def test_the_backends_word_for_since_when_counts_unless_something_else_was_seen_then(
    database: Database,
) -> None:
    spans = SpanStore(database)
    await spans.saw({"shop": replace(V41, since=later(-500))}, later(0))
    await spans.saw({"shop": replace(V42, since=later(-100))}, later(300))
    assert [each.since for each in await spans.lived("shop")] == [later(-500), later(300)]
