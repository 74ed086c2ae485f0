"""Asks a backend what became of a step, patiently but not for ever. The engine decides what follows."""

from dataclasses import replace
from typing import Any

from bot.clock import Sleep
from bot.contract import Fate, Found, Handle, Operation, OutcomeUnknown, Progress, Work, answered
from bot.errors import PermanentError, TemporaryError, words_of

ASKED_AT_MOST_TIMES = 6  # what became of a step, while its backend is unreachable
ASKED_EVERY_SECONDS = 5.0
BACKEND_ANSWERS_WITHIN_SECONDS = 60.0  # about a step; its own time when that is shorter


async def find(operation: Operation, work: Work, sleep: Sleep) -> Found:
    """Returns what became of it, asked a few times before saying that nobody knows."""
    words = ""
    for attempt in range(1, ASKED_AT_MOST_TIMES + 1):
        if attempt > 1:
            await sleep(ASKED_EVERY_SECONDS)
        try:
            return replace(await answered(operation.find(work), patience(work)), asked=attempt)
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


async def poll(operation: Operation, work: Work, handle: Handle, sleep: Sleep) -> Progress | Found | None:
    """Returns how far it is; Found: it is over. None: no answer, and the step's own time bounds how often."""
    try:
        return await answered(operation.poll(work, handle), patience(work))
    except TemporaryError:
        return None
    except (OutcomeUnknown, PermanentError):
        found = await find(operation, work, sleep)
        return None if found.fate is Fate.IN_FLIGHT else found


def patience(work: Work) -> float:
    """Returns the seconds within which a question about it has to be answered."""
    return min(BACKEND_ANSWERS_WITHIN_SECONDS, work.timeout)


def shown(progress: Progress) -> dict[str, Any]:
    """Returns what is stored of it, for cards."""
    return {
        "done": progress.done,
        "total": progress.total,
        "unit": progress.unit,
        "words": progress.words,
    }
