"""One grammar for the slash command and the mention: text to a command, or to what was misunderstood.

One file a command, one table. Pure: what is known comes in as arguments. Nothing is guessed: a name that is
nearly right is asked about. Texts leave out the command's own name, which is configurable and absent in a
mention. Times are in the person's own zone; who may do what, and whether a point exists, is for others.
"""

from collections.abc import Collection
from datetime import datetime

from bot.commands.ask import ASK, Ask
from bot.commands.cancel import CANCEL, Cancel
from bot.commands.drill import DRILL, StartDrill
from bot.commands.drills import DRILLS, ListDrills
from bot.commands.help_ import HELP, Help
from bot.commands.history import HISTORY, History
from bot.commands.open_modal import OPEN_MODAL, OpenModal
from bot.commands.points import POINTS, ListPoints
from bot.commands.reading import (
    KEYWORDS,
    LONGEST_REASON_CHARACTERS,
    Sentence,
    TypedCommand,
    any_target,
    split,
)
from bot.commands.resolve import RESOLVE, Resolve
from bot.commands.snapshot import SNAPSHOT, TakeSnapshot
from bot.commands.status import STATUS, Status
from bot.commands.targets import TARGETS, ListTargets
from bot.commands.undo import UNDO, Undo
from bot.spelling import Misunderstood, Unclear

__all__ = [
    "HELP_ROWS",
    "KEYWORDS",
    "LATER",
    "LONGEST_REASON_CHARACTERS",
    "NOW",
    "RESERVED",
    "VERBS",
    "Ask",
    "Cancel",
    "Help",
    "History",
    "ListDrills",
    "ListPoints",
    "ListTargets",
    "OpenModal",
    "Resolve",
    "StartDrill",
    "Status",
    "TakeSnapshot",
    "TypedCommand",
    "Undo",
    "parse",
]

VERBS = (  # in the order of the help
    OPEN_MODAL,
    ASK,
    POINTS,
    TARGETS,
    STATUS,
    HISTORY,
    CANCEL,
    UNDO,
    RESOLVE,
    DRILL,
    DRILLS,
    SNAPSHOT,
    HELP,
)
HELP_ROWS = tuple(usage for verb in VERBS for usage in verb.help)
NOW = frozenset(verb.name for verb in VERBS if verb.name)
LATER = frozenset({"freeze", "break-glass", "report"})
RESERVED = NOW | LATER | KEYWORDS  # no target may be named so
_READERS = {verb.name: verb.read for verb in VERBS if verb.name}


def parse(
    text: str, known_targets: Collection[str], now: datetime, timezone: str, calendar: str = "UTC"
) -> TypedCommand | Misunderstood:
    """Returns what `text`, plain and in one line, asks for. `now` is aware.

    `timezone` is the person's, `calendar` the zone in which days begin for everybody.
    """
    words, reason = split(text)
    try:
        return _command(Sentence(words, reason, known_targets, tuple(_READERS), now, timezone, calendar))
    except Unclear as unclear:
        return unclear.misunderstood


def _command(sentence: Sentence) -> TypedCommand:
    if not sentence.words:
        return OPEN_MODAL.read(sentence)
    verb = sentence.words[0].casefold()
    if verb in _READERS:
        return _READERS[verb](sentence)
    if verb in LATER:
        raise Unclear(f"`{verb}` does not work yet.", "help")
    if verb in KEYWORDS:
        example = sentence.retyped(any_target(sentence), *sentence.words)
        raise Unclear(f"Say what to roll back, and then `{verb}`.", example)
    return ASK.read(sentence)
