"""What every card keeps, whatever its state."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from bot import machine
from bot.model import (
    Change,
    Current,
    Do,
    Gone,
    Left,
    Loss,
    LossQuality,
    Outcome,
    Purpose,
    Seen,
    State,
    Step,
    Unit,
    When,
)
from bot.policy import Entitled
from bot.presses import PRESSES, Click, stamp, why_not
from bot.run import Pause, Run, StepRecord
from bot.views import buttons, ending
from bot.views.card import CardFacts, card, direct, notice
from bot.views.decision import answer_words, why_not_answer
from bot.views.plan import cost
from tests.bot.stories import having
from tests.bot.views.examples import (
    ANA,
    AWAITING,
    BEN,
    CARDS,
    FACTS,
    FAILED_BEFORE,
    FAILED_IN_MAINTENANCE,
    MEASURED,
    NOW,
    ORDERS,
    RESTORING,
    RUNNING_FACTS,
    STEPS,
    SUCCEEDED,
    UNKNOWN_LOSS,
    at,
    ended,
    with_loss,
)
from tests.bot.views.reading import phone_rows, shown, texts
from tests.bot.views.slack_rules import problems_of_message
from tests.people import person

HARMLESS = {"details", "retry", "ask_again"}
ROWS = 20

each_card = pytest.mark.parametrize("name", CARDS)


def first_line(name: str) -> str:
    return shown(next(texts(card(*CARDS[name])))).split("\n")[0]


def body(run: Run, facts: CardFacts = FACTS) -> str:
    return "\n".join(map(shown, texts(card(run, facts, at("03:02:10")))))


# Of all cards ----------------------------------------------------------------------------------


def test_every_state_and_every_pause_has_an_example() -> None:
    runs = [run for run, _, _ in CARDS.values()]
    assert {run.state for run in runs} == set(State)
    assert {run.question.pause for run in runs if run.state is State.PAUSED} == set(Pause)


@each_card
def test_slack_accepts_the_card(name: str) -> None:
    drawn = card(*CARDS[name])
    assert problems_of_message(drawn.text, drawn.blocks) == []


@each_card
def test_slack_accepts_the_direct_copy(name: str) -> None:
    drawn = direct(*CARDS[name])
    assert problems_of_message(drawn.text, drawn.blocks) == []


@each_card
def test_the_card_fits_a_phone(name: str) -> None:
    assert phone_rows(card(*CARDS[name])) <= ROWS


@each_card
def test_the_lock_screen_names_the_run_and_needs_no_blocks(name: str) -> None:
    run = CARDS[name][0]
    text = card(*CARDS[name]).text
    assert run.id in text
    assert "*" not in text


@each_card
def test_drawing_twice_gives_the_same_card(name: str) -> None:
    assert card(*CARDS[name]) == card(*CARDS[name])


@each_card
def test_the_card_says_its_code_once_there_is_a_plan_to_agree_to(name: str) -> None:
    run, facts, _ = CARDS[name]
    if facts.superseded or run.state in {State.RUNNING, State.PAUSED, State.STUCK}:
        return
    assert run.code in "\n".join(texts(card(*CARDS[name])))


# Final cards -----------------------------------------------------------------------------------

FINAL = [name for name, (run, _, _) in CARDS.items() if run.state.final]


@pytest.mark.parametrize("name", FINAL)
def test_a_final_card_says_first_what_is_live_as_far_as_somebody_has_looked(name: str) -> None:
    line = first_line(name)
    seen = ("back at", "is at", "as it was", "not touched", "unchanged", "stays at", "NOT KNOWN what is live")
    assert any(word in line for word in seen)


@pytest.mark.parametrize("name", FINAL)
def test_a_final_card_says_whether_customers_can_use_it_as_far_as_somebody_has_looked(name: str) -> None:
    said = "\n".join(texts(card(*CARDS[name])))
    assert any(word in said for word in ("online", "customers", "maintenance"))


def test_online_is_said_only_after_a_look_from_outside() -> None:
    inside = tuple(finding for finding in SUCCEEDED.work.findings if finding.when is When.OFFLINE)
    unseen = having(SUCCEEDED, work_findings=inside)
    assert "and online" in ending.headline(SUCCEEDED, NOW)
    assert ending.headline(unseen, NOW).endswith("and out of maintenance, not looked at online")


def test_a_void_card_says_what_the_last_look_found_and_not_what_was_planned() -> None:
    void = having(CARDS["void"][0], end_at=at("03:06"))
    deployed = having(void, end_seen=(Seen("orders", Current("v45", "token-45", "v45")),))
    assert ending.headline(deployed, NOW).endswith("is at v45 (03:06 UTC), was live")
    same = having(void, end_seen=(Seen("orders", void.approval.plan.current),))
    assert ending.headline(same, NOW).endswith("as it was, live at 03:06 UTC")


def test_without_a_look_at_the_end_the_first_line_says_when_the_last_one_was() -> None:
    unseen = having(CARDS["void"][0], end_seen=())
    assert ending.headline(unseen, NOW).endswith("as it was, live at 03:02 UTC")


def test_a_card_whose_result_is_gone_says_by_which_run_and_offers_no_undo() -> None:
    gone = having(
        SUCCEEDED, end_superseded_by="RB-44", end_superseded_point="v40", end_superseded_at=at("03:31")
    )
    said = "\n".join(texts(card(gone, FACTS, at("03:32"))))
    assert "☑️ orders · PRODUCTION is at v40 since 03:31, by RB-44" in said
    assert "RB-42 had brought 02:45 UTC, 03:12–03:31 UTC" in said
    assert not gone.can_be_undone(at("03:32"))


def test_a_failed_run_that_is_still_in_maintenance_says_so_first() -> None:
    assert "customers see MAINTENANCE" in first_line("failed_in_maintenance")


def test_going_online_against_the_checks_stays_red_for_ever() -> None:
    run, facts, _ = CARDS["succeeded_overridden"]
    years_later = at("03:17").replace(year=2031)
    assert next(texts(card(run, facts, years_later))).startswith("*🟥")
    assert "NOT verified" in card(run, facts, years_later).text


# Loss ------------------------------------------------------------------------------------------


def test_what_goes_besides_rows_is_on_the_card_as_far_as_a_row_holds_it() -> None:
    plan = CARDS["awaiting_approval"][0].approval.plan
    leg = replace(
        plan.legs[0],
        gone=(Gone(plan.current.id, "", None), Gone("v43", "", None)),
        diff="table coupons goes\nindex by_total comes back",
    )
    rows = cost(replace(plan, legs=(leg,)), NOW)
    assert rows[-1] == "Also: v43 goes, table coupons goes, 1 more"


@pytest.mark.parametrize(
    ("undo_points", "said"),
    [
        ({"orders": "pre-RB-42"}, "✅ Undo point saved 03:07:00: `pre-RB-42`"),
        ({"orders": ORDERS.current.id}, f"✅ Undo point noted 03:07:00: `{ORDERS.current.id}`"),
        ({}, "✅ No undo point 03:07:00"),
    ],
)
def test_an_undo_point_is_saved_only_where_something_was_made(undo_points: dict[str, str], said: str) -> None:
    run, facts, now = CARDS["running_verify"]
    assert said in "\n".join(texts(card(having(run, work_undo_points=undo_points), facts, now)))


def test_an_unknown_loss_never_looks_like_zero() -> None:
    drawn = body(UNKNOWN_LOSS)
    assert "not known" in drawn
    assert " 0 " not in drawn.replace("0 approvals", "")
    assert "No data is touched" not in drawn


def test_no_data_touched_is_said_as_that() -> None:
    plan = with_loss(ORDERS, Loss(LossQuality.NONE))
    assert "No data is touched" in body(having(AWAITING, approval_planned=plan))


def test_a_declared_loss_says_who_declared_it() -> None:
    loss = Loss(LossQuality.DECLARED, basis="at most 5 min of sessions (payments: by design)")
    assert "as declared: at most 5 min" in body(having(AWAITING, approval_planned=with_loss(ORDERS, loss)))


def test_an_estimate_says_about() -> None:
    loss = Loss(LossQuality.ESTIMATED, at("02:57:10"), basis="table statistics")
    assert "about 5 min of changes" in body(having(AWAITING, approval_planned=with_loss(ORDERS, loss)))


def test_a_failover_is_named_only_when_the_target_itself_is_down() -> None:
    assert FACTS.failover
    assert "ailover" not in body(AWAITING)
    assert "orders itself seems down. Failover: runbook" in body(
        having(AWAITING, approval_target_down=True), FACTS
    )


# Buttons ---------------------------------------------------------------------------------------

Place = tuple[str, int]


def places(name: str) -> dict[Place, str]:
    """What stands where: the row and the position in it, and the action id."""
    rows = [block for block in card(*CARDS[name]).blocks if block["type"] == "actions"]
    return {(row["block_id"], n): e["action_id"] for row in rows for n, e in enumerate(row["elements"])}


def can_follow(earlier: Run, later: Run) -> bool:
    """Over any number of moves: a card that was not redrawn in between skips states."""
    reached, new = set[State](), {earlier.state}
    while new - reached:
        reached |= new
        new = {
            goal
            for (state, _), moves in machine.TABLE.items()
            for goal, _ in moves.values()
            if state in reached
        }
    return later.state in reached


def following_pairs() -> Iterator[tuple[str, str]]:
    for earlier, (run, _, _) in CARDS.items():
        for later, (next_run, _, _) in CARDS.items():
            if can_follow(run, next_run):
                yield earlier, later


def test_no_button_position_turns_from_harmless_to_harmful() -> None:
    turned = [
        (earlier, later, place)
        for earlier, later in following_pairs()
        for place, action in places(earlier).items()
        if action in HARMLESS and places(later).get(place, action) not in HARMLESS
    ]
    assert turned == []


def test_states_follow_each_other_as_the_machine_says() -> None:
    assert can_follow(AWAITING, RESTORING)
    assert not can_follow(RESTORING, AWAITING)


@each_card
def test_details_stand_first_and_everywhere(name: str) -> None:
    if not CARDS[name][1].superseded:
        assert places(name)[buttons.LOOKS, 0] == "details"


@each_card
def test_every_button_carries_the_value_it_was_given(name: str) -> None:
    blocks = card(*CARDS[name]).blocks
    values = {e["value"] for block in blocks if block["type"] == "actions" for e in block["elements"]}
    assert values <= {"opaque-7"}


@each_card
def test_whatever_acts_asks_once_more_except_the_rejection(name: str) -> None:
    """In Slack's dialog, or in a modal: the label of those ends with three dots."""
    acts = [b for b in card(*CARDS[name]).blocks if b.get("block_id") == buttons.ACTS]
    critical = name == "awaiting_critical"  # its approval opens a modal without saying so
    direct_ones = {
        e["action_id"]
        for row in acts
        for e in row["elements"]
        if "confirm" not in e and not e["text"]["text"].endswith("…")
    }
    assert direct_ones <= ({"veto", "approve"} if critical else {"veto"})


ENTITLED = Entitled((person("ben"), person("cy"), person("di")), owners=frozenset({"U01OWN"}))
OFFERED = [
    (name, action)
    for name, (run, _, _) in CARDS.items()
    for action in places(name).values()
    if run.state is not State.AWAITING_APPROVAL or run.approval.posted_at
]


@pytest.mark.parametrize(("name", "action"), OFFERED)
def test_a_button_is_shown_only_when_somebody_may_press_it(name: str, action: str) -> None:
    run, _, now = CARDS[name]
    click = Click(stamp(run), code=run.code[:4], answer="point", why="because")
    people = (ANA, *(person(name) for name in ("ben", "cy", "di", "own")))
    reasons = [why_not(PRESSES[action], run, somebody, ENTITLED, click, now) for somebody in people]
    assert None in reasons


def test_nobody_is_offered_what_is_over() -> None:
    assert set(places("cancelled").values()) == {"details"}
    assert "undo" not in places("succeeded_undo_is_over").values()
    assert "undo" not in places("succeeded_undone").values()


def test_where_nothing_was_restored_there_is_nothing_to_undo() -> None:
    assert CARDS["paused_step_failed"][0].work.undo_points
    assert "undo" not in places("paused_step_failed").values()


def test_the_last_approval_says_that_it_starts() -> None:
    def label(name: str) -> str:
        acts = next(b for b in card(*CARDS[name]).blocks if b.get("block_id") == buttons.ACTS)
        return str(acts["elements"][0]["text"]["text"])

    assert label("awaiting_two_needed") == "Approve 1 of 2"
    assert label("awaiting_one_of_two") == "Approve and start"


def test_the_dialog_before_an_approval_names_loss_limit_and_plan() -> None:
    acts = next(b for b in card(*CARDS["awaiting_approval"]).blocks if b.get("block_id") == buttons.ACTS)
    said = acts["elements"][0]["confirm"]["text"]["text"]
    assert "212 new orders, 9 refunds" in said
    assert "up to 400 new orders, 20 refunds" in said
    assert said.endswith("It starts at once. Plan 7f3a91c2.")


# Running ---------------------------------------------------------------------------------------


def test_many_steps_are_folded_around_the_current_one() -> None:
    steps = tuple(Step(n, STEPS[4].phase, STEPS[4].do, f"part-{n}") for n in range(1, 41))
    run = having(RESTORING, work_steps=tuple(StepRecord(step) for step in steps))
    drawn = body(run, RUNNING_FACTS)
    assert "34 more steps" in drawn
    assert phone_rows(card(run, RUNNING_FACTS, at("03:08"))) <= ROWS


def test_an_end_that_is_not_known_gives_no_percentage() -> None:
    assert RUNNING_FACTS.progress
    facts = replace(RUNNING_FACTS, progress=replace(RUNNING_FACTS.progress, total=None))
    assert "1.1 GB so far" in body(RESTORING, facts)
    assert "%" not in body(RESTORING, facts)


@pytest.mark.parametrize(
    ("total", "furthest", "said"),
    [
        (1.8e9, 0.834, "61 % (1.1 of 1.8 GB), has been at 83 %"),
        (None, 1.5e9, "1.1 GB so far, has been at 1.5 GB"),
    ],
)
def test_progress_that_fell_back_says_how_far_it_has_been(
    total: float | None, furthest: float, said: str
) -> None:
    assert RUNNING_FACTS.progress
    fallen = replace(RUNNING_FACTS.progress, total=total, furthest=furthest)
    assert said in body(RESTORING, replace(RUNNING_FACTS, progress=fallen)).splitlines()[4]


@pytest.mark.parametrize(
    ("done", "total", "said"), [(999, 1_000, "Restoring 99 % (999"), (-5, 10, "Restoring – copying pages")]
)
def test_a_percentage_says_no_more_than_was_done(done: float, total: float, said: str) -> None:
    assert RUNNING_FACTS.progress
    odd = replace(RUNNING_FACTS.progress, done=done, total=total, unit="files")
    assert said in body(RESTORING, replace(RUNNING_FACTS, progress=odd))


def test_a_step_that_was_begun_anew_says_how_often() -> None:
    again = tuple(replace(record, begun=2) for record in RESTORING.work.steps)
    assert "Restoring, begun 2 times: 61 %" in body(having(RESTORING, work_steps=again), RUNNING_FACTS)


# New messages ----------------------------------------------------------------------------------


@each_card
def test_a_new_message_exists_only_when_people_must_decide_or_it_has_ended(name: str) -> None:
    run = CARDS[name][0]
    tells = run.state.final or run.state in {State.PAUSED, State.STUCK}
    assert (notice(*CARDS[name]) is not None) == tells


def test_the_end_is_told_to_the_requester_and_who_approved() -> None:
    told = notice(*CARDS["succeeded"])
    assert told is not None
    assert told.text.startswith(f"<@{ANA.id}> and <@{BEN}>: ✅")


def test_a_stuck_run_also_calls_the_contact() -> None:
    told = notice(*CARDS["stuck_restore"])
    assert told is not None
    assert "<@U01OWN>" in told.text


# What people are asked about -------------------------------------------------------------------


def doubting(do: Do) -> Run:
    n = next(step.n for step in STEPS if step.do is do)
    return ended(STUCK_UNSAID, n, Outcome.LOST)


def test_of_a_restore_people_say_which_point_is_live() -> None:
    run = doubting(Do.RESTORE)
    assert run.approval.plan is not None
    assert why_not_answer(run, run.approval.plan.point.id) is None
    for wrong in ("v1", None):
        assert why_not_answer(run, wrong) == (
            f"{run.id} goes to `{run.approval.plan.point.id}`. "
            "Say `live` and that one, `live unchanged` or `live unclear`."
        )


def test_of_maintenance_people_say_whether_it_was_done() -> None:
    run = doubting(Do.MAINTENANCE_OFF)
    assert why_not_answer(run, None) is None
    assert why_not_answer(run, "v41") == (
        f"{run.id} does not doubt what is live. Say `done` (orders is out of maintenance), "
        "`unchanged` (orders is still in maintenance) or `unclear`."
    )


@pytest.mark.parametrize(
    ("do", "done", "not_done"),
    [
        (Do.RESTORE, "02:45 UTC is live", "orders is as before"),
        (Do.MAINTENANCE_ON, "orders is in maintenance", "orders is not in maintenance"),
        (Do.MAINTENANCE_OFF, "orders is out of maintenance", "orders is still in maintenance"),
        (Do.SAVE, "the undo point of orders was saved", "no undo point of orders was saved"),
    ],
)
def test_the_answers_are_about_the_step_in_doubt(do: Do, done: str, not_done: str) -> None:
    n = next(step.n for step in STEPS if step.do is do)
    run = doubting(do)
    now = at("03:10")
    assert (answer_words(run, "point", now), answer_words(run, "unchanged", now)) == (done, not_done)
    resolved = ended(having(run, state=State.PAUSED, question_pause=Pause.AS_BEFORE), n, Outcome.FAILED)
    assert card(resolved, FACTS, now).text.startswith(f"⏸️ DECIDE: {not_done}")


STUCK_UNSAID = replace(RESTORING, state=State.STUCK)


def test_after_a_restored_backup_the_question_is_what_is_live() -> None:
    run = having(ended(STUCK_UNSAID, 2, Outcome.LOST), work_forgotten=True)
    assert answer_words(run, "point", at("03:10")) == "02:45 UTC is live"


def test_what_people_saw_of_maintenance_is_known() -> None:
    assert first_line("paused_as_before_maintenance") == "⏸️ DECIDE: orders is not in maintenance"
    assert "No maintenance was put on" in body(CARDS["paused_as_before_maintenance"][0])
    assert "Not known whether customers see maintenance" in body(CARDS["paused_maintenance_failed"][0])


def test_a_request_of_before_a_restored_backup_does_not_say_that_nothing_was_changed() -> None:
    run = having(CARDS["void"][0], work_forgotten=True, work_live=Left.UNKNOWN)
    assert card(run, FACTS, at("03:10")).text.startswith("🟥 NOT KNOWN what happened since the backup")


def test_an_undo_says_of_what() -> None:
    run, _, _ = CARDS["awaiting_undo"]
    assert run.request.purpose is Purpose.UNDO
    assert first_line("awaiting_undo") == "⏳ Undo RB-42 on orders · PRODUCTION?"


# People who come back --------------------------------------------------------------------------


def with_people(*tables: str) -> Loss:
    people = (Unit(table, 3, Change.RETURNS, personal=True) for table in tables)
    return replace(MEASURED, units=(*MEASURED.units, *people))


@pytest.mark.parametrize("run", [SUCCEEDED, FAILED_IN_MAINTENANCE], ids=["succeeded", "failed"])
def test_who_was_deleted_and_is_back_stands_at_the_end_with_the_command_that_lists_them(run: Run) -> None:
    said = body(having(run, work_loss=with_people("customers")))
    command = "rollback-bot removed RB-42 --table customers"
    assert f"⚠️ 3 deleted customers returned, erase them again: {command}" in said


@pytest.mark.parametrize(
    ("tables", "command"),
    [
        (("customers", "guests"), "rollback-bot removed RB-42"),
        (("our $(guests)",), "rollback-bot removed RB-42"),
        (("-x",), "rollback-bot removed RB-42"),
        (("g" * 41,), "rollback-bot removed RB-42"),
        (("g" * 40,), f"rollback-bot removed RB-42 --table {'g' * 40}"),
    ],
)
def test_the_command_names_a_table_that_is_one_plain_word(tables: tuple[str, ...], command: str) -> None:
    said = body(having(SUCCEEDED, work_loss=with_people(*tables)))
    assert f"erase them again: {command}" in said.splitlines()[3]
    assert said.splitlines()[3].endswith(command)


def test_nobody_has_returned_where_nothing_was_restored() -> None:
    assert "erase" not in body(having(FAILED_BEFORE, work_loss=with_people("customers")))


def test_the_dialog_of_an_approval_names_who_returns_however_much_is_lost() -> None:
    many = tuple(Unit(f"{'long' * 10}{n}", 10**9, change) for n in range(9) for change in Change)
    loss = replace(MEASURED, units=(*many, *with_people("customers").units))
    run = having(AWAITING, approval_planned=with_loss(ORDERS, loss))
    (acts,) = [block for block in card(run, FACTS, NOW).blocks if block.get("block_id") == buttons.ACTS]
    said = acts["elements"][0]["confirm"]["text"]["text"]
    assert "⚠️ 3 deleted customers return: erase them again. It starts at once. Plan 7f3a91c2." in said
    assert len(said) <= 300
