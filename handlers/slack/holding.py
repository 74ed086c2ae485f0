"""When a run is left alone for a while: it waits for Slack's budget, or drawing it now would be a waste.

Held runs are not drawn again until their moment has come, or until they move.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.model import State
from bot.run import Run
from handlers.context import Wake
from handlers.slack.sending import Budget, MustWait
from storage.cards import Card, CardKind, ToDraw

STEPS_EVERY = timedelta(seconds=1)
PROGRESS_EVERY = timedelta(seconds=3)
PLANNING_IS_QUICK = timedelta(seconds=1.5)  # a plan within this time makes its card's first drawing
STARTING_IS_QUICK = timedelta(seconds=0.3)  # and so does what is done this soon after the last approval
SOON_SECONDS = 0.1  # until what is about to change is looked at again
HELD_AT_LEAST = timedelta(seconds=0.2)


@dataclass(frozen=True, slots=True)
class Held:
    """A run that is left alone for a while, unless it moves."""

    seq: int
    until: datetime
    budget: Budget | None = None  # that it waits for
    can_wait: bool = False  # behind what cannot


class Holding:
    """Keeps which runs are left alone, and until when."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}

    def not_held(self, wanted: Sequence[ToDraw], now: datetime) -> list[ToDraw]:
        """Returns those whose moment has come or that have moved, and forgets the moments that are over."""
        self._held = {run_id: held for run_id, held in self._held.items() if now < held.until}
        return [one for one in wanted if (held := self._held.get(one.run_id)) is None or held.seq != one.seq]

    def hold(self, run: Run, wait: MustWait, now: datetime) -> None:
        """Holds it until its turn: those that wait for the same budget go one behind the other."""
        until = wait.until
        if wait.budget is not None:
            ahead = [
                held
                for held in self._held.values()
                if held.budget is wait.budget and (wait.can_wait or not held.can_wait)
            ]
            until = wait.budget.free_at(now.timestamp(), len(ahead))
        moment = max(datetime.fromtimestamp(until, UTC), now + HELD_AT_LEAST)
        known = self._held.get(run.id)
        if known is None or known.seq != run.seq or moment < known.until:
            self._held[run.id] = Held(run.seq, moment, wait.budget, wait.can_wait)

    def is_fresh(self, run: Run, card: Card, now: datetime) -> bool:
        """Returns whether the card need not be drawn yet, and holds the run until it has to be.

        A running card changes with every look at the clock, so its age decides when it is drawn again. Copies
        show the decision and leave the progress to the card: all cards share one budget.
        """
        if not _is_progress(run, card) or card.drawn_at is None or run.changed_at is None:
            return False
        if card.kind is not CardKind.CARD:
            return True
        again = card.drawn_at + (STEPS_EVERY if card.drawn_at < run.changed_at else PROGRESS_EVERY)
        if again <= now:
            return False
        self._held[run.id] = Held(run.seq, again)
        return True


def is_about_to_change(run: Run, now: datetime) -> bool:
    """Returns whether drawing it now would mean drawing it twice, in time that its work needs."""
    match run.state:
        case State.REQUESTED:
            return now - run.request.at < PLANNING_IS_QUICK
        case State.APPROVED:
            return now - (run.changed_at or now) < STARTING_IS_QUICK
        case State.RUNNING:
            return now - (run.work.started_at or now) < STARTING_IS_QUICK
        case _:
            return False


def show(publish: Wake, run: Run, now: datetime) -> None:
    """Wakes the publisher for a run that was moved: when it can draw more than that it is about to move."""
    if is_about_to_change(run, now):
        publish.in_a_moment(SOON_SECONDS)
    else:
        publish()


def _is_progress(run: Run, card: Card) -> bool:
    """Returns whether the card says already that it runs, so that only how far is new."""
    if run.state is not State.RUNNING or run.work.started_at is None or card.drawn_at is None:
        return False
    return card.drawn_at >= run.work.started_at
