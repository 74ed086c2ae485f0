"""From a target's procedure to the ordered steps of a plan. Performs nothing.

The four phases always come in order; a procedure adds human checkpoints, more targets to restore,
time limits and what a failure does.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from bot.configuration import HANDED_OVER, Configuration, HandOver, Procedure, ProcedureStep, Target
from bot.model import Do, OnFailure, Phase, Step, When

SUPERVISED_SECONDS = 60.0  # until the supervisor of a program that is out of time says how it ended
UNSAID_SECONDS = 900.0  # for a step where neither procedure nor backend says how long it may take


@dataclass(frozen=True, slots=True)
class Aside:
    """Says what a plan makes beside one of its targets, and what the target's backend says of its time."""

    makes: frozenset[Do] = frozenset()  # PREPARE, SAVE
    drops: frozenset[Do] = frozenset()  # which of them are dropped again when nobody needs them any more
    timeouts: Mapping[Do, float] = field(default_factory=dict)  # seconds; a procedure's own has the say

    def seconds(self, do: Do) -> float:
        return self.timeouts.get(do, UNSAID_SECONDS)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A step before it has a number."""

    phase: Phase
    do: Do
    target: str
    timeout: float = UNSAID_SECONDS
    on_failure: OnFailure = OnFailure.PAUSE
    text: str = ""
    drops: Do | None = None


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
    aside: Mapping[str, Aside],
    touches_data: bool,
    *,
    offline_first: bool = False,
) -> tuple[Step, ...]:
    """`aside`: by target; of what is not in it nothing is made beside the target.

    `offline_first`: customers see maintenance while the copies are made, so that nothing more is written.
    """
    names = targets_of(configuration, target)
    sides = [(name, aside.get(name, Aside())) for name in names]
    targets = {name: configuration.targets[name] for name in names}
    asked, copies = procedure_of(configuration, target).steps, tuple(_makes(Do.PREPARE, sides))
    drafts = [
        *_asked(asked, Phase.PREPARE, target.name),
        *(() if offline_first else copies),
        *_maintenance_on(target.name, targets),
        *(copies if offline_first else ()),
        *_measure(target.name, targets, touches_data),
        *_makes(Do.SAVE, sides),
        *_restore(asked, target.name, dict(sides)),
        *_asked(asked, Phase.VERIFY, target.name),
        _Draft(Phase.VERIFY, Do.CHECK, target.name),
        *_asked(asked, Phase.FINISH, target.name),
        *_finish(target.name, targets),
        *_drops(sides),
    ]
    return _numbered(drafts)


def _numbered(drafts: Iterable[_Draft]) -> tuple[Step, ...]:
    return tuple(
        Step(n, d.phase, d.do, d.target, d.timeout, d.on_failure, d.text, d.drops)
        for n, d in enumerate(drafts, start=1)
    )


def steps_beside(target: str, aside: Aside, to: HandOver | None = None) -> tuple[Step, ...]:
    """A copy beside, a look at it, `to` whom it is handed over, and its end.

    What fails ends the run: nobody has to decide.
    """
    given = [] if to is None else [_hand_over(target, to)]
    drafts = [
        _Draft(Phase.RESTORE, Do.PREPARE, target, aside.seconds(Do.PREPARE)),
        _Draft(Phase.VERIFY, Do.CHECK, target),
        *given,
        *_drops([(target, aside)]),
    ]
    return _numbered([replace(draft, on_failure=OnFailure.STOP) for draft in drafts])


def _hand_over(target: str, to: HandOver) -> _Draft:
    seconds = to.timeout + SUPERVISED_SECONDS
    return _Draft(Phase.FINISH, Do.HAND_OVER, target, seconds, text=receiver(to))


def receiver(to: HandOver) -> str:
    """Returns who gets a copy, as approvers are told: an account, or by which program."""
    if to.argv is not None:
        said = [argument for argument in to.argv[1:] if argument not in HANDED_OVER]
        return " ".join(["by", PurePath(to.argv[0]).name, *said])
    return f"to {to.owner}" if to.owner else "to a folder of the account that the bot runs under"


def steps_of_look(target: str) -> tuple[Step, ...]:
    """A look whether a rollback could begin now, and nothing else."""
    return _numbered([_Draft(Phase.VERIFY, Do.CHECK, target, on_failure=OnFailure.STOP)])


def steps_of_backup(target: str, aside: Aside) -> tuple[Step, ...]:
    """Returns steps that save what is live, look into it and drop it after its days. Nobody has to decide."""
    drafts = [
        *_makes(Do.SAVE, [(target, aside)]),
        *_makes(Do.PREPARE, [(target, aside)], Phase.RESTORE),
        _Draft(Phase.VERIFY, Do.CHECK, target),
        *_drops([(target, aside)]),
    ]
    return _numbered([replace(draft, on_failure=OnFailure.STOP) for draft in drafts])


def _asked(steps: tuple[ProcedureStep, ...], phase: Phase, target: str) -> Iterator[_Draft]:
    for step in steps:
        if step.phase is phase and step.confirm is not None:
            yield _Draft(phase, Do.CONFIRM, step.target or target, text=step.confirm)


def _makes(do: Do, sides: Iterable[tuple[str, Aside]], phase: Phase = Phase.PREPARE) -> Iterator[_Draft]:
    for name, aside in sides:
        if do in aside.makes:
            yield _Draft(phase, do, name, aside.seconds(do))


def _maintenance_on(asked: str, targets: Mapping[str, Target]) -> Iterator[_Draft]:
    yield _Draft(Phase.PREPARE, Do.BASELINE, asked)
    for name, target in targets.items():
        if target.maintenance is not None:
            yield _Draft(Phase.PREPARE, Do.MAINTENANCE_ON, name, target.maintenance.enter.timeout)


def _measure(asked: str, targets: Mapping[str, Target], touches_data: bool) -> Iterator[_Draft]:
    behind_maintenance = any(target.maintenance is not None for target in targets.values())
    if behind_maintenance and touches_data:
        yield _Draft(Phase.PREPARE, Do.MEASURE, asked)


def _restore(steps: tuple[ProcedureStep, ...], asked: str, sides: Mapping[str, Aside]) -> Iterator[_Draft]:
    for step in steps:
        if step.phase is Phase.RESTORE:
            name = step.target or asked
            do = Do.RESTORE if step.confirm is None else Do.CONFIRM
            seconds = step.own_timeout or sides[name].seconds(Do.RESTORE)
            yield _Draft(Phase.RESTORE, do, name, seconds, step.on_failure, step.confirm or "")


def _finish(asked: str, targets: Mapping[str, Target]) -> Iterator[_Draft]:
    for name, target in reversed(tuple(targets.items())):
        if target.maintenance is not None:
            yield _Draft(Phase.FINISH, Do.MAINTENANCE_OFF, name, target.maintenance.leave.timeout)
    if any(check.when is When.ONLINE for target in targets.values() for check in target.checks):
        yield _Draft(Phase.FINISH, Do.CHECK, asked)


def _drops(sides: Iterable[tuple[str, Aside]]) -> Iterator[_Draft]:
    """Yields the end of what this run makes: people approve it, and it is done when the run is over."""
    for name, aside in sides:
        for made in (Do.PREPARE, Do.SAVE):
            if made in aside.drops:
                yield _Draft(Phase.FINISH, Do.DROP, name, aside.seconds(Do.DROP), drops=made)
