"""The pretend Slack. It behaves like Slack on loopback, knows nothing of the bot, and ends without a trace.

server.py is the way in: `SandboxServer` serves a `Workspace` (state.py) to a bot and to its people.
"""

from handlers.sandbox.slack.server import SandboxServer
from handlers.sandbox.slack.state import Workspace

__all__ = ["SandboxServer", "Workspace"]
