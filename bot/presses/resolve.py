"""*Say what is live…*: two people say the same about a stuck run, from which nobody else can tell."""

from collections.abc import Mapping
from datetime import datetime

from bot.envelope import Event
from bot.events import Resolved, ResolvedPoint, ResolvedUnchanged, ResolvedUnclear, ResolveProposed
from bot.model import Person, State
from bot.presses.agreement import first_word, why_not_twice
from bot.presses.press import THEM, Asks, Attempt, Click, Form, Press, Right, said
from bot.run import Matter, Run

RIGHT = Right(THEM, frozenset({State.STUCK}))
WHAT_IS_LIVE = Form("resolve", "resolve_run")
RESOLUTIONS: Mapping[str, type[Resolved]] = {
    "point": ResolvedPoint,
    "unchanged": ResolvedUnchanged,
    "unclear": ResolvedUnclear,
}


def events(run: Run, person: Person, click: Click, now: datetime) -> tuple[Event, ...]:
    agreed = click.answer in RESOLUTIONS and first_word(run, Matter.RESOLVE, click.answer) is not None
    word = RESOLUTIONS[click.answer] if agreed else ResolveProposed
    return (said(word(why=click.why, answer=click.answer), person, now),)


def why_not(attempt: Attempt) -> str | None:
    answer = attempt.click.answer
    if answer and answer not in RESOLUTIONS:
        return "Say which of the answers it is: the restore point, as before, or not clear yet."
    first = first_word(attempt.run, Matter.RESOLVE, answer)
    return why_not_twice(attempt, first, RIGHT) if first is not None else None


RESOLVE = Press(
    action_id="resolve",
    verb="say what is live for",
    right=RIGHT,
    events=events,
    why_not=why_not,
    asks=(Asks(WHAT_IS_LIVE),),
)
