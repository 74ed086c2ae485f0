"""*Ask again* and *Drill another point*: a fresh plan and a new run, for one that changed nothing live."""

from bot.model import State
from bot.policy import PersonRole
from bot.presses.press import Attempt, Press, Right

RIGHT = Right(
    frozenset({PersonRole.MAY_ASK}),
    frozenset({State.REFUSED, State.VOID, State.EXPIRED, State.VETOED, State.FAILED}),
)


def why_not_now(attempt: Attempt) -> str | None:
    if attempt.run.state is State.FAILED and not attempt.run.is_drill:
        return f"{attempt.run.id} has changed `{attempt.run.request.target}`. Ask for what is to be done now."
    return None


ASK_AGAIN = Press(action_id="ask_again", verb="ask again for", right=RIGHT, why_not_now=why_not_now)
