"""What people can press on a run: one file a press, one table, and the questions that are asked of all.

Every answer is a reason: `None` means yes, anything else can be shown to the person and is kept as
evidence. Rules about people that hold beyond a press are in `bot.policy`; where a button stands on the
card, and how a form looks, is for the views.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from bot import machine
from bot.envelope import Event
from bot.model import Person
from bot.policy import Entitled
from bot.presses.approve import APPROVE
from bot.presses.ask_again import ASK_AGAIN
from bot.presses.cancel import CANCEL
from bot.presses.continue_ import CONTINUE
from bot.presses.details import DETAILS
from bot.presses.drop_snapshot import DROP_SNAPSHOT
from bot.presses.learn import LEARN
from bot.presses.manifest import MANIFEST
from bot.presses.press import Attempt, Click, Form, Press
from bot.presses.resolve import RESOLVE
from bot.presses.retry import RETRY
from bot.presses.stamps import GO_ON, stamp
from bot.presses.stop import STOP
from bot.presses.undo import UNDO
from bot.presses.veto import VETO
from bot.run import Run

__all__ = [
    "APPROVE",
    "ASK_AGAIN",
    "CANCEL",
    "CONTINUE",
    "DETAILS",
    "DROP_SNAPSHOT",
    "LEARN",
    "MANIFEST",
    "PRESSES",
    "RESOLVE",
    "RETRY",
    "STOP",
    "UNDO",
    "VETO",
    "Attempt",
    "Click",
    "Form",
    "Press",
    "events_for",
    "forms_before",
    "forms_then",
    "stamp",
    "why_not",
]

PRESSES: Mapping[str, Press] = {  # by action id
    press.action_id: press
    for press in (
        APPROVE,
        VETO,
        CANCEL,
        CONTINUE,
        RETRY,
        STOP,
        UNDO,
        RESOLVE,
        ASK_AGAIN,
        LEARN,
        DROP_SNAPSHOT,
        MANIFEST,
        DETAILS,
    )
}


def why_not(
    press: Press, run: Run, person: Person, entitled: Entitled, click: Click, now: datetime
) -> str | None:
    """Says why this person may not press this on this run now."""
    attempt = Attempt(run, person, entitled, click, now)
    if press.for_everybody:
        return _why_not_in_this_state(press, run)
    return (
        _why_not_this_account(press, person)
        or _why_not_in_this_state(press, run)
        or _why_not_this_drawing(press, run, click)
        or press.why_not_now(attempt)
        or _why_not_without_the_right(press, run, person, entitled)
        or press.why_not(attempt)
    )


def events_for(press: Press, run: Run, person: Person, click: Click, now: datetime) -> tuple[Event, ...]:
    """Returns what a press that `why_not` let through records. Empty: it only opens something."""
    return press.events(run, person, click, now) if press.events else ()


def forms_before() -> Iterator[tuple[Press, Form]]:
    """Yields every form with a submission of its own that is asked before a press is done."""
    for press in PRESSES.values():
        yield from ((press, ask.form) for ask in press.asks if ask.form.callback_id)


def forms_then() -> Iterator[tuple[Press, Form]]:
    """Yields every form that is opened when a press is done."""
    for press in PRESSES.values():
        if press.then is not None:
            yield press, press.then


def _why_not_this_account(press: Press, person: Person) -> str | None:
    return f"You cannot {press.verb} this rollback: {person.barred}." if person.barred else None


def _why_not_in_this_state(press: Press, run: Run) -> str | None:
    if run.state in press.right.states:
        return None
    return (
        f"{run.id} is {run.state.value.replace('_', ' ')} now, so there is nothing to {press.verb}. "
        "The card shows what is possible."
    )


def _why_not_this_drawing(press: Press, run: Run, click: Click) -> str | None:
    if press.on_any_drawing or click.stamp is None or click.stamp == stamp(run):
        return None
    if _still_ends_it(press, run, click.stamp):
        return None
    return (
        f"{run.id} has moved on since this card was drawn. Look at the card again, it shows what is "
        "possible now."
    )


def _still_ends_it(press: Press, run: Run, drawn_for: str) -> bool:
    """Until the first intent a no means the same on every drawing of the card, so it is never too late."""
    return press.no is not None and drawn_for in GO_ON and machine.allows(run, press.no)


def _why_not_without_the_right(press: Press, run: Run, person: Person, entitled: Entitled) -> str | None:
    if entitled.roles(person, run) & press.right.roles:
        return None
    return f"You cannot {press.verb} {run.id}: {press.right.who_can(run, entitled)}"
