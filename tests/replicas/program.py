"""`serve` with Slack's budgets out of the way: `python -m tests.replicas.program serve --role front`.

The pretend Slack takes as much as comes. Nothing else differs from `rollback-bot serve`, so that thousands
of runs can be broken in the time in which Slack would let the cards of a hundred be drawn.
"""

import argparse
import asyncio

from handlers.cli import logs
from handlers.role import Role
from handlers.serve import serve
from handlers.settings import read_settings
from handlers.slack.sending import WINDOWS

WIDER = 100  # times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    serving = parser.add_subparsers(required=True).add_parser("serve")
    serving.add_argument("--role", type=Role, default=Role.ALL)
    serving.add_argument("--zone", default="main")
    given = parser.parse_args()
    windows = {method: (most * WIDER, seconds) for method, (most, seconds) in WINDOWS.items()}
    settings = read_settings()
    logs.set_up(settings.log, settings.secrets)
    asyncio.run(serve(settings, given.role, given.zone, windows))


if __name__ == "__main__":
    main()
