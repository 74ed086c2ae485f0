"""What goes into an event and comes out again is the same noun."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bot import codec
from bot.canonical_json import canonical
from bot.model import Finding, Goal, Loss, Person, Plan, Points, RestorePoint, When
from tests.bot import nouns
from tests.bot.stories import ANA, ORDERS

NOUNS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "a plan": (Plan, nouns.plans()),
    "points": (Points, nouns.all_points()),
    "findings": (tuple[Finding, ...], st.lists(nouns.findings(), max_size=3).map(tuple)),
    "a goal": (Goal, nouns.goals()),
    "a loss": (Loss, nouns.losses()),
}


@pytest.mark.parametrize("name", NOUNS)
@given(data=st.data())
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_noun_comes_back_as_it_was(name: str, data: st.DataObject) -> None:
    noun, strategy = NOUNS[name]
    value = data.draw(strategy)
    stored = json.loads(canonical({"it": codec.dump(noun, value)}))["it"]
    assert codec.load(noun, stored) == value


def test_a_person_comes_back_with_every_mark() -> None:
    assert codec.load(Person, json.loads(json.dumps(codec.dump(Person, ANA)))) == ANA


@pytest.mark.parametrize("value", [1, 1.0, "1", 0, 0.0, "", None])
def test_a_value_that_a_check_saw_keeps_its_type(value: object) -> None:
    stored = codec.dump(Finding, Finding("rows", When.OFFLINE, None, value))  # type: ignore[arg-type]
    found: Finding = codec.load(Finding, json.loads(json.dumps(stored)))
    assert (found.value, type(found.value)) == (value, type(value))


def test_only_json_comes_out() -> None:
    assert json.loads(json.dumps(codec.dump(Plan, ORDERS))) == codec.dump(Plan, ORDERS)


@pytest.mark.parametrize("broken", [{}, {"id": 7, "at": None}, {"id": "p41", "at": "yesterday"}, "p41", None])
def test_anything_else_is_refused(broken: object) -> None:
    with pytest.raises(ValidationError):
        codec.load(RestorePoint, broken)


def test_a_digest_is_64_hexadecimal_digits_of_the_whole_plan() -> None:
    digest = codec.plan_digest(ORDERS)
    assert len(digest) == 64
    assert int(digest, 16) >= 0
