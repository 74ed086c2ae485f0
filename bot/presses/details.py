"""*Details*: the long form, for everybody in the channel, at any time."""

from bot.model import State
from bot.policy import PersonRole
from bot.presses.press import Asks, Form, Press, Right

RIGHT = Right(frozenset({PersonRole.ANYBODY}), frozenset(State))
LONG_FORM = Form("details")

DETAILS = Press(action_id="details", verb="read", right=RIGHT, asks=(Asks(LONG_FORM),))
