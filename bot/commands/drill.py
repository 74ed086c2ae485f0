"""`drill TARGET [POINT] [because REASON]`: walks the way back on a copy."""

from dataclasses import dataclass

from bot.commands.reading import (
    Sentence,
    TypedCommand,
    Usage,
    Verb,
    any_target,
    left_over,
    point_of,
    reason_of,
    target_at,
)
from bot.spelling import Unclear


@dataclass(frozen=True, slots=True)
class StartDrill(TypedCommand):
    target: str
    point: str | None = None  # as typed; None: one is drawn
    reason: str = ""


def read(sentence: Sentence) -> StartDrill:
    if len(sentence.words) < 2:
        raise Unclear("Say of which target; `targets` lists them.", f"drill {any_target(sentence)}")
    target = target_at(sentence, 1)
    if len(sentence.words) > 3:
        raise left_over(sentence, 3)
    point = point_of(sentence.words[2], f"points {target}") if len(sentence.words) == 3 else None
    return StartDrill(target, point, reason_of(sentence))


DRILL = Verb(
    name="drill",
    yields=StartDrill,
    read=read,
    help=(Usage("drill TARGET [POINT] [because REASON]", "try the way back on a copy beside it"),),
)
