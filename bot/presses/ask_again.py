"""*Ask again*: a fresh plan and a new run, for one that changed nothing."""

from bot.model import State
from bot.policy import PersonRole
from bot.presses.press import Press, Right

RIGHT = Right(
    frozenset({PersonRole.MAY_ASK}),
    frozenset({State.REFUSED, State.VOID, State.EXPIRED, State.VETOED}),
)

ASK_AGAIN = Press(action_id="ask_again", verb="ask again for", right=RIGHT)
