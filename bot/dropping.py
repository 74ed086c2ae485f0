"""Whether what a run has made may be dropped now. Pure: who reads what is live is the planner.

Nothing goes that something else still names: better one undo point too many than one too few.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.model import Do, Points, Step
from bot.run import Run
from bot.suggesting import Hold, earlier

SOON_SECONDS = 3_600.0  # when what stands against it may pass by itself
LATER_SECONDS = 7 * 86_400.0  # when somebody has to do something about it


@dataclass(frozen=True, slots=True)
class Keep:
    why: str  # one sentence
    seconds: float  # until the next look


def why_keep(
    run: Run, step: Step, open_run: str | None, holds: Sequence[Hold], points: Points
) -> Keep | None:
    """Returns why it is kept for longer; None: it may go.

    `open_run`: of the same target, which may name it.
    """
    if open_run is not None:
        return Keep(f"{open_run} is under way on `{step.target}`.", SOON_SECONDS)
    if step.drops is not Do.SAVE:
        return None
    undo_point = run.work.undo_points[step.target]
    held = [hold.run for hold in holds if (hold.target, hold.point) == (step.target, undo_point)]
    if held:
        return Keep(f"It is on hold since {held[0]}.", LATER_SECONDS)
    newest = next(earlier(points), None)
    if newest is not None and newest.id == undo_point:
        return Keep(
            f"It is the newest restore point of `{step.target}` that is older than what is live.",
            LATER_SECONDS,
        )
    return None
