"""A person's word counts only as it was signed: for this run, this plan, by this person, at this time."""

import stat
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bot import machine
from bot.codec import encode
from bot.envelope import Event
from bot.event_kinds import EventKind as E
from bot.model import Do
from bot.run import Run
from bot.signatures import Signer, statement, why_not_signed
from handlers.keys import public_keys, signer_at
from tests.bot.stories import Story, happened, planned
from tests.people import BEN, CY

HERE = "k7f3a91c"
FRONT = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
STRANGER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))


def signed(run: Run, event: Event, by: Signer = FRONT, installation: str = HERE) -> Event:
    """As the front signs it."""
    digest = "" if event.kind is E.REQUESTED else run.approval.digest
    assert event.stored is not None
    message = statement(installation, run.id, digest, event, event.stored)
    return replace(event, signature=by.sign(message))


def approved() -> tuple[Run, list[Event]]:
    """An approved run, each word of a person signed."""
    story = Story().approved()
    return story.run, [signed(story.run, event) if event.by else event for event in story.events]


def doubt(run: Run, events: list[Event]) -> str | None:
    return why_not_signed(HERE, run, events, [FRONT.public])


def without(kind: E, change: dict[str, Any]) -> str | None:
    """What is said when that event was changed after it was signed."""
    run, events = approved()
    return doubt(run, [changed(event, change) if event.kind is kind else event for event in events])


def changed(event: Event, change: dict[str, Any]) -> Event:
    """What is read back after somebody wrote into the database."""
    assert event.stored is not None
    stored = replace(event.stored, data=change.get("data", event.stored.data))
    envelope = {name: value for name, value in change.items() if name != "data"}
    return replace(event, stored=stored, **envelope)


def test_what_the_front_signed_is_believed() -> None:
    assert doubt(*approved()) is None


def test_one_of_several_fronts_is_enough() -> None:
    run, events = approved()
    assert why_not_signed(HERE, run, events, [STRANGER.public, FRONT.public]) is None


def test_without_any_key_nothing_is_believed() -> None:
    run, events = approved()
    assert why_not_signed(HERE, run, events, []) == (
        "the requested of RB-42 by U01ANA carries no valid signature"
    )


REQUEST = encode(Story().events[0].fact).data
REQUEST = encode(Story().events[0].fact).data
CHANGES: dict[str, dict[str, Any]] = {
    "another person": {"by": CY.id},
    "another time": {"at": Story().approved().now + timedelta(milliseconds=1)},
    "another place in the run": {"seq": 99},
    "no signature": {"signature": ""},
    "no hexadecimal": {"signature": "no signature at all"},
    "half a signature": {"signature": "00" * 32},
    "nobody": {"by": "", "signature": ""},
    "one more mark": {"data": {"marks": ["U01BEN", "U01CY", "person:ben"]}},
    "another point": {"data": {**REQUEST, "goal": {"point": "p40"}}},
    "nothing of what was said": {"data": {}},
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_approval_that_was_changed_is_not_believed(change: str) -> None:
    reason = without(E.APPROVED, CHANGES[change])
    assert reason is not None
    assert reason.startswith("the approved of RB-42 by ")


@pytest.mark.parametrize("change", CHANGES)
def test_a_request_that_was_changed_is_not_believed(change: str) -> None:
    reason = without(E.REQUESTED, CHANGES[change])
    assert reason is not None
    assert reason.startswith("the requested of RB-42 by ")


def test_a_word_signed_by_somebody_else_is_not_believed() -> None:
    run, events = approved()
    forged = [signed(run, event, STRANGER) if event.kind is E.APPROVED else event for event in events]
    assert doubt(run, forged) is not None


def test_a_word_for_another_installation_is_not_believed() -> None:
    run, events = approved()
    foreign = [signed(run, event, installation="other") if event.by else event for event in events]
    assert doubt(run, foreign) is not None


def test_a_word_of_another_run_is_not_believed() -> None:
    run, events = approved()
    assert doubt(replace(run, id="RB-43"), events) is not None


def test_a_veto_is_no_approval() -> None:
    run, events = approved()
    turned = [
        happened(E.APPROVED, event.at, seq=event.seq) if event.kind is E.QUORUM_REACHED else event
        for event in events
    ]
    assert doubt(run, turned) is not None


def test_an_approval_of_another_plan_is_not_believed_even_when_it_says_so() -> None:
    """Somebody who may write our database swaps the plan and its digest; the approval keeps the old one."""
    story = Story().posted()
    story.tell(E.APPROVED, BEN, digest=story.run.approval.digest).tell(E.QUORUM_REACHED)
    swapped = Story(planned(environment="staging")).approved().run
    assert swapped.approval.digest != story.run.approval.digest
    kept = [signed(story.run, event) if event.by else event for event in story.events]
    assert doubt(swapped, kept) == "the approved of RB-42 by U01BEN carries no valid signature"


def test_the_bots_own_words_need_no_signature() -> None:
    story = Story().posted()
    mine = [event for event in story.events if not event.by]
    assert {event.kind for event in mine} == {E.PLANNED, E.POSTED}
    assert doubt(story.run, mine) is None


def test_who_looked_before_looks_only_at_what_is_new() -> None:
    story = Story().doubt().tell(E.CONTINUE_PROPOSED, BEN, why="…")
    last = story.run.seq
    assert why_not_signed(HERE, story.run, story.events, [FRONT.public], after=last) is None
    assert why_not_signed(HERE, story.run, story.events, [FRONT.public], after=last - 1) == (
        "the continue proposed of RB-42 by U01BEN carries no valid signature"
    )


PEOPLE_SAY = [  # `cancelled` by nobody is what earlier versions wrote where a card was impossible
    E.APPROVED,
    E.VETOED,
    E.STOP_REQUESTED,
    E.RETRIED,
    E.CONFIRMED,
    E.CONTINUE_PROPOSED,
    E.CONTINUED,
    E.ENDED,
    E.RESOLVE_PROPOSED,
    E.RESOLVED_POINT,
    E.RESOLVED_UNCHANGED,
    E.RESOLVED_UNCLEAR,
    E.LEAVE_PROPOSED,
    E.LEAVE_AGREED,
]


@pytest.mark.parametrize("kind", PEOPLE_SAY)
def test_what_only_people_can_say_is_never_the_bots_word(kind: E) -> None:
    run, events = approved()
    said = happened(kind, run.request.at, "", {}, 99)
    assert doubt(run, [*events, said]) is not None


def test_words_of_before_a_restored_backup_were_signed_for_the_name_of_then() -> None:
    story = Story().start(Do.RESTORE)
    (doubted,) = machine.forgotten(story.run, story.now, "a backup was restored", "old")
    story.add(doubted.fact).tell(E.RESOLVE_PROPOSED, BEN, answer="point")
    names = {event.seq: "old" if event.seq < story.run.seq else HERE for event in story.events}
    events = [signed(story.run, e, installation=names[e.seq]) if e.by else e for e in story.events]
    assert doubt(story.run, events) is None
    others = [signed(story.run, e, installation="old") if e.by else e for e in story.events]
    assert doubt(story.run, others) == ("the resolve proposed of RB-42 by U01BEN carries no valid signature")


def test_every_word_of_people_is_looked_at() -> None:
    story = Story().doubt().tell(E.CONTINUE_PROPOSED, BEN, why="…")
    events = [signed(story.run, event) if event.by else event for event in story.events]
    assert doubt(story.run, events) is None
    unsigned = [*events[:-1], replace(events[-1], signature="")]
    assert doubt(story.run, unsigned) == (
        "the continue proposed of RB-42 by U01BEN carries no valid signature"
    )


# Keys ------------------------------------------------------------------------------------------


def test_a_key_is_made_once_and_only_we_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "front.key"
    made, found = signer_at(path), signer_at(path)
    assert found.public == made.public
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_installations_have_two_keys(tmp_path: Path) -> None:
    assert signer_at(tmp_path / "one.key").public != signer_at(tmp_path / "two.key").public


def test_the_public_key_stands_beside_it_for_workers(tmp_path: Path) -> None:
    signer = signer_at(tmp_path / "front.key")
    assert public_keys(tmp_path / "front.pub") == (signer.public,)


def test_a_file_may_hold_the_keys_of_several_fronts(tmp_path: Path) -> None:
    one, two = signer_at(tmp_path / "one.key"), signer_at(tmp_path / "two.key")
    both = tmp_path / "fronts.pub"
    both.write_bytes((tmp_path / "one.pub").read_bytes() + b"\n" + (tmp_path / "two.pub").read_bytes())
    assert public_keys(both) == (one.public, two.public)
