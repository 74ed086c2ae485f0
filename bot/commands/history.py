"""`history [TARGET]`: earlier runs."""

from dataclasses import dataclass

from bot.commands.reading import Sentence, TypedCommand, Usage, Verb, nothing_after, target_at


@dataclass(frozen=True, slots=True)
class History(TypedCommand):
    target: str | None = None  # None: of all targets


def read(sentence: Sentence) -> History:
    target = target_at(sentence, 1) if len(sentence.words) > 1 else None
    nothing_after(sentence, 2)
    return History(target)


HISTORY = Verb(
    name="history",
    yields=History,
    read=read,
    help=(Usage("history [TARGET]", "earlier runs"),),
)
