"""*Manifest*: what a snapshot is, for everybody in the channel, for as long as the evidence stays."""

from bot.model import State
from bot.policy import PersonRole
from bot.presses.press import Asks, Form, Press, Right

RIGHT = Right(frozenset({PersonRole.ANYBODY}), frozenset({State.SUCCEEDED}))
MANIFEST_FORM = Form("manifest")

MANIFEST = Press(action_id="manifest", verb="read", right=RIGHT, asks=(Asks(MANIFEST_FORM),))
