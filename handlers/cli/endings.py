"""How a command ends: every error is one plain message with an exit code, never a traceback.

0 done, or yes. 1 the answer is no: refused, failed, no such run. 2 usage or configuration. 3 something that
is needed is unreachable or locked. A fault of ours ends with 3 as well: no answer was found, so none is said.
"""

import traceback
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from bot.errors import ConfigurationError, PermanentError, TemporaryError, UserError, words_of


class Code(IntEnum):
    YES = 0
    NO = 1
    USAGE = 2
    UNREACHABLE = 3


@dataclass(frozen=True, slots=True)
class ExitReason:
    code: Code
    words: str


def ending(problem: Exception) -> ExitReason:
    match problem:
        case ConfigurationError():
            return ExitReason(Code.USAGE, words_of(problem))
        case UserError():
            return ExitReason(Code.NO, words_of(problem))
        case TemporaryError():
            return ExitReason(Code.UNREACHABLE, words_of(problem))
        case TimeoutError():
            return ExitReason(Code.UNREACHABLE, str(problem) or "It took too long. Try again in a moment.")
    return _of_what_was_used(problem)


def _of_what_was_used(problem: Exception) -> ExitReason:
    """Imported here: whoever ends well needs none of it."""
    from sqlalchemy.exc import DBAPIError

    from bot.contract import Denied, OutcomeUnknown, TargetMissing
    from storage.database import Locked

    match problem:
        case TargetMissing() | Denied() | OutcomeUnknown():
            return ExitReason(Code.UNREACHABLE, words_of(problem))
        case PermanentError():
            return ExitReason(Code.NO, words_of(problem))
        case Locked():
            advice = "Stop it first, or set ROLLBACK_STATE_DIR to another folder."
            return ExitReason(Code.UNREACHABLE, f"{_capital(str(problem))}. {advice}")
        case DBAPIError():
            advice = "`rollback-bot doctor` looks at the database; try again in a moment."
            return ExitReason(Code.UNREACHABLE, f"The database cannot be used: {problem.orig}. {advice}")
        case OSError():
            said = problem.strerror or words_of(problem)
            of = f"{problem.filename}: " if isinstance(problem.filename, str) else ""
            return ExitReason(Code.UNREACHABLE, f"{of}{said}. Make it available, then try again.")
    return ExitReason(Code.UNREACHABLE, _our_fault(problem))


def _our_fault(problem: Exception) -> str:
    from handlers.cli.logs import TOKENS

    place = traceback.extract_tb(problem.__traceback__)[-1:]
    where = "".join(f" ({Path(frame.filename).name}, line {frame.lineno})" for frame in place)
    said = TOKENS.sub("***", " ".join(str(problem).split()))
    return f"A fault of rollback-bot: {type(problem).__name__}: {said}{where}. Please report this line."


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
