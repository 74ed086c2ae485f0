"""Nothing but the command itself: opens the form."""

from dataclasses import dataclass

from bot.commands.reading import Sentence, TypedCommand, Usage, Verb, any_target
from bot.spelling import Unclear


@dataclass(frozen=True, slots=True)
class OpenModal(TypedCommand):
    pass


def read(sentence: Sentence) -> OpenModal:
    if sentence.reason is not None:
        raise Unclear("Say first what to roll back.", sentence.retyped(any_target(sentence)))
    return OpenModal()


OPEN_MODAL = Verb(
    name="",
    yields=OpenModal,
    read=read,
    help=(Usage("", "open the form; nothing happens until somebody else approves"),),
)
