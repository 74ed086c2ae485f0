"""Reminders as people get them: one message for what is due, pressed, put off, handed over, and told once."""

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import update

from bot.canonical_json import iso
from bot.views.limits import MessageContent
from handlers.context import Context
from handlers.slack.posting import Posting
from handlers.slack.reminding import remind_due, show_reminders
from storage.cards import Card
from storage.duties import PutOff
from storage.tables import cards
from tests.handlers.conftest import Open
from tests.handlers.test_drills import DRILLED, back_up, make_orders
from tests.handlers.world import World
from tests.people import CHANNEL, PEOPLE
from workspace.slack.nouns import Message, View

HOURS = 'reminders: {{from: "00:00", until: "23:59"}}\n'
REMINDED = DRILLED.replace(
    "drill: {{mode: beside}}", "owner: U01DORA\n    drill: {{mode: beside, every: 90d}}"
)
TO_A_CHANNEL = REMINDED.replace(
    "owner: U01DORA\n    drill", "owner: keepers\n    point_of_contact: U01DORA\n    drill"
).replace("groups:\n", f"groups:\n  keepers: {{{{members: [U01DORA], channel: {CHANNEL}}}}}\n")


@pytest.fixture
async def due(open_world: Open, tmp_path: Path) -> World:
    """`orders` was never drilled, so that its drill is due, and its owner is Dora."""
    make_orders(tmp_path)
    back_up(tmp_path, 5, 10)
    return await open_world(REMINDED + HOURS)


@pytest.fixture
async def due_in_channel(open_world: Open, tmp_path: Path) -> World:
    """The owner is a group with a channel."""
    make_orders(tmp_path)
    return await open_world(TO_A_CHANNEL + HOURS)


async def ticks(world: World) -> None:
    await remind_due(world.front.context)


def reminders(world: World, who: str = "dora") -> list[Message]:
    return [m for m in world.direct(who) if "what is live is not touched" in m.plain()]


async def in_channel(world: World) -> Message:
    def shown() -> Message | None:
        return next((m for m in world.workspace.messages(CHANNEL) if "1 drill is due" in m.plain()), None)

    found = await world.until(shown, "a reminder in the channel")
    assert isinstance(found, Message)
    return found


async def reminded(world: World, words: str, who: str = "dora") -> Message:
    """The newest message to somebody that shows these words."""

    def shown() -> Message | None:
        return next((m for m in reversed(world.direct(who)) if words in m.plain()), None)

    found = await world.until(shown, f"a message to {who} with {words!r}")
    assert isinstance(found, Message)
    return found


async def test_a_drill_that_is_due_is_told_to_its_owner_in_one_message(due: World) -> None:
    await ticks(due)
    message = await reminded(due, "1 drill is due")
    assert "*orders* · PRODUCTION · never drilled · due" in message.plain()
    assert "what is live is not touched" in message.plain()
    assert [label for label, *_ in message.buttons()] == ["Start now", "Later…", "Hand over…"]


async def test_a_target_that_was_never_drilled_is_told_on_the_day_that_it_asks_for_drills(
    open_world: Open, tmp_path: Path
) -> None:
    make_orders(tmp_path)
    world = await open_world(REMINDED + HOURS)
    assert "late" not in (await reminded(world, "1 drill is due")).plain()


async def test_what_was_told_is_told_again_after_a_week_and_not_before(due: World) -> None:
    await ticks(due)
    await reminded(due, "is due")
    due.later(days=6)
    await ticks(due)
    assert len(reminders(due)) == 1
    due.later(days=1)
    await ticks(due)
    await reminded(due, "7 days over")
    assert len(reminders(due)) == 2


async def test_the_message_before_it_says_that_a_newer_one_counts(due: World) -> None:
    await ticks(due)
    await reminded(due, "is due")
    due.later(days=7)
    await ticks(due)
    await due.until(lambda: "An older reminder" in reminders(due)[0].plain(), "an older reminder")
    assert reminders(due)[0].buttons() == []


class PutOffMeanwhile:
    """Slack answers an update only after somebody has put the drill off."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.was_asked = False

    async def update(self, card: Card, drawing: MessageContent, seq: int, *, can_wait: bool) -> None:
        if not self.was_asked:
            self.was_asked, now = True, self.context.clock()
            said = PutOff("U01DORA", now + timedelta(days=20), "quarter end")
            (duty,) = await self.context.duties.all()
            await self.context.duties.put_off(duty, said, "d-1", now)


async def test_what_becomes_of_it_while_slack_is_spoken_to_is_drawn_afterwards(due: World) -> None:
    await reminded(due, "is due")
    context, slow = due.front.context, PutOffMeanwhile(due.front.context)
    while not slow.was_asked:
        (duty,) = await context.duties.all()
        await context.duties.redraw(duty)
        await show_reminders(context, cast("Posting", slow))
    await due.until(lambda: "put off until" in reminders(due)[0].plain(), "what has become of it")


async def test_processes_that_tick_at_once_tell_it_once(due: World) -> None:
    await reminded(due, "is due")
    due.later(days=7)
    await asyncio.gather(*(ticks(due) for _ in range(8)))
    await due.until(lambda: len(reminders(due)) >= 2, "a second one")
    told = [entry for entry in await due.evidence() if entry["kind"] == "reminded"]
    assert len(told) == 2


async def test_start_now_walks_the_way_back_and_the_reminder_shows_it(due: World) -> None:
    await ticks(due)
    message = await reminded(due, "is due")
    await due.clicks("dora", "Start now", message)
    await due.reaches("succeeded", "RB-1")
    assert "restored, verified" in (await reminded(due, "Nothing of this is due now")).plain()
    due.later(days=8)
    await ticks(due)
    assert len(reminders(due)) == 1


async def test_it_may_be_pressed_before_slack_has_said_which_message_it_is(due: World) -> None:
    await ticks(due)
    message = await reminded(due, "is due")
    unanswered = update(cards).values(ts=None, tried_at=iso(due.clock()))
    await due.store.database.write(lambda connection: connection.execute(unanswered))
    await due.clicks("dora", "Start now", message)
    await due.reaches("succeeded", "RB-1")


async def test_a_drill_that_is_under_way_is_not_started_once_more(due: World) -> None:
    message = await reminded(due, "is due")
    with closing(sqlite3.connect(due.folder / "orders.db", isolation_level=None)) as live:
        live.execute("begin exclusive")  # it waits for that
        await due.clicks("dora", "Start now", message)
        assert (await reminded(due, "RB-1 is under way")).buttons() == []


async def test_who_may_not_ask_cannot_start_a_drill_from_a_reminder(due_in_channel: World) -> None:
    await ticks(due_in_channel)
    await due_in_channel.clicks("cy", "Start now", await in_channel(due_in_channel))
    await due_in_channel.sees_modal("cy", "not in a group that may ask")
    assert await due_in_channel.store.summaries() == ()


async def test_it_is_put_off_with_a_reason_that_everybody_sees(due: World) -> None:
    await ticks(due)
    await due.clicks("dora", "Later…", await reminded(due, "is due"))
    await due.sees_modal("dora", "at the latest")
    day = (due.clock() + timedelta(days=20)).date().isoformat()
    await due.fills_in("dora", until=day, reason="quarter end")
    shown = await reminded(due, "put off until")
    assert "quarter end" in shown.plain()
    due.later(days=8)
    await ticks(due)
    assert len(reminders(due)) == 1
    due.later(days=13)
    await ticks(due)
    await reminded(due, "1 drill is due")


async def test_nothing_is_put_off_for_ever(due: World) -> None:
    await ticks(due)
    await due.clicks("dora", "Later…", await reminded(due, "is due"))
    await due.sees_modal("dora", "at the latest")
    day = (due.clock() + timedelta(days=365)).date().isoformat()
    sent = await due.fills_in("dora", until=day, reason="never")
    assert "at the latest" in str(sent.errors)


async def test_only_who_owns_it_puts_it_off(due_in_channel: World) -> None:
    await ticks(due_in_channel)
    await due_in_channel.clicks("cy", "Later…", await in_channel(due_in_channel))
    await due_in_channel.sees_modal("cy", "Only who owns `orders`")
    assert any(entry["kind"] == "duty_refused" for entry in await due_in_channel.evidence())


async def test_whom_it_is_handed_to_is_told_at_once(due: World) -> None:
    await ticks(due)
    await due.clicks("dora", "Hand over…", await reminded(due, "is due"))
    await due.sees_modal("dora", "Who is reminded instead")
    await due.fills_in("dora", to=PEOPLE["cy"])
    await ticks(due)
    await reminded(due, "1 drill is due", "cy")
    due.later(days=7)
    await ticks(due)
    await due.until(lambda: len(reminders(due, "cy")) == 2, "the next one goes to the same")
    assert len(reminders(due)) == 1


async def test_a_channel_that_is_gone_is_passed_over_for_the_point_of_contact(due_in_channel: World) -> None:
    world = due_in_channel
    await in_channel(world)
    world.workspace.channels[CHANNEL] = replace(world.workspace.channels[CHANNEL], archived=True)
    world.later(days=7)
    await ticks(world)
    gone = None
    while gone is None:
        await asyncio.sleep(0.01)
        gone = (await world.front.context.duties.all())[0].passed_over or None
    await ticks(world)
    await reminded(world, "1 drill is due")


async def test_the_channel_of_the_owner_is_told_where_there_is_one(due_in_channel: World) -> None:
    await ticks(due_in_channel)
    await in_channel(due_in_channel)
    assert reminders(due_in_channel) == []


async def test_downtime_loses_nothing_and_the_message_says_how_late_it_is(due: World) -> None:
    await reminded(due, "1 drill is due")
    await due.bot.stop()
    due.later(days=10)
    await due.start()
    await reminded(due, "late.")


async def test_a_drill_that_failed_leaves_something_to_do_until_one_passes(due: World) -> None:
    bad = back_up(due.folder, 3, -7)
    await due.says("ana", f"drill orders {bad}")
    await due.reaches("failed")
    due.later(days=15)
    await ticks(due)
    message = await reminded(due, "1 follow-up")
    assert "drill RB-1 did NOT pass" in message.plain()
    good = back_up(due.folder, 2, 10)
    await due.says("ana", f"drill orders {good}")
    await due.reaches("succeeded")
    assert "✅ done" in (await reminded(due, "Nothing of this is due now")).plain()


async def test_a_list_shows_what_is_due_and_what_was_shown_last(due: World) -> None:
    reply = await due.says("ana", "drills")
    assert "never drilled · due" in str(reply.blocks)
    assert "No drills: " in str(reply.blocks)
    await due.says("ana", "drill orders")
    await due.reaches("succeeded")
    assert "restored, verified · ✅ next by" in str((await due.says("ana", "drills")).blocks)


async def test_app_home_lists_the_drills_that_are_due_of_what_i_own(due: World) -> None:
    for who, told in (("dora", True), ("cy", False)):
        await due.slack.open_home(PEOPLE[who])
        home = await due.until(partial(due.workspace.home, PEOPLE[who]), "a home")
        assert ("never drilled" in str(home.blocks)) is told


async def test_app_home_starts_what_is_due_in_one_click_and_shows_that_it_goes_on(due: World) -> None:
    await ticks(due)
    await reminded(due, "is due")
    await due.slack.open_home(PEOPLE["dora"])
    home = await due.until(partial(due.workspace.home, PEOPLE["dora"]), "a home")
    assert isinstance(home, View)
    await due.slack.click(PEOPLE["dora"], home, "start_drill")
    await due.reaches("succeeded", "RB-1")
    shown = await due.until(partial(_home_with, due, "RB-1"), "a home that shows the drill")
    assert shown


def _home_with(world: World, words: str) -> View | None:
    home = world.workspace.home(PEOPLE["dora"])
    return home if home is not None and words in str(home.blocks) else None


async def test_a_clock_that_jumps_a_quarter_ahead_tells_everything_once(due: World) -> None:
    await ticks(due)
    await reminded(due, "is due")
    due.later(days=90)
    await asyncio.gather(*(ticks(due) for _ in range(3)))
    await due.until(lambda: len(reminders(due)) == 2, "one more reminder")
    await ticks(due)
    assert len(reminders(due)) == 2


async def test_a_restart_forgets_nothing_and_repeats_nothing(due: World) -> None:
    await ticks(due)
    await reminded(due, "is due")
    await due.bot.stop()
    await due.start()
    await ticks(due)
    await due.settled()
    assert len(reminders(due)) == 1


# Old restore points ----------------------------------------------------------------------------

OLD = REMINDED.replace("drill: {{mode: beside, every: 90d}}", "rpo: 1h\n    watch: 1m")


@pytest.fixture
async def old(open_world: Open, tmp_path: Path) -> World:
    """The newest backup of `orders` is five hours old, and one hour is allowed."""
    make_orders(tmp_path)
    back_up(tmp_path, 5, 10)
    world = await open_world(OLD + HOURS)
    await look(world)
    world.later(days=1)
    await ticks(world)
    return world


async def look(world: World) -> None:
    """Whoever lists the restore points looks how old they are."""
    await world.says("ana", "points orders")


async def test_whoever_owns_a_target_is_told_that_its_restore_points_are_too_old(old: World) -> None:
    message = await reminded(old, "1 newest restore point is too old")
    assert "(RPO 1 h): what was written since" in message.plain()
    assert [label for label, *_ in message.buttons()] == ["Quiet until…", "Hand over…"]


async def test_the_message_says_that_there_is_no_backup(open_world: Open, tmp_path: Path) -> None:
    make_orders(tmp_path)
    world = await open_world(OLD + HOURS)
    await look(world)
    world.later(days=1)
    await ticks(world)
    message = await reminded(world, "1 target has NO good backup")
    assert "⚠️ there is NO good backup" in message.plain()
    assert "too old" not in message.plain()


async def test_the_message_says_when_a_newer_one_was_seen(old: World) -> None:
    await reminded(old, "too old")
    name = f"{old.clock():%Y%m%dT%H%M00Z}"
    with closing(sqlite3.connect(old.folder / "backups" / f"{name}.db")) as backup:
        backup.execute("create table orders (id integer primary key, total integer)")
    await look(old)
    message = await reminded(old, "a newer restore point, seen")
    assert message.buttons() == []
    old.later(minutes=30)
    await ticks(old)
    assert (await old.says("ana", "drills")).blocks is not None
    assert "too old" not in str((await old.says("ana", "drills")).blocks)


async def test_it_is_quiet_for_as_long_as_somebody_says(old: World) -> None:
    await old.clicks("dora", "Quiet until…", await reminded(old, "too old"))
    await old.sees_modal("dora", "at the latest")
    day = (old.clock() + timedelta(days=3)).date().isoformat()
    await old.fills_in("dora", until=day, reason="the disk is moved")
    assert "the disk is moved" in (await reminded(old, "put off until")).plain()
