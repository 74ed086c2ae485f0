"""Stamps: which state of a run a button was drawn for, so that a click on an older card is noticed."""

from bot.model import State
from bot.run import Run

GO_ON = frozenset({State.REQUESTED, State.AWAITING_APPROVAL, State.APPROVED, State.RUNNING})


def stamp(run: Run) -> str:
    """Returns what a button is drawn for: while a run goes on by itself its buttons stay good."""
    if run.state in GO_ON:
        return run.state.value
    return f"{run.state.value}.{run.seq}"
