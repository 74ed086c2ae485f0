"""Which target another one may be rehearsed on: never one that people live by, nor one that leads there."""

from collections.abc import Iterator

from bot.configuration.definitions import Definitions
from bot.configuration.settings import Configuration, Target
from bot.model import Phase

LIVED_BY = frozenset({"production", "prod", "live"})


def why_no_stage(
    configuration: Configuration, definitions: Definitions, target: Target, stage: Target
) -> Iterator[str]:
    """Yields why one target is no place to rehearse another on, as far as the file says."""
    name = f"`{stage.name}`"
    if stage.name == target.name:
        yield f"{name} is the target itself. A rehearsal is on another one, that nobody lives by."
    if stage.environment.casefold() == target.environment.casefold():
        yield f"{name} is {stage.environment} as well. Name a target of another environment."
    if stage.environment.casefold() in LIVED_BY:
        yield f"{name} is {stage.environment}, which people live by. Name a target that is there for it."
    if stage.procedure is not None and stage.procedure in configuration.procedures:
        steps = configuration.procedures[stage.procedure].steps
    else:
        steps = ()
    if any(step.phase is Phase.RESTORE and step.target not in {None, stage.name} for step in steps):
        yield f"The procedure of {name} restores other targets as well. Name one that is restored alone."
    if stage.executor.type != target.executor.type:
        yield f"{name} has another kind of backend, so it shows nothing of `{target.name}`."
        return
    executor = definitions.executor(target.executor.type)
    changed = executor.changes if executor is not None else ()
    same = all(getattr(stage.executor, each) == getattr(target.executor, each) for each in changed)
    if stage.executor == target.executor or (changed and same):
        yield f"{name} changes the same as `{target.name}`. Name one that is somewhere else."
    saves_in = executor.saves_in if executor is not None else ()
    if any(getattr(stage.executor, each) == getattr(target.executor, each) for each in saves_in):
        words = f"{name} saves what it takes back among the restore points of `{target.name}`."
        yield f"{words} Give it `{'`, `'.join(saves_in)}` of its own, and copy them there."
    missing = {check.name or check.type for check in target.checks}
    missing -= {check.name or check.type for check in stage.checks}
    if missing:
        yield f"{name} lacks checks of `{target.name}`: {', '.join(sorted(missing))}. Give it the same."
