"""Asks a backend what became of a step, patiently but not for ever. The engine decides what follows."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from bot.clock import Sleep
from bot.contract import Ended, Fate, Found, Operation, OutcomeUnknown, Progress, Work, answered
from bot.errors import PermanentError, TemporaryError, words_of
from bot.model import Left

ASKED_AT_MOST_TIMES = 6  # what became of a step, while its backend is unreachable
ASKED_EVERY_SECONDS = 5.0
BACKEND_ANSWERS_WITHIN_SECONDS = 60.0  # about a step; its own time when that is shorter
MAY_STILL_ARRIVE = "it has not arrived, and what was sent may still be under way"


async def find(operation: Operation, work: Work, sleep: Sleep) -> Found:
    """Returns what became of it, asked a few times before saying that nobody knows."""
    return await _patiently(operation.find, work, sleep)


async def bar(operation: Operation, work: Work, sleep: Sleep) -> Found:
    """Returns ABSENT when nothing that was sent before can land any more, else what was there first."""
    return await _patiently(operation.bar, work, sleep)


async def _patiently(ask: Callable[[Work], Awaitable[Found]], work: Work, sleep: Sleep) -> Found:
    words = ""
    for attempt in range(1, ASKED_AT_MOST_TIMES + 1):
        if attempt > 1:
            await sleep(ASKED_EVERY_SECONDS)
        try:
            return replace(await answered(ask(work), patience(work)), asked=attempt)
        except (TemporaryError, OutcomeUnknown) as problem:
            words = words_of(problem)
        except PermanentError as problem:
            return Found(Fate.UNKNOWN, words_of(problem), asked=attempt)
    return Found(Fate.UNKNOWN, words, asked=ASKED_AT_MOST_TIMES)


async def find_out_of_time(operation: Operation, work: Work, sleep: Sleep) -> Found:
    """Returns what became of it when its time is over: it may have ended in this very moment."""
    found = await find(operation, work, sleep)
    if found.fate is Fate.IN_FLIGHT:
        return Found(Fate.UNKNOWN, f"no end after {work.timeout:.0f} s", asked=found.asked)
    return found


async def poll(operation: Operation, work: Work, sleep: Sleep) -> Progress | Ended | Found | None:
    """Returns how far it is, or how it ended; Found: only looking for it could tell.

    None: no answer, and the step's own time bounds how often.
    """
    try:
        return await answered(operation.poll(work), patience(work))
    except TemporaryError:
        return None
    except (OutcomeUnknown, PermanentError):
        found = await find(operation, work, sleep)
        return None if found.fate is Fate.IN_FLIGHT else found


def as_stopped(ended: Ended, left: Left | None) -> Ended:
    """Returns the end with what stopping it has left, where it does not say so itself."""
    if ended.ok or left is None or ended.left is not Left.UNKNOWN:
        return ended
    return replace(ended, left=left)


def patience(work: Work) -> float:
    """Returns the seconds within which a question about it has to be answered."""
    return min(BACKEND_ANSWERS_WITHIN_SECONDS, work.timeout)


Furthest = dict[tuple[str, bool], float]  # how far a step has been, in each unit with and without a known end


def after(furthest: Furthest, progress: Progress) -> Progress:
    """Returns the progress with how far it has been, where that was further: nothing falls silently.

    `furthest` is kept up to date here.
    """
    if progress.far is None:
        return progress
    before = furthest.get(_measured_in(progress), progress.far)
    furthest[_measured_in(progress)] = max(before, progress.far)
    return replace(progress, furthest=before) if before > progress.far else progress


def before(shown: Progress | None) -> Furthest:
    """Returns how far a step had been when somebody else followed it, who has shown this last."""
    if shown is None or shown.far is None:
        return {}
    return {_measured_in(shown): max(shown.far, shown.furthest or 0.0)}


def _measured_in(progress: Progress) -> tuple[str, bool]:
    return progress.unit, progress.total is not None


def shown(progress: Progress) -> dict[str, Any]:
    """Returns what is stored of it, for cards."""
    told = {
        "done": progress.done,
        "total": progress.total,
        "unit": progress.unit,
        "rate": progress.rate,
        "words": progress.words,
    }
    return told if progress.furthest is None else {**told, "furthest": progress.furthest}


def seen(shown: Mapping[str, Any] | None, at: datetime) -> Progress | None:
    """Returns what was stored as `shown`; None: nothing was. `at`: of the look."""
    if not shown:
        return None
    return Progress(
        at,
        shown.get("words", ""),
        shown.get("done"),
        shown.get("total"),
        shown.get("unit", ""),
        shown.get("rate"),
        furthest=shown.get("furthest"),
    )
