"""`points TARGET`: what a target can go back to."""

from dataclasses import dataclass

from bot.commands.reading import Sentence, TypedCommand, Usage, Verb, any_target, nothing_after, target_at
from bot.spelling import Unclear


@dataclass(frozen=True, slots=True)
class ListPoints(TypedCommand):
    target: str


def read(sentence: Sentence) -> ListPoints:
    if len(sentence.words) == 1:
        raise Unclear("Say of which target.", f"points {any_target(sentence)}")
    target = target_at(sentence, 1)
    nothing_after(sentence, 2)
    return ListPoints(target)


POINTS = Verb(
    name="points",
    yields=ListPoints,
    read=read,
    help=(Usage("points TARGET", "what a target can go back to"),),
)
