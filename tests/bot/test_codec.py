"""What goes into an event and comes out again is the same noun."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bot import codec
from bot.canonical_json import canonical, digest
from bot.envelope import Stored
from bot.event_kinds import EventKind
from bot.events import FACTS
from bot.facts import Fact
from bot.model import Current, Finding, Goal, Loss, Person, Plan, Points, RestorePoint, When
from tests.bot import nouns
from tests.bot.stories import ORDERS, T0, any_of, plan_data, requested
from tests.people import ANA

NOUNS: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "a plan": (Plan, nouns.plans()),
    "points": (Points, nouns.all_points()),
    "findings": (tuple[Finding, ...], st.lists(nouns.findings(), max_size=3).map(tuple)),
    "a goal": (Goal, nouns.goals()),
    "a loss": (Loss, nouns.losses()),
}


@pytest.mark.parametrize("name", NOUNS)
@given(data=st.data())
@settings(max_examples=30)
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


# Events


@pytest.mark.parametrize("kind", list(EventKind))
def test_a_fact_of_every_kind_comes_back_as_it_was(kind: EventKind) -> None:
    fact = any_of(kind, why="so", words="done", answer="point")
    stored = codec.encode(fact)
    written = Stored(stored.kind, json.loads(json.dumps(stored.data)))
    assert codec.decode(written, by="U01ANA", at=T0) == fact


@pytest.mark.parametrize("kind", list(EventKind))
def test_a_fact_that_says_nothing_comes_back_as_it_was(kind: EventKind) -> None:
    fact = any_of(kind, why="", words="")
    assert codec.decode(codec.encode(fact), by="U01ANA", at=T0) == fact


@pytest.fixture(scope="module")
def printed() -> jsonschema.Draft202012Validator:
    """The schema that is printed: made once, because it is as large as all kinds together."""
    schema = codec.events_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def written_down(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    envelope = {"run_id": "RB-42", "seq": 1, "at": "2026-11-22T03:02:00.000Z", "by": "", "signature": ""}
    return {**envelope, "kind": kind, "data": data}


@pytest.mark.parametrize("kind", list(EventKind))
def test_every_kind_fits_the_schema_that_is_printed(
    kind: EventKind, printed: jsonschema.Draft202012Validator
) -> None:
    stored = codec.encode(any_of(kind, why="so", words="done", answer="point"))
    printed.validate(written_down(stored.kind, stored.data))


def test_the_schema_refuses_another_kinds_data(printed: jsonschema.Draft202012Validator) -> None:
    with pytest.raises(jsonschema.ValidationError):
        printed.validate(written_down("planned", {"n": 5}))


def test_the_schema_refuses_a_field_that_no_kind_has(printed: jsonschema.Draft202012Validator) -> None:
    with pytest.raises(jsonschema.ValidationError):
        printed.validate(written_down("voided", {"whz": "it moved"}))


def test_every_kind_has_a_value_of_its_own() -> None:
    assert set(FACTS) == set(EventKind)


# What earlier versions meant by a key, by an empty reason, or by nobody's name.
MEANT_TWO_THINGS: list[tuple[str, dict[str, Any], str, EventKind]] = [
    ("observed", {"n": 1, "findings": []}, "", EventKind.BASELINE_TAKEN),
    ("observed", {"n": 3, "loss": None}, "", EventKind.LOSS_MEASURED),
    ("voided", {"why": "put back", "installation": "k7"}, "", EventKind.VOIDED_BY_RESTORE),
    ("voided", {"why": "it moved"}, "", EventKind.VOIDED),
    ("doubted", {"n": 5, "why": "put back", "installation": "k7"}, "", EventKind.DOUBTED_BY_RESTORE),
    ("doubted", {"n": 5, "why": "unsigned"}, "", EventKind.DOUBTED),
    ("halted", {"why": "put back", "installation": "k7"}, "", EventKind.HALTED_BY_RESTORE),
    ("halted", {}, "", EventKind.STOPPED),
    ("halted", {"why": "unsigned"}, "", EventKind.HALTED),
    ("ended", {"marks": ["U01ANA"], "undone_by": "RB-43"}, "U01ANA", EventKind.ENDED_BY_UNDO),
    ("ended", {"marks": ["U01ANA"], "why": "enough"}, "U01ANA", EventKind.ENDED),
    ("cancelled", {"why": "no card"}, "", EventKind.CARD_IMPOSSIBLE),
    ("cancelled", {"marks": ["U01ANA"]}, "U01ANA", EventKind.CANCELLED),
]


@pytest.mark.parametrize(("kind", "data", "by", "means"), MEANT_TWO_THINGS)
def test_a_kind_that_meant_two_things_is_read_as_what_it_meant(
    kind: str, data: dict[str, Any], by: str, means: EventKind
) -> None:
    assert codec.decode(Stored(kind, data), by, T0).kind is means


def test_a_kind_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(ValueError, match="teleported"):
        codec.decode(Stored("teleported", {}), "", T0)


def test_a_stored_plan_has_the_digest_that_it_was_stored_with() -> None:
    fact: Fact = any_of(EventKind.PLANNED)
    assert digest(codec.encode(fact).data["plan"]) == plan_data(ORDERS)["digest"]


def test_what_says_no_more_than_the_default_is_not_stored() -> None:
    asked = codec.encode(requested().fact)
    assert "thread" not in asked.data
    assert asked.data["reason"] == "totals are broken"


@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-11-22T10:00:00"]
)
def test_a_time_that_cannot_be_told_in_every_zone_is_none_of_a_noun(text: str) -> None:
    with pytest.raises(ValueError, match="is none that can be told"):
        codec.exactly(Current, Current("v42", "token", at=datetime.fromisoformat(text)))
