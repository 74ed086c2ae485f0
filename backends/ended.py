"""How an operation stands that was started, from what was found of it: the answer to `poll`."""

from datetime import datetime

from bot.contract import Ended, Fate, Found, OutcomeUnknown, Progress
from bot.errors import words_of
from bot.model import Left


def ended(found: Found, now: datetime, error: Exception | None = None) -> Progress | Ended:
    """Returns how an operation stands that was started and is asked for. Raises OutcomeUnknown.

    Nobody at it and nothing changed: it came to nothing. `error`: why, where this process was at it.
    """
    match found.fate:
        case Fate.IN_FLIGHT:
            return Progress(now, found.words)
        case Fate.DONE | Fate.OVERTAKEN:
            left = Left.POINT if found.left is Left.UNKNOWN else found.left
            return Ended(True, left, found.words, found.made)
        case Fate.FAILED:
            return Ended(False, found.left, found.words)
        case Fate.ABSENT:
            return Ended(False, Left.BEFORE, words_of(error) if error else found.words)
        case _:
            raise OutcomeUnknown(found.words)
