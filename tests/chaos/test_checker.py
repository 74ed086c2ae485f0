"""The checker itself: a good story passes, and each crafted contradiction is found under its own name."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from bot.canonical_json import canonical, iso
from bot.event_kinds import EventKind as E
from bot.model import Do
from tests.bot.stories import LIVE, Story, later, planned
from tests.chaos.checker import RULES, Canaries, violations
from tests.chaos.histories import Answer, Effect, Histories, Row, Shown, Stored, Told
from tests.people import ANA, BEN, CY

RUN = "RB-42"
CARD: Row = {
    "run_id": RUN,
    "kind": "card",
    "recipient": "C01INC",
    "channel": "C01INC",
    "ts": "1.0",
    "drawn": "d1",
    "gone": None,
}
MESSAGE = Shown("C01INC", "1.0", RUN, "d1", in_thread=False, has_buttons=True)
TOLD = Told("click 1", BEN.id, "approve", Answer.ACCEPTED, iso(later(3)))


def good() -> Histories:
    """A rollback that two people approved and that went well."""
    return written(
        Story(planned(approvals_needed=2)).approved(BEN, CY).tell(E.STARTED, loss=None).succeeded()
    )


def written(story: Story, **changes: Any) -> Histories:
    """The histories that a story leaves behind when all is well."""
    events = tuple(_row(event) for event in story.events)
    run = {"run_id": RUN, "state": story.run.state.value, "seq": story.run.seq, "shown_seq": story.run.seq}
    stored = Stored("k7", events, tuple(_log(events)), ({**run, **changes},), (CARD,), frozenset({"click 1"}))
    return Histories((TOLD,), stored, tuple(_effects(story, events)), (MESSAGE,))


def _row(event: Any) -> Row:
    data = dict(event.stored.data)
    if event.kind is E.STEP_STARTED:
        data["op"] = f"k7.{RUN}.{data['n']}"
    told = {"run_id": RUN, "seq": event.seq, "at": iso(event.at), "kind": event.kind.value}
    return {**told, "by": event.by, "data": data, "signature": ""}


def _log(events: Iterable[Row]) -> Iterable[Row]:
    prev = "0" * 64
    for n, event in enumerate(events, start=1):
        body = canonical({"n": n, "seq": event["seq"], "kind": event["kind"]}).decode()
        link = hashlib.sha256(f"{prev}{body}".encode()).hexdigest()
        yield {"n": n, "kind": event["kind"], "run_id": RUN, "body": body, "prev": prev, "hash": link}
        prev = link


def _effects(story: Story, events: Sequence[Row]) -> Iterable[Effect]:
    steps = {record.step.n: record.step for record in story.run.work.steps}
    for event in events:
        if event["kind"] == E.STEP_STARTED:
            step = steps[event["data"]["n"]]
            point = "p41" if step.do is Do.RESTORE else ""
            op, digest = event["data"]["op"], story.run.approval.digest
            yield Effect(RUN, op, step.do.value, step.target, point, digest, 1, event["at"], 7)


def found(histories: Histories, **canaries: Any) -> set[str]:
    return {violation.invariant for violation in violations(histories, Canaries(**canaries))}


def with_events(histories: Histories, *events: Mapping[str, Any]) -> Histories:
    """Other events, as if they had been logged and projected so."""
    renumbered = tuple({**event, "seq": n} for n, event in enumerate(events, start=1))
    return replace(
        histories, stored=replace(histories.stored, events=renumbered, evidence=tuple(_log(renumbered)))
    )


def of_restore(histories: Histories) -> Effect:
    return next(effect for effect in histories.done if effect.do == "restore")


def with_effect(histories: Histories, **changes: Any) -> Histories:
    """The restore was done otherwise."""
    done = tuple(replace(e, **changes) if e.do == "restore" else e for e in histories.done)
    return replace(histories, done=done)


def test_a_rollback_that_went_well_has_no_violation() -> None:
    assert violations(good(), Canaries(("s3cret",), {"the log": "all is well"})) == []


def test_every_invariant_of_the_histories_has_a_rule() -> None:
    assert {name.split()[0] for name in RULES} == {
        "I1",
        "I2",
        "I3",
        "I4",
        "I5",
        "I6",
        "I7",
        "I8",
        "I10",
        "I11",
    }


# What was done


def test_an_effect_without_an_intent_is_found() -> None:
    histories = good()
    more = replace(of_restore(histories), op="k7.RB-42.99")
    assert found(replace(histories, done=(*histories.done, more))) == {"I1"}


def test_an_effect_of_another_plan_is_found() -> None:
    assert found(with_effect(good(), digest="another")) == {"I1"}


def test_a_restore_to_another_point_is_found() -> None:
    assert found(with_effect(good(), point="p40")) == {"I1"}


def test_an_effect_with_too_few_approvals_is_found() -> None:
    events = [event for event in good().stored.events if event["by"] != CY.id]
    assert "I1" in found(with_events(good(), *events))


def test_one_human_with_two_accounts_counts_once() -> None:
    twin = ["U02BEN", f"person:{BEN.human}"]
    events = [
        {**event, "data": {**event["data"], "marks": twin}} if event["by"] == CY.id else event
        for event in good().stored.events
    ]
    assert found(with_events(good(), *events)) == {"I1"}


def test_the_requesters_own_approval_does_not_count() -> None:
    events = [
        {**event, "by": ANA.id, "data": {**event["data"], "marks": sorted(ANA.marks)}}
        if event["by"] == CY.id
        else event
        for event in good().stored.events
    ]
    assert found(with_events(good(), *events)) == {"I1"}


def test_the_same_op_done_twice_is_found() -> None:
    histories = good()
    assert found(replace(histories, done=(*histories.done, of_restore(histories)))) == {"I2 twice"}


def test_a_step_that_is_stored_as_done_and_was_not_is_found() -> None:
    histories = good()
    done = tuple(effect for effect in histories.done if effect.do != "restore")
    assert found(replace(histories, done=done)) == {"I2 lost"}


@pytest.mark.parametrize(
    ("point", "wrong"), [("u42", {"I2 lost"}), (LIVE.id, set())], ids=["a new one", "what is live"]
)
def test_nothing_has_to_be_done_for_an_undo_point_that_is_what_is_live(point: str, wrong: set[str]) -> None:
    histories = good()
    done = tuple(effect for effect in histories.done if effect.do != "undo_point")
    events = [
        {**event, "data": {**event["data"], "undo_point": point}} if "undo_point" in event["data"] else event
        for event in histories.stored.events
    ]
    assert found(with_events(replace(histories, done=done), *events)) == wrong


def test_an_effect_under_an_older_epoch_is_found() -> None:
    histories = good()
    done = tuple(replace(e, epoch=5 - n) for n, e in enumerate(histories.done))
    assert found(replace(histories, done=done)) == {"I7"}


# What was told


@pytest.mark.parametrize(
    ("answer", "stored", "wrong"),
    [
        (Answer.ACCEPTED, False, {"I3"}),
        (Answer.NOT_ACCEPTED, True, {"I3"}),
        (Answer.REFUSED, True, {"I3"}),
        (Answer.NOT_ACCEPTED, False, set()),
        (Answer.REFUSED, False, set()),
        (Answer.NONE, True, set()),
    ],
)
def test_what_was_answered_is_what_is_stored(answer: Answer, stored: bool, wrong: set[str]) -> None:
    histories = good()
    told = (replace(TOLD, answer=answer),)
    kept = replace(histories.stored, deliveries=frozenset({"click 1"}) if stored else frozenset())
    assert found(replace(histories, told=told, stored=kept)) == wrong


def test_whoever_tries_again_may_be_refused_because_the_first_try_counted() -> None:
    told = (replace(TOLD, answer=Answer.NONE), replace(TOLD, answer=Answer.REFUSED))
    assert found(replace(good(), told=told)) == set()


# What is stored


def test_a_run_that_should_go_on_and_does_not_is_silent() -> None:
    story = Story().started()
    assert found(written(story)) == {"I4"}


def test_a_run_that_waits_for_people_is_not_silent() -> None:
    story = Story().fail(Do.MAINTENANCE_ON)
    assert found(written(story)) == set()


def test_a_step_that_is_merely_started_is_found() -> None:
    story = Story().start(Do.RESTORE)
    assert found(written(story)) == {"I4", "I5"}


def test_a_changed_entry_of_the_log_is_found() -> None:
    histories = good()
    first, *rest = histories.stored.evidence
    changed = {**first, "body": first["body"].replace("requested", "refused")}
    assert "I6 chain" in found(
        replace(histories, stored=replace(histories.stored, evidence=(changed, *rest)))
    )


def test_a_gap_in_the_log_is_found() -> None:
    histories = good()
    cut = (*histories.stored.evidence[:3], *histories.stored.evidence[4:])
    assert {"I6 chain", "I6 entries"} == found(
        replace(histories, stored=replace(histories.stored, evidence=cut))
    )


def test_an_event_that_was_not_logged_is_found() -> None:
    histories = good()
    cut = histories.stored.evidence[:-1]
    assert found(replace(histories, stored=replace(histories.stored, evidence=cut))) == {"I6 entries"}


def test_a_row_that_is_not_what_its_events_say_is_found() -> None:
    story = Story().succeeded()
    assert found(written(story, state="failed")) == {"I6 projection"}


@pytest.mark.parametrize("no", [E.VETOED, E.CANCELLED, E.STOP_REQUESTED])
def test_an_intent_after_a_no_is_found(no: E) -> None:
    histories = good()
    events = list(histories.stored.events)
    at = next(n for n, event in enumerate(events) if event["kind"] == E.STEP_STARTED)
    events.insert(at, {**events[at], "kind": no.value, "by": BEN.id, "data": {"marks": [BEN.id]}})
    told = replace(histories, stored=replace(histories.stored, events=tuple(events)))
    assert any("began step" in words for words in RULES["I8"](told))


def test_an_intent_after_people_said_go_on_is_none() -> None:
    story = Story().started().tell(E.STOP_REQUESTED, ANA).tell(E.HALTED).tell(E.CONFIRMED, BEN)
    assert found(written(story.succeeded())) == set()


def test_an_approval_after_its_time_is_found() -> None:
    late = {E.APPROVED: later(7200), E.QUORUM_REACHED: later(7200)}
    histories = good()
    events = [
        {**event, "at": iso(late[E(event["kind"])])} if event["kind"] in late else event
        for event in histories.stored.events
    ]
    assert found(with_events(histories, *events)) == {"I10"}


def test_a_start_after_its_time_is_found() -> None:
    histories = good()
    events = [
        {**event, "at": iso(later(7200))} if event["kind"] == E.STARTED else event
        for event in histories.stored.events
    ]
    assert found(with_events(histories, *events)) == {"I10"}


# What is shown


def test_cards_that_are_behind_are_found() -> None:
    assert found(written(Story().succeeded(), shown_seq=3)) == {"I11"}


@pytest.mark.parametrize(
    ("shown", "wrong"),
    [
        ((), {"I11"}),
        ((replace(MESSAGE, drawn="another"),), {"I11"}),
        ((MESSAGE, replace(MESSAGE, ts="0.5")), {"I11"}),
        ((MESSAGE, replace(MESSAGE, ts="0.5", has_buttons=False)), set()),
        ((MESSAGE, *(replace(MESSAGE, ts=ts, has_buttons=False) for ts in ("0.5", "0.6"))), {"I11"}),
        ((MESSAGE, replace(MESSAGE, ts="1.5", in_thread=True)), set()),
    ],
    ids=["gone", "another drawing", "twice", "the older superseded", "two duplicates", "a notice"],
)
def test_there_is_one_live_card_and_it_shows_what_was_drawn(
    shown: tuple[Shown, ...], wrong: set[str]
) -> None:
    assert found(replace(good(), shown=shown)) == wrong


def test_a_card_that_was_never_posted_is_found() -> None:
    histories = good()
    cards = ({**CARD, "ts": None},)
    assert found(replace(histories, stored=replace(histories.stored, cards=cards))) == {"I11"}


def test_a_planted_secret_is_found_where_it_stands() -> None:
    assert found(good(), secrets=("s3cret",), texts={"the log": "token=s3cret"}) == {"I9"}
