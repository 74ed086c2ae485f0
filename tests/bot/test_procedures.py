"""From a procedure to the ordered steps of a plan."""

import pytest

from bot.configuration import Procedure, ProcedureStep, Target
from bot.model import Do, OnFailure, Phase, Step
from bot.procedures import Aside, procedure_of, steps_for, targets_of
from tests.bot.configured import MAINTENANCE, OFFLINE, ONLINE, ask, configuration, restoring, target


def steps(
    *targets: Target, undoable: tuple[str, ...] = (), touches_data: bool = True, **procedures: Procedure
) -> tuple[Step, ...]:
    """Of a plan for the first of `targets`."""
    known = configuration(*targets, procedures=procedures)
    aside = dict.fromkeys(undoable, Aside(frozenset({Do.SAVE})))
    return steps_for(known, targets[0], aside, touches_data)


def told(found: tuple[Step, ...]) -> list[tuple[Phase, Do, str]]:
    return [(step.phase, step.do, step.target) for step in found]


def test_the_default_is_the_four_phases_in_order() -> None:
    orders = target(maintenance=MAINTENANCE, checks=(OFFLINE, ONLINE))
    assert told(steps(orders, undoable=("orders",))) == [
        (Phase.PREPARE, Do.BASELINE, "orders"),
        (Phase.PREPARE, Do.MAINTENANCE_ON, "orders"),
        (Phase.PREPARE, Do.MEASURE, "orders"),
        (Phase.PREPARE, Do.SAVE, "orders"),
        (Phase.RESTORE, Do.RESTORE, "orders"),
        (Phase.VERIFY, Do.CHECK, "orders"),
        (Phase.FINISH, Do.MAINTENANCE_OFF, "orders"),
        (Phase.FINISH, Do.CHECK, "orders"),
    ]


def test_the_least_that_is_done_is_to_look_restore_and_check() -> None:
    assert [step.do for step in steps(target())] == [Do.BASELINE, Do.RESTORE, Do.CHECK]


def test_steps_are_numbered_from_one_without_a_gap() -> None:
    orders = target(maintenance=MAINTENANCE, checks=(OFFLINE, ONLINE))
    found = steps(orders, undoable=("orders",))
    assert [step.n for step in found] == list(range(1, len(found) + 1))


@pytest.mark.parametrize(
    ("maintenance", "touches_data", "measured"),
    [(True, True, True), (True, False, False), (False, True, False), (False, False, False)],
)
def test_the_loss_is_measured_again_only_behind_maintenance_and_where_data_is_touched(
    maintenance: bool, touches_data: bool, measured: bool
) -> None:
    orders = target(maintenance=MAINTENANCE if maintenance else None)
    assert (Do.MEASURE in [step.do for step in steps(orders, touches_data=touches_data)]) is measured


def test_without_online_checks_nothing_is_looked_at_after_maintenance() -> None:
    found = steps(target(maintenance=MAINTENANCE, checks=(OFFLINE,)))
    assert [step.do for step in found if step.phase is Phase.FINISH] == [Do.MAINTENANCE_OFF]


def test_what_is_saved_before_is_what_can_be_undone() -> None:
    shop = target("shop", procedure="both")
    found = steps(shop, target("search"), undoable=("search",), both=restoring("shop", "search"))
    assert [step.target for step in found if step.do is Do.SAVE] == ["search"]


def test_maintenance_is_left_in_the_reverse_order() -> None:
    shop = target("shop", maintenance=MAINTENANCE, procedure="both")
    search = target("search", maintenance=MAINTENANCE)
    found = steps(shop, search, both=restoring("shop", "search"))
    order = [(step.do, step.target) for step in found if step.do in {Do.MAINTENANCE_ON, Do.MAINTENANCE_OFF}]
    assert order == [
        (Do.MAINTENANCE_ON, "shop"),
        (Do.MAINTENANCE_ON, "search"),
        (Do.MAINTENANCE_OFF, "search"),
        (Do.MAINTENANCE_OFF, "shop"),
    ]


def test_maintenance_has_its_own_time_limits() -> None:
    found = steps(target(maintenance=MAINTENANCE))
    limits = {step.do: step.timeout for step in found}
    assert (limits[Do.MAINTENANCE_ON], limits[Do.MAINTENANCE_OFF]) == (20.0, 30.0)


def test_targets_are_restored_in_the_order_of_the_procedure() -> None:
    shop = target("shop", procedure="both")
    found = steps(shop, target("search"), both=restoring("search", None))
    assert [step.target for step in found if step.do is Do.RESTORE] == ["search", "shop"]


def test_a_target_beside_is_enough_to_look_online() -> None:
    shop = target("shop", procedure="both")
    found = steps(shop, target("search", checks=(ONLINE,)), both=restoring("shop", "search"))
    assert (found[-1].phase, found[-1].do) == (Phase.FINISH, Do.CHECK)


def test_a_restore_has_the_limit_and_the_failure_of_its_step() -> None:
    step = ProcedureStep(phase=Phase.RESTORE, timeout=60.0, on_failure=OnFailure.STOP)
    found = steps(target(procedure="quick"), quick=Procedure(steps=(step,)))
    restore = next(step for step in found if step.do is Do.RESTORE)
    assert (restore.timeout, restore.on_failure) == (60.0, OnFailure.STOP)


def test_people_are_asked_where_the_procedure_asks_and_before_anything_else_of_that_phase() -> None:
    questions = [ask(phase, f"Ready to {phase}?") for phase in Phase]
    restore = ProcedureStep(phase=Phase.RESTORE)
    careful = Procedure(steps=(questions[0], questions[1], restore, questions[2], questions[3]))
    orders = target(maintenance=MAINTENANCE, procedure="careful")
    assert [(step.phase, step.do, step.text) for step in steps(orders, careful=careful)] == [
        (Phase.PREPARE, Do.CONFIRM, "Ready to prepare?"),
        (Phase.PREPARE, Do.BASELINE, ""),
        (Phase.PREPARE, Do.MAINTENANCE_ON, ""),
        (Phase.PREPARE, Do.MEASURE, ""),
        (Phase.RESTORE, Do.CONFIRM, "Ready to restore?"),
        (Phase.RESTORE, Do.RESTORE, ""),
        (Phase.VERIFY, Do.CONFIRM, "Ready to verify?"),
        (Phase.VERIFY, Do.CHECK, ""),
        (Phase.FINISH, Do.CONFIRM, "Ready to finish?"),
        (Phase.FINISH, Do.MAINTENANCE_OFF, ""),
    ]


def test_between_two_restores_people_are_asked_between_them() -> None:
    steps_between = (
        ProcedureStep(phase=Phase.RESTORE, target="shop"),
        ask(Phase.RESTORE, "Is the shop quiet?"),
        ProcedureStep(phase=Phase.RESTORE, target="search"),
    )
    shop = target("shop", procedure="both")
    found = steps(shop, target("search"), both=Procedure(steps=steps_between))
    assert [step.do for step in found if step.phase is Phase.RESTORE] == [Do.RESTORE, Do.CONFIRM, Do.RESTORE]


def test_verify_always_ends_with_the_checks() -> None:
    careful = Procedure(steps=(ProcedureStep(phase=Phase.RESTORE), ask(Phase.VERIFY, "Looks good?")))
    found = steps(target(procedure="careful"), careful=careful)
    assert [step.do for step in found if step.phase is Phase.VERIFY] == [Do.CONFIRM, Do.CHECK]


def test_a_plan_changes_the_asked_target_first_and_each_only_once() -> None:
    shop = target("shop", procedure="both")
    known = configuration(shop, target("search"), procedures={"both": restoring("search", "shop", "search")})
    assert targets_of(known, shop) == ("shop", "search")


def test_a_question_about_another_target_changes_it_not() -> None:
    careful = Procedure(
        steps=(
            ProcedureStep(phase=Phase.RESTORE, target="search", confirm="Is search quiet?"),
            ProcedureStep(phase=Phase.RESTORE),
        )
    )
    shop = target("shop", procedure="careful")
    assert targets_of(configuration(shop, target("search"), procedures={"careful": careful}), shop) == (
        "shop",
    )


def test_a_target_without_a_procedure_is_restored_itself() -> None:
    orders = target()
    assert procedure_of(configuration(orders), orders) == restoring("orders")
