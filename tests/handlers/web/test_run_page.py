import re
from dataclasses import replace

import pytest

from bot.envelope import Event
from bot.event_kinds import EventKind as E
from bot.model import Ceiling, Finding, Left, Verdict, When
from bot.run import Run
from bot.views.facts import CardFacts
from handlers.web.drawing import draw
from handlers.web.run_page import RunPage, run_page
from storage.reading import Proof
from tests.bot.stories import happened, having
from tests.bot.views.examples import ANA, AWAITING, BEN, CARDS, EVENTS, FACTS, SUCCEEDED, UNKNOWN_LOSS, at

NAMES = {"U01ANA": "Ana", "U01BEN": "Ben", "U01CY": "Cy", "U01OWN": "Olga"}
WHY = "You asked for this rollback, so you cannot approve it. <@U01BEN> or <@U01CY> can."
REFUSED = Proof(44, at("03:04"), "press_refused", ANA.id, None, {"press": "approve", "why": WHY}, "cd" * 32)


def page(
    run: Run = SUCCEEDED,
    facts: CardFacts = FACTS,
    events: tuple[Event, ...] = EVENTS,
    proofs: tuple[Proof, ...] = (),
) -> RunPage:
    return run_page(run, events, proofs, facts, lambda one: NAMES.get(one, one), at("03:20"))


def drawn(shown: RunPage, everything: bool = True) -> str:
    return draw("run.html", page=shown, everything=everything).text or ""


@pytest.mark.parametrize("name", CARDS)
def test_every_state_has_a_page_that_names_people_and_leaves_no_markup(name: str) -> None:
    run, facts, now = CARDS[name]
    text = drawn(run_page(run, EVENTS, (REFUSED,), facts, lambda one: NAMES.get(one, one), now))
    words = re.sub(r"<[^>]*>", " ", text.partition("<body>")[2])
    assert "Ana" in words
    for left in ("&lt;@", "&lt;!", "U01", "*", "None"):
        assert left not in words, f"{left} stands on the page of {name}"


def test_the_headline_says_what_is_live_now() -> None:
    assert page().headline == "✅ orders · PRODUCTION is back at 02:45 UTC and online"


def test_a_run_put_online_against_its_checks_stays_red() -> None:
    run, facts, _ = CARDS["succeeded_overridden"]
    assert page(run, facts).tone == "bad"


def test_what_people_wrote_is_shown_and_never_obeyed() -> None:
    evil = "<script>alert(1)</script> <!channel> \u202egnp"
    run = having(
        SUCCEEDED,
        request_reason=evil,
        work_findings=(Finding(evil, When.OFFLINE, Verdict.PASSED, evil, evil),),
    )
    text = drawn(page(run))
    assert "<script" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_what_programs_say_stands_there_unharmed_whatever_signs_it_holds() -> None:
    said = "<@U01BEN> *done* _x_ ~y~ `z` select count(*) from orders_total"
    run, facts, now = CARDS["paused_step_failed"]
    event = happened(E.STEP_FAILED, now, data={"n": 5, "words": said})
    shown = page(replace(run, why=said), facts, (event,))
    assert f"❌ {said}" in shown.rows
    assert shown.lines[0].words.endswith(f": {said}")


def test_times_are_said_once_and_in_utc() -> None:
    rows = page(AWAITING).rows
    assert rows[:2] == ("From live", "Back to 02:45 UTC, backup")


def test_an_unknown_loss_never_looks_like_zero() -> None:
    shown = page(UNKNOWN_LOSS)
    assert [(row.name, row.asked, row.most) for row in shown.loss_rows] == [("data-loss window", "", "")]
    assert "NOT KNOWN" in shown.loss[0]


def test_the_loss_stands_beside_what_it_was_at_the_start_and_its_ceiling() -> None:
    rows = {row.name: (row.asked, row.started, row.most) for row in page().loss_rows}
    assert rows["orders, new"] == ("212", "251", "400")
    assert rows["data-loss window"] == ("17 min", "21 min", "52 min")


def test_a_limit_on_units_alone_limits_no_window() -> None:
    assert SUCCEEDED.approval.plan is not None
    plan = replace(SUCCEEDED.approval.plan, ceiling=Ceiling(None, SUCCEEDED.approval.plan.ceiling.units))
    assert page(having(SUCCEEDED, approval_planned=plan)).loss_rows[0].most == ""


def test_a_check_with_numbers_is_drawn_before_and_after() -> None:
    totals, integrity, _ = page().checks
    assert (totals.before, totals.after, totals.verdict) == ("41", "0", "passed")
    assert totals.plot is not None
    assert integrity.plot is None
    svg = re.search(r"<svg role.*?</svg>\s*</svg>", drawn(page()), re.DOTALL)
    assert svg is not None
    assert re.findall(r'class="(before|passed)" x="0.0%" width="([\d.]+)%"', svg[0]) == [
        ("before", "68.0"),
        ("passed", "0.6"),
    ]


def test_a_check_that_was_not_looked_at_yet_says_so() -> None:
    run, facts, _ = CARDS["paused_checks"]
    errors = page(run, facts).checks[-1]
    assert (errors.name, errors.before, errors.verdict) == ("error rate", "4.1 %", "not looked at yet")


def test_the_timeline_holds_refusals_in_their_place_with_their_number_in_the_log() -> None:
    logged = [Proof(40 + e.seq, e.at, e.kind.value, e.by, e.seq, {}, "ab" * 32) for e in EVENTS[:3]]
    lines = page(events=EVENTS[:4], proofs=(*logged, REFUSED)).lines
    refusal = "You asked for this rollback, so you cannot approve it. Ben or Cy can."
    assert [(line.n, line.words) for line in lines] == [
        (41, "Ana asked: roll back orders"),
        (42, "Plan 7f3a91c2 was made"),
        (43, "The card was posted, the time to approve runs"),
        (44, f"Ana was refused “approve”: {refusal}"),
        (None, "Ben approved plan 7f3a91c2"),
    ]
    assert lines[3].refused


def test_a_name_that_looks_like_markup_is_a_name() -> None:
    shown = run_page(SUCCEEDED, EVENTS, (), FACTS, lambda _: "<!channel> & *co*", at("03:20"))
    assert shown.lines[0].words == "<!channel> & *co* asked: roll back orders"
    assert "&lt;!channel&gt; &amp;" in drawn(shown)


def test_only_a_running_run_draws_itself_again() -> None:
    run, facts, _ = CARDS["running_restore"]
    assert 'http-equiv="refresh"' in drawn(page(run, facts))
    assert 'http-equiv="refresh"' not in drawn(page())


def test_other_runs_are_linked_for_those_who_may_read_them() -> None:
    shown = page(having(SUCCEEDED, end_undone_by="RB-43", work_live=Left.POINT))
    assert 'href="/runs/RB-43"' in drawn(shown)
    assert "href=" not in drawn(shown, everything=False)


def test_an_event_whose_step_is_not_known_still_has_a_line() -> None:
    event = happened(E.STEP_FAILED, at("03:07"), "", {"n": 99, "words": "disk is full"}, 9)
    assert page(events=(event,)).lines[0].words == "A step: failed: disk is full"


def test_the_approvers_stand_with_the_time() -> None:
    approved = [fact for fact in page().facts if fact.label == "Approved"]
    assert [(fact.words, fact.at) for fact in approved] == [("by Ben", at("03:06"))]
    assert BEN in NAMES
