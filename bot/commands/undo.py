"""`undo RUN [because REASON]`: asks to take a rollback back."""

from dataclasses import dataclass

from bot.commands.reading import Sentence, TypedCommand, Usage, Verb, left_over, reason_of, run_of


@dataclass(frozen=True, slots=True)
class Undo(TypedCommand):
    run: str
    reason: str = ""


def read(sentence: Sentence) -> Undo:
    run = run_of(sentence)
    if len(sentence.words) > 2:
        raise left_over(sentence, 2)
    return Undo(run, reason_of(sentence))


UNDO = Verb(
    name="undo",
    yields=Undo,
    read=read,
    help=(Usage("undo RUN [because REASON]", "ask to take a rollback back"),),
    press="undo",
)
