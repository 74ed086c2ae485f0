"""`status [RUN]`: what is going on, or where a run stands."""

from dataclasses import dataclass

from bot.commands.reading import Sentence, TypedCommand, Usage, Verb, nothing_after, run_of
from bot.spelling import Unclear


@dataclass(frozen=True, slots=True)
class Status(TypedCommand):
    run: str | None = None  # None: every open run


def read(sentence: Sentence) -> Status:
    if len(sentence.words) == 1:
        nothing_after(sentence, 1)
        return Status()
    if sentence.words[1].casefold() in sentence.targets:
        words = "`status` takes a run like RB-42; `history` takes a target."
        raise Unclear(words, f"history {sentence.words[1].casefold()}", "history")
    run = run_of(sentence)
    nothing_after(sentence, 2)
    return Status(run)


STATUS = Verb(
    name="status",
    yields=Status,
    read=read,
    help=(Usage("status [RUN]", "what is going on, or where a run stands"),),
)
