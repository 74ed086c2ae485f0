"""Every event has words."""

import pytest

from bot.envelope import Event
from bot.event_kinds import EventKind as E
from bot.views.lines import event_words
from tests.bot.stories import any_of, happened
from tests.bot.views.examples import BEN, CHECKPOINT, RESTORING, at

NAMES = {BEN: "Ben"}


@pytest.mark.parametrize("kind", list(E))
@pytest.mark.parametrize(
    "data", [{"n": 1}, {"n": 5, "why": "so", "words": "done", "answer": "point"}, {"n": 99}]
)
def test_every_kind_of_event_has_a_sentence(kind: E, data: dict[str, object]) -> None:
    event = Event(any_of(kind, **data), at("03:06"), BEN)
    said = event_words(event, RESTORING, NAMES.__getitem__, str)
    assert said
    assert "{" not in said


def test_a_person_is_named() -> None:
    assert (
        event_words(happened(E.APPROVED, at("03:06"), BEN), RESTORING, NAMES.__getitem__, str)
        == "Ben approved plan 7f3a91c2"
    )


def test_a_reason_follows_after_a_colon() -> None:
    event = happened(E.VETOED, at("03:06"), BEN, {"why": "look at the cache"})
    assert event_words(event, RESTORING, NAMES.__getitem__, str) == "Ben rejected it: look at the cache"


def test_a_step_is_named_by_its_number() -> None:
    event = happened(E.STEP_SUCCEEDED, at("03:10"), data={"n": 5, "words": "1.8 GB"})
    assert event_words(event, RESTORING, NAMES.__getitem__, str) == "Restore: done: 1.8 GB"


def test_a_checkpoint_is_quoted() -> None:
    event = happened(E.CHECKPOINT_REACHED, at("03:06"))
    assert "Is traffic drained?" in event_words(event, CHECKPOINT, NAMES.__getitem__, str)


def test_braces_of_others_are_only_text() -> None:
    event = happened(E.VETOED, at("03:06"), BEN, {"why": "{who} {0}"})
    assert event_words(event, RESTORING, NAMES.__getitem__, str) == "Ben rejected it: {who} {0}"
