"""Looks until it is sure: when a verdict of a check is believed, and how long it is waited for.

* `passed` and `failed` are believed when seen `stable` times in a row, `every` seconds apart: one good answer
  of a service that is just coming up proves as little as one bad answer.
* `inconclusive` (nothing could be seen) is looked at again until `wait` is over.
* What changes its mind until `wait` is over was never sure: it ends `inconclusive`.

The checks of one phase are looked at side by side. What one look means is the check's own business.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import ClassVar, Protocol, TypedDict, runtime_checkable

from bot import events
from bot.clock import Clock, Sleep
from bot.contents import Contents
from bot.contract import Check, Describes, Executor, OutcomeUnknown, Work, answered
from bot.errors import PermanentError, TemporaryError, words_of
from bot.model import (
    Beside,
    Finding,
    Step,
    Verdict,
    When,
)
from bot.run import Run

CHANGED = "somebody has changed the copy since it was made, so it shows nothing: drill once more"
CONTENTS = "contents"  # the finding of what the copy of a snapshot holds
DOWN_WITHIN_SECONDS = 2.0  # for whether the target itself is up: a plan does not wait longer


@runtime_checkable
class PatientCheck(Check, Protocol):
    """A check and how long it takes to be believed."""

    @property
    def stable(self) -> int: ...

    @property
    def every(self) -> float: ...

    @property
    def wait(self) -> float: ...


@runtime_checkable
class LooksBeside(Protocol):
    """A check that can look at a copy beside its target; no check has to."""

    def beside(self, environment: Mapping[str, str]) -> PatientCheck | None:
        """Returns the same look at the copy that `environment` tells of; None: it would look elsewhere."""


@runtime_checkable
class ReachesTarget(Protocol):
    """A check that itself connects to what it looks at; no check has to.

    What it cannot see may be down. Of a program that cannot be run that says nothing.
    """

    @property
    def reaches_target(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class ChecksOfCopy:
    able: tuple[PatientCheck, ...]
    left_out: tuple[str, ...]  # names of those that cannot look at it


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """Holds what the checks of this package share. Times are in seconds."""

    when: When
    label: str | None = None  # None: the check is called after what it looks at
    stable: int = 1
    every: float = 1.0
    wait: float = 180.0
    timeout: float = 10.0  # of one look
    reaches_target: ClassVar[bool] = False


class AllHabits(TypedDict):
    """The arguments of `Habits`, as settings hand them over."""

    when: When
    label: str | None
    stable: int
    every: float
    wait: float
    timeout: float


async def look_until_sure(
    checks: Iterable[PatientCheck],
    when: When,
    before: Mapping[str, Finding],
    clock: Clock,
    sleep: Sleep,
) -> tuple[Finding, ...]:
    """One finding for each check of `when`, in their order. `before`: the baseline, by name."""
    async with asyncio.TaskGroup() as group:
        looks = [
            group.create_task(_until_sure(check, before.get(check.name), clock, sleep))
            for check in checks
            if check.when is when
        ]
    return tuple(look.result() for look in looks)


async def look_once(checks: Iterable[Check], clock: Clock) -> tuple[Finding, ...]:
    """The baseline: what stands there before anything is touched, judged by nobody."""
    async with asyncio.TaskGroup() as group:
        looks = [group.create_task(check.look(None, clock())) for check in checks]
    return tuple(replace(look.result(), verdict=None) for look in looks)


async def is_down(checks: Iterable[Check], clock: Clock) -> bool:
    """Returns whether no check that reaches for the target sees anything at all: down, not merely bad.

    A rollback is no failover.
    """
    reaching = [check for check in checks if isinstance(check, ReachesTarget) and check.reaches_target]
    try:
        async with asyncio.timeout(DOWN_WITHIN_SECONDS):
            findings = await look_once(reaching, clock)
    except TimeoutError:
        return False
    return bool(findings) and all(finding.value is None for finding in findings)


async def arrived(executor: Executor, target: str, work: Work) -> tuple[Finding, ...]:
    """Returns what the backend itself says about having arrived; without an answer it is inconclusive."""
    try:
        return await answered(executor.verify(work), work.timeout)
    except (PermanentError, TemporaryError, OutcomeUnknown) as problem:
        words = words_of(problem)
        return (Finding(f"{target} arrived", When.OFFLINE, Verdict.INCONCLUSIVE, words=words),)


async def described(executor: Executor, work: Work, known: Contents | None) -> tuple[Finding, ...]:
    """Returns what a copy holds, compared with what it held at first. Empty: its backend does not say.

    `known`: what it held then; None: it is described for the first time.
    """
    if not isinstance(executor, Describes):
        return ()
    try:
        now = await answered(executor.describe(work), work.timeout)
    except (PermanentError, TemporaryError, OutcomeUnknown) as problem:
        words = words_of(problem)
        return (Finding(CONTENTS, When.OFFLINE, Verdict.INCONCLUSIVE, before=known, words=words),)
    if now is None:
        return ()
    differs = _difference(known, now) if known is not None else ""
    verdict = Verdict.FAILED if differs else Verdict.PASSED
    words = differs or f"{len(now.tables)} {'table' if len(now.tables) == 1 else 'tables'}"
    return (Finding(CONTENTS, When.OFFLINE, verdict, now, known, words, arrived=True),)


def _difference(known: Contents, now: Contents) -> str:
    """Returns the first thing that differs; empty: nothing does."""
    for name in sorted(known.tables.keys() | now.tables.keys()):
        if known.tables.get(name) != now.tables.get(name):
            return f"{name} is not what it was when the copy was made"
    return "" if known.schema == now.schema else "the schema is not what it was when the copy was made"


def not_looked_at(run: Run, step: Step, why: str) -> events.ChecksInconclusive:
    """Returns what is written of the copy of a snapshot that nobody could look at."""
    unseen = Finding(CONTENTS, When.OFFLINE, Verdict.INCONCLUSIVE, before=contents_of(run), words=why)
    return events.ChecksInconclusive(step.n, (unseen,), why)


def contents_of(run: Run) -> Contents | None:
    """Returns what the copy of a snapshot held when it was made; None: it was not described yet."""
    found = next((finding for finding in run.work.findings if finding.name == CONTENTS), None)
    if found is None:
        return None
    first = found.value if found.before is None else found.before
    return first if isinstance(first, Contents) else None


def of_copy(
    before: Sequence[Finding], seen: Sequence[Finding], after: Sequence[Finding]
) -> tuple[Finding, ...]:
    """Returns what was found out about a copy: what its backend says of it, and what the checks have `seen`.

    `before` and `after` the checks the backend says whether it is still what was made. If it is not, nothing
    that was seen says anything of its restore point, neither good nor bad.
    """
    changed = {finding.name for finding in after if finding.arrived and finding.verdict is Verdict.FAILED}
    if not changed:
        return (*before, *seen)
    doubted = (replace(finding, verdict=Verdict.INCONCLUSIVE) for finding in (*after, *seen))
    return tuple(replace(f, words=CHANGED) if f.name in changed else f for f in doubted)


async def environment_of(executor: Executor, work: Work) -> Mapping[str, str]:
    """Returns what checks are told of the copy that `work` has made; empty: nobody can tell where it is."""
    try:
        made = (await answered(executor.find(work), work.timeout)).made
    except (PermanentError, TemporaryError, OutcomeUnknown):
        return {}
    return made.environment if isinstance(made, Beside) else {}


async def _until_sure(check: PatientCheck, before: Finding | None, clock: Clock, sleep: Sleep) -> Finding:
    deadline = clock() + timedelta(seconds=check.wait)
    verdict, in_a_row = None, 0
    while True:
        finding = await check.look(before, clock())
        in_a_row = in_a_row + 1 if finding.verdict is verdict else 1
        verdict = finding.verdict
        if verdict is not Verdict.INCONCLUSIVE and in_a_row >= check.stable:
            return finding
        if clock() + timedelta(seconds=check.every) > deadline:
            return finding if verdict is Verdict.INCONCLUSIVE else _unsure(finding, in_a_row, check)
        await sleep(check.every)


def _unsure(finding: Finding, in_a_row: int, check: PatientCheck) -> Finding:
    words = f"{finding.verdict} only {in_a_row} of {check.stable} times in a row within {check.wait:g} s"
    return replace(finding, verdict=Verdict.INCONCLUSIVE, words=f"{words}: {finding.words}")


def judged(step: Step, findings: Sequence[Finding]) -> events.Checked:
    """Returns what the findings mean together: one that failed counts more than one that saw nothing."""
    verdicts = {finding.verdict for finding in findings}
    bad = "; ".join(f"{f.name}: {f.words or f.value}" for f in findings if f.verdict is not Verdict.PASSED)
    if Verdict.FAILED in verdicts:
        return events.ChecksFailed(step.n, tuple(findings), bad)
    if Verdict.INCONCLUSIVE in verdicts:
        return events.ChecksInconclusive(step.n, tuple(findings), bad)
    return events.ChecksPassed(step.n, tuple(findings))
