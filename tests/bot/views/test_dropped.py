"""What is said of what a run has made, and of when it is deleted: before, while it stands, and after."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.model import Do, Left, Outcome, Phase, Plan, Step
from bot.run import Run, StepRecord
from bot.views.ending import rows
from bot.views.plan import outage, undo
from bot.views.steps import step_row
from tests.bot.stories import having
from tests.bot.views.examples import FACTS, FAILED_UNKNOWN, ORDERS, SUCCEEDED, at

NOW = at("03:32")
DROP = Step(99, Phase.FINISH, Do.DROP, "orders", drops=Do.SAVE)
COPY = replace(DROP, drops=Do.PREPARE)


def ending_with(step: Step, **record: Any) -> Run:
    return having(SUCCEEDED, work_steps=(*SUCCEEDED.work.steps, StepRecord(step, **record)))


def said(step: Step, **record: Any) -> str:
    return "\n".join(rows(ending_with(step, **record), FACTS, NOW))


def with_steps(*steps: Step) -> Plan:
    return replace(ORDERS, steps=steps)


def test_who_approves_is_told_that_the_undo_point_is_dropped() -> None:
    assert undo(with_steps(*ORDERS.steps, DROP)) == (
        "Undo possible until 29 Nov, then its undo point is dropped"
    )
    assert undo(with_steps(*ORDERS.steps, COPY)) == "Undo possible until 29 Nov"


STANDS: dict[str, tuple[dict[str, Any], str]] = {
    "its time is to come": ({}, "kept in undo point `pre-RB-42` until 29 Nov, then it is dropped"),
    "it is put off": (
        {"kept_until": NOW + timedelta(days=14), "words": "It is what is live now."},
        "its undo point `pre-RB-42` is kept until 6 Dec at least: It is what is live now\n",
    ),
    "it was dropped": (
        {"outcome": Outcome.SUCCEEDED, "ended_at": NOW + timedelta(days=7)},
        "its undo point was dropped 29 Nov",
    ),
    "it was gone": (
        {"outcome": Outcome.FAILED, "words": "it is not listed any more"},
        "its undo point `pre-RB-42` could not be dropped: it is not listed any more",
    ),
}


@pytest.mark.parametrize("name", STANDS)
def test_the_card_says_what_became_of_the_undo_point(name: str) -> None:
    record, words = STANDS[name]
    assert words in said(DROP, **record)


ROWS: dict[str, tuple[Step, dict[str, Any], str]] = {
    "an undo point": (DROP, {}, "▫️ Drop the undo point, from 29 Nov on"),
    "a copy that is live, or was never made": (COPY, {}, "▫️ Drop the copy: there is nothing to drop"),
    "what is put off": (
        DROP,
        {"kept_until": NOW + timedelta(days=14), "words": "It is on hold since RB-40."},
        "▫️ Drop the undo point, from 6 Dec on: It is on hold since RB-40.",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_long_form_names_what_goes_and_when(name: str) -> None:
    step, record, words = ROWS[name]
    run = ending_with(step, **record)
    assert step_row(run, run.work.steps[-1], None) == words


def test_a_copy_of_an_earlier_attempt_that_still_stands_is_on_the_card_of_a_success() -> None:
    prepare = StepRecord(Step(98, Phase.PREPARE, Do.PREPARE, "orders"), tried=("k7f3a91c.RB-42.1",))
    drop = StepRecord(COPY, kept_until=NOW, words="503 Service Unavailable")
    run = having(SUCCEEDED, work_steps=(*SUCCEEDED.work.steps, prepare, drop))
    assert "⚠️ The copy beside orders still stands: 503 Service Unavailable" in rows(run, FACTS, NOW)


def test_a_copy_that_may_be_live_is_never_called_gone() -> None:
    prepare = StepRecord(Step(98, Phase.PREPARE, Do.PREPARE, "orders"), op="k7f3a91c.RB-42.1")
    done = FAILED_UNKNOWN.work.steps
    restored = tuple(replace(r, left=Left.UNKNOWN) if r.step.do is Do.RESTORE else r for r in done)
    run = having(FAILED_UNKNOWN, work_steps=(*restored, prepare, StepRecord(COPY)))
    words = "stands: nobody knows whether it is what is live"
    assert step_row(run, run.work.steps[-1], None) == f"▫️ Drop the copy: it {words}"
    assert f"⚠️ The copy beside orders {words}" in rows(run, FACTS, NOW)


def test_maintenance_that_begins_before_the_copy_is_said_to_who_approves() -> None:
    prepare = Step(2, Phase.PREPARE, Do.PREPARE, "orders")
    on = Step(1, Phase.PREPARE, Do.MAINTENANCE_ON, "orders")
    off = Step(3, Phase.FINISH, Do.MAINTENANCE_OFF, "orders")
    early = replace(with_steps(on, prepare, off), outage=None)
    late = replace(with_steps(prepare, on, off), outage=None)
    assert outage(early) == "Maintenance, from before the copy is made: not known, no earlier run"
    assert outage(late) == "Maintenance: not known, no earlier run"
