"""`drills`: lists what is due between incidents, and when each target was drilled last."""

from dataclasses import dataclass

from bot.commands.reading import Sentence, TypedCommand, Usage, Verb, left_over


@dataclass(frozen=True, slots=True)
class ListDrills(TypedCommand):
    pass


def read(sentence: Sentence) -> ListDrills:
    if len(sentence.words) > 1:
        raise left_over(sentence, 1)
    return ListDrills()


DRILLS = Verb(
    name="drills",
    yields=ListDrills,
    read=read,
    help=(Usage("drills", "list which drills are due"),),
)
