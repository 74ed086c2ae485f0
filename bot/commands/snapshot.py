"""`snapshot TARGET as of DATE [because REASON]`: copies the state as of a moment, for whoever audits."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.commands.reading import Sentence, TypedCommand, Usage, Verb, any_target, reason_of, target_at
from bot.spelling import Misunderstood, Unclear
from bot.times import day_and_time_of, moment


@dataclass(frozen=True, slots=True)
class TakeSnapshot(TypedCommand):
    target: str
    as_of: datetime  # UTC, not later than now; of a day without a time its end
    reason: str = ""


def read(sentence: Sentence) -> TakeSnapshot:
    if len(sentence.words) < 2:
        words = "Say of which target, and as of when; `targets` lists them."
        raise Unclear(words, f"snapshot {any_target(sentence)} as of {_example(sentence)}")
    target = target_at(sentence, 1)
    match [word.casefold() for word in sentence.words[2:]]:
        case ["as", "of", _, *_]:
            return TakeSnapshot(target, _as_of(sentence, target), reason_of(sentence))
        case _:
            example = sentence.retyped("snapshot", target, "as", "of", _example(sentence))
            raise Unclear("Say as of when: a day, or a day and a time.", example)


def _as_of(sentence: Sentence, target: str) -> datetime:
    typed = " ".join(sentence.words[4:])
    at = day_and_time_of(typed, sentence.now, sentence.timezone, sentence.calendar)
    if isinstance(at, Misunderstood):
        raise Unclear(at.words, sentence.retyped("snapshot", target, "as", "of", *at.example.split()))
    return at


def _example(sentence: Sentence) -> str:
    """Returns a day that is over in every zone."""
    return moment(sentence.now - timedelta(days=2)).partition(" ")[0]


SNAPSHOT = Verb(
    name="snapshot",
    yields=TakeSnapshot,
    read=read,
    help=(Usage("snapshot TARGET as of DATE [because REASON]", "copy the state of then, for an audit"),),
)
