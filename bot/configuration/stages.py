"""Which target another one may be rehearsed on: never one that people live by, nor one that leads there."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from bot.configuration.definitions import Definitions
from bot.configuration.settings import CheckSettings, Configuration, Target
from bot.configuration.values import Settings
from bot.model import Phase

LIVED_BY = frozenset({"production", "prod", "prd", "live"})  # one of these words in the name is enough
MAY_DIFFER = frozenset({"url", "argv", "environment", "headers", "ca"})  # of a check: where it looks
MAY_DIFFER |= {"timeout", "every", "wait", "stable"}


def is_lived_by(environment: str) -> bool:
    """Whether people live by what is there, as far as its name says."""
    return not LIVED_BY.isdisjoint(re.split(r"[^a-z]+", environment.casefold()))


def lived_by(configuration: Configuration, target: Target) -> Iterator[Target]:
    """Yields the target that is rehearsed for, and whatever else must not be touched by a rehearsal of it."""
    for each in configuration.targets.values():
        if each.name == target.name or _same(each, target) or is_lived_by(each.environment):
            yield each


def _same(one: Target, other: Target) -> bool:
    return one.environment.strip().casefold() == other.environment.strip().casefold()


def why_no_stage(
    configuration: Configuration, definitions: Definitions, target: Target, stage: Target
) -> Iterator[str]:
    """Yields why one target is no place to rehearse another on, as far as the file says."""
    name = f"`{stage.name}`"
    if stage.name == target.name:
        yield f"{name} is the target itself. A rehearsal is on another one, that nobody lives by."
        return
    if _same(stage, target):
        yield f"{name} is {stage.environment} as well. Name a target of another environment."
    if is_lived_by(stage.environment):
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
    for other in lived_by(configuration, target):
        if other.name != stage.name:
            yield from _why_it_touches(definitions, other, stage)
    yield from _why_it_shows_less(target, stage)


def _why_it_touches(definitions: Definitions, other: Target, stage: Target) -> Iterator[str]:
    name = f"`{stage.name}`"
    if stage.executor.type == other.executor.type:
        executor = definitions.executor(other.executor.type)
        changes = executor.changes if executor is not None else ()
        if _leads_to(stage.executor, changes) == _leads_to(other.executor, changes):
            yield f"{name} changes the same as `{other.name}`. Name one that is somewhere else."
        saves_in = executor.saves_in if executor is not None else ()
        if saves_in and _leads_to(stage.executor, saves_in) == _leads_to(other.executor, saves_in):
            words = f"{name} saves what it takes back among the restore points of `{other.name}`."
            yield f"{words} Give it `{'`, `'.join(saves_in)}` of its own, and copy them there."
    if stage.maintenance is not None and other.maintenance is not None:
        ours, theirs = (
            [(call.argv, call.environment) for call in (each.enter, each.leave)]
            for each in (stage.maintenance, other.maintenance)
        )
        if any(call in theirs for call in ours):
            yield f"{name} has the `maintenance` of `{other.name}`: customers would see it. Give it its own."


def _leads_to(settings: Settings, named: tuple[str, ...]) -> list[Any]:
    """Returns what these settings lead to; with none named, by which programs all of it is done."""
    if named:
        return [_plain(getattr(settings, each)) for each in named]
    programs = (getattr(settings, each) for each in ("restore", "prepare"))
    return [*(getattr(each, "argv", None) for each in programs), getattr(settings, "environment", None)]


def _plain(value: Any) -> Any:
    """Returns a path without detours: `./a/` and `b/../a` are `a`. Links are for the backend to see."""
    if not isinstance(value, str) or "://" in value:
        return value
    parts: list[str] = []
    for part in PurePosixPath(value).parts:
        if part == ".." and parts and parts[-1] not in {"..", "/"}:
            parts.pop()
        else:
            parts.append(part)
    return parts


def _why_it_shows_less(target: Target, stage: Target) -> Iterator[str]:
    """A rehearsal shows what its checks look at, so they have to ask the same of the other place."""
    name, there = f"`{stage.name}`", {_called(check): check for check in stage.checks}
    missing = sorted({_called(check) for check in target.checks} - there.keys())
    if missing:
        yield f"{name} lacks checks of `{target.name}`: {', '.join(missing)}. Give it the same."
    for check in target.checks:
        other = there.get(_called(check), check)
        if other is not check and _asks(other) != _asks(check):
            yield f"The check {_called(check)} of {name} asks something else than that of `{target.name}`."
        url = getattr(check, "url", None)
        if other is not check and url is not None and getattr(other, "url", None) == url:
            yield f"The check {_called(check)} of {name} looks at `{target.name}`: its `url` is the same."


def _called(check: CheckSettings) -> str:
    return check.name or check.type


def _asks(check: CheckSettings) -> dict[str, Any]:
    return check.model_dump(exclude=set(MAY_DIFFER))
