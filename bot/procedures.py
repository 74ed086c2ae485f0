"""From a target's procedure to the ordered steps of a plan. Performs nothing.

The four phases always come in order; a procedure adds human checkpoints, more targets to restore,
time limits and what a failure does.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from bot.configuration import Configuration, Procedure, ProcedureStep, Target
from bot.model import Do, OnFailure, Phase, Step, When

UNSAID_SECONDS = 900.0  # for a step where neither procedure nor backend says how long it may take


@dataclass(frozen=True, slots=True)
class _Draft:
    """A step before it has a number."""

    phase: Phase
    do: Do
    target: str
    timeout: float = UNSAID_SECONDS
    on_failure: OnFailure = OnFailure.PAUSE
    text: str = ""


def procedure_of(configuration: Configuration, target: Target) -> Procedure:
    """The target's own procedure, or the default: one restore of the target itself."""
    if target.procedure is not None:
        return configuration.procedures[target.procedure]
    return Procedure(steps=(ProcedureStep(phase=Phase.RESTORE, target=target.name),))


def targets_of(configuration: Configuration, target: Target) -> tuple[str, ...]:
    """Every target that a plan for `target` changes, the asked one first."""
    named = [
        step.target or target.name
        for step in procedure_of(configuration, target).steps
        if step.phase is Phase.RESTORE and step.confirm is None
    ]
    return tuple(dict.fromkeys((target.name, *named)))


def steps_for(
    configuration: Configuration,
    target: Target,
    undoable: Collection[str],
    touches_data: bool,
    timeouts: Mapping[str, float] | None = None,
) -> tuple[Step, ...]:
    """`undoable`: names of the targets whose present state can be saved before the restore.

    `timeouts`: seconds that a backend needs at most, by target; a procedure that names its own has the say.
    """
    names = targets_of(configuration, target)
    targets = {name: configuration.targets[name] for name in names}
    asked = procedure_of(configuration, target).steps
    drafts = [
        *_asked(asked, Phase.PREPARE, target.name),
        *_prepare(target.name, targets, undoable, touches_data, timeouts or {}),
        *_restore(asked, target.name, timeouts or {}),
        *_asked(asked, Phase.VERIFY, target.name),
        _Draft(Phase.VERIFY, Do.CHECK, target.name),
        *_asked(asked, Phase.FINISH, target.name),
        *_finish(target.name, targets),
    ]
    return tuple(
        Step(n, d.phase, d.do, d.target, d.timeout, d.on_failure, d.text)
        for n, d in enumerate(drafts, start=1)
    )


def _asked(steps: tuple[ProcedureStep, ...], phase: Phase, target: str) -> Iterator[_Draft]:
    for step in steps:
        if step.phase is phase and step.confirm is not None:
            yield _Draft(phase, Do.CONFIRM, step.target or target, text=step.confirm)


def _prepare(
    asked: str,
    targets: Mapping[str, Target],
    undoable: Collection[str],
    touches_data: bool,
    timeouts: Mapping[str, float],
) -> Iterator[_Draft]:
    yield _Draft(Phase.PREPARE, Do.BASELINE, asked)
    behind_maintenance = False
    for name, target in targets.items():
        if target.maintenance is not None:
            behind_maintenance = True
            yield _Draft(Phase.PREPARE, Do.MAINTENANCE_ON, name, target.maintenance.enter.timeout)
    if behind_maintenance and touches_data:
        yield _Draft(Phase.PREPARE, Do.MEASURE, asked)
    for name in targets:
        if name in undoable:
            yield _Draft(Phase.PREPARE, Do.SAVE, name, timeouts.get(name, UNSAID_SECONDS))


def _restore(steps: tuple[ProcedureStep, ...], asked: str, timeouts: Mapping[str, float]) -> Iterator[_Draft]:
    for step in steps:
        if step.phase is Phase.RESTORE:
            name = step.target or asked
            do = Do.RESTORE if step.confirm is None else Do.CONFIRM
            seconds = step.own_timeout or timeouts.get(name, UNSAID_SECONDS)
            yield _Draft(Phase.RESTORE, do, name, seconds, step.on_failure, step.confirm or "")


def _finish(asked: str, targets: Mapping[str, Target]) -> Iterator[_Draft]:
    for name, target in reversed(tuple(targets.items())):
        if target.maintenance is not None:
            yield _Draft(Phase.FINISH, Do.MAINTENANCE_OFF, name, target.maintenance.leave.timeout)
    if any(check.when is When.ONLINE for target in targets.values() for check in target.checks):
        yield _Draft(Phase.FINISH, Do.CHECK, asked)
