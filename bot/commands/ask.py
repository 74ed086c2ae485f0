"""`TARGET [to POINT|before TIME] [because REASON]`: asks for a rollback."""

from dataclasses import dataclass
from datetime import datetime

from bot.commands.reading import (
    Sentence,
    TypedCommand,
    Usage,
    Verb,
    left_over,
    point_of,
    reason_of,
    target_at,
)
from bot.spelling import Misunderstood, Unclear
from bot.times import CLOCK, time_of


@dataclass(frozen=True, slots=True)
class Ask(TypedCommand):
    """Roll `target` back. At most one of `point` and `before` is set; neither: choose in the modal."""

    target: str
    point: str | None = None  # as typed
    before: datetime | None = None  # UTC, not later than now
    reason: str = ""


def read(sentence: Sentence) -> Ask:
    target = target_at(sentence, 0, verbs=True)
    reason = reason_of(sentence)
    match [word.casefold() for word in sentence.words[1:]]:
        case []:
            return Ask(target, reason=reason)
        case ["to"]:
            words = "Say which restore point to go to; `points` lists them."
            raise Unclear(words, f"points {target}")
        case ["to", point] if CLOCK.fullmatch(point):  # no backend names its points so
            words = f"`{point}` looks like a time. Write `before` for a time and `to` for a restore point."
            raise Unclear(words, sentence.retyped(target, "before", point))
        case ["to", _]:
            return Ask(target, point=point_of(sentence.words[2], f"points {target}"), reason=reason)
        case ["to", *_]:
            raise left_over(sentence, 3)
        case ["before"]:
            raise Unclear("Say before when.", sentence.retyped(target, "before", "14:05"))
        case ["before", *_]:
            return Ask(target, before=_before(sentence, target), reason=reason)
    raise left_over(sentence, 1)


def _before(sentence: Sentence, target: str) -> datetime:
    at = time_of(" ".join(sentence.words[2:]), sentence.now, sentence.timezone)
    if isinstance(at, Misunderstood):
        raise Unclear(at.words, sentence.retyped(target, "before", *at.example.split()))
    return at


ASK = Verb(
    name="",
    yields=Ask,
    read=read,
    help=(Usage("TARGET [to POINT|before TIME] [because REASON]", "ask for a rollback"),),
)
