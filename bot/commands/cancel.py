"""`cancel RUN`: ends a request; a running one stops before its next step."""

from dataclasses import dataclass

from bot.commands.reading import Sentence, TypedCommand, Usage, Verb, nothing_after, run_of


@dataclass(frozen=True, slots=True)
class Cancel(TypedCommand):
    run: str


def read(sentence: Sentence) -> Cancel:
    run = run_of(sentence)
    nothing_after(sentence, 2)
    return Cancel(run)


CANCEL = Verb(
    name="cancel",
    yields=Cancel,
    read=read,
    help=(Usage("cancel RUN", "end a request; a running one stops before its next step"),),
    press="cancel",
)
