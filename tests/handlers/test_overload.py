"""More than can be answered, and things that do not answer: everybody is told in time, and told the truth."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from typing import Any

import pytest

from bot.model import State
from tests.handlers.conftest import Open
from tests.handlers.web.browsing import ask
from tests.handlers.world import CAREFUL, CRITICAL, STANDARD, World
from tests.people import CHANNEL, PEOPLE
from workspace.slack.acts import SlashReply

IN_TIME = 2.5  # seconds
SLACK_WAITS = 3.0  # seconds; where this process plays Slack and 90 people besides, its own time counts too
MANY = 90  # at once; the pretend Slack keeps at most 100 connections
NOT_ACCEPTED = "NOT accepted, nothing will run: "
FOUR_TARGETS = STANDARD + "".join(
    f"""  shop{n}:
    kind: system
    requesters: [responders]
    loss: {{{{declared: none, by: shop, because: stateless}}}}
    executor: *ctl
"""
    for n in (2, 3, 4)
)


@contextmanager
def locked(world: World) -> Iterator[None]:
    """Another process holds the database."""
    with closing(sqlite3.connect(world.folder / "state" / "rollback.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@asynccontextmanager
async def silent_slack(world: World) -> AsyncIterator[None]:
    world.later(minutes=5)  # whatever it said before is too old
    world.slack.faults.latency = 10.0
    yield
    world.slack.faults.latency = 0.0


async def timed(work: Coroutine[Any, Any, SlashReply]) -> tuple[str, float]:
    began = time.monotonic()
    answer = await work
    return answer.text or "", time.monotonic() - began


async def states(world: World) -> list[State]:
    return [summary.state for summary in await world.store.summaries()]


# The database does not answer ------------------------------------------------------------------


async def test_a_request_that_the_database_does_not_take_is_told_so_in_time_and_never_runs(
    world: World,
) -> None:
    with locked(world):
        text, after = await timed(world.says("ana", "shop to v41"))
    assert text.startswith(NOT_ACCEPTED)
    assert after < IN_TIME
    await world.says("ben", "status")  # the database answers again; what was given up does not come back
    assert await states(world) == []


async def test_after_a_request_that_was_not_accepted_the_same_is_accepted_once(world: World) -> None:
    with locked(world):
        await world.says("ana", "shop to v41")
    await world.says("ana", "shop to v41")
    await world.reaches("awaiting_approval")
    assert len(await states(world)) == 1


async def test_an_approval_that_the_database_does_not_take_is_told_so_and_can_be_pressed_again(
    world: World,
) -> None:
    await world.asks()
    with locked(world):
        await world.clicks("ben", "Approve and start")
        await world.sees_modal("ben", NOT_ACCEPTED)
    assert (await world.run()).approval.given == ()
    await world.clicks("ben", "Approve and start")
    await world.reaches("succeeded")
    assert world.backend.restored == ["v41"]


async def test_a_veto_that_the_database_does_not_take_does_not_promise_that_nothing_runs(
    world: World,
) -> None:
    await world.asks()
    with locked(world):
        await world.clicks("cy", "Reject")
        await world.sees_modal("cy", "NOT accepted, nothing was changed: ")
    assert (await world.run()).state is State.AWAITING_APPROVAL


async def test_a_form_that_the_database_does_not_take_stays_open_and_can_be_sent_again(
    open_world: Open,
) -> None:
    world = await open_world(CRITICAL)
    run = await world.asks()
    await world.clicks("ben", "Approve and start")
    await world.sees_modal("ben", "first four")
    with locked(world):
        answer = await world.fills_in("ben", plan_code=run.code[:4])
    assert NOT_ACCEPTED in str(answer)
    await world.fills_in("ben", plan_code=run.code[:4])
    await world.reaches("succeeded")


# Slack does not answer -------------------------------------------------------------------------


async def test_a_request_of_somebody_whom_slack_does_not_name_is_told_so_in_time(world: World) -> None:
    async with silent_slack(world):
        text, after = await timed(world.says("ana", "shop to v41"))
    assert text.startswith(NOT_ACCEPTED)
    assert after < IN_TIME
    assert await states(world) == []


async def test_an_approval_of_somebody_whom_slack_does_not_name_counts_for_nothing(world: World) -> None:
    await world.asks()
    async with silent_slack(world):
        began = time.monotonic()
        await world.clicks("ben", "Approve and start")
        assert time.monotonic() - began < IN_TIME
    assert (await world.run()).approval.given == ()


# More than can be answered ---------------------------------------------------------------------


@asynccontextmanager
async def flood(world: World, say: Callable[[int], Coroutine[Any, Any, SlashReply]]) -> AsyncIterator[Any]:
    """Many commands at once, each of which takes the bot two seconds."""
    world.backend.will("slow")
    tasks = [asyncio.create_task(say(n)) for n in range(MANY)]
    await asyncio.sleep(0)
    yield tasks
    world.backend.no_longer("slow")
    await asyncio.gather(*tasks)


async def test_one_persons_flood_costs_that_person_and_nobody_else(open_world: Open) -> None:
    world = await open_world(mode="http")
    run = await world.asks()
    async with flood(world, lambda _: world.says("ana", "points shop")) as flooding:
        assert (await world.clicks("ben", "Approve and start")).acked  # so Slack did not give up waiting
        assert (await world.run(run.id)).approval.given != ()
    texts = [task.result().text or "" for task in flooding]
    away = [text for text in texts if text.startswith(f"{NOT_ACCEPTED}you have sent more than")]
    assert len(away) >= MANY - 40
    assert "rollback_not_accepted_total{why=" in (await ask(world, "/metrics")).body


async def test_a_decision_is_not_shut_out_by_ones_own_flood(open_world: Open) -> None:
    world = await open_world(mode="http")
    await world.asks()
    async with flood(world, lambda _: world.says("ana", "points shop")):
        text, after = await timed(world.says("ana", "cancel RB-1"))
    assert "your word is kept" in text
    assert after < IN_TIME
    assert (await world.run()).state is State.CANCELLED


async def test_everybody_in_a_flood_of_many_is_answered_in_time(open_world: Open) -> None:
    world = await open_world(mode="http")
    for n in range(MANY):
        world.workspace.add_user(f"U02{n:03}", f"person {n}")
    world.workspace.change_channel(CHANNEL, members=[*PEOPLE.values(), *(f"U02{n:03}" for n in range(MANY))])

    async def one(n: int) -> SlashReply:
        return await world.slack.slash(f"U02{n:03}", CHANNEL, "points shop")

    async with flood(world, one) as flooding:
        answers = await asyncio.gather(*(timed(_done(task)) for task in flooding))
    assert max(after for _, after in answers) < SLACK_WAITS
    assert any(text.startswith(f"{NOT_ACCEPTED}more is coming in") for text, _ in answers)
    assert all(task.result().acked for task in flooding)


async def _done(task: asyncio.Task[SlashReply]) -> SlashReply:
    return await task


async def test_a_mention_over_the_quota_is_acked_and_dropped(open_world: Open) -> None:
    world = await open_world(mode="http")
    before = len(world.workspace.calls)
    async with flood(world, lambda _: _mentioned(world)):
        pass
    assert all(delivered.acked for delivered in world.slack.delivery.log)
    replies = [c for c in world.workspace.calls[before:] if c.method == "chat.postEphemeral"]
    assert len(replies) < MANY


async def _mentioned(world: World) -> Any:
    return await world.slack.say(PEOPLE["ana"], CHANNEL, "@rollback points shop")


# Bombing somebody with requests ----------------------------------------------------------------


async def test_a_fourth_open_request_of_one_person_is_refused(open_world: Open) -> None:
    world = await open_world(FOUR_TARGETS)
    for target in ("shop", "shop2", "shop3"):
        await world.says("ana", f"{target} to v41")
    answer = await world.says("ana", "shop4 to v41")
    assert "You have 3 open requests already" in (answer.text or "")
    assert len(await states(world)) == 3


async def test_two_requests_at_once_for_one_target_open_one(world: World) -> None:
    await asyncio.gather(world.says("ana", "shop to v41"), world.says("ben", "shop to v40"))
    assert len(await states(world)) == 1


@pytest.mark.parametrize("configuration", [STANDARD, CAREFUL])
async def test_an_approval_within_a_second_of_the_posting_was_not_read(
    open_world: Open, configuration: str
) -> None:
    world = await open_world(configuration)
    await world.says("ana", "shop to v41")
    await world.reaches("awaiting_approval")
    await world.clicks("ben", "Approve and start")
    await world.sees_modal("ben", "less than a second ago")
    assert (await world.run()).approval.given == ()


async def test_four_requests_at_once_of_one_person_open_three(open_world: Open) -> None:
    world = await open_world(FOUR_TARGETS)
    targets = ("shop", "shop2", "shop3", "shop4")
    await asyncio.gather(*(world.says("ana", f"{target} to v41") for target in targets))
    assert len(await states(world)) == 3
