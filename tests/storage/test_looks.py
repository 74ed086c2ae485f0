"""Questions that only a worker answers, and the modals that wait for the answers."""

from datetime import timedelta

import pytest

from storage.database import Database
from storage.looks import LookStore, Modal
from tests.bot.stories import T0, later


@pytest.fixture
def looks(database: Database) -> LookStore:
    return LookStore(database)


def modal(look_id: int, **changes: str) -> Modal:
    return Modal(
        "V1", "U01ANA", "orders", look_id, {"point": "p41"}, T0, changes.get("filled", "reading"), None
    )


async def test_a_question_waits_until_it_is_answered(looks: LookStore) -> None:
    asked = await looks.want("orders", {"point": "p41"}, T0)
    (waiting,) = await looks.unanswered()
    assert (waiting.id, waiting.target, waiting.goal, waiting.wanted_at) == (
        asked,
        "orders",
        {"point": "p41"},
        T0,
    )
    await looks.answer(asked, {"points": []}, later(1))
    assert await looks.unanswered() == ()
    found = await looks.get(asked)
    assert found is not None
    assert (found.answer, found.answered_at) == ({"points": []}, later(1))


async def test_a_question_without_a_goal_is_for_the_points_only(looks: LookStore) -> None:
    found = await looks.get(await looks.want("orders", None, T0))
    assert found is not None
    assert (found.goal, found.answer, found.answered_at) == (None, None, None)


async def test_the_first_answer_counts(looks: LookStore) -> None:
    asked = await looks.want("orders", None, T0)
    await looks.answer(asked, {"points": ["first"]}, later(1))
    await looks.answer(asked, {"points": ["second"]}, later(2))
    found = await looks.get(asked)
    assert found is not None
    assert found.answer == {"points": ["first"]}


async def test_a_question_that_nobody_asked_has_no_answer(looks: LookStore) -> None:
    assert await looks.get(99) is None


async def test_looks_are_no_history(looks: LookStore) -> None:
    old = await looks.want("orders", None, T0)
    await looks.open_modal(modal(old))
    new = await looks.want("orders", None, later(60))
    await looks.forget_before(later(30))
    assert await looks.get(old) is None
    assert await looks.modal("V1") is None
    assert await looks.get(new) is not None


async def test_a_modal_keeps_what_was_chosen(looks: LookStore) -> None:
    await looks.open_modal(modal(1))
    assert await looks.modal("V1") == modal(1)


async def test_another_choice_takes_the_place_of_the_first(looks: LookStore) -> None:
    await looks.open_modal(modal(1, filled="filled"))
    await looks.open_modal(modal(2))
    assert await looks.modal("V1") == modal(2)


async def test_a_modal_waits_until_it_is_filled(looks: LookStore) -> None:
    await looks.open_modal(modal(1))
    await looks.filled("V1", 1, "late")
    assert [one.filled for one in await looks.waiting_modals()] == ["late"]
    await looks.filled("V1", 1, "filled")
    assert await looks.waiting_modals() == ()


async def test_an_answer_for_an_older_choice_does_not_fill_it(looks: LookStore) -> None:
    await looks.open_modal(modal(2))
    await looks.filled("V1", 1, "filled")
    assert await looks.waiting_modals() == (modal(2),)


async def test_a_closed_modal_waits_for_nothing(looks: LookStore) -> None:
    await looks.open_modal(modal(1))
    await looks.close_modal("V1")
    assert await looks.modal("V1") is None


async def test_a_closed_modal_whose_answer_should_be_sent_still_waits(looks: LookStore) -> None:
    await looks.open_modal(modal(1))
    await looks.send_to("V1", "U01ANA")
    await looks.close_modal("V1")
    (waiting,) = await looks.waiting_modals()
    assert waiting.send_to == "U01ANA"


async def test_questions_are_answered_in_the_order_of_asking(looks: LookStore) -> None:
    asked = [await looks.want("orders", None, T0 + timedelta(seconds=n)) for n in range(3)]
    assert [look.id for look in await looks.unanswered()] == asked
