"""Whether each target answers, lets us in, and could be taken back now within its objective."""

import asyncio
from dataclasses import dataclass, replace

from bot.configuration import Target
from bot.contract import Examines, OutcomeUnknown, Trouble
from bot.errors import ConfigurationError, PermanentError, TemporaryError, UserError, words_of
from bot.model import Goal, LossQuality, Plan, Points
from bot.planner import EVERY_POINT, Executors, Planner
from bot.views.words import duration
from handlers.cli.doctor.results import Result, fail, ok, warn
from handlers.cli.endings import ending
from handlers.cli.reading import TARGET_ANSWERS_WITHIN_SECONDS, suggested

WHAT_BACKENDS_SAY = (PermanentError, TemporaryError, OutcomeUnknown, UserError)


@dataclass(frozen=True, slots=True)
class Examined:
    results: tuple[Result, ...]
    needed: int  # approvals besides the requester's


async def examine(target: Target, planner: Planner | None, executors: Executors) -> Examined:
    """Plans as a request would, then lets the backend look closer at itself where it can.

    `planner` None: only points can be read.
    """
    examined = await _answers(target, planner, executors)
    said = " ".join(result.words for result in examined.results)
    closer = [result for result in await _closer(target, executors) if result.words not in said]
    return replace(examined, results=(*examined.results, *closer))


async def _answers(target: Target, planner: Planner | None, executors: Executors) -> Examined:
    """Goes to the newest earlier point."""
    name = f"target {target.name}"
    try:
        async with asyncio.timeout(TARGET_ANSWERS_WITHIN_SECONDS):
            listed = await executors.executor(target.name).points(EVERY_POINT)
            return await _planned(target, planner, listed)
    except TimeoutError:
        result = fail(
            name, f"no answer within {TARGET_ANSWERS_WITHIN_SECONDS:.0f} s. Look whether its backend is up."
        )
    except ConfigurationError as problem:
        result = fail(name, " ".join(problem.problems))
    except WHAT_BACKENDS_SAY as problem:
        result = fail(name, f"{_stopped(words_of(problem))} Look at it from this machine.")
    except Exception as problem:  # noqa: BLE001 - a fault of ours with one target hides none of the rest
        result = fail(name, ending(problem).words)
    return Examined((result,), target.approval.quorum)


async def _closer(target: Target, executors: Executors) -> tuple[Result, ...]:
    """Changes nothing, and has a time of its own. An executor that cannot be built has had its line."""
    name = f"target {target.name}"
    try:
        async with asyncio.timeout(TARGET_ANSWERS_WITHIN_SECONDS):
            executor = executors.executor(target.name)
            troubles = await executor.examine() if isinstance(executor, Examines) else ()
            troubles = (*troubles, *await _hand_over(target, executors))
            return tuple(_result(name, trouble) for trouble in troubles)
    except ConfigurationError:
        return ()
    except TimeoutError:
        waited = f"{TARGET_ANSWERS_WITHIN_SECONDS:.0f} s"
        return (warn(name, f"looking closer took more than {waited}. Look how long its programs take."),)
    except WHAT_BACKENDS_SAY as problem:
        return (fail(name, _stopped(words_of(problem))),)
    except Exception as problem:  # noqa: BLE001 - a fault of ours with one target hides none of the rest
        return (fail(name, ending(problem).words),)


async def _hand_over(target: Target, executors: Executors) -> tuple[Trouble, ...]:
    try:
        reason = await executors.why_no_hand_over(target.name)
    except ConfigurationError as problem:
        reason = " ".join(problem.problems)
    return (Trouble(f"Snapshots cannot be handed over. {reason}"),) if reason else ()


def _result(name: str, trouble: Trouble) -> Result:
    return (fail if trouble.serious else warn)(name, _stopped(trouble.words))


async def _planned(target: Target, planner: Planner | None, listed: Points) -> Examined:
    name, quorum = f"target {target.name}", target.approval.quorum
    answers = f"{len(listed.points)} restore points"
    if planner is None:
        return Examined((ok(name, answers),), quorum)
    try:
        point = await suggested(target.name, listed, planner)
    except UserError as reason:
        return Examined((warn(name, f"{reason} Take one, or see why there is none."),), quorum)
    plan = await planner.plan(target, Goal(point=point))
    if plan.blockers:
        return Examined((fail(name, f"it could not go back now: {' '.join(plan.blockers)}"),), quorum)
    if plan.point.at is not None:
        answers += f", the newest earlier one {duration((plan.made_at - plan.point.at).total_seconds())} old"
    surprises = [warn(name, _stopped(words)) for words in plan.warnings]
    return Examined((ok(name, answers), *surprises, *freshness(plan)), plan.approvals_needed)


def freshness(plan: Plan) -> tuple[Result, ...]:
    """Nothing to say where no RPO is declared, or no data is touched."""
    if plan.rpo is None or plan.loss.quality is LossQuality.NONE:
        return ()
    name, goal = f"freshness of {plan.target}", f"the RPO is {duration(plan.rpo)}"
    seconds = plan.loss.window(plan.made_at)
    if seconds is None:
        return (warn(name, f"{goal}, and what going back would lose is not known. Measure or declare it."),)
    window = duration(seconds)
    if plan.within_rpo:
        return (ok(name, f"going back now would lose {window}, {goal}"),)
    return (warn(name, f"going back now would lose {window}, {goal}. Take a restore point."),)


def _stopped(words: str) -> str:
    return words if words.endswith((".", "!", "?")) else f"{words}."
