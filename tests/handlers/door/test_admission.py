import asyncio
from typing import Any

import pytest

from bot.presses import PRESSES, Press
from handlers.door.admission import Admission, Limits, Quota, Rank, Turned, brakes, decides, person_of
from tests.handlers.door.test_shapes import CHOICE, COMMAND, MENTION, OTHER, PRESS, SHORTCUT, SUBMISSION

SMALL = Limits(places=3, places_for_asking=2, places_to_spare=1, waiting=2, waits=5.0)


def pressed(action: str) -> dict[str, Any]:
    return {**PRESS, "actions": [{"action_id": action}]}


def typed(text: str) -> dict[str, Any]:
    return {**COMMAND, "text": text}


async def full(admission: Admission, rank: Rank = Rank.DECISION, places: int = 3) -> None:
    for _ in range(places):
        assert await admission.enter(rank) is None


async def waiting(admission: Admission, rank: Rank) -> asyncio.Task[Turned | None]:
    """One that stands in the queue already."""
    before = admission.waiting
    task = asyncio.create_task(admission.enter(rank))
    async with asyncio.timeout(5.0):
        while admission.waiting == before:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0)
    return task


# What comes first ------------------------------------------------------------------------------


@pytest.mark.parametrize("press", PRESSES.values(), ids=PRESSES)
def test_a_press_that_records_something_about_its_run_decides(press: Press) -> None:
    assert decides(pressed(press.action_id)) == (press.events is not None)


def test_those_that_open_something_do_not_decide_and_the_seven_others_do() -> None:
    deciding = ("approve", "veto", "cancel", "continue", "retry", "stop", "resolve")
    assert [decides(pressed(action)) for action in deciding] == [True] * 7
    assert [decides(pressed(action)) for action in ("undo", "ask_again", "details")] == [False] * 3


@pytest.mark.parametrize(
    ("payload", "decision", "brake"),
    [
        (typed("cancel RB-1"), True, True),
        (typed("  CANCEL RB-1"), True, True),
        (typed("resolve RB-1 live unchanged because I looked"), True, False),
        (typed("shop to v41"), False, False),
        (typed(""), False, False),
        (pressed("veto"), True, True),
        (pressed("approve"), True, False),
        (CHOICE, False, False),
        (SUBMISSION, False, False),
        ({**SUBMISSION, "view": {"callback_id": "stop_run"}}, True, True),
        ({**SUBMISSION, "view": {"callback_id": "approve_run"}}, True, False),
        (SHORTCUT, False, False),
        (MENTION, False, False),
        (OTHER, False, False),
    ],
)
def test_what_decides_and_what_brakes(payload: dict[str, Any], decision: bool, brake: bool) -> None:
    assert (decides(payload), brakes(payload)) == (decision, brake)


@pytest.mark.parametrize(
    ("payload", "person"),
    [(COMMAND, "U01ANA"), (PRESS, "U01BEN"), (MENTION, "U01ANA"), (SHORTCUT, "U01ANA"), (OTHER, None)],
)
def test_whose_quota_it_uses(payload: dict[str, Any], person: str | None) -> None:
    assert person_of(payload) == person


# Quotas ----------------------------------------------------------------------------------------


def test_a_person_over_the_quota_is_let_in_again_when_time_has_passed() -> None:
    quota = Quota(Limits(quota=2, window=10.0))
    assert [quota.over("U1", False, at) for at in (0.0, 1.0, 2.0, 10.5, 10.6)] == [
        False,
        False,
        True,
        False,
        True,
    ]


def test_reading_uses_nothing_up_of_what_is_kept_for_decisions() -> None:
    quota = Quota(Limits(quota=1))
    quota.over("U1", False, 0.0)
    assert quota.over("U1", False, 0.0)
    assert not quota.over("U1", True, 0.0)


def test_one_persons_quota_is_not_anothers() -> None:
    quota = Quota(Limits(quota=1))
    quota.over("U1", False, 0.0)
    assert not quota.over("U2", False, 0.0)


def test_people_who_are_quiet_are_forgotten() -> None:
    quota = Quota(Limits(window=10.0))
    for n in range(Quota.KNOWN_AT_MOST + 1):
        quota.over(f"U{n}", False, float(n))
    assert len(quota._sent) < 20


def test_whoever_is_over_the_quota_gets_what_nobody_else_needs() -> None:
    admission = Admission(Limits(quota=1))
    ranks = [admission.rank(each, 0.0) for each in (COMMAND, COMMAND, typed("cancel RB-1"))]
    assert ranks == [Rank.ASKING, Rank.SPARE, Rank.DECISION]


# Places ----------------------------------------------------------------------------------------


async def test_places_are_kept_for_decisions() -> None:
    admission = Admission(SMALL)
    await full(admission, Rank.ASKING, 2)
    asking = await waiting(admission, Rank.ASKING)
    assert await admission.enter(Rank.DECISION) is None
    asking.cancel()


async def test_a_decision_that_waits_goes_before_a_request_that_waited_longer() -> None:
    admission = Admission(SMALL)
    await full(admission)
    asking = await waiting(admission, Rank.ASKING)
    decision = await waiting(admission, Rank.DECISION)
    admission.leave()
    assert await decision is None
    assert not asking.done()
    asking.cancel()


async def test_those_that_wait_are_served_in_their_order() -> None:
    admission = Admission(SMALL)
    await full(admission)
    first, second = [await waiting(admission, Rank.DECISION) for _ in range(2)]
    admission.leave()
    assert await first is None
    assert not second.done()
    second.cancel()


async def test_nobody_overtakes_those_that_wait() -> None:
    admission = Admission(SMALL)
    await full(admission, Rank.ASKING, 2)
    first = await waiting(admission, Rank.ASKING)
    admission.leave()
    second = await waiting(admission, Rank.ASKING)
    assert await first is None
    second.cancel()


async def test_when_the_queue_is_full_a_request_is_turned_away() -> None:
    admission = Admission(SMALL)
    await full(admission)
    queue = [await waiting(admission, Rank.ASKING) for _ in range(2)]
    assert await admission.enter(Rank.ASKING) is Turned.FULL
    for task in queue:
        task.cancel()


async def test_when_the_queue_is_full_the_newest_request_makes_way_for_a_decision() -> None:
    admission = Admission(SMALL)
    await full(admission)
    older, newer = [await waiting(admission, Rank.ASKING) for _ in range(2)]
    decision = asyncio.create_task(admission.enter(Rank.DECISION))
    assert await newer is Turned.FULL
    admission.leave()
    assert await decision is None
    assert not older.done()
    older.cancel()


async def test_when_only_decisions_wait_another_is_turned_away() -> None:
    admission = Admission(SMALL)
    await full(admission)
    queue = [await waiting(admission, Rank.DECISION) for _ in range(2)]
    assert await admission.enter(Rank.DECISION) is Turned.FULL
    for task in queue:
        task.cancel()


async def test_whoever_is_over_the_quota_never_waits() -> None:
    admission = Admission(SMALL)
    assert await admission.enter(Rank.SPARE) is None
    assert await admission.enter(Rank.SPARE) is Turned.QUOTA


async def test_waiting_has_an_end() -> None:
    admission = Admission(Limits(places=0, waits=0.01))
    assert await admission.enter(Rank.DECISION) is Turned.FULL
    assert admission.waiting == 0


async def test_a_place_that_was_given_to_somebody_who_went_away_goes_to_the_next() -> None:
    admission = Admission(SMALL)
    await full(admission)
    gone, staying = [await waiting(admission, Rank.DECISION) for _ in range(2)]
    admission.leave()
    gone.cancel()
    assert await staying is None
    assert admission.taken == 3
