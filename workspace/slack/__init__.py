"""The pretend Slack. It behaves like Slack on loopback, knows nothing of the bot, and ends without a trace.

server.py is the way in: `PretendSlack` serves a `Workspace` (state.py) to a bot and to its people.
"""

from workspace.slack.server import PretendSlack
from workspace.slack.state import Workspace

__all__ = ["PretendSlack", "Workspace"]
