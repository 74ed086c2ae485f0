"""`resolve RUN …`: says what is live, or what was done, when the bot cannot know."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.commands.reading import (
    Sentence,
    TypedCommand,
    Usage,
    Verb,
    point_of,
    quoted,
    reason_of,
    run_of,
)
from bot.model import Left
from bot.spelling import Unclear


@dataclass(frozen=True, slots=True)
class Resolve(TypedCommand):
    """Says which state is live or, for a step that is no restore, whether it was done.

    `point` is None except with POINT; there it is None for "it was done".
    """

    run: str
    live: Left
    point: str | None
    because: str


ANSWERS: Mapping[str, Left] = {"unchanged": Left.BEFORE, "unclear": Left.UNKNOWN}


def read(sentence: Sentence) -> Resolve:
    run = run_of(sentence)
    reason = reason_of(sentence)
    match [word.casefold() for word in sentence.words[2:]]:
        case ["live", answer]:
            live = ANSWERS.get(answer, Left.POINT)
            point = point_of(sentence.words[3], f"status {run}") if live is Left.POINT else None
        case ["done"]:
            live, point = Left.POINT, None
        case [answer] if answer in ANSWERS:
            live, point = ANSWERS[answer], None
        case _:
            words = "Say what is live: `live` and a restore point, or `done`, `unchanged` or `unclear`."
            raise Unclear(words, f"resolve {run} live unchanged because …")
    if not reason:
        words = "Say how you know, after `because`: somebody else must agree with it."
        raise Unclear(words, f"{' '.join(map(quoted, sentence.words))} because …")
    return Resolve(run, live, point, reason)


RESOLVE = Verb(
    name="resolve",
    yields=Resolve,
    read=read,
    help=(
        Usage(
            "resolve RUN live POINT|unchanged|unclear because REASON",
            "say what is live when the bot cannot know; two people must agree",
        ),
        Usage(
            "resolve RUN done|unchanged|unclear because REASON",
            "the same when it only cannot know whether maintenance or an undo point worked",
        ),
    ),
    press="resolve",
)
