"""Canonical JSON: one text for one value, and times that sort as they pass."""

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.canonical_json import canonical, digest, from_iso, iso
from tests.bot.nouns import texts, times

scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)


def test_keys_are_sorted_and_nothing_stands_between() -> None:
    assert canonical({"b": 1, "a": [True, None, "x"]}) == b'{"a":[true,null,"x"],"b":1}'


def test_letters_stay_letters() -> None:
    assert canonical({"name": "Grüße → 🦊"}) == '{"name":"Grüße → 🦊"}'.encode()


@pytest.mark.parametrize("no_number", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_refused(no_number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical({"seconds": no_number})


def test_half_a_character_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        canonical({"name": "\ud83e"})


@given(st.dictionaries(texts, trees, max_size=4))
@settings(max_examples=50)
def test_the_order_in_which_it_was_built_does_not_matter(value: dict[str, object]) -> None:
    backwards = dict(reversed(value.items()))
    assert canonical(backwards) == canonical(value)


@given(st.dictionaries(texts, trees, max_size=4))
@settings(max_examples=50)
def test_it_is_json_and_canonical_once_and_for_all(value: dict[str, object]) -> None:
    once = canonical(value)
    assert json.loads(once) == value
    assert canonical(json.loads(once)) == once


def test_the_digest_is_sha_256_of_that() -> None:
    assert digest({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()


# Times -----------------------------------------------------------------------------------------


def test_a_time_is_in_utc_with_milliseconds() -> None:
    berlin = timezone(timedelta(hours=1))
    assert iso(datetime(2026, 11, 22, 11, 0, 0, 7_999, berlin)) == "2026-11-22T10:00:00.007Z"


@given(times)
@settings(max_examples=50)
def test_a_time_in_milliseconds_comes_back_as_it_was(at: datetime) -> None:
    assert from_iso(iso(at)) == at


@given(times, times)
@settings(max_examples=50)
def test_times_sort_as_they_pass(one: datetime, other: datetime) -> None:
    assert (iso(one) < iso(other)) == (one < other)


def test_what_comes_back_is_aware() -> None:
    assert from_iso("2026-11-22T10:00:00.000Z").tzinfo == UTC
