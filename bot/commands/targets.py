"""`targets`: what can be taken back."""

from dataclasses import dataclass

from bot.commands.reading import Sentence, TypedCommand, Usage, Verb, nothing_after


@dataclass(frozen=True, slots=True)
class ListTargets(TypedCommand):
    pass


def read(sentence: Sentence) -> ListTargets:
    nothing_after(sentence, 1)
    return ListTargets()


TARGETS = Verb(
    name="targets",
    yields=ListTargets,
    read=read,
    help=(Usage("targets", "what can be taken back"),),
)
